"""The order is a pure function: the same everywhere, complete, shared by workers, and resumable."""

import numpy as np
import pytest

from helpers.data.streaming import Order, Position, SampleRng
from helpers.data.streaming.order import permutation


@pytest.mark.parametrize("length", [1, 2, 31, 10_000])
def test_a_permutation_has_every_index_once(length):
    np.testing.assert_array_equal(np.sort(permutation(length, seed=5, epoch=3)), np.arange(length))


def test_the_order_never_changes():
    """These numbers were written down once; a machine or a NumPy that gives others would break resuming."""
    assert permutation(12, seed=2026, epoch=7).tolist() == PINNED_ORDER
    rng = SampleRng(seed=2026, epoch=7, index=3)
    assert [rng.below(1000) for _ in range(4)] == PINNED_DRAWS


PINNED_ORDER = [10, 11, 8, 7, 9, 0, 2, 3, 6, 4, 1, 5]
PINNED_DRAWS = [421, 542, 952, 455]


def test_epochs_and_seeds_differ_and_nothing_is_left_of_the_old_order():
    orders = [permutation(5000, seed=seed, epoch=epoch) for seed in (0, 1, -1) for epoch in (0, 1)]
    for i, one in enumerate(orders):
        for other in orders[:i]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.06
            assert (one == other).mean() < 0.003
        assert abs(np.corrcoef(one, np.arange(5000))[0, 1]) < 0.06


def test_every_place_is_equally_likely():
    places = np.array([permutation(8, seed=seed, epoch=0) for seed in range(4000)])
    counts = np.array([np.bincount(column, minlength=8) for column in places.T])
    assert np.abs(counts / 500 - 1).max() < 0.2  # 500 +- 21 expected


def test_draws_are_even_and_belong_to_seed_epoch_and_index():
    values = [SampleRng(seed=s, epoch=e, index=i).below(4) for s in range(10) for e in range(10) for i in range(100)]
    assert np.abs(np.bincount(values) / 2500 - 1).max() < 0.06
    assert SampleRng(seed=1, epoch=2, index=3).below(1 << 60) != SampleRng(seed=1, epoch=3, index=2).below(1 << 60)


def test_without_shuffling_the_order_is_that_of_the_files():
    order = Order(7, 3)
    assert [order.batch(epoch, step).tolist() for epoch in (0, 4) for step in range(3)] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ] * 2


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("workers", [2, 3, 8])
def test_workers_share_each_batch_without_a_gap_or_overlap(workers, drop):
    alone = Order(104, 16, shuffle=True, seed=1, drop_remainder=drop)
    parts = [Order(104, 16, True, 1, drop, worker, workers) for worker in range(workers)]
    for step in range(len(alone)):
        shares = [part.batch(2, step) for part in parts]
        np.testing.assert_array_equal(np.concatenate(shares), alone.batch(2, step))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert max(map(len, shares)) <= parts[0].capacity
    seen = np.concatenate([part.batch(2, step) for part in parts for step in range(len(alone))])
    assert len(set(seen.tolist())) == len(seen) == (96 if drop else 104)


def test_positions_go_through_the_epochs():
    order, position, seen = Order(5, 2), Position(), []
    for _ in range(7):
        seen.append(tuple(position))
        position = order.after(position)
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0, "batch_size": 4}, "nothing to read"),
        ({"length": 8, "batch_size": 0}, "nothing to read"),
        ({"length": 8, "batch_size": 32, "drop_remainder": True}, "do not fill one batch"),
        ({"length": 8, "batch_size": 4, "worker": 2, "workers": 2}, "worker must be 0 to 1"),
        (
            {"length": 9, "batch_size": 4, "workers": 2},
            "9 samples in all, has 1 for 2 workers. Take drop_remainder=True or",
        ),
    ],
)
def test_impossible_orders_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Order(**arguments)


def test_a_million_samples_are_put_in_order_in_time_that_grows_linearly(benchmark_clock):
    small, large = (benchmark_clock(lambda n=n: permutation.__wrapped__(n, seed=0, epoch=0)) for n in (10**5, 10**6))
    assert large < 2 and large < 40 * small


@pytest.fixture
def benchmark_clock():
    import time

    def best_of_three(work):
        times = []
        for _ in range(3):
            begin = time.thread_time()
            work()
            times.append(time.thread_time() - begin)
        return min(times)

    return best_of_three
