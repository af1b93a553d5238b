"""The benchmark of the streaming: its arithmetic, that it sees unequal work, that it runs. No speed is tested."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests/data")]  # programs and helpers, not packages

import chesapeake_patches as made  # noqa: E402
import listing  # noqa: E402
import streaming  # noqa: E402
from streaming_peers import BATCH, Case, Work, graph, measure, ours, plain  # noqa: E402
from streaming_peers.digests import digest_batch  # noqa: E402

from helpers.data import chesapeake  # noqa: E402

ALWAYS = {
    "npz_vs_ou_cpu",
    "npz_vs_ou_rate",
    "npz_compact_vs_ou_cpu",
    "npz_vs_inflate_limit",
    "npz_compact_vs_inflate_limit",
    "peak_mb",
    "peak_compact_mb",
    "first_batch_s",
}
WHERE_THERE_IS_TIME_AND_A_PEER = {
    "npz_vs_torch_cpu",
    "npz_vs_pydataset_cpu",
    "packed_vs_ou_cpu",
    "packed_compact_vs_ou_cpu",
    "packed_zstd_compact_vs_ou_cpu",
    "packed_zstd_bytes_vs_npz",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Work:
    """Four patches, each under eight names: one batch."""
    folder = tmp_path_factory.mktemp("patches")
    files = [
        file
        for seed in range(4)
        for file in made.write(folder, made.names(f"390750{seed}", range(BATCH // 4)), made.make_patch(seed))
    ]
    return Work(files, folder)


def delivered(pipeline) -> Counter:
    return Counter(digest for batch in pipeline for digest in digest_batch(*batch))


def result(*rounds: tuple[float, float]) -> streaming.Result:
    return streaming.Result(1.0, 1.0, [measure.Round(cpu, wall, 0.1, BATCH) for cpu, wall in rounds])


# ---- arithmetic ----


def test_a_ratio_is_the_median_of_the_quotients_of_each_round():
    results = {"ou": result((10, 8), (40, 4), (12, 9)), "npz": result((5, 2), (8, 2), (4, 1))}
    assert streaming.ratio(results, "ou", "npz", "cpu") == 3  # of 2, 5, 3; the medians' quotient would be 2.4
    assert streaming.ratio(results, "ou", "npz", "wall") == 4  # of 4, 2, 9
    assert streaming.ratio(results, "torch", "npz", "cpu") is None


def test_a_share_of_the_limit_is_the_time_of_the_limit_through_ours():
    assert streaming.RATIOS["npz_vs_inflate_limit"] == ("inflate", "npz", "cpu")
    assert streaming.ratio({"inflate": result((2, 1)), "npz": result((4, 2))}, "inflate", "npz", "cpu") == 0.5


def test_the_report_has_all_keys_and_is_null_where_nothing_was_measured(work):
    results = {"npz": result((4, 2)), "npz_compact": result((2, 1)), "ou": result((12, 6)), "inflate": result((1, 1))}
    report = json.loads(json.dumps(streaming.report(results, work, "made", []), allow_nan=False))
    assert report["npz_vs_ou_cpu"] == 3
    assert {key for key in ALWAYS if report[key] is None} == set()
    assert {key for key in WHERE_THERE_IS_TIME_AND_A_PEER if report[key] is not None} == set()
    report = streaming.report({"inflate": result((1, 1))}, work, "made", [])  # there was no time for ours
    assert (report["peak_mb"], report["peak_compact_mb"], report["first_batch_s"], report["rounds"]) == (
        None,
        None,
        None,
        1,
    )


def test_cpu_time_counts_children():
    before = measure.cpu_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.1: pass"], check=True)
    assert measure.cpu_seconds() - before >= 0.1


def test_memory_counts_what_is_written_and_no_files(tmp_path):
    (tmp_path / "large").write_bytes(bytes(60_000_000))
    code = """if True:
        import sys
        import numpy as np
        from streaming_peers import measure

        before = measure.held(None)
        mapped = np.memmap(sys.argv[1], np.uint8, "r")
        assert mapped.sum() == 0
        read = measure.held(None)
        filled = np.ones(60_000_000, np.uint8)
        print(read - before, measure.held(None) - read)
    """  # in a process of its own: in this one, tests before may have left memory that is taken again
    command = [sys.executable, "-c", code, str(tmp_path / "large")]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=True)
    read, written = map(float, done.stdout.split())
    assert read < 40
    assert 55 < written < 65


# ---- equal work ----


@pytest.mark.slow
def test_the_forms_of_ours_and_a_generator_of_numpy_deliver_the_same(work):
    wanted = delivered(ours.npz(work))
    assert len(wanted) == 4
    assert set(wanted.values()) == {BATCH // 4}
    assert delivered(ours.npz_compact(work)) == wanted
    assert delivered(plain.naive(work)) == wanted


@pytest.mark.slow  # TensorFlow
def test_the_loader_of_the_ou_course_delivers_the_same(work):
    assert delivered(graph.ou_style(work)) == delivered(ours.npz(work))


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    image, labels = made.expected(made.make_patch(0))
    return image[np.newaxis].astype(np.float32), labels[np.newaxis]


@pytest.mark.parametrize(
    "fault",
    [
        lambda image, labels: (image[..., ::-1], labels),
        lambda image, labels: (image.transpose(0, 2, 1, 3), labels),
        lambda image, labels: (image, np.where(labels == 0, 15, labels)),
        lambda image, labels: (image, labels.transpose(0, 2, 1)),
        lambda image, labels: (image.astype(np.float64), labels),
        lambda image, labels: (image * np.float32(255 / 256), labels),
        lambda image, labels: (np.nextafter(np.nextafter(image, 2), 2), labels),
        lambda image, labels: (np.full_like(image, np.nan), labels),
    ],
    ids=["bands", "axes", "no data", "labels' axes", "float64", "scale", "last bits", "NaN"],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_another_image_would_be_noticed(batch, fault):
    right = digest_batch(*batch)
    try:
        assert digest_batch(*fault(*batch)) != right
    except ValueError as error:
        assert "scaled to float32" in str(error)


def test_a_product_and_a_quotient_both_count_as_right():
    patch = made.make_patch(0)[0]
    scales = np.repeat(np.float32([255, 4000]), (8, 18))
    image = np.concatenate([patch[:8], patch[10:28]]).transpose(1, 2, 0)[np.newaxis]
    assert not np.array_equal(image / scales, image * (1 / scales))
    labels = np.zeros((1, 256, 256))
    assert digest_batch(image / scales, labels) == digest_batch(image * (1 / scales), labels)


# ---- cases ----


class FakeWorker:
    """Answers at once: with an error, or with digests that depend on the case."""

    def __init__(self, case, work):
        self.case, self.peak = case, 1.0

    def ready(self):
        """Import nothing."""
        if self.case.name == "fails":
            raise measure.CaseError("fails: no such thing")

    def first(self):
        """Deliver two patches."""
        return measure.Round(1, 1, 1, 2, None if self.case.limit else [1, 3 if self.case.name == "differs" else 2])

    def end(self):
        """Have nothing to end."""


def check(monkeypatch, *names: str, end: float = math.inf) -> tuple[list[str], list[str]]:
    monkeypatch.setattr(streaming, "Worker", FakeWorker)
    notes: list[str] = []
    works = {Case(name, plain.naive, limit=name == "limit"): Work([], ROOT) for name in names}
    return [worker.case.name for worker in streaming.check(works, end, notes)], notes


def test_a_case_that_fails_is_left_out_and_a_limit_is_not_compared(monkeypatch):
    measured, notes = check(monkeypatch, "npz", "limit", "fails", "peer")
    assert measured == ["npz", "limit", "peer"]
    assert notes == ["left out: fails: no such thing"]


def test_a_case_that_delivers_other_patches_ends_the_benchmark(monkeypatch):
    with pytest.raises(SystemExit, match="differs does not deliver"):
        check(monkeypatch, "npz", "differs")


def test_what_there_is_no_time_for_is_named(monkeypatch):
    measured, notes = check(monkeypatch, "npz", "npz_compact", "ou", "limit", "late", end=-math.inf)
    assert measured == ["npz", "npz_compact", "ou", "limit"]
    assert "late left out" in notes[0]


def test_what_is_not_installed_is_named_with_the_way_to_install_it(tmp_path):
    absent, there = Case("peer", plain.naive, ("no_such_module.part",)), Case("naive", plain.naive)
    kept, notes = streaming.chosen([absent, there], tmp_path)
    assert kept == [there]
    assert "no_such_module" in notes[0]
    assert "pip install" in notes[0]


@pytest.mark.long
def test_the_benchmark_runs_and_prints_one_object():
    command = [sys.executable, str(ROOT / "benchmarks/streaming.py"), "--quick", "--json", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    values = {key: report[key] for key in ALWAYS | WHERE_THERE_IS_TIME_AND_A_PEER}
    values = {key: value for key, value in values.items() if value is not None or key in ALWAYS}
    assert {key: value for key, value in values.items() if not 0 < value < math.inf} == {}
    assert report["rounds"] == 1


# ---- listing ----


def test_a_folder_of_many_names_is_read_as_patches(tmp_path):
    original = Path(made.write(tmp_path / "one", ["a-0.npz"], made.make_patch(0))[0]).read_bytes()
    folder = listing.fill(tmp_path / "many", 3 * listing.PER_TILE, original)
    assert len({chesapeake.tile_of(patch.name) for patch in chesapeake.find_patches(folder)}) == 3
    assert listing.measure(folder, seed=0).keys() == {"listing", "shuffling", "first batch"}


def test_growth_is_of_one_patch_from_a_tenth_of_the_folder_to_all_of_it():
    def times(listing, shuffling):
        return [{"listing": listing, "shuffling": shuffling, "first batch": 0.5}] * 3

    found = listing.summary({10_000: times(9, 9), 100_000: times(1, 2), 1_000_000: times(10, 60)})
    assert (found["growth_listing"], found["growth_shuffling"], found["first_batch_100k_s"]) == (1.0, 3.0, 0.5)
