"""Diagrams of networks, drawn as SVG from the models themselves. Used by every lecture.

Lines and text take the colour of the page, so that a diagram is readable on white and on black.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

COLUMN, LABELS, LOSS = 96, 44, 34  # pixels: width of a step, room for the words around it, height of a loss
COLOURS = ("#d55e00", "#009e73", "#cc79a7")  # of losses; on white and on black
DASHES = ("7 3", "2 3", "9 3 2 3")
# They change nothing that a diagram shows.
UNSEEN = ("Activation", "ReLU", "LeakyReLU", "BatchNormalization", "Dropout", "SpatialDropout2D", "MultipleOf")


@dataclass(eq=False)
class _Step:
    """What a layer puts out: the layer, its shape without the batch, and the steps that it was made of.

    Attributes:
        scale: how many times as many rows as the image it has, where that is all that is known.
    """

    layer: Any
    shape: tuple[int | None, ...]
    parents: list["_Step"]
    column: int = 0
    place: tuple[float, float] = (0.0, 0.0)  # of its middle, pixels
    size: tuple[float, float] = field(init=False)  # pixels
    scale: float = 1.0
    times: int = 1  # so many layers of this kind in a row

    def __post_init__(self) -> None:
        self.scale = min((parent.scale for parent in self.parents), default=1.0) * _enlarged(self.layer)
        rows, *_, channels = [128 * self.scale if number is None else number for number in self.shape or (1,)] * 2
        self.size = (4 + 3 * log2(channels) if len(self.shape) > 1 else 7, 16 + 9 * log2(rows))

    @property
    def learns(self) -> bool:
        """Whether a gradient that arrives here meets something to train."""
        return bool(self.layer.trainable_weights) or any(parent.learns for parent in self.parents)

    @property
    def written_shape(self) -> str:
        """The shape for people; where a model takes images of any size, as shares of its height and width."""
        share = f"/{1 / self.scale:.0f}" if self.scale < 1 else ""
        names = [f"{axis}{share}" for axis in ("hw" if len(self.shape) < 4 else "dhw")] + ["?"] * len(self.shape)
        numbers = zip(self.shape, names, strict=False)
        return " x ".join(name if number is None else f"{number:,}" for number, name in numbers) or "1"

    @property
    def words(self) -> list[str]:
        """Lines about the layer: its kind, how a convolution moves, its activation."""
        kind = self.kind
        if kind == "InputLayer":
            return ["input"]
        return [f"{self.times} x {kind}" if self.times > 1 else kind, *self.details]

    @property
    def details(self) -> list[str]:
        """The lines of `words` below the kind."""
        activation = getattr(getattr(self.layer, "activation", None), "__name__", "linear")
        kernel, strides = (max(_numbers(self.layer, name)) for name in ("kernel_size", "strides"))
        moves = [f"{kernel} x {kernel}"] * (kernel > 1) + [f"stride {strides}"] * (kernel > 1 and strides > 1)
        return [line for line in (", ".join(moves), activation * (activation != "linear")) if line]

    @property
    def kind(self) -> str:
        """The name of the layer's class."""
        return type(self.layer).__name__

    @property
    def name(self) -> str:
        """The layer's name, unless Keras gave it one, or it is too long for its column."""
        given = re.sub(r"_\d+$", "", self.layer.name).replace("_", "")
        return self.layer.name if given not in (self.kind.lower(), "inputlayer") and len(given) < 14 else ""


class Diagram:
    """An SVG picture that a notebook shows, and that prints as the text that describes it.

    Attributes:
        svg: the picture.
        alt: what it shows, in words.
    """

    def __init__(self, svg: str, alt: str) -> None:
        self.svg, self.alt = svg, alt

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x: auto">{self.svg}</div>'


def draw_model(*models: "keras.Model", losses: Mapping[str, Sequence[Any]] | None = None) -> Diagram:
    """Draw a network from left to right: each layer's output as a box, its shape below and the layer above.

    A box is as high as its image has rows, or a vector numbers, and as wide as it has channels, both on a logarithmic
    scale. Activations, dropout and normalisation are not drawn.

    Args:
        models: made of `keras.Input` to output; each takes the last output of the one before, as in
            `draw_model(encoder, decoder)`.
        losses: for each loss the tensors of the models that it reads, as in `{"BCE": [decoder.output]}`. Dashed arrows
            show where its gradients go: up to the last layer that learns from it.

    Raises:
        ValueError: a model is not made of `keras.Input` to output, or a loss reads a tensor that is none of theirs.
    """
    steps, made_by = _steps(models)
    read: dict[str, list[_Step]] = {}
    for loss, tensors in (losses or {}).items():
        for tensor in tensors:
            if id(tensor) not in made_by:
                raise ValueError(
                    f"The loss {loss!r} reads {tensor}, which none of these models makes. Give it tensors of theirs, "
                    "such as decoder.output."
                )
            read.setdefault(loss, []).append(made_by[id(tensor)])
    width, height = _arrange(steps)
    drawn = [_edge(parent, step) for step in steps for parent in step.parents]
    drawn += [piece for step in steps for piece in _box(step)]
    for number, (loss, ends) in enumerate(read.items()):
        drawn += _gradients(loss, ends, number, height + LOSS * number)
    height += LOSS * len(read)
    alt = _description(steps, read)
    style = f"width: 100%; max-width: {width}px; min-width: {width * 0.7:.0f}px"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(alt)}" '
        f'viewBox="0 0 {width} {height:.0f}" style="{style}" '
        f'font-family="sans-serif" font-size="11" text-anchor="middle" fill="currentColor">{"".join(drawn)}</svg>'
    )
    return Diagram(svg, alt)


def _steps(models: Iterable["keras.Model"]) -> tuple[list[_Step], dict[int, _Step]]:
    """Return the steps of models that follow each other, in order, and by the id of each tensor the step it is of."""
    steps: list[_Step] = []
    made_by: dict[int, _Step] = {}
    code: list[_Step] = []
    for model in models:
        if not getattr(model, "inputs", None):
            raise ValueError(
                f"{model.name!r} is a {type(model).__name__} whose layers are not known, since it was not made of "
                "keras.Input to output. Give its parts: draw_model(vae.encoder, vae.decoder); a Sequential needs a "
                "keras.Input as its first layer."
            )
        found = dict(zip(map(id, model.inputs), code, strict=False))
        code = [_step(tensor, found, steps) for tensor in model.outputs][-1:]
        made_by |= found
    return _joined(steps, made_by)


def _step(tensor: Any, found: dict[int, _Step], steps: list[_Step]) -> _Step:
    """Return the step that makes a tensor, with all before it; `found` holds those that are known, by tensor."""
    if id(tensor) in found:
        return found[id(tensor)]
    layer, node, number = tensor._keras_history
    parents = [_step(each, found, steps) for each in layer._inbound_nodes[node].input_tensors]
    if hasattr(layer, "outputs") and hasattr(layer, "inputs"):  # a model inside
        inside = dict(zip(map(id, layer.inputs), parents, strict=True))
        step = _step(layer.outputs[number], inside, steps)
    elif type(layer).__name__ in UNSEEN or (type(layer).__name__ == "Flatten" and parents[0].shape == tensor.shape[1:]):
        step = parents[0]
    else:
        step = _Step(layer, tuple(tensor.shape[1:]), parents)
        steps.append(step)
    found[id(tensor)] = step
    return step


def _joined(steps: list[_Step], made_by: dict[int, _Step]) -> tuple[list[_Step], dict[int, _Step]]:
    """Return what `_steps` does, with convolutions of one kind in a row as one step, as in a level of a U-Net."""
    stands_for: dict[_Step, _Step] = {}
    for step in steps:
        step.parents = [stands_for.get(parent, parent) for parent in step.parents]
        if "Conv" in step.kind and len(step.parents) == 1:
            (before,) = step.parents
            others = [other for other in steps if other not in stands_for]
            readers = sum(any(stands_for.get(p, p) is before for p in other.parents) for other in others)
            alike = all(getattr(before, name) == getattr(step, name) for name in ("kind", "written_shape", "details"))
            if alike and readers == 1:
                before.times += 1
                stands_for[step] = before
    left = [step for step in steps if step not in stands_for]
    return left, {tensor: stands_for.get(step, step) for tensor, step in made_by.items()}


def _arrange(steps: list[_Step]) -> tuple[int, float]:
    """Give each step its place, those of a column below each other; return width and height of the whole, pixels."""
    for step in steps:
        step.column = max((parent.column + 1 for parent in step.parents), default=0)
    for step in reversed(steps):  # a branch that is used late stands where it is used
        uses = [other.column for other in steps if step in other.parents]
        step.column = min(uses, default=step.column + 1) - 1
    columns = [[step for step in steps if step.column == column] for column in range(max(s.column for s in steps) + 1)]
    heights = [sum(step.size[1] + 2 * LABELS for step in column) for column in columns]
    skips = max((step.column - parent.column for step in steps for parent in step.parents), default=1)
    above = 12 * skips if skips > 1 else 0
    for number, (column, used) in enumerate(zip(columns, heights, strict=True)):
        y = above + (max(heights) - used) / 2
        for step in column:
            step.place = (COLUMN * (number + 0.5), y + LABELS + step.size[1] / 2)
            y += step.size[1] + 2 * LABELS
    return COLUMN * len(columns), above + max(heights)


def _edge(parent: _Step, step: _Step) -> str:
    """Draw the way from one step to the next, or in a bow over those between."""
    (x, y), (to_x, to_y) = parent.place, step.place
    x, to_x = x + parent.size[0] / 2 + 2, to_x - step.size[0] / 2 - 3
    if step.column - parent.column == 1:
        way = f"M {x:.0f} {y:.0f} L {to_x:.0f} {to_y:.0f}"
    else:
        top = min(y - parent.size[1] / 2, to_y - step.size[1] / 2) - LABELS - 10 * (step.column - parent.column)
        way = f"M {x:.0f} {y:.0f} C {x + 30:.0f} {top:.0f} {to_x - 30:.0f} {top:.0f} {to_x:.0f} {to_y:.0f}"
    return f'<path d="{way}" fill="none" stroke="currentColor"/>{_head(to_x, to_y, 1)}'


def _head(x: float, y: float, direction: int, colour: str = "currentColor") -> str:
    """Draw the head of an arrow that points to the right (1) or to the left (-1)."""
    back = x - 6 * direction
    return f'<path d="M {x:.0f} {y:.0f} L {back:.0f} {y - 3:.0f} L {back:.0f} {y + 3:.0f} Z" fill="{colour}"/>'


def _box(step: _Step) -> Iterable[str]:
    (x, y), (width, height) = step.place, step.size
    yield (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
        'fill="currentColor" fill-opacity="0.25" stroke="currentColor"/>'
    )
    for line, words in enumerate(reversed(step.words)):
        yield f'<text x="{x:.0f}" y="{y - height / 2 - 6 - 12 * line:.0f}">{html.escape(words)}</text>'
    yield f'<text x="{x:.0f}" y="{y + height / 2 + 14:.0f}" font-weight="bold">{step.written_shape}</text>'
    yield f'<text x="{x:.0f}" y="{y + height / 2 + 27:.0f}" font-style="italic">{html.escape(step.name)}</text>'


def _gradients(loss: str, read: list[_Step], number: int, y: float) -> Iterable[str]:
    """Draw a loss below the steps that it reads, and its gradients on their way back."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    line = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    x, middle = read[0].place[0], y + LOSS / 2
    yield f'<text x="{x:.0f}" y="{middle + 4:.0f}" fill="{colour}" font-weight="bold">{html.escape(loss)}</text>'
    aside = 16 + 6 * number  # below the arrows of the way there
    lowest = max(read, key=lambda step: step.place[1])
    yield f'<path d="M {x:.0f} {middle - 9:.0f} L {x:.0f} {lowest.place[1] + lowest.size[1] / 2 + 32:.0f}" {line}/>'
    for step in (step for step in read if step is not lowest):  # around the lowest
        side, level = step.place[0] + step.size[0] / 2 + 3, step.place[1]
        yield f'<path d="M {x + 9:.0f} {middle - 9:.0f} C {x + 50:.0f} {middle - 40:.0f} {x + 50:.0f} {level + 20:.0f} '
        yield f'{side:.0f} {level:.0f}" {line}/>'
    waiting, seen = [*read], set()
    while waiting:
        step = waiting.pop()
        for parent in step.parents:
            if parent.learns and (parent, step) not in seen:
                seen.add((parent, step))
                waiting.append(parent)
                start = step.place[0] - step.size[0] / 2 - 2, step.place[1] + aside
                end = parent.place[0] + parent.size[0] / 2 + 2, parent.place[1] + aside
                yield f'<path d="M {start[0]:.0f} {start[1]:.0f} L {end[0] + 5:.0f} {end[1]:.0f}" {line}/>'
                yield _head(*end, -1, colour)


def _enlarged(layer: Any) -> float:
    """Return by which factor a layer changes the number of rows."""
    (size, *_), (stride, *_) = _numbers(layer, "size"), _numbers(layer, "strides")
    return stride if "Transpose" in type(layer).__name__ else size / stride


def _numbers(layer: Any, name: str) -> tuple[int, ...]:
    """Return an attribute that Keras' layers have for each axis; (1,) of others, where it may mean anything."""
    known = any(
        kind.__module__.startswith("keras.") and re.search("Conv|Pooling|UpSampling", kind.__name__)
        for kind in type(layer).__mro__
    )
    value = getattr(layer, name, 1) if known else 1
    return (value,) if isinstance(value, int) else tuple(value)


def _description(steps: list[_Step], read: Mapping[str, list[_Step]]) -> str:
    """Describe the diagram in words, for readers who do not see it."""
    layers = ", ".join(f"{' '.join(step.words)} ({step.written_shape})" for step in steps)
    ends = "".join(
        f" The loss {loss} reads {' and '.join(step.layer.name for step in ends)}." for loss, ends in read.items()
    )
    return f"Diagram of a network, each layer with the shape of its output: {layers}.{ends}"
