"""The VAE of a table: a loss per kind of column, by hand; rows told apart; saving and errors."""

import zipfile

import keras
import numpy as np
import pytest
from keras import ops

from helpers.models.variational import TableVAE, build_table_vae
from helpers.training import seed_everything

pytestmark = pytest.mark.slow  # seconds in all, and the fast tests have a minute

RANDOM = np.random.default_rng(0)
COLOURS, SIZES = RANDOM.integers(3, size=12), RANDOM.integers(2, size=12)
NUMBERS = RANDOM.standard_normal((12, 2)).astype("float32")
ROWS = np.concatenate([NUMBERS, np.eye(3)[COLOURS], np.eye(2)[SIZES]], axis=1).astype("float32")


def small_vae(**options):
    seed_everything(0)
    return build_table_vae(2, numbers=2, categories=(3, 2), hidden=(8,), **options)


def test_every_category_has_probabilities_of_its_own():
    found = small_vae().reconstruct(ROWS)
    assert found.shape == ROWS.shape
    np.testing.assert_allclose(found[:, 2:5].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[:, 5:].sum(axis=1), 1, rtol=1e-5)


def test_errors_by_column_are_half_squares_and_cross_entropies():
    vae = small_vae()
    found = vae.reconstruct(ROWS)
    each = np.arange(12)
    by_hand = np.column_stack(
        [(NUMBERS - found[:, :2]) ** 2 / 2, -np.log(found[each, 2 + COLOURS]), -np.log(found[each, 5 + SIZES])]
    )
    np.testing.assert_allclose(ops.convert_to_numpy(vae.errors_by_column(ROWS, found)), by_hand, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_sum_over_columns_plus_beta_times_kl():
    vae = small_vae(beta=3.0)
    vae.encoder.get_layer("z_log_var").set_weights([np.zeros((8, 2)), np.full(2, -60.0)])  # no noise
    vae.compile()
    logs = vae.evaluate(ROWS, verbose=0, return_dict=True)
    errors = ops.convert_to_numpy(vae.errors_by_column(ROWS, vae.reconstruct(ROWS))).mean(axis=0)
    assert logs["numbers"] == pytest.approx(errors[:2].sum(), rel=1e-4)
    assert logs["categories"] == pytest.approx(errors[2:].sum(), rel=1e-4)
    assert logs["reconstruction"] == pytest.approx(logs["numbers"] + logs["categories"], rel=1e-6)
    assert logs["loss"] == pytest.approx(logs["reconstruction"] + 3 * logs["kl"], rel=1e-6)


@pytest.mark.parametrize(("numbers", "categories"), [(3, ()), (0, (4,)), (1, (2, 2, 2))])
def test_tables_of_one_kind_work_too(numbers, categories):
    vae = build_table_vae(2, numbers=numbers, categories=categories)
    rows = np.zeros((5, numbers + sum(categories)), np.float32)
    assert vae.reconstruct(rows).shape == rows.shape
    assert vae.errors_by_column(rows, rows).shape == (5, numbers + len(categories))


def test_a_saved_model_gives_the_same_output(tmp_path):
    vae = small_vae(beta=0.5, kl="monte_carlo")
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(again.reconstruct(ROWS), vae.reconstruct(ROWS), atol=1e-6)
    assert (again.numbers, list(again.categories), again.beta, again.kl) == (2, [3, 2], 0.5, "monte_carlo")


def test_a_model_that_was_saved_from_another_module_still_opens(tmp_path):
    vae, here, there = small_vae(), TableVAE.__module__, "helpers.models.variational.builders"
    vae.save(tmp_path / "now.keras")
    with zipfile.ZipFile(tmp_path / "now.keras") as now, zipfile.ZipFile(tmp_path / "then.keras", "w") as then:
        for name in now.namelist():
            then.writestr(name, now.read(name).replace(f'"module": "{here}"'.encode(), f'"module": "{there}"'.encode()))
        assert f'"module": "{here}"'.encode() in now.read("config.json")
    again = keras.saving.load_model(tmp_path / "then.keras")
    np.testing.assert_allclose(again.reconstruct(ROWS), vae.reconstruct(ROWS), atol=1e-6)


def test_columns_that_do_not_make_the_rows_are_refused():
    vae = small_vae()
    with pytest.raises(ValueError, match=r"2 numbers and categories of \(3,\) values make rows of 5.*takes 7"):
        TableVAE(vae.encoder, vae.decoder, numbers=2, categories=(3,))
    with pytest.raises(ValueError, match=r"hidden=\(32,\)"):
        build_table_vae(2, numbers=2, hidden=())


@pytest.mark.long
def test_a_row_that_breaks_the_rule_of_the_others_stands_out():
    """Size follows colour in every row of the table; in the odd row it does not, and its error there is largest."""
    rows = np.concatenate([np.eye(2)[i := RANDOM.integers(2, size=32 * 400)], np.eye(2)[i]], axis=1).astype("float32")
    seed_everything(0)
    vae = build_table_vae(1, numbers=0, categories=(2, 2), hidden=(8,), beta=0.3)
    vae.compile(keras.optimizers.Adam(0.01), steps_per_execution=20)
    vae.fit(rows, verbose=0)
    odd = np.float32([[1, 0, 0, 1]])
    errors = [
        ops.convert_to_numpy(vae.errors_by_column(table, vae.reconstruct(table))).sum(axis=1).max()
        for table in (rows[:100], odd)
    ]
    assert errors[1] > 3 * errors[0]


def test_a_row_with_a_hole_is_refused():
    vae = small_vae()
    vae.compile("adam")
    holes = np.where(np.arange(7) == 1, np.nan, ROWS).astype("float32")
    with pytest.raises(ValueError, match="12 of 12 rows hold NaN or infinity, the first of them number 0"):
        vae.fit(holes, verbose=0)
    large = np.hstack([NUMBERS * 30, ROWS[:, 2:]])
    assert np.isfinite(vae.fit(large, verbose=0).history["loss"]).all()  # numbers of any size are none


@pytest.mark.parametrize("options", [{"numbers": 2.5}, {"numbers": 2, "categories": (3, 1)}, {"numbers": 0}])
def test_columns_that_there_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=r"must be a whole number|needs columns"):
        build_table_vae(2, **options)


@pytest.mark.parametrize(("columns", "value", "place"), [(slice(2, 5), 0, 1), (slice(5, 7), 1, 2), (3, -1, 1)])
def test_categories_that_are_not_one_hot_are_refused(columns, value, place):
    vae, rows = small_vae(), ROWS.copy()
    rows[:, columns] = value
    vae.compile("adam")
    with pytest.raises(ValueError, match=rf"Category {place} takes the columns .*one-hot, such as np\.eye"):
        vae.fit(rows, verbose=0)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_row_with_a_hole_is_not_reconstructed(hole):
    rows = ROWS.copy()
    rows[3, 1] = hole
    with pytest.raises(ValueError, match="1 of 12 rows hold NaN or infinity, the first of them number 3"):
        small_vae().reconstruct(rows)
