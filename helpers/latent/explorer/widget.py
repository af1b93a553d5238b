"""The kernel's half of the explorer: it holds codes, images and decoder, and answers the page, which is in `page/`.

The page asks by messages and never sets a trait, so that no bytes come back as a memoryview where bytes are wanted, and
no echo is sent. It has at most one question of each kind under way; while it waits, only the newest one is kept. Shown
in several cells, an explorer has several views: all hear each answer, which therefore names the view that asked.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from helpers.backend import keras
from helpers.figures import Figure
from helpers.latent.explorer.points import (
    AXES,
    BASES,
    BY_CLASS,
    RAMP,
    Points,
    as_table,
    bounds,
    class_statistics,
    correlations,
    draw,
    interpolate,
    nearest,
    to_bytes,
    widest,
)
from helpers.tables import Table

Decode = Callable[..., Any]
Answer = tuple[dict[str, Any], bytes]
PAGE = Path(__file__).with_name("page")
SCRIPTS = ("tools", "scene", "questions", "matrix", "sliders", "page")  # joined: a widget has one module
STEPS = 9  # images between two points, both included
NEIGHBOURS = 8


class Explorer(anywidget.AnyWidget):
    """A scatter-plot matrix of codes, with sliders that decode. Made by `explore`.

    Attributes:
        selected: int64, indices of the points that are brushed or whose class is chosen; empty if none is.
        picked: index of the point that was clicked last; None since a slider was moved.
        code: float32, (latent_dim,), the code that is decoded now.
        label: the class that a conditional decoder is told.
        basis: the axes looked along, "raw axes" or "principal components".
        shown: the axes in the plot, as indices.
        coloured_by: the name of the values that colour the points; "" where their classes do.
    """

    _esm = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    _css = PAGE / "page.css"
    # What the page draws. Numbers as little-endian bytes: as lists they would take ten times as long.
    scene = traitlets.Dict().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)  # float32, (axes, n)
    labels = traitlets.Bytes().tag(sync=True)  # uint8, (n,)
    values = traitlets.Bytes().tag(sync=True)  # float32, (names, n)
    ramp = traitlets.Bytes(RAMP(np.arange(256), bytes=True).tobytes()).tag(sync=True)  # uint8, (256, 4)
    bounds = traitlets.Bytes().tag(sync=True)  # float32, (2, axes)
    summary = traitlets.Bytes().tag(sync=True)  # of all points; see `_summary`
    start = traitlets.Bytes().tag(sync=True)  # float32, (axes,), where the sliders stand at first
    # What the page reports, for the notebook to read or to observe.
    selected = traitlets.Any()
    picked = traitlets.Any()
    code = traitlets.Any()

    def __init__(self, points: Points, *, decode: Decode | None = None, axes: Sequence[int] | None = None) -> None:
        super().__init__()
        self._shows = self._draws = 0
        self.on_msg(self._receive)
        self.show(points, decode=decode, axes=axes)

    def show(self, points: Points, *, decode: Decode | None = None, axes: Sequence[int] | None = None) -> None:
        """Show other points in place of those there were; arguments as in `explore`."""
        _check_decoder(decode, points.codes.shape[1])
        _check_axes(axes, points.codes.shape[1])
        self._points, self._decode, self._axes, self.label = points, decode, axes, 0
        self.coloured_by = BY_CLASS if len(points.class_names) > 1 else next(iter(points.values), BY_CLASS)
        self.selected, self.picked, self.code = np.array([], np.int64), None, points.codes.mean(axis=0)
        self._shows += 1
        self._look_along("raw axes")

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self._points.codes)

    def choose(self, indices: Sequence[int] | np.ndarray) -> None:
        """Choose points by code, as a brush does by hand; an empty list clears it.

        Args:
            indices: of the points, from 0; or a mask, bool, one for each point.

        Raises:
            IndexError: there is no such point, or the mask has another length.
        """
        chosen = np.asarray(indices)
        if chosen.dtype == bool and chosen.shape == (self.count,):
            chosen = np.flatnonzero(chosen)
        is_whole = chosen.dtype.kind in "iu" or not chosen.size
        if not is_whole or (chosen.size and not 0 <= chosen.min() <= chosen.max() < self.count):
            raise IndexError(
                f"Points are chosen by whole numbers from 0 to {self.count - 1:,}, or by a mask of bool, "
                f"({self.count},); received {chosen.dtype}, {chosen.shape}."
            )
        mask = np.zeros(self.count, np.uint8)
        mask[chosen.astype(np.int64)] = 1
        self.selected = np.flatnonzero(mask)
        self.send({"kind": "choose"}, [mask.tobytes()])

    def table(self) -> Table:
        """Return count, mean and spread of each class on the axes shown: of the selected points, if there are any."""
        some = len(self.selected) > 0
        caption = f"{len(self.selected):,} selected points" if some else f"all {self.count:,} points"
        found = self._statistics(self.selected if some else slice(None))
        return as_table(found, self._points.class_names, self._basis.names, shown=self.shown, caption=caption)

    def figure(self) -> Figure:
        """Return a static figure of what the page shows, whole where it is zoomed: see `figure` of this package."""
        as_class = f", as {self._points.class_names[self.label]}" if self._is_conditional else ""
        return draw(
            self._points,
            self._coordinates,
            self._basis,
            shown=self.shown,
            decode=self._images_of,
            chosen=self.selected,
            by=self.coloured_by,
            caption=f"decoded along each axis{as_class}, the others at their mean",
        )

    def answer(self, question: Mapping[str, Any], buffers: Sequence[Any] = ()) -> Answer:
        """Answer the page: facts that JSON can hold, and the bytes that go with them.

        Args:
            question: "kind" is one of decode, interpolate, select, image, neighbours, axes, colour, look; "shows", if
                given, that of the scene that was asked about; the rest depends on the kind.
            buffers: at most one, bytes or memoryview.

        Returns:
            The facts have the kind of the question. Where something failed they have "error", the message: the page
            shows it, while what a kernel raises outside of a cell would be seen by nobody.
        """
        kind = str(question.get("kind")) if isinstance(question, Mapping) else ""
        answers = {
            "decode": self._answer_decode,
            "interpolate": self._answer_interpolate,
            "select": self._answer_select,
            "image": self._answer_image,
            "neighbours": self._answer_neighbours,
            "axes": self._answer_axes,
            "colour": self._answer_colour,
            "look": self._answer_look,
        }
        try:
            if kind not in answers:
                raise ValueError(f"There is no answer to {question!r}; known are {', '.join(answers)}.")
            self._check_shows(question)
            facts, data = answers[kind](question, buffers[0] if buffers else b"")
        except Exception as error:
            facts, data = {"error": _first_line(error)}, b""
        return {"kind": kind, **facts}, data

    def _receive(self, _: object, question: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        if question["kind"] == "nudge":  # of the connection, not of us; see questions.js
            return
        facts, data = self.answer(question, buffers)
        self.send({**facts, "view": question.get("view")}, [data])

    def _check_shows(self, question: Mapping[str, Any]) -> None:
        if question.get("shows", self._shows) != self._shows:
            raise ValueError("Other points are shown by now. Choose among these.")

    def _answer_decode(self, question: Mapping[str, Any], data: Any) -> Answer:
        """Decode the coordinates, float32 (axes,), where the sliders are, as the class "label"."""
        code, label = self._basis.codes(np.frombuffer(data, "<f4")[np.newaxis])[0], self._label_in(question)
        decoded = _as_answer(self._images_of(code[np.newaxis], label))
        self.picked, self.label, self.code = question.get("picked"), label, code
        return decoded

    def _answer_interpolate(self, question: Mapping[str, Any], _: Any) -> Answer:
        """Decode the way between the two points whose indices are "ends", as the class "label"."""
        start, end = self._points.codes[question["ends"]]
        label = self._label_in(question)
        decoded = _as_answer(self._images_of(interpolate(start, end, STEPS), label))
        self.label = label
        return decoded

    def _answer_select(self, question: Mapping[str, Any], data: Any) -> Answer:
        """Select the points of a mask, uint8 (n,), and return their summary.

        Points that were chosen by code ("by_code") are selected already, or others are by now.
        """
        mask = np.frombuffer(data, np.uint8)
        if len(mask) != self.count:
            raise ValueError(f"There are {self.count:,} points; received a mask of {len(mask):,}.")
        chosen = np.flatnonzero(mask)
        if not question.get("by_code"):
            self.selected = chosen
        return {"count": len(chosen)}, self._summary(chosen)

    def _answer_image(self, question: Mapping[str, Any], _: Any) -> Answer:
        """Return the input image of one "point"."""
        return self._inputs([question["point"]])

    def _answer_neighbours(self, question: Mapping[str, Any], _: Any) -> Answer:
        """Find the codes nearest to that of a "point", itself first, and return their input images if there are any."""
        found, distances = nearest(self._points.codes, question["point"], NEIGHBOURS)
        facts, data = self._inputs(found)
        return {**facts, "points": found.tolist(), "distances": distances.tolist()}, data

    def _inputs(self, indices: Any) -> Answer:
        images = self._points.images
        return ({}, b"") if images is None else _as_answer(images[indices])

    def _answer_axes(self, question: Mapping[str, Any], _: Any) -> Answer:
        shown = [int(axis) for axis in question["shown"]]
        _check_axes(shown, len(self._basis.names))
        self.shown = shown
        return {}, b""

    def _answer_colour(self, question: Mapping[str, Any], _: Any) -> Answer:
        by = str(question["by"])
        if by != BY_CLASS and by not in self._points.values:
            raise ValueError(f"There are no values named {by!r}.")
        self.coloured_by = by
        return {}, b""

    def _answer_look(self, question: Mapping[str, Any], _: Any) -> Answer:
        self._look_along(question["basis"])
        return {}, b""

    def _look_along(self, basis: str) -> None:
        """Send the page everything it draws, along other axes; one message."""
        if basis not in BASES:
            raise ValueError(f"There are no axes {basis!r}; there are {', '.join(BASES)}.")
        self.basis, self._basis = basis, BASES[basis](self._points.codes)
        self._coordinates = self._basis.coordinates(self._points.codes)
        self.shown = self._choose_axes()
        self._draws += 1
        with self.hold_sync():
            self.points = np.ascontiguousarray(self._coordinates.T, "<f4").tobytes()
            self.labels = self._points.labels.tobytes()
            self.values = b"".join(values.astype("<f4").tobytes() for values in self._points.values.values())
            self.bounds = bounds(self._coordinates).tobytes()
            self.summary = self._summary(slice(None))
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
            "values": [{"name": name, "limits": points.limits(name)} for name in points.values],
            "coloured_by": self.coloured_by,
            "images": points.images is not None,
            "decodes": self._decode is not None,
            "conditional": self._is_conditional,
            "label": self.label,
        }

    def _summary(self, chosen: Any) -> bytes:
        """Return statistics of classes, float32 (classes, 1 + 2 * axes), then correlations, float32 (axes, axes)."""
        return self._statistics(chosen).tobytes() + correlations(self._coordinates[chosen]).tobytes()

    def _statistics(self, chosen: Any) -> np.ndarray:
        points = self._points
        return class_statistics(self._coordinates[chosen], points.labels[chosen], len(points.class_names))

    @property
    def _is_conditional(self) -> bool:
        return len(_inputs_of(self._decode)) == 2

    def _label_in(self, question: Mapping[str, Any]) -> int:
        """Return the class that a question is about."""
        label = int(question.get("label", 0))
        if not 0 <= label < len(self._points.class_names):
            raise ValueError(f"There are classes from 0 to {len(self._points.class_names) - 1}; received {label}.")
        return label

    def _images_of(self, codes: np.ndarray, label: int | None = None) -> np.ndarray | None:
        """Decode codes, float32 (n, latent_dim), into uint8 (n, rows, columns, bands); None without a decoder.

        Args:
            codes: those codes.
            label: what a conditional decoder is told; `self.label` by default.

        Of a Keras model the compiled graph for one batch. Measured for one code and a convolutional decoder on two
        busy cores: `predict_on_batch` takes 1 ms, a call of the model 25. `predict` takes 30 to 130 on idle ones.
        """
        if self._decode is None:
            return None
        decode = getattr(self._decode, "predict_on_batch", self._decode)
        classes = np.full(len(codes), self.label if label is None else label, np.int32)
        told = [codes, classes] if self._is_conditional else codes
        return to_bytes(np.asarray(keras.ops.convert_to_numpy(decode(told))))


def _as_answer(images: np.ndarray | None) -> Answer:
    if images is None:
        raise ValueError("There is no decoder. Pass one: explore(codes, labels, images, decode=decoder).")
    return {"shape": list(images.shape)}, images.tobytes()


def _first_line(error: Exception) -> str:
    """Return what went wrong in a line, as Keras and TensorFlow tell it in many, with colours for terminals."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def _inputs_of(decode: Decode | None) -> list[Any]:
    """Return the inputs of a Keras model: one, or two if it is told the class; none of what is no such model."""
    return list(getattr(decode, "inputs", None) or [])


def _check_decoder(decode: Decode | None, latent_dim: int) -> None:
    inputs = _inputs_of(decode)
    if len(inputs) > 2:
        raise ValueError(
            f"The decoder has {len(inputs)} inputs; the explorer has codes for one, and classes for a second. Pass a "
            "function of codes that calls it."
        )
    if len(inputs) == 2 and (len(inputs[0].shape) != 2 or inputs[1].shape[1:] not in ((), (1,))):
        raise ValueError(
            f"The decoder's inputs have shapes {inputs[0].shape} and {inputs[1].shape}; wanted are codes, "
            f"(None, {latent_dim}), and then class numbers, (None,). Where the order is another, or classes are "
            "one-hot, make a model that turns them, such as keras.Model([z, label], decoder([z, one_hot(label)]))."
        )
    wanted = inputs[0].shape[-1] if inputs else latent_dim
    if wanted != latent_dim:
        raise ValueError(
            f"The decoder takes codes of {wanted} numbers, but these have {latent_dim}. "
            "Pass the decoder of the encoder that made the codes."
        )


def _check_axes(axes: Sequence[int] | None, latent_dim: int) -> None:
    if axes is None:
        return
    found = np.asarray(axes)
    is_whole = found.ndim == 1 and found.dtype.kind in "iu" and 2 <= len(found) <= 10
    if not is_whole or len(np.unique(found)) < len(found) or not 0 <= found.min() <= found.max() < latent_dim:
        raise ValueError(
            f"axes must be 2 to 10 different numbers from 0 to {latent_dim - 1}; received {axes!r}. "
            "Leave it out to see the axes with the largest spread."
        )
