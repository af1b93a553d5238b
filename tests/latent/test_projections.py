"""Maps keep what their method promises, come out the same for a seed, and are measured rightly."""

import numpy as np
import pytest

from helpers.latent import projections
from helpers.latent.projections import Projection, preservation, project

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(3), 60)
CODES = (np.eye(3, 6)[GROUPS] * 20 + RNG.normal(size=(180, 6))).astype(np.float32)


def whole(points):
    return Projection(points, np.arange(len(points)), "by hand")


@pytest.mark.parametrize("method", projections.NAMES)
def test_a_map_is_float32_and_of_its_seed(method):
    options = {"n_neighbors": 80} if method == "isomap" else {}  # fewer would leave the groups without a path
    first, again = (project(CODES, method, seed=3, **options) for _ in range(2))
    assert (first.points.shape, first.points.dtype, first.name) == ((180, 2), np.float32, projections.NAMES[method])
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_array_equal(first.rows, np.arange(180))


def test_pca_finds_the_plane_in_which_codes_lie():
    plane = RNG.normal(size=(50, 2)) @ RNG.normal(size=(2, 9))
    kept = preservation(plane, project(plane), neighbours=5)
    np.testing.assert_allclose(kept, 1, atol=1e-6)


@pytest.mark.parametrize("axes", [2, 3])
def test_pca_says_how_much_of_the_variance_lies_along_each_axis(axes):
    found = project(CODES, axes=axes)
    shares = found.points.var(axis=0) / CODES.var(axis=0).sum()
    np.testing.assert_allclose(found.explained, shares, rtol=1e-4)


@pytest.mark.parametrize("method", ["isomap", "tsne"])
def test_other_maps_explain_no_variance(method):
    assert project(CODES[:60, 3:], method, **({"n_neighbors": 30} if method == "isomap" else {})).explained is None


def test_isomap_unrolls_what_pca_cannot():
    along = np.sort(RNG.random(300)) * 9
    spiral = np.stack([along * np.cos(along), along * np.sin(along)], axis=1)
    order = {m: project(spiral, m, axes=1).points[:, 0] for m in ("pca", "isomap")}
    in_order = {m: abs(np.corrcoef(along, points)[0, 1]) for m, points in order.items()}
    assert in_order["isomap"] > 0.95 > 0.8 > in_order["pca"]


def test_tsne_keeps_groups_apart():
    points = project(CODES, "tsne").points
    centres = np.stack([points[group == GROUPS].mean(0) for group in range(3)])
    nearest = np.linalg.norm(points[:, np.newaxis] - centres, axis=-1).argmin(axis=1)
    np.testing.assert_array_equal(nearest, GROUPS)


@pytest.mark.parametrize("method", ["isomap", "tsne"])
def test_the_costly_ones_take_a_sample_and_say_so(method, capsys):
    found = project(CODES, method, limit=40, **({"n_neighbors": 20} if method == "isomap" else {}))
    assert len(found) == len(found.points) == len(np.unique(found.rows)) == 40
    assert f"{found.name}: 40 of 180 codes" in capsys.readouterr().out
    assert len(project(CODES, "pca", limit=40)) == 180


def test_a_map_that_is_a_turned_copy_preserves_everything():
    turned = CODES[:, :2] @ np.array([[0.6, -0.8], [0.8, 0.6]]) * 3
    np.testing.assert_allclose(preservation(CODES[:, :2], whole(turned)), 1, atol=1e-4)


def test_a_map_by_chance_preserves_nothing():
    kept = preservation(CODES, whole(RNG.normal(size=(180, 2))))
    np.testing.assert_allclose(kept, [0.5, 0.5, 0], atol=0.1)


def test_folding_loses_trust_and_tearing_loses_continuity():
    line = np.linspace(-1, 1, 200)[:, np.newaxis]
    folded, torn = (
        preservation(line, whole(np.abs(line))),
        preservation(line, whole(line + 100 * (np.arange(200) % 2)[:, np.newaxis])),
    )
    assert folded.trustworthiness < 0.8 and folded.continuity > 0.95
    assert torn.trustworthiness > 0.95 and torn.continuity < 0.95


def test_only_the_rows_on_the_map_are_compared():
    rows = np.arange(0, 180, 2)
    halved = Projection(CODES[rows, :2], rows, "by hand")
    assert preservation(CODES[:, :2], halved, neighbours=5).trustworthiness == 1
    with pytest.raises(ValueError, match="shows code 178, but there are 90"):
        preservation(CODES[rows], halved)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"pca, isomap, tsne; received 'umap'"):
        project(CODES, "umap")


@pytest.mark.parametrize("method", projections.NAMES)
@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((50, 5)),
        np.full((50, 5), 3.7, np.float32),
        RNG.normal(size=(50, 5)) * 1e-30,
        RNG.normal(size=(50, 5)) * 1e30,
    ],
    ids=["zeros", "constant", "tiny", "huge"],
)
def test_codes_without_a_usable_spread_are_refused(method, codes):
    with pytest.raises(ValueError, match="nothing to lay out: codes differ by"):
        project(codes, method)


@pytest.mark.parametrize(
    ("method", "count", "options", "message"),
    [
        ("tsne", 3, {}, "t-SNE wants more codes than its perplexity, 30; received 3"),
        ("tsne", 20, {"perplexity": 20}, "perplexity, 20; received 20"),
        ("isomap", 4, {}, "Isomap wants more codes than its n_neighbors, 5; received 4"),
        ("pca", 9, {"axes": 7}, "at most 6 axes"),
    ],
)
def test_too_few_codes_are_explained(method, count, options, message):
    with pytest.raises(ValueError, match=message):
        project(CODES[:count], method, **options)
