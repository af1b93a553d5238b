"""A tree of clusters over codes, from coarse to fine, that can be read without knowing the codes. Used by lecture 08.

Ward's method joins, again and again, the two clusters whose union is least spread out (Ward, 1963). Cut where few
clusters are left, its tree has few levels. `plots.cluster_tree` draws the decoded centre of every node.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage

from helpers.latent.codes import check_codes, sample_rows


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
    """Build a tree of clusters by Ward's method.

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
        ValueError: `levels` do not grow, or want more clusters than there are codes.
    """
    codes = check_codes(codes, labels)
    classes = np.zeros(0) if labels is None else np.eye(int(np.max(labels)) + 1)[np.asarray(labels)]
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
