"""The engine: the right batches in order, whatever breaks; and bounded memory."""

import gc
import json
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from streaming_sources import Numbers, indices, streaming_threads

from helpers.data import DataError
from helpers.data.streaming import BrokenSampleWarning, Loader, Position, Prefetcher, engine


def contents(batches):
    return [(indices(batch), batch[1].tolist()) for batch in batches]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    if streaming_threads():  # garbage may still hold a stream
        gc.collect()
    assert streaming_threads() == []


# ---- order ----


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_batches_come_in_order_whatever_the_threads_do(threads, prefetch):
    loader = Loader(Numbers(23, seconds=0.0005), batch_size=4, threads=threads, prefetch=prefetch)
    assert [indices(batch) for batch in loader] == [list(range(s, min(s + 4, 23))) for s in range(0, 23, 4)]
    assert len(loader) == 6


def test_each_pass_is_the_next_epoch_of_one_order():
    passes = Loader(Numbers(20), batch_size=8, shuffle=True, seed=4)
    stream = Loader(Numbers(20), batch_size=8, shuffle=True, seed=4).stream(epochs=3)
    assert contents(passes) + contents(passes) + contents(passes) == contents(stream)


def test_epochs_differ_and_each_has_every_sample_once():
    loader = Loader(Numbers(20), batch_size=8, shuffle=True)
    epochs = [[index for batch in loader for index in indices(batch)] for _ in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_workers_together_give_the_batches_of_one():
    alone = Loader(Numbers(50), batch_size=12, shuffle=True, seed=1).stream(epochs=2)
    parts = [contents(part_of(worker).stream(epochs=2)) for worker in (0, 1)]
    assert [(a + b, c + d) for (a, c), (b, d) in zip(*parts, strict=True)] == contents(alone)


def test_another_number_of_workers_goes_on_where_one_stopped():
    alone = Loader(Numbers(50), batch_size=12, shuffle=True, seed=1).stream(epochs=2)
    [next(alone) for _ in range(3)]
    parts = [contents(part_of(worker).resume(alone.state_dict(), epochs=2)) for worker in (0, 1)]
    assert [(a + b, c + d) for (a, c), (b, d) in zip(*parts, strict=True)] == contents(alone)


def part_of(worker):
    return Loader(Numbers(50), batch_size=12, shuffle=True, seed=1, worker=worker, workers=2)


# ---- position ----


@pytest.mark.parametrize("seen", range(11))
def test_a_stream_resumes_from_a_saved_position_with_exactly_what_would_have_come(seen):
    whole = contents(Loader(Numbers(10), batch_size=4, shuffle=True, seed=9).stream(epochs=4))
    before = Loader(Numbers(10), batch_size=4, shuffle=True, seed=9).stream(epochs=4)
    begun = contents(next(before) for _ in range(seen))
    state = json.loads(json.dumps(before.state_dict()))
    before.close()
    after = Loader(Numbers(10), batch_size=4, shuffle=True, seed=9).resume(state, epochs=4 - state["epoch"])
    assert begun + contents(after) == whole


def test_a_position_of_another_order_is_refused():
    state = Loader(Numbers(10), batch_size=4).stream().state_dict()
    with pytest.raises(ValueError, match="batch_size was 4 and is 5, length was 10 and is 12"):
        Loader(Numbers(12), batch_size=5).resume(state)
    with pytest.raises(ValueError, match="samples was"):
        Loader(Renamed(10), batch_size=4).resume(state)
    with pytest.raises(ValueError, match="samples was"):
        Loader(Numbers(10, shape=(4, 4, 3)), batch_size=4).resume(state)
    with pytest.raises(ValueError, match="an epoch has 3 batches"):
        Loader(Numbers(10), batch_size=4).stream(start=Position(0, 3))


class Renamed(Numbers):
    """Other files, as many."""

    def name(self, index):
        """Name a sample."""
        return f"other-{index}"


class Moved(Numbers):
    """The same files in another folder."""

    def name(self, index):
        """Name a sample."""
        return f"/scratch/{super().name(index)}"


def test_a_copy_goes_on_where_the_original_stopped():
    with Loader(Numbers(10), batch_size=4).stream() as stream:
        next(stream)
        state = stream.state_dict()
    assert indices(next(Loader(Moved(10), batch_size=4).resume(state))) == [4, 5, 6, 7]


def test_options_that_make_no_sense_are_refused():
    for options in ({"on_error": "ignore"}, {"prefetch": -1}, {"threads": 0}):
        with pytest.raises(ValueError, match="received"):
            Loader(Numbers(3), **options)


# ---- broken samples ----


def test_a_broken_sample_is_named_where_its_batch_would_come():
    stream = Loader(Numbers(20, broken=[9, 10, 17]), batch_size=4, threads=3).stream(epochs=1)
    assert [indices(next(stream)) for _ in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(DataError, match=r"^file-9: is broken\.$"):
        next(stream)
    assert list(stream) == []


def test_broken_samples_are_skipped_named_and_counted():
    loader = Loader(Numbers(12, broken=[0, 5, 6, 11]), batch_size=4, on_error="skip", threads=3)
    with pytest.warns(BrokenSampleWarning) as caught:
        assert [indices(batch) for batch in loader] == [[1, 2, 3], [4, 7], [8, 9, 10]]
    assert len(caught) == 4
    assert loader.skipped == {f"file-{i}": f"file-{i}: is broken." for i in (0, 5, 6, 11)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # in the next epoch nothing is said again
        assert sum(len(indices(batch)) for batch in loader) == 8


def test_a_batch_without_any_good_sample_stops_the_run_all_the_same():
    with pytest.warns(BrokenSampleWarning), pytest.raises(DataError, match=r"all 3 samples.*file-3"):
        list(Loader(Numbers(9, broken=[3, 4, 5]), batch_size=3, on_error="skip"))


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_bug_is_not_taken_for_a_broken_sample(on_error):
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(Loader(Numbers(9, buggy=[4]), batch_size=3, on_error=on_error))


def test_a_source_that_promises_too_little_room_is_an_error_and_not_a_wait_for_ever(monkeypatch):
    loader = Loader(Numbers(9), batch_size=3)
    lease = loader.recycler.lease
    monkeypatch.setattr(loader.recycler, "lease", lambda: {name: array[:1] for name, array in lease().items()})
    with pytest.raises(IndexError):
        next(loader.stream())


def test_no_memory_for_a_batch_is_an_error_and_not_a_wait_for_ever(monkeypatch):
    loader = Loader(Numbers(9), batch_size=3)
    monkeypatch.setattr(loader.recycler, "lease", lambda: (_ for _ in ()).throw(MemoryError("none left")))
    with pytest.raises(MemoryError, match="none left"):
        next(loader.stream())


# ---- threads ----


class Crowd(Numbers):
    """Samples whose reading waits, as for a slow disk, until `size` of them are being read at once."""

    def __init__(self, length, size):
        super().__init__(length)
        self.size, self.now, self.most, self.together = size, 0, 0, threading.Event()

    def fill(self, index, rng, out):
        """Wait for the others, but not for long."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == self.size:
                self.together.set()
        self.together.wait(0.05)
        with self.lock:
            self.now -= 1
        super().fill(index, rng, out)


@pytest.mark.parametrize("cores", [1, 2, 6])
def test_many_samples_are_read_at_once_where_reading_waits(monkeypatch, cores):
    monkeypatch.setattr(engine, "usable_cores", lambda: cores)
    source = Crowd(4000, size=16)
    read = [index for batch in Loader(source, batch_size=40) for index in indices(batch)]
    assert source.most == 16 and read == list(range(4000))


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_read_than_asked_for(threads):
    source = Crowd(40, size=threads + 1)
    assert len(list(Loader(source, batch_size=20, threads=threads))) == 2 and source.most == threads


@pytest.mark.parametrize("cores", [1, 3])
def test_a_thread_a_core_reads_what_is_computed(monkeypatch, cores):
    monkeypatch.setattr(engine, "usable_cores", lambda: cores)
    monkeypatch.setattr(engine.time, "thread_time", time.monotonic)  # as if it computed all the time
    source = Crowd(40, size=cores + 1)
    assert len(list(Loader(source, batch_size=20))) == 2 and source.most == cores


@pytest.mark.parametrize("given", [1, 3])
def test_where_the_machine_gives_no_more_threads_those_that_there_are_read_all(monkeypatch, given):
    start = threading.Thread.start

    def refuse(thread):
        if (
            thread.name == "course-streaming"
            and sum(each.name == thread.name for each in threading.enumerate()) >= given
        ):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(engine, "usable_cores", lambda: 1)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    source = Crowd(80, size=given + 1)
    assert [index for batch in Loader(source, batch_size=40) for index in indices(batch)] == list(range(80))
    assert source.most == given


# ---- memory ----


def test_no_more_is_read_ahead_than_asked_for():
    source = Numbers(100)
    stream = Loader(source, batch_size=5, prefetch=2, threads=4).stream()
    for taken in range(1, 5):
        next(stream)
        assert streaming_threads() == []  # nothing to read until the next batch is asked for
        assert len(source.reads) == 5 * (taken + 2)


def test_a_batch_that_is_held_is_never_overwritten():
    loader = Loader(Numbers(40), batch_size=4)
    kept = list(loader.stream(epochs=3))
    assert [indices(batch) for batch in kept] == [list(range(s, s + 4)) for s in range(0, 40, 4)] * 3


def test_a_view_or_one_array_of_a_batch_is_enough_to_hold_it():
    stream = Loader(Numbers(400), batch_size=4, shuffle=True).stream(epochs=1)
    views = [next(stream)[0][1:2, ::2].T for _ in range(50)]
    wanted = [indices(batch)[1] for batch in Loader(Numbers(400), batch_size=4, shuffle=True)][:50]
    assert [int(view[0, 0, 0, 0]) for view in views] == wanted and all((v == v[0, 0, 0, 0]).all() for v in views)


def test_memory_is_used_again_and_stays_flat():
    loader = Loader(Numbers(64, shape=(64, 64, 4)), batch_size=8, prefetch=2)
    for _ in range(2):
        for batch in loader:
            assert batch[0].ctypes.data % 64 == 0
    made, peaks = loader.recycler.made, []
    assert made <= 5
    tracemalloc.start()
    for _ in range(10):
        for _batch in loader:
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert loader.recycler.made <= 5 and peaks[-1] < 5 * batch[0].nbytes


# ---- batches by position ----


def test_a_feed_gives_any_batch_to_any_thread():
    loader = Loader(Numbers(100, seconds=0.0003), batch_size=5, prefetch=2)
    feed, got = Prefetcher(loader), {}
    order = np.random.default_rng(0).permutation(20)

    def ask(steps):
        for step in steps:
            got[step] = indices(feed.get(Position(0, int(step)), [Position(0, (int(step) + 1) % 20)]))

    threads = [threading.Thread(target=ask, args=(order[i::3],)) for i in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert got == {step: list(range(5 * step, 5 * step + 5)) for step in range(20)}
