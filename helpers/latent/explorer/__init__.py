"""Explore codes in a notebook cell: scatter-plot matrix, brush, sliders that decode live. Used by lectures 06-10.

    explore(codes, labels, images, decode=decoder)      # a widget; without decoder it has no sliders
    explore_run("05_denoising", images=test_images)     # the same over experiments on disk
    figure(codes, labels, images, decode=decoder)       # the static twin, for print

Where it works
    JupyterLab 4.6, Notebook 7: as installed by `./course lab`. As a page: `./course run voila notebook.ipynb`.
    The tests drive JupyterLab and voila.
    VS Code (by documentation): Jupyter extension, the kernel of `.venv`. The setting `jupyter.widgetScriptSources` must
    name a source, such as "jsdelivr.com": it fetches anywidget's own script from there.
    Colab (by documentation): `%pip install --quiet "anywidget>=0.11,<0.12"` in the first cell. anywidget then turns on
    Colab's support for such widgets by itself.
    nbconvert, PDF, a saved notebook: use `figure`.

This is the kernel's half: it holds codes, images and decoder, and answers the page, which is `explorer.js`. The page
asks by messages and never sets a trait, so that no bytes come back as a memoryview where bytes are wanted, and no echo
is sent. It has at most one question of each kind under way; while it waits, only the newest one is kept. Shown in
several cells, an explorer has several views: all hear each answer, which therefore names the view that asked.

Keys in the matrix: arrows go from point to point, Page Up and Page Down from panel to panel, Enter decodes, Shift and
arrows brush, Escape clears. Sliders and buttons are the browser's own.
"""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from helpers.backend import keras
from helpers.experiments import Experiment, experiments_folder, load_experiments
from helpers.figures import Figure
from helpers.latent.explorer.points import (
    AXES,
    BASES,
    Points,
    as_table,
    bounds,
    class_statistics,
    collect,
    draw,
    interpolate,
    to_bytes,
    widest,
)
from helpers.tables import Table

__all__ = ["Explorer", "RunExplorer", "explore", "explore_run", "figure"]

Decode = Callable[[np.ndarray], Any]
Answer = tuple[dict[str, Any], bytes]
STEPS = 9  # images between two points, both included


class Explorer(anywidget.AnyWidget):
    """A scatter-plot matrix of codes, with sliders that decode. Made by `explore`.

    Attributes:
        selected: int64, indices of the points that are brushed or whose class is chosen; empty if none is.
        picked: index of the point that was clicked last; None since a slider was moved.
        code: float32, (latent_dim,), the code that is decoded now.
        basis: the axes looked along, "raw axes" or "principal components".
        shown: the axes in the plot, as indices.
    """

    _esm = Path(__file__).with_name("explorer.js")
    _css = Path(__file__).with_name("explorer.css")
    # What the page draws. Numbers as little-endian bytes: as lists they would take ten times as long.
    scene = traitlets.Dict().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)  # float32, (axes, n)
    labels = traitlets.Bytes().tag(sync=True)  # uint8, (n,)
    bounds = traitlets.Bytes().tag(sync=True)  # float32, (2, axes)
    statistics = traitlets.Bytes().tag(sync=True)  # float32, (classes, 1 + 2 * axes)
    start = traitlets.Bytes().tag(sync=True)  # float32, (axes,), where the sliders stand at first
    # What the page reports, for the notebook to read or to observe.
    selected = traitlets.Any()
    picked = traitlets.Any()
    code = traitlets.Any()

    def __init__(self, points: Points, *, decode: Decode | None = None, axes: Sequence[int] | None = None) -> None:
        super().__init__()
        self._shows = self._draws = self._albums = 0
        self._images: np.ndarray | None = None
        self.on_msg(self._receive)
        self.show(points, decode=decode, axes=axes)

    def show(self, points: Points, *, decode: Decode | None = None, axes: Sequence[int] | None = None) -> None:
        """Show other points in place of those there were; arguments as in `explore`."""
        _check_decoder(decode, points.codes.shape[1])
        _check_axes(axes, points.codes.shape[1])
        self._albums += points.images is not self._images  # the page fetches images once, if they stay the same
        self._points, self._decode, self._axes, self._images = points, decode, axes, points.images
        self.selected, self.picked, self.code = np.array([], np.int64), None, points.codes.mean(axis=0)
        self._shows += 1
        self._look_along("raw axes")

    def table(self) -> Table:
        """Return count, mean and spread of each class on the axes shown: of the selected points, if there are any."""
        some = len(self.selected) > 0
        caption = f"{len(self.selected):,} selected points" if some else f"all {len(self._points.codes):,} points"
        found = self._statistics(self.selected if some else slice(None))
        return as_table(found, self._points.class_names, self._basis.names, shown=self.shown, caption=caption)

    def figure(self) -> Figure:
        """Return a static figure that says what the page shows: see `figure` of this package."""
        return draw(
            self._points, self._coordinates, self._basis, shown=self.shown, decode=self._images_of, chosen=self.selected
        )

    def answer(self, question: Mapping[str, Any], buffers: Sequence[Any] = ()) -> Answer:
        """Answer the page: facts that JSON can hold, and the bytes that go with them.

        Args:
            question: "kind" is one of decode, interpolate, select, images, axes, look; "shows", if given, that of the
                scene that was asked about; the rest depends on the kind.
            buffers: at most one, bytes or memoryview.

        Returns:
            The facts have the kind of the question. Where something failed they have "error", the message: the page
            shows it, while what a kernel raises outside of a cell would be seen by nobody.
        """
        kind = str(question["kind"])
        answers = {
            "decode": self._answer_decode,
            "interpolate": self._answer_interpolate,
            "select": self._answer_select,
            "images": self._answer_images,
            "axes": self._answer_axes,
            "look": self._answer_look,
        }
        try:
            if kind != "images":  # for which the page does not ask again, if other points have the same
                self._check_shows(question)
            facts, data = answers[kind](question, buffers[0] if buffers else b"")
        except Exception as error:
            facts, data = {"error": f"{type(error).__name__}: {error}"}, b""
        return {"kind": kind, **facts}, data

    def _receive(self, _: object, question: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        if question["kind"] == "nudge":  # of the connection, not of us; see explorer.js
            return
        facts, data = self.answer(question, buffers)
        self.send({**facts, "view": question.get("view")}, [data])

    def _check_shows(self, question: Mapping[str, Any]) -> None:
        if question.get("shows", self._shows) != self._shows:
            raise ValueError("Other points are shown by now. Choose among these.")

    def _answer_decode(self, question: Mapping[str, Any], data: Any) -> Answer:
        """Decode the coordinates, float32 (axes,), where the sliders are."""
        coordinates = np.frombuffer(data, "<f4")
        self.picked = question.get("picked")
        self.code = self._basis.codes(coordinates[np.newaxis])[0]
        return _as_answer(self._images_of(self.code[np.newaxis]))

    def _answer_interpolate(self, question: Mapping[str, Any], _: Any) -> Answer:
        """Decode the way between the two points whose indices are "ends"."""
        start, end = self._points.codes[question["ends"]]
        return _as_answer(self._images_of(interpolate(start, end, STEPS)))

    def _answer_select(self, _: Mapping[str, Any], data: Any) -> Answer:
        """Select the points of a mask, uint8 (n,), and return their statistics."""
        self.selected = np.flatnonzero(np.frombuffer(data, np.uint8))
        return {"count": len(self.selected)}, self._statistics(self.selected).tobytes()

    def _answer_images(self, _: Mapping[str, Any], __: Any) -> Answer:
        images = self._points.images
        return ({}, b"") if images is None else _as_answer(images)

    def _answer_axes(self, question: Mapping[str, Any], _: Any) -> Answer:
        self.shown = [int(axis) for axis in question["shown"]]
        return {}, b""

    def _answer_look(self, question: Mapping[str, Any], _: Any) -> Answer:
        self._look_along(question["basis"])
        return {}, b""

    def _look_along(self, basis: str) -> None:
        """Send the page everything it draws, along other axes; one message."""
        self.basis = basis
        self._basis = BASES[basis](self._points.codes)
        self._coordinates = self._basis.coordinates(self._points.codes)
        self.shown = self._choose_axes()
        self._draws += 1
        with self.hold_sync():
            self.points = np.ascontiguousarray(self._coordinates.T, "<f4").tobytes()
            self.labels = self._points.labels.tobytes()
            self.bounds = bounds(self._coordinates).tobytes()
            self.statistics = self._statistics(slice(None)).tobytes()
            self.start = self._basis.coordinates(self.code[np.newaxis])[0].astype("<f4").tobytes()
            self.scene = self._scene()

    def _choose_axes(self) -> list[int]:
        count = len(self._basis.names)
        if self._axes is None:
            return widest(self._coordinates, min(count, AXES))
        return [int(axis) for axis in self._axes] if self.basis == "raw axes" else list(range(count))[: len(self._axes)]

    def _scene(self) -> dict[str, Any]:
        """Return what is drawn; "draws" differs each time, so that the page hears of it, "shows" with other points."""
        points = self._points
        classes = zip(points.class_names, points.marks, points.colours, strict=True)
        return {
            "draws": self._draws,
            "shows": self._shows,
            "bases": list(BASES),
            "basis": self.basis,
            "axes": list(self._basis.names),
            "shown": self.shown,
            "classes": [{"name": name, "mark": mark, "colour": colour} for name, mark, colour in classes],
            "images": None if points.images is None else list(points.images.shape[1:]),
            "album": self._albums,
            "decodes": self._decode is not None,
        }

    def _statistics(self, chosen: Any) -> np.ndarray:
        points = self._points
        return class_statistics(self._coordinates[chosen], points.labels[chosen], len(points.class_names))

    def _images_of(self, codes: np.ndarray) -> np.ndarray | None:
        """Decode codes, float32 (n, latent_dim), into uint8 (n, rows, columns, bands); None without a decoder.

        Of a Keras model the compiled graph for one batch. Measured for one code and a convolutional decoder on two
        busy cores: `predict_on_batch` takes 1 ms, a call of the model 25. `predict` takes 30 to 130 on idle ones.
        """
        if self._decode is None:
            return None
        decode = getattr(self._decode, "predict_on_batch", self._decode)
        return to_bytes(np.asarray(keras.ops.convert_to_numpy(decode(codes))))


def _as_answer(images: np.ndarray | None) -> Answer:
    if images is None:
        raise ValueError("There is no decoder. Pass one: explore(codes, labels, images, decode=decoder).")
    return {"shape": list(images.shape)}, images.tobytes()


def _check_decoder(decode: Decode | None, latent_dim: int) -> None:
    wanted = getattr(decode, "input_shape", (None, latent_dim))[-1]
    if wanted != latent_dim:
        raise ValueError(
            f"The decoder takes codes of {wanted} numbers, but these have {latent_dim}. "
            "Pass the decoder of the encoder that made the codes."
        )


def _check_axes(axes: Sequence[int] | None, latent_dim: int) -> None:
    if axes is None:
        return
    if len(set(axes)) < len(axes) or not 2 <= len(axes) <= 10 or not all(0 <= axis < latent_dim for axis in axes):
        raise ValueError(
            f"axes must be 2 to 10 different numbers from 0 to {latent_dim - 1}; received {list(axes)}. "
            "Leave it out to see the axes with the largest spread."
        )


ANY = "any"


class RunExplorer(ipywidgets.VBox):
    """Choices of run, parameters and experiment above an explorer. Made by `explore_run`.

    Attributes:
        experiment: the one that is shown.
        explorer: the `Explorer` with its codes.
        run_choice: dropdown of the runs on disk.
        parameter_choices: one dropdown for each parameter that differs between experiments of the run, by its name.
        experiment_choice: dropdown of the experiments that have the parameters chosen.
        message: what went wrong, if anything did.
    """

    def __init__(self, run: str, *, images: np.ndarray | None, class_names: Sequence[str] | None) -> None:
        # turned into bytes here, once: the page fetches images that stay the same only once
        self._images = None if images is None else to_bytes(np.asarray(images))
        self._class_names = class_names
        self._found = load_experiments(run)
        self.run_choice = _dropdown("run", _runs_on_disk(), run)
        self.experiment_choice = ipywidgets.Dropdown(description="experiment")
        self.experiment_choice.layout.width = "auto"
        self.parameter_choices: dict[str, ipywidgets.Dropdown] = {}
        self.message = ipywidgets.HTML()
        self._choices = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.experiment = self._found[0]
        self.explorer = Explorer(self._points(self.experiment), decode=self.experiment.load("decoder"))
        self.experiment_choice.observe(self._change_experiment, "value")
        self._offer_parameters()
        self._offer_experiments()
        self.run_choice.observe(lambda _: self._change_run(), "value")
        super().__init__([self._choices, self.message, self.explorer])

    def _points(self, experiment: Experiment) -> Points:
        codes, labels = experiment.codes()
        return collect(codes, labels, self._images, self._class_names)

    def _change_run(self) -> None:
        self._found = load_experiments(self.run_choice.value)
        self._offer_parameters()
        self._offer_experiments()

    def _offer_parameters(self) -> None:
        values = {key: _values(self._found, key) for key in sorted({key for e in self._found for key in e.parameters})}
        self.parameter_choices = {
            key: _dropdown(key, [ANY, *found], ANY) for key, found in values.items() if len(found) > 1
        }
        for choice in self.parameter_choices.values():
            choice.observe(lambda _: self._offer_experiments(), "value")
        self._choices.children = [self.run_choice, *self.parameter_choices.values(), self.experiment_choice]

    def _offer_experiments(self) -> None:
        """List the experiments with the chosen parameters; the one shown stays if it is among them."""
        chosen = {key: choice.value for key, choice in self.parameter_choices.items() if choice.value != ANY}
        fitting = [e for e in self._found if all(_said(e, key) == value for key, value in chosen.items())]
        self._say("" if fitting else "No experiment has all of these parameters. Set one of them back to any.")
        if not fitting:
            return
        self.experiment_choice.unobserve(self._change_experiment, "value")  # or the first is loaded on the way
        self.experiment_choice.options = [(e.name, e) for e in fitting]
        self.experiment_choice.value = self.experiment if self.experiment in fitting else fitting[0]
        self.experiment_choice.observe(self._change_experiment, "value")
        self._change_experiment()

    def _change_experiment(self, _: object = None) -> None:
        experiment = self.experiment_choice.value
        if experiment == self.experiment:
            self._say("")
            return
        try:
            self.explorer.show(self._points(experiment), decode=experiment.load("decoder"))
        except (OSError, ValueError) as error:
            self._say(str(error))
        else:
            self.experiment = experiment
            self._say("")

    def _say(self, message: str) -> None:
        self.message.value = f'<span role="alert">{html.escape(message)}</span>' if message else ""


def _runs_on_disk() -> list[str]:
    """List the runs that hold an experiment."""
    return sorted({path.parent.parent.name for path in experiments_folder().glob("*/[!.]*/parameters.json")})


def _said(experiment: Experiment, key: str) -> str:
    """Write a parameter as it is read in a dropdown; an experiment that does not have it says so."""
    value = experiment.parameters.get(key, "not set")
    return value if isinstance(value, str) else json.dumps(value)


def _values(experiments: Sequence[Experiment], key: str) -> list[str]:
    """List the values of a parameter, each once: numbers by size, then all else by its letters."""
    values = {_said(e, key): e.parameters.get(key) for e in experiments}
    numbers = {said: value for said, value in values.items() if isinstance(value, int | float)}
    return [*sorted(numbers, key=numbers.__getitem__), *sorted(values.keys() - numbers.keys())]


def _dropdown(description: str, options: Sequence[str], value: str) -> ipywidgets.Dropdown:
    choice = ipywidgets.Dropdown(description=description, options=options, value=value)
    choice.style.description_width = "initial"
    choice.layout.width = "auto"
    return choice


def explore(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    *,
    decode: Decode | None = None,
    class_names: Sequence[str] | None = None,
    axes: Sequence[int] | None = None,
) -> Explorer:
    """Make a widget that shows codes from all sides. End a cell with it.

    Args:
        codes: float, (n, latent_dim), 2 to 10,000 codes of at least two numbers.
        labels: integer, (n,), the class of each code. Default: all are of one class.
        images: the images that were encoded, in the same order: uint8, or float with values in [0, 1];
            (n, rows, columns, 1 or 3). Default: none are shown.
        decode: a Keras model or function from codes, float32 (n, latent_dim), to images, (n, rows, columns, 1 or 3),
            with values in [0, 1]. Default: no sliders.
        class_names: one name per class. Default: 0, 1, 2, ...
        axes: the 2 to 10 axes in the plot at first. Default: the six with the largest spread.

    Returns:
        A widget. `selected`, `picked` and `code` say what is chosen in it, `table()` gives the class statistics and
        `figure()` the static twin of what it shows.

    Raises:
        ValueError: something does not fit together. The message says what to do.
    """
    return Explorer(collect(codes, labels, images, class_names), decode=decode, axes=axes)


def explore_run(run: str, *, images: np.ndarray | None = None, class_names: Sequence[str] | None = None) -> RunExplorer:
    """Make an explorer for the experiments of a run, chosen by the parameters in which they differ.

    Args:
        run: the name under which the experiments were saved, each with its codes and labels.
        images: the images whose codes were saved, as in `explore`.
        class_names: one name per class. Default: 0, 1, 2, ...

    Returns:
        A widget: dropdowns for run, parameters and experiment, and an `explorer` with the decoder of the one chosen.

    Raises:
        LookupError: there is no such run. The message says which there are.
        FileNotFoundError: an experiment was saved without codes.
        ValueError: the images are not those whose codes were saved.
    """
    return RunExplorer(run, images=images, class_names=class_names)


def figure(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    images: np.ndarray | None = None,
    *,
    decode: Decode | None = None,
    class_names: Sequence[str] | None = None,
    axes: Sequence[int] | None = None,
) -> Figure:
    """Draw what `explore` shows at first, as a static figure: the matrix, and what each axis does to the decoded image.

    Classes are marked by their names (or numbers) at their means, so that the figure is readable in black and white.

    Args:
        codes, labels, images, decode, class_names, axes: as in `explore`.

    Returns:
        A figure. At most 1,500 points are drawn in a panel; more would print as one blot.
    """
    return explore(codes, labels, images, decode=decode, class_names=class_names, axes=axes).figure()
