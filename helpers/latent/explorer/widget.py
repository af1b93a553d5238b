"""The kernel's half of the explorer: holds codes, images and decoder, and answers the page. The other: explorer.js.

The page asks by messages and never sets a trait, so that no bytes come back as a memoryview where bytes are wanted,
and no echo is sent. It has at most one question of each kind under way; while it waits, only the newest one is kept.
Shown in several cells, an explorer has several views: all hear each answer, which therefore names the view that asked.

`RunExplorer` explores experiments on disk: a run, its experiments, chosen by their parameters. Used by lecture 08.
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
from helpers.latent.explorer.paper import AXES, draw
from helpers.latent.explorer.points import (
    BASES,
    Points,
    as_table,
    bounds,
    class_statistics,
    collect,
    interpolate,
    to_bytes,
    widest,
)
from helpers.tables import Table

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
        """Take the mask of the points, uint8 (n,), and give the statistics of those that it leaves."""
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
        """Hand the page everything it draws, along other axes; one message."""
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
