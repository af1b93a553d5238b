"""Windows of 128 pixels from tiles of 1024, in random order: `grss.Windows` against opening a file for every window.

    ./course run python benchmarks/tiles.py [--quick] [--json]

Peers: one `tifffile.imread` a window, and the best that can be done without keeping a tile: open the file, map it or
decode only the strips that the window touches. All fill the same memory with the same windows in the same order,
batches of 32, from files in the page cache; the pixels are compared. Ours opens each tile anew in every round, so that
mapping and decoding are in its time. Cases take turns; a ratio is the median over rounds, in CPU time, which other
users of the machine disturb least. `windows_vs_imread` is the smallest ratio among the cases that deliver the pixels
as the file has them: what can be promised whatever the file. Where pixels become float32, all do the same division.

A third way, where torchgeo is installed: its `RasterDataset`, `RandomGeoSampler` and torch's `DataLoader`, in one
process, which costs less CPU time than several. Its windows are its own, at random places, so of its pixels only those
of one window are compared; and it delivers float32, channels first. `windows_vs_torchgeo` is the smallest ratio.
"""

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import grss

TILES, BATCH = 4, 32
ONE_PAGE = {"photometric": "minisblack", "planarconfig": "contig"}
RGB = {"photometric": "rgb"}


@dataclass
class Case:
    """One kind of file, and what was measured: for each way and round, CPU and wall milliseconds a window."""

    kind: str
    layout: dict[str, object]
    repeats: int  # of our round, which is short where nothing is decoded
    others: int  # windows of a round that the others read
    native: bool = True
    torchgeo: bool = False
    times: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    checked: bool = False

    def ratio(self, way: str, clock: int = 0) -> float:
        """Median over rounds of how many times longer another way takes; clock 0 is CPU, 1 the wall."""
        pairs = zip(self.times["ours"], self.times[way], strict=True)
        return round(median(other[clock] / ours[clock] for ours, other in pairs), 1)

    def milliseconds(self, way: str) -> float:
        """Median over rounds of the CPU time of a window."""
        return round(median(cpu for cpu, _ in self.times[way]), 4)


def cases() -> dict[str, Case]:
    """List what is measured; MSI is on the disk as GDAL would write it, and once as the contest did."""
    lzw = {"compression": "lzw"}
    return {
        "RGB uint8, uncompressed": Case("RGB", RGB, 16, 64, torchgeo=True),
        "RGB to float32, uncompressed": Case("RGB", RGB, 8, 64, native=False),
        "RGB uint8, LZW": Case("RGB", RGB | lzw, 1, 8, torchgeo=True),
        "MSI uint16, uncompressed": Case("MSI", ONE_PAGE, 8, 24, torchgeo=True),
        "MSI uint16, uncompressed, a page a row": Case("MSI", {}, 8, 12),
        "MSI uint16, LZW": Case("MSI", ONE_PAGE | lzw, 1, 4, torchgeo=True),
    }


@functools.cache
def draw(kind: str, seed: int) -> np.ndarray:
    """Draw a tile that compresses like a picture: light that changes slowly, and noise of the sensor."""
    random = np.random.default_rng(seed)
    bands, level, noise, dtype = (3, 100, 3, np.uint8) if kind == "RGB" else (8, 400, 6, np.uint16)
    slow = np.repeat(np.repeat(random.normal(0, level / 4, (64, 64, bands)), 16, axis=0), 16, axis=1)
    grain = random.normal(0, noise, (1024, 1024, 1))
    return np.clip(level + slow + grain, 0, np.iinfo(dtype).max).astype(dtype)


def write(folder: Path, case: Case) -> list[grss.Tile]:
    """Write the tiles of one case, half of them views of one place."""
    folder.mkdir()
    for number in range(TILES):
        name = f"JAX_{number // 2:03d}_{number % 2:03d}_{case.kind}.tif"
        tifffile.imwrite(folder / name, draw(case.kind, number), **case.layout, extratags=georeference(number))
    return grss.find_tiles(folder, (case.kind,))


def georeference(number: int) -> list[tuple[int, str, int, tuple[float, ...], bool]]:
    """Return the TIFF tags that put a tile at a place of its own in UTM zone 17 north, a metre a pixel."""
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32617)  # projected, by areas, EPSG:32617
    corner = (0, 0, 0, *corner_of(number), 0)
    return [(33550, "d", 3, (1, 1, 0), True), (33922, "d", 6, corner, True), (34735, "H", len(keys), keys, True)]


def corner_of(number: int) -> tuple[float, float]:
    """Return east and north of a tile's upper left corner."""
    return 400_000 + 2000 * number, 3_300_000


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return CPU and wall milliseconds of a piece of work."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def read_touched(path: Path, box: tuple[slice, slice]) -> np.ndarray:
    """Open a tile for one window and read as little of it as its layout allows."""
    with tifffile.TiffFile(path) as file:
        series, page = file.series[0], file.pages[0]
        if series.dataoffset is not None:
            return np.memmap(path, series.dtype, "r", series.dataoffset, series.shape)[box]
        height = page.rowsperstrip
        touched = list(range(box[0].start // height, (box[0].stop - 1) // height + 1))
        places = [page.dataoffsets[at] for at in touched], [page.databytecounts[at] for at in touched]
        read = file.filehandle.read_segments(*places, indices=touched)
        strips = np.concatenate([page.decode(data, at)[0][0] for data, at in read])
    return strips[box[0].start - touched[0] * height :][: box[0].stop - box[0].start, box[1]]


def torchgeo_batches(folder: Path, windows: int) -> tuple[Any, Any]:
    """Return torchgeo's data set of a folder of tiles, and what gives batches of windows of it."""
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import RandomGeoSampler

    tiles = RasterDataset(folder)
    sampler = RandomGeoSampler(tiles, size=128, length=windows)
    return tiles, DataLoader(tiles, batch_size=BATCH, sampler=sampler, collate_fn=stack_samples)


def check_torchgeo(tiles: Any, case: Case) -> None:
    """Compare one window of the first tile with what was drawn."""
    east, north = corner_of(0)
    found = tiles[east + 100 : east + 228, north - 428 : north - 300]["image"].numpy()
    if not np.array_equal(found.transpose(1, 2, 0), draw(case.kind, 0)[300:428, 100:228]):
        raise SystemExit(f"{case.kind}: torchgeo gives other pixels; no ratio would mean anything.")


HAS_TORCHGEO = find_spec("torchgeo") is not None
MISSING = "torchgeo left out: not installed (pip install --group peers)."
WAYS = {"imread": lambda path, box: tifffile.imread(path)[box], "open": read_touched}


def measure(case: Case, tiles: list[grss.Tile], seed: int) -> None:
    """Run one round of one case: ours through all windows, the others through the first ones of the same order."""

    def open_windows() -> grss.Windows:
        return grss.Windows(tiles, (case.kind,), native=case.native, together=TILES)

    windows = open_windows()
    order = windows.order(seed=seed)
    buffer, other = windows.buffers(BATCH), windows.buffers(case.others)[case.kind]

    def ours() -> None:
        for _ in range(case.repeats):
            fresh = open_windows()
            for begin in range(0, len(order), BATCH):
                fresh.read_into(order[begin : begin + BATCH], buffer)

    def theirs(way: str) -> None:
        for row, index in enumerate(order[: case.others]):
            tile, k = windows.locate(index)
            window = WAYS[way](tile.files[case.kind], windows.grid.box(k))
            if case.native:
                other[row] = window
            else:
                np.divide(window, np.float32(255), out=other[row])

    note(case, "ours", ours, len(order) * case.repeats)
    for way in WAYS:
        note(case, way, lambda way=way: theirs(way), case.others)
        if not case.checked and not np.array_equal(windows.read(order[: case.others])[case.kind], other):
            raise SystemExit(f"{tiles[0].files}: {way} gives other pixels; no ratio would mean anything.")
    if case.torchgeo and HAS_TORCHGEO:
        geo, batches = torchgeo_batches(next(iter(tiles[0].files.values())).parent, case.others)
        if not case.checked:
            check_torchgeo(geo, case)
        note(case, "torchgeo", lambda: [None for _ in batches], case.others)
    case.checked = True


def note(case: Case, way: str, work: Callable[[], None], windows: int) -> None:
    """Add the time of one round."""
    cpu, wall = timed(work)
    case.times.setdefault(way, []).append((cpu / windows, wall / windows))


def run(rounds: int, seconds: float) -> dict[str, Case]:
    """Measure every case in turns, for some rounds or until the time is over."""
    end, measured = time.monotonic() + seconds, cases()
    with tempfile.TemporaryDirectory() as temporary:
        tiles = {name: write(Path(temporary) / str(at), case) for at, (name, case) in enumerate(measured.items())}
        for number in tqdm(range(rounds + 1), desc="rounds", leave=False, disable=None):
            for name, case in measured.items():
                measure(case, tiles[name], seed=number)
                if number == 0:  # imports, page cache
                    case.times.clear()
            if number and time.monotonic() > end:
                break
    return measured


def report(measured: dict[str, Case]) -> dict[str, object]:
    """Sum up what was measured, as `--json` prints it."""
    rows = {
        name: {
            "vs_imread": case.ratio("imread"),
            "vs_imread_wall": case.ratio("imread", 1),
            "vs_open": case.ratio("open"),
            "vs_torchgeo": case.ratio("torchgeo") if "torchgeo" in case.times else None,
            **{f"{way}_cpu_ms": case.milliseconds(way) for way in case.times},
        }
        for name, case in measured.items()
    }
    worst = min((name for name, case in measured.items() if case.native), key=lambda name: rows[name]["vs_imread"])
    rounds = len(measured[worst].times["ours"])
    geo = min((row["vs_torchgeo"] for row in rows.values() if row["vs_torchgeo"]), default=None)
    facts = {"case": worst, "rounds": rounds, "notes": [] if HAS_TORCHGEO else [MISSING]}
    return {"windows_vs_imread": rows[worst]["vs_imread"], "windows_vs_torchgeo": geo, **facts, "cases": rows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    result = report(run(*((5, 20) if arguments.quick else (15, 300))))
    if arguments.json:
        print(json.dumps(result))
        return
    heads = ("CPU ms: ours", "imread", "open", "vs imread", "(wall)", "vs open", "vs torchgeo")
    print(f"{'windows of 128 from 1024':40}" + "".join(f"{head:>13}" for head in heads))
    for name, row in result["cases"].items():
        times = "".join(f"{row[f'{way}_cpu_ms']:13.3f}" for way in ("ours", *WAYS))
        print(
            f"{name:40}{times}{row['vs_imread']:12}x{row['vs_imread_wall']:12}x{row['vs_open']:12}x"
            + (f"{row['vs_torchgeo']:12}x" if row["vs_torchgeo"] else f"{'-':>13}")
        )
    print(f"windows_vs_imread {result['windows_vs_imread']}x: {result['case']}, median of {result['rounds']} rounds")
    print(f"windows_vs_torchgeo {result['windows_vs_torchgeo'] or '-'}", *result["notes"], sep="\n")


if __name__ == "__main__":
    main()
