"""Clusters nest from coarse to fine, hold what they say, and find groups that are there."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from helpers.latent.codes import cluster_tree

RNG = np.random.default_rng(0)
LABELS = RNG.permutation(np.repeat(np.arange(4), [40, 30, 20, 10]))
CENTRES = np.array([[0, 0, 0], [0, 6, 0], [50, 0, 0], [50, 6, 0]])  # two pairs far apart
CODES = CENTRES[LABELS] + RNG.normal(0, 0.3, (100, 3))


@pytest.fixture(scope="module")
def root():
    return cluster_tree(CODES, LABELS, levels=(2, 4))


def test_the_root_holds_everything(root):
    np.testing.assert_array_equal(root.members, np.arange(100))
    np.testing.assert_allclose(root.centre, CODES.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(root.shares, [0.4, 0.3, 0.2, 0.1])
    assert (root.level, len(root), root.main_class, root.centre.dtype) == (0, 100, 0, np.float32)


def test_coarse_clusters_are_the_pairs_and_fine_ones_the_groups(root):
    assert [set(LABELS[node.members]) for node in root.children] == [{0, 1}, {2, 3}]
    assert [leaf.main_class for node in root.children for leaf in node.children] == [0, 1, 2, 3]
    for leaf in (leaf for node in root.children for leaf in node.children):
        assert leaf.shares[leaf.main_class] == 1
        np.testing.assert_allclose(leaf.centre, CENTRES[leaf.main_class], atol=0.3)


def test_children_divide_their_parent(root):
    for node in root.walk():
        if node.children:
            members = np.concatenate([child.members for child in node.children])
            np.testing.assert_array_equal(np.sort(members), node.members)
            weights = [len(child) for child in node.children]
            assert weights == sorted(weights, reverse=True)
            mean = np.average([child.centre for child in node.children], axis=0, weights=weights)
            np.testing.assert_allclose(mean, node.centre, rtol=1e-4)


def test_walk_goes_level_by_level(root):
    assert [node.level for node in root.walk()] == [0, 1, 1, 2, 2, 2, 2]


def test_each_level_is_that_of_scikit_learn():
    codes = RNG.normal(size=(80, 5))
    root = cluster_tree(codes, levels=(3, 7))
    for level, count in ((1, 3), (2, 7)):
        wanted = AgglomerativeClustering(count).fit_predict(codes)
        found = {tuple(node.members) for node in root.walk() if node.level == level}
        assert found == {tuple(np.flatnonzero(wanted == cluster)) for cluster in range(count)}


def test_a_cluster_that_stays_whole_is_its_own_child():
    chain = [len(node.children) for node in cluster_tree(CODES, levels=(2, 3)).walk()]
    assert sorted(chain) == [0, 0, 0, 1, 2, 2]


def test_without_labels_there_are_no_shares():
    root = cluster_tree(CODES, levels=(2,))
    assert len(root.shares) == 0 and root.main_class is None


def test_labels_have_no_part_in_the_clustering(root):
    other = cluster_tree(CODES, RNG.permutation(LABELS), levels=(2, 4))
    for one, two in zip(root.walk(), other.walk(), strict=True):
        np.testing.assert_array_equal(one.members, two.members)


def test_a_sample_keeps_the_rows_of_all_codes(capsys):
    root = cluster_tree(CODES, LABELS, levels=(2,), limit=50, seed=1)
    assert "50 of 100 codes" in capsys.readouterr().out
    assert len(root) == 50 and [set(LABELS[node.members]) for node in root.children] == [{0, 1}, {2, 3}]
    np.testing.assert_allclose(root.centre, CODES[root.members].mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("levels", [(), (1, 3), (5, 3), (3, 3), (3, 101)])
def test_levels_must_grow(levels):
    with pytest.raises(ValueError, match=r"levels must grow, .*at most 100"):
        cluster_tree(CODES, levels=levels)


@pytest.mark.parametrize("labels", [np.where(LABELS == 0, np.nan, LABELS), LABELS + 0.5, np.eye(4)[LABELS]])
def test_labels_that_are_no_whole_numbers_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels must be whole numbers, \(n,\)"):
        cluster_tree(CODES, labels)
