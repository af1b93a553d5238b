"""Codes: what they must be, how every layer of an encoder gives them, their clusters, what each axis is about.

Codes are float, (n, latent_dim); labels are (n,), whole numbers. Used by lectures 06-10, and by its neighbours here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from sklearn.metrics import mutual_info_score

from helpers.backend import keras
from helpers.models.unet import MultipleOf

_PASS_ON = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    MultipleOf,
)


def codes_per_layer(
    encoder: keras.Model,
    images: np.ndarray | Sequence[np.ndarray],
    *,
    cells: int | None = 4,
    layers: Sequence[str] | None = None,
    batch_size: int = 250,
) -> dict[str, np.ndarray]:
    """Return what every layer of an encoder makes of the images, such as for one probe per layer.

    Args:
        encoder: any model built by inputs and outputs, on any Keras backend. A model inside of it is one layer; a layer
            that it uses several times counts by the first.
        images: what the encoder takes; a sequence of arrays if it has several inputs.
        cells: feature maps are averaged down to at most cells x cells before they are flattened; 1 averages over the
            whole map, None keeps every pixel.
        layers: names of the layers; by default all but those that change no number (input, flatten, dropout, noise,
            a check of the size) and those that give several arrays.
        batch_size: images encoded at once.

    Returns:
        For each layer, from the image on: float32, (n, numbers).

    Raises:
        ValueError: the encoder has no layer of a name.
    """
    names = [layer.name for layer in encoder.layers]
    if unknown := sorted(set(layers or ()) - set(names)):
        raise ValueError(f'"{encoder.name}" has no layer {", ".join(unknown)}. It has: {", ".join(names)}.')
    inputs, given = _outputs(encoder, images)
    chosen = [layer.name for layer in encoder.layers if _is_wanted(layer, given[layer.name], layers)]
    outputs = {name: _flat(given[name], cells, name) for name in chosen}
    found = keras.Model(inputs, outputs).predict(images, batch_size=batch_size, verbose=0)
    return {name: found[name] for name in outputs}  # JAX sorts the names


def check_codes(codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return codes as an array, once they are seen to be finite numbers, (n, latent_dim), and to fit the labels.

    Raises:
        ValueError: they are not.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2:
        raise ValueError(
            f"codes must be (n, latent_dim); received {codes.shape}. "
            "Feature maps become codes by codes.reshape(len(codes), -1), or by codes_per_layer."
        )
    if broken := int((~np.isfinite(codes)).any(axis=1).sum()):
        raise ValueError(
            f"{broken} of {len(codes)} codes hold NaN or infinity: the encoder's training has failed. "
            "Look at its loss, and train again with a lower learning rate."
        )
    if labels is not None and len(labels) != len(codes):
        raise ValueError(f"{len(codes)} codes, but {len(labels)} labels. Take both from the same images.")
    return codes


def check_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels as int64, (n,), once they are seen to be whole numbers.

    Raises:
        ValueError: they are not, such as one-hot rows, probabilities, or NaN.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(
            f"labels must be whole numbers, (n,); received {labels.shape}. One-hot labels become classes by "
            "labels.argmax(axis=1)."
        )
    is_whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and (labels == np.rint(labels)).all())
    if not is_whole:
        missing = int(np.isnan(labels).sum()) if labels.dtype.kind == "f" else 0
        found = (
            f"{missing:,} of {len(labels):,} are NaN" if missing else f"received {labels.dtype}, such as {labels[0]}"
        )
        raise ValueError(f"labels must be whole numbers, (n,); {found}. Leave out what has no class.")
    return labels.astype(np.int64)


def sample_rows(count: int, limit: int | None, *, seed: int, purpose: str) -> np.ndarray:
    """Choose at most `limit` of `count` rows, and say so if that leaves some out.

    Returns:
        int64, ascending row numbers.
    """
    if limit is None or count <= limit:
        return np.arange(count)
    print(f"{purpose}: {limit:,} of {count:,} codes, drawn by chance (seed {seed}); limit=None takes all.")
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _outputs(
    model: keras.Model, images: np.ndarray | Sequence[np.ndarray]
) -> tuple[list[keras.KerasTensor], dict[str, Any]]:
    """Call a model's layers anew, on inputs of the images' size; return the inputs, and what each layer gives.

    `layer.output` is that of the layer's first call, which may have been made for another model.
    """
    model = keras.Model(model.inputs, model.outputs)  # clone_model wants no Sequential, and would compile
    names = {id(layer.output): layer.name for layer in model.layers if isinstance(layer, keras.layers.InputLayer)}
    arrays = images if isinstance(images, (list, tuple)) else [images]
    inputs = [_input(one, array, names[id(one)]) for one, array in zip(model.inputs, arrays, strict=True)]
    given: dict[str, Any] = {tensor.name: tensor for tensor in inputs}

    def call(layer: Any, *args: Any, **options: Any) -> Any:
        output = layer(*args, **options)
        given.setdefault(layer.name, output)
        return output

    keras.models.clone_model(model, inputs, clone_function=lambda layer: layer, call_function=call)
    return inputs, given


def _input(tensor: keras.KerasTensor, array: np.ndarray, name: str) -> keras.KerasTensor:
    """Make an input like a model's own, with the array's sizes where those are None."""
    sizes = [size or np.shape(array)[axis] for axis, size in enumerate(tensor.shape[1:], start=1)]
    return keras.Input(batch_shape=(tensor.shape[0], *sizes), dtype=tensor.dtype, name=name)


def _is_wanted(layer: keras.layers.Layer, output: Any, names: Sequence[str] | None) -> bool:
    if names is not None:
        return layer.name in names
    return not isinstance(layer, _PASS_ON) and isinstance(output, keras.KerasTensor)


def _flat(output: keras.KerasTensor, cells: int | None, name: str) -> keras.KerasTensor:
    """Flatten a layer's output; feature maps are averaged over cells first."""
    if cells and len(output.shape) == 4:
        pool = tuple(-(-size // cells) for size in output.shape[1:3])
        pooling = keras.layers.AveragePooling2D(pool, padding="same", name=f"{name}_in_cells")
        output = pooling(output)  # -> (batch, cells, cells, channels)
    return keras.layers.Flatten(name=f"{name}_as_codes")(output)


# ---- clusters ----
# Ward's method joins, again and again, the two clusters whose union adds least to the variance within clusters (Ward,
# 1963). Cut where few clusters are left, its tree has few levels. `plots.cluster_tree` draws each decoded centre.


@dataclass(frozen=True)
class Node:
    """A cluster of codes.

    Attributes:
        level: 0 for the root, which holds all codes.
        members: int64, (m,), which codes belong to it, ascending.
        centre: float32, (latent_dim,), their mean: decode it to see what they have in common.
        shares: float64, (classes,), share of each class among the members, by label 0, 1, 2, ...; empty without labels.
        children: the clusters that this one divides into on the next level, the largest first; a cluster that stays
            whole has itself as its only child.
    """

    level: int
    members: np.ndarray
    centre: np.ndarray
    shares: np.ndarray
    children: tuple["Node", ...]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def main_class(self) -> int | None:
        """The class with the most members; None without labels."""
        return int(self.shares.argmax()) if len(self.shares) else None

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, level by level."""
        row = [self]
        while row:
            yield from row
            row = [child for node in row for child in node.children]


def cluster_tree(
    codes: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    levels: Sequence[int] = (3, 10),
    limit: int | None = 5000,
    seed: int = 0,
) -> Node:
    """Build a tree of clusters by Ward's method. Used by lecture 08.

    The axes of the codes are taken as they are: an axis with more spread counts for more.

    Args:
        codes: float, (n, latent_dim).
        labels: int, (n,), 0 or more; if given, nodes know their class shares. They have no part in the clustering.
        levels: number of clusters on each level below the root, growing, each 2 or more.
        limit: at most so many codes, drawn by chance: time and memory grow with the square of the number.
        seed: of this draw.

    Returns:
        The root.

    Raises:
        ValueError: `levels` do not grow, or want more clusters than there are codes; labels are no whole numbers.
    """
    codes = check_codes(codes, labels)
    known = None if labels is None else check_labels(labels)
    classes = np.zeros(0) if known is None else np.eye(known.max() + 1)[known]
    rows = sample_rows(len(codes), limit, seed=seed, purpose="Tree of clusters")
    if list(levels) != sorted(set(levels)) or not levels or levels[0] < 2 or levels[-1] > len(rows):
        raise ValueError(
            f"levels must grow, from 2 clusters or more to at most {len(rows)}, the number of codes; "
            f"received {tuple(levels)}. Try (3, 10)."
        )
    cuts = cut_tree(linkage(codes[rows], "ward"), levels)  # (m, levels)
    cuts = np.hstack([np.zeros((len(rows), 1), int), cuts])
    return _node(codes, classes, rows, cuts, level=0)


def _node(codes: np.ndarray, classes: np.ndarray, members: np.ndarray, cuts: np.ndarray, *, level: int) -> Node:
    """Build the node of some members; `cuts`, (m, levels + 1), says to which cluster each belongs on each level."""
    below = cuts[:, level + 1 : level + 2]  # one column, or none below the last level
    inside = [below[:, 0] == cluster for cluster in np.unique(below)]
    children = [_node(codes, classes, members[part], cuts[part], level=level + 1) for part in inside]
    return Node(
        level=level,
        members=members,
        centre=codes[members].mean(axis=0).astype(np.float32),
        shares=classes[members].mean(axis=0) if len(classes) else classes,
        children=tuple(sorted(children, key=len, reverse=True)),
    )


# ---- one axis, one factor ----
# Factors are whole numbers (n, k), such as those of `data.synthetic.shapes`, drawn independently of each other. Those
# that do not vary count for nothing: their scores are NaN, and means leave them out.


class Mig(NamedTuple):
    """The mutual information gap.

    Attributes:
        score: mean over the factors, in [0, 1].
        per_factor: float64, (k,).
        information: float64, (latent_dim, k), mutual information of each axis with each factor, as a share of the
            factor's entropy: 1 where the axis tells everything about the factor.
    """

    score: float
    per_factor: np.ndarray
    information: np.ndarray


def mig(codes: np.ndarray, factors: np.ndarray, *, bins: int = 20) -> Mig:
    """Measure the mutual information gap (Chen et al., 2018). Used by lecture 07.

    For each factor: how much more the best axis tells about it than the second best, as a share of the factor's
    entropy. Mutual information is that of histograms with `bins` bins of one width over the range of an axis, as in
    Locatello et al. (2019). A factor with more values than bins therefore stays below 1, at about
    log(bins) / log(values) for a perfect code; and 2,000 codes or more should be given, for histograms of few codes see
    information where there is none. The score is the same whatever the order, scale or sign of the axes.

    Args:
        codes: float, (n, latent_dim); of a VAE, `z_mean`.
        factors: int, (n, k).
        bins: number of bins.

    Returns:
        The score, the score of each factor, and all mutual informations.

    Raises:
        ValueError: the arrays have other shapes, or no factor varies.
    """
    codes, factors = _checked(codes, factors)
    binned = np.stack([np.digitize(axis, np.histogram_bin_edges(axis, bins)[1:-1]) for axis in codes.T])
    told = np.array([[mutual_info_score(factor, axis) for factor in factors.T] for axis in binned])
    whole = np.array([mutual_info_score(factor, factor) for factor in factors.T])  # a factor's entropy, in nats
    information = told / np.where(_varies(factors), whole, np.nan)
    none = np.where(_varies(factors), 0, np.nan)  # what an axis that is not there tells: the second of a single one
    second, first = np.sort(np.vstack([none, information]), axis=0)[-2:]
    gaps = first - second
    return Mig(float(np.nanmean(gaps)), gaps, information)


def _checked(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    factors = np.asarray(factors)
    if factors.ndim != 2 or not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(
            f"factors must be whole numbers, (n, k); received {factors.dtype}, {factors.shape}. "
            "One factor becomes a column by factor[:, np.newaxis]; continuous ones become numbers by np.digitize."
        )
    if not _varies(factors).any():
        raise ValueError("No factor varies, so there is nothing to disentangle. Draw images with other factors.")
    return check_codes(codes, factors), factors


def _varies(factors: np.ndarray) -> np.ndarray:
    return factors.min(axis=0) < factors.max(axis=0)
