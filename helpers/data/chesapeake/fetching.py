"""Real land from the publishers' mirrors: patches cut from tiles of which only the lines that are wanted are read.

Used by `./course data fetch chesapeake`. A *line* is a row of windows side by side, 256 pixels high: where a file is
striped, one window costs all of its line, so a line is read once and cut into all its windows. Lines are taken from
one tile after the other, in the order of a seed.

What is read, and from where, stands beside the patches of each tile, in `{state}_1m_{year}-{tile}.json`.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from helpers.data import DataError, check_room, stand_in
from helpers.data.chesapeake.bands import LABELS, PIXELS
from helpers.data.chesapeake.tiles import LAYERS, Tile
from helpers.data.fetch import DataCard, FetchError, folder_to_fill
from helpers.data.remote import HEAD, ChangedError, Mirrors, MissingError, RemoteFile, RemoteReader
from helpers.data.streaming import FileError
from helpers.files import LockedError, atomic_write, locked, sweep
from helpers.tables import plural, size

SPLITS = ("train", "val", "test")
WINDOWS = 200  # that are fetched when nobody says how many
CITE = 'Robinson et al., "Large scale high-resolution land cover mapping with multi-resolution data", CVPR 2019'
INDEX = "spatial_index.geojson"
_TURNS = ("train", "val", "train", "test", "train")  # of which splits the tiles are taken, over and over
_PATCH = 700_000  # bytes of a patch, about
_ANEW = 3 * len(LAYERS)  # times that a tile is read: each of its files may change, or move to another mirror
_MOST_LEFT_OUT = 5  # tiles in a row: then it is not the tiles
_WORK = ".fetch"  # the folder of what is unfinished
_PATIENCE = 5  # seconds that a thread has to end after Ctrl-C
_UNLABELED = (0, 15)
Result = TypeVar("Result")
_PATH = re.compile(
    r"(?P<folder>(?P<start>(?P<state>[a-z]{2})_1m_\d{4})_extended-debuffered-(?P<split>train|val|test))_tiles/"
    rf"(?P<name>[\w-]+)_(?P<layer>{'|'.join(LAYERS)})\.tif"
)


class IndexedTile(NamedTuple):
    """A tile of the index: where its layers lie below a mirror, and where its patches go below a folder."""

    state: str
    split: str
    name: str
    start: str  # of the names of patches: state and year
    folder: str
    paths: Mapping[str, str]

    def patch(self, number: int) -> str:
        """Return the path of a patch; numbered as the windows of tiles are."""
        return f"{self.folder}/{self.start}-{self.name}-{number:04}.npz"

    @property
    def note(self) -> str:
        """Return the path of the file that says where the patches come from."""
        return f"{self.folder}/{self.start}-{self.name}.json"


class Outline(NamedTuple):
    """What must be known of a tile to tell what it costs."""

    lines: int
    columns: int  # windows in a line
    line_bytes: Sequence[int]  # that each line is read from, of all layers, without the heads of the files
    shared: Sequence[int]  # of these, what the line before it is read from too

    @classmethod
    def of(cls, noted: Sequence[Any]) -> "Outline":
        """Return what was noted; earlier versions noted one number of bytes for every line."""
        lines, columns, line_bytes, *shared = noted
        if isinstance(line_bytes, int):
            line_bytes, shared = [line_bytes] * lines, [[0] * lines]
        return cls(lines, columns, line_bytes, *shared)

    def cost(self, lines: Sequence[int]) -> int:
        """Return how many bytes some lines are read from."""
        return sum(self.line_bytes[line] - self.shared[line] * (line - 1 in lines) for line in lines)


def read_index(text: bytes) -> list[IndexedTile]:
    """Return the tiles that an index lists with all their layers, in its order.

    Raises:
        FetchError: it is no index.
    """
    try:
        features = [feature["properties"] for feature in json.loads(text)["features"]]
        found = [_indexed(properties) for properties in features]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(f"{INDEX} is no list of tiles ({type(error).__name__}: {error})") from error
    return [tile for tile in found if tile]


def _indexed(properties: Mapping[str, Any]) -> IndexedTile | None:
    """Return a tile; None where a layer is not listed or lies elsewhere than in the public layout."""
    matches = {layer: _PATH.fullmatch(str(properties.get(layer, "")).removeprefix("./")) for layer in LAYERS}
    first = matches["lc"]
    if first is None or f"{first['state']}-{first['split']}" != properties["split"]:
        return None
    if any(match is None or match["layer"] != layer for layer, match in matches.items()):
        return None
    paths = {layer: match[0] for layer, match in matches.items() if match}
    folder = f"{first['folder']}_patches"
    return IndexedTile(first["state"], first["split"], first["name"], first["start"], folder, paths)


def in_order(tiles: Sequence[IndexedTile], seed: int) -> list[IndexedTile]:
    """Return tiles in an order that only the seed decides; of five in a row, three are for training."""
    shuffled = sorted(tiles, key=lambda tile: _draw(seed, tile.note))
    waiting = {split: [tile for tile in shuffled if tile.split == split][::-1] for split in SPLITS}
    turns = itertools.cycle(_TURNS)
    return [waiting[split].pop() for split in _until_empty(turns, waiting)]


def _until_empty(turns: Iterator[str], waiting: Mapping[str, Sequence[object]]) -> Iterator[str]:
    while any(waiting.values()):
        if waiting[split := next(turns)]:
            yield split


def fetch_windows(
    card: DataCard,
    *,
    states: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    tiles: int | None = None,
    windows: int | None = None,
    most_bytes: int | None = None,
    seed: int = 0,
    dry_run: bool = False,
) -> Path:
    """Fetch patches of real land cover into the data folder; what an earlier call has fetched is not read again.

    Args:
        card: of the data set: its mirrors and its folder.
        states, splits: only tiles of these, such as `["pa"]` and `["train", "val"]`. Default: of all.
        tiles, windows, most_bytes: how much: so many whole tiles, so many patches, or what may be read for so many
            bytes; at most one of them. Default: 200 patches.
        seed: another number, other tiles.
        dry_run: say what would be read, and write nothing.

    Returns:
        The folder.

    Raises:
        FetchError: no mirror answers, another process fetches into the same folder, or too many tiles are unusable.
        DataError: there is too little room.
        OSError: the disk is full or cannot be written.
    """
    folder = folder_to_fill() / card.folder
    _refuse_stand_in(folder)
    wanted = Wanted(tiles, windows if tiles or most_bytes else windows or WINDOWS, most_bytes)
    with _place_to_work(folder, dry_run) as work:
        fetch = Fetch(card, folder, work, wanted, seed)
        fetch.choose(states, splits)
        if not (shares := fetch.take()):
            raise fetch.nothing()
        print(fetch.told(shares, in_full=dry_run), flush=True)
        if not dry_run:
            fetch.carry_out(shares)
    return folder


def fetch_sample(card: DataCard, *, dry_run: bool = False) -> Path:
    """Fetch the few patches that are public one by one, unless they are there; each has the SHA-256 of its card.

    Raises:
        FetchError: no mirror gives them, or what one gives is something else.
    """
    folder = folder_to_fill() / card.folder
    target = folder / "sample"
    _refuse_stand_in(folder)
    missing = {name: wanted for name, wanted in card.sample.items() if _sha256(target / name) != wanted}
    print(f"{plural(len(missing), 'patch')} of the sample are to be read, about {size(_PATCH * len(missing))}.")
    if dry_run or not missing:
        return target
    with _place_to_work(folder, dry_run) as work, _bar(_PATCH * len(missing)) as bar:
        mirrors = Mirrors(mirrors_of(card.sample_mirrors), tell=_tell, received=bar.update)
        for name, wanted in missing.items():
            file = RemoteFile(mirrors, name, work / f"{name}.part")
            content = _accepted(file, functools.partial(_checked, wanted))
            file.forget()
            target.mkdir(parents=True, exist_ok=True)
            with atomic_write(target / name) as unfinished:
                unfinished.write_bytes(content)
    return target


def _checked(wanted: str, content: bytes) -> bytes:
    """Return what has this SHA-256.

    Raises:
        FetchError: it has another.
    """
    if (got := hashlib.sha256(content).hexdigest()) != wanted:
        raise FetchError(f"it is not the file that it was: its SHA-256 is {got}, not {wanted}")
    return content


def _accepted(file: RemoteFile, accept: Callable[[bytes], Result]) -> Result:
    """Return what a function makes of a whole file, of the first mirror whose file it takes; others are not kept.

    Raises:
        FetchError: it takes none, and has raised one for each.
    """
    refused = dict[str, str]()
    while True:
        content = file.read(0, file.length())
        try:
            return accept(content)
        except FetchError as error:
            address, reason = file.address, f"{file.url}: {error}"
        file.forget()
        if address in refused or len(refused) + 1 == len(file.mirrors.addresses):
            reasons = "; ".join((refused | {address: reason}).values())
            raise FetchError(f"{reasons}. It was not kept. Name another mirror in COURSE_MIRRORS.")
        refused[address] = reason
        file.mirrors.fails(address, reason)


def mirrors_of(addresses: Sequence[str]) -> list[str]:
    """Return the addresses to ask: those that COURSE_MIRRORS names, or else those of the registry."""
    return os.environ.get("COURSE_MIRRORS", "").split() or list(addresses)


class Wanted(NamedTuple):
    """How much to fetch; one of them is a number."""

    tiles: int | None
    windows: int | None
    most_bytes: int | None


class Share(NamedTuple):
    """Lines of one tile, counted from the north: all of a tile that is fetched whole, else one."""

    tile: IndexedTile
    lines: list[int]
    outline: Outline

    @property
    def patches(self) -> int:
        """Return how many windows are in it."""
        return len(self.lines) * self.outline.columns

    @property
    def cost(self) -> int:
        """Return how many bytes it takes to read it, without the heads of the files."""
        return self.outline.cost(self.lines)


class Fetch:
    """One run of `fetch_windows`, where the arguments are explained.

    Args:
        work: a folder for what is unfinished.
    """

    def __init__(self, card: DataCard, folder: Path, work: Path, wanted: Wanted, seed: int) -> None:
        self.card, self.folder, self.work, self.wanted, self.seed = card, folder, work, wanted, seed
        self.mirrors = Mirrors(mirrors_of(card.mirrors), tell=_tell, received=self._received)
        self.left_out: dict[str, str] = {}  # tiles, and why
        self.patches, self.tiles, self.spent = 0, 0, 0  # of this run and those before it; bytes
        self.read = 0  # bytes of this run
        self._shares: Iterator[Share] = iter(())
        self._in_a_row = 0  # tiles that were left out
        self._too_much = 0  # bytes that would have done for a share which was not granted
        self._index: RemoteFile
        self._bar: Any = None

    def _received(self, count: int) -> None:
        self.read += count
        if self._bar is not None:
            self._bar.update(count)

    # ---- the plan ----

    def choose(self, states: Sequence[str] | None, splits: Sequence[str] | None) -> None:
        """Read the index, and put the tiles that are wanted in order.

        Raises:
            FetchError: no mirror has an index, or it lists none of them.
        """
        index = self._index = RemoteFile(self.mirrors, INDEX, self._kept(INDEX))
        listed = _accepted(index, read_index)
        fitting = [tile for tile in listed if _is_among(tile.state, states) and _is_among(tile.split, splits)]
        if not fitting:
            raise FetchError(
                f"{index.url} lists {plural(len(listed), 'tile')} with all layers, and none of --state "
                f"{','.join(states or ['any'])} and --split {','.join(splits or ['any'])}. Choose others."
            )
        tiles = in_order(fitting, self.seed)
        self._shares = self._whole(tiles) if self.wanted.tiles else self._line_by_line(tiles)

    def _whole(self, tiles: Sequence[IndexedTile]) -> Iterator[Share]:
        for tile in tiles:
            if outline := self._outline(tile):
                yield Share(tile, list(range(outline.lines)), outline)

    def _line_by_line(self, tiles: Sequence[IndexedTile]) -> Iterator[Share]:
        """Yield one line of each tile, then a second one of each, and so on: many places, then more of each."""
        for turn in itertools.count():
            some = False
            for tile in tiles:
                if (outline := self._outline(tile)) and turn < outline.lines:
                    some = True
                    lines = sorted(range(outline.lines), key=lambda line: _draw(self.seed, tile.note, line))
                    yield Share(tile, [lines[turn]], outline)
            if not some:
                return

    def take(self) -> list[Share]:
        """Return the next shares, which make up for what is missing; none when there is enough, or nothing more."""
        taken, patches, tiles, cost = list[Share](), self.patches, self.tiles, 0
        while _is_less(tiles, self.wanted.tiles) or _is_less(patches, self.wanted.windows) or self.wanted.most_bytes:
            share = next(self._shares, None)  # which may read heads
            spent = max(self.spent, self.read) + cost
            if share is None or (self.wanted.most_bytes and spent + share.cost > self.wanted.most_bytes):
                self._shares = iter(())
                self._too_much = self.read + share.cost if share else self._too_much
                break
            taken.append(share)
            patches, tiles, cost = patches + share.patches, tiles + 1, cost + share.cost
        return taken

    def told(self, shares: Sequence[Share], *, in_full: bool) -> str:
        """Return what is to be read, once it is clear that there is room; `in_full` with the address of each tile.

        Raises:
            DataError: there is too little room.
        """
        pending = self._pending(shares)
        if not pending:
            return "Nothing need be read: it was fetched before."
        patches = min(sum(share.patches for share in pending), self.wanted.windows or sys.maxsize)
        parts = max(sum(share.outline.line_bytes) for share in pending)
        check_room(self.folder, patches * _PATCH + parts, "about {} are to be fetched")
        told = (
            f"About {size(self._cost(pending))} are to be read, after {size(self.read)} to find them, of "
            f"{plural(len({share.tile.note for share in pending}), 'tile')}, for {plural(patches, 'patch')}, about "
            f"{size(patches * _PATCH)}, in {self.folder}."
        )
        return "\n".join([told, *(self._row(share) for share in pending if in_full)])

    def _cost(self, shares: Sequence[Share]) -> int:
        """Return how many bytes some shares are read from, heads of files that are not kept among them."""
        tiles = {share.tile.note: share.tile for share in shares}.values()
        paths = [path for tile in tiles for path in tile.paths.values() if not self._kept(path).exists()]
        return sum(share.cost for share in shares) + len(paths) * HEAD

    def _row(self, share: Share) -> str:
        tile, place = share.tile, next(iter(share.tile.paths.values())).rpartition("_")[0]
        rows = ", ".join(f"{line * PIXELS}-{(line + 1) * PIXELS - 1}" for line in share.lines)
        address = f"{self.mirrors.addresses[0]}{place}_{{{','.join(tile.paths)}}}.tif"
        return f"  {tile.state}-{tile.split}, about {size(share.cost)}, rows {rows} of {address}"

    # ---- what is there ----

    def _facts(self, tile: IndexedTile) -> dict[str, Any]:
        """Return what stands beside the patches of a tile, or what is to stand there first."""
        with contextlib.suppress(FileNotFoundError):
            return _read_note(self.folder / tile.note)
        return {"tile": tile.name, "split": f"{tile.state}-{tile.split}", "licence": self.card.licence, "cite": CITE,
                "outline": None, "lines": {}}  # fmt: skip

    def _fact(self, share: Share, line: int, most: int) -> dict[str, Any] | None:
        """Return what is noted of a line that gave `most` patches or all that it can; None if it is still to be cut."""
        fact = self._facts(share.tile)["lines"].get(str(line))
        if not fact or not (fact["complete"] or len(fact["windows"]) >= most):
            return None
        return fact if all((self.folder / share.tile.folder / name).exists() for name in fact["windows"]) else None

    def _pending(self, shares: Sequence[Share]) -> list[Share]:
        """Return shares without what an earlier run has cut of them."""
        pending, most = list[Share](), self._missing()
        for share in shares:
            lines = list[int]()
            for line in share.lines:
                fact = self._fact(share, line, most)
                most -= len(fact["windows"]) if fact else share.outline.columns
                lines += [] if fact else [line]
            if lines:
                pending.append(share._replace(lines=lines))
        return pending

    def _missing(self) -> int:
        """Return how many patches are still wanted; very many where nobody counts patches."""
        return sys.maxsize if self.wanted.windows is None else self.wanted.windows - self.patches

    def _outline(self, tile: IndexedTile) -> Outline | None:
        """Return what a tile is like, from an earlier run or from its files; None if it cannot be used."""
        if tile.note in self.left_out:
            return None
        if known := self._facts(tile)["outline"]:
            return Outline.of(known)
        return self._try(tile, self._measured)

    # ---- the work ----

    def carry_out(self, shares: Sequence[Share]) -> None:
        """Fetch shares, and others in place of those that cannot be used; say how many patches there are.

        Raises:
            FetchError, OSError: see `fetch_windows`. What was cut stays, and the same call goes on.
        """
        with _bar(self._cost(self._pending(shares))) as self._bar:
            while shares:
                for share in shares:
                    self._fetch(share)
                shares = self.take()
        self._bar = None
        for part in self.work.glob("*.part*"):  # the index, and tiles that were looked at and not needed
            part.unlink()
        if not self.patches:
            raise self.nothing()
        if _is_less(self.patches, self.wanted.windows) or _is_less(self.tiles, self.wanted.tiles):
            _tell("The index has no more tiles of this kind.")
        print(f"{plural(self.patches, 'patch')}, {size(self.read)} read.")

    def nothing(self) -> FetchError:
        """Return why there is nothing to be fetched."""
        if self.left_out:
            self._index.forget()  # it may be that
            return FetchError(f"no tile can be used: {'; '.join(self.left_out.values())}.")
        return FetchError(
            f"{size(self.wanted.most_bytes or 0)} do not do for one line of a tile, which takes about "
            f"{size(self._too_much)}. Grant more: --bytes."
        )

    def _fetch(self, share: Share) -> None:
        """Cut the lines of a share that are missing, and count all."""
        if share.tile.note in self.left_out:
            return
        for line in share.lines:
            most, cost = self._missing(), share.outline.line_bytes[line]
            if most <= 0:
                return
            if self.wanted.most_bytes and (needed := max(self.spent, self.read) + cost) > self.wanted.most_bytes:
                self._too_much = needed
                return
            fact = self._fact(share, line, most) or self._try(
                share.tile, functools.partial(self._cut, share, line, most)
            )
            if fact is None:
                return
            self.patches += min(len(fact["windows"]), most)
            self.spent += fact["read"]
        self.tiles += 1
        self._forget(share.tile)

    def _try(self, tile: IndexedTile, work: Callable[[Tile, Mapping[str, RemoteFile]], Result]) -> Result | None:
        """Do something with a tile, anew when its files change meanwhile; None, and why, where it cannot be used.

        Raises:
            FetchError: no mirror answers, or many tiles in a row cannot be used.
        """
        refused = dict[str, set[str]]()  # of each file the mirrors that gave something else
        for _ in range(_ANEW):
            files = {layer: RemoteFile(self.mirrors, path, self._kept(path)) for layer, path in tile.paths.items()}
            done: Result | None = None
            failure: BaseException | None = None
            try:
                done = _apart(functools.partial(_with_tile, tile, files, work), files)
            except (DataError, FetchError) as error:
                failure = error
            failure = _failure(files) or failure  # the cause of what GDAL says
            if failure is None:
                self._in_a_row = 0
                return done
            if isinstance(failure, FileError) and (wrong := _named(files, failure)):
                address, failure = wrong.address, DataError(f"{wrong.url}: {_problem(failure, wrong)}")
                wrong.forget()
                others = refused.setdefault(wrong.path, set())
                if address in others or len(others) + 1 == len(self.mirrors.addresses):
                    break
                others.add(address)
                self.mirrors.fails(address, str(failure))
                continue
            if not isinstance(failure, ChangedError):
                break
            _tell(f"{failure}. Reading the tile anew")
        if failure and not isinstance(failure, (ChangedError, MissingError, DataError)):
            raise failure
        reason = str(failure)
        self.left_out[tile.note] = reason
        _tell(f"Left out, and another tile taken: {reason}")
        self._forget(tile)
        self._in_a_row += 1
        if self._in_a_row == _MOST_LEFT_OUT:
            self._index.forget()  # it may be that
            raise FetchError(f"{_MOST_LEFT_OUT} tiles in a row cannot be used; the last one: {reason}")
        return None

    def _kept(self, path: str) -> Path:
        return self.work / f"{path.replace('/', '-')}.part"

    def _forget(self, tile: IndexedTile) -> None:
        """Remove the parts of a tile that was cut."""
        for path in tile.paths.values():
            RemoteFile(self.mirrors, path, self._kept(path)).forget()

    def _measured(self, tile: Tile, files: Mapping[str, RemoteFile]) -> Outline:
        lines, columns = _windows(tile)
        ranges = [tile.ranges(line * PIXELS, PIXELS) for line in range(lines)]
        if failure := _failure(files):  # GDAL may have taken it for a file without blocks
            raise failure
        alone = [_to_read(files, each) for each in ranges]
        both = [_to_read(files, before, each) for before, each in itertools.pairwise(ranges)]
        shared = [before + each - together for before, each, together in zip(alone, alone[1:], both, strict=False)]
        return Outline(lines, columns, alone, [0, *shared])

    def _cut(self, share: Share, line: int, most: int, tile: Tile, files: Mapping[str, RemoteFile]) -> dict[str, Any]:
        """Write at most so many windows of a line as patches; return what is noted of it beside them."""
        before, (lines, columns) = self.read, _windows(tile)
        if (lines, columns) != (share.outline.lines, share.outline.columns):
            raise DataError(
                f"{tile.name} has {lines} x {columns} windows, and had {share.outline.lines} x "
                f"{share.outline.columns} before: it is another version. To cut it anew, remove "
                f"{self.folder / share.tile.note} and its patches"
            )
        for layer, ranges in tile.ranges(line * PIXELS, PIXELS).items():
            files[layer].bring(ranges)  # at once: GDAL would ask for one block after the other
        pixels = tile.read_rows(line * PIXELS, PIXELS)
        if failure := _failure(files):  # GDAL may have taken it for the end of a file
            raise failure
        windows, left_out = dict[str, list[int]](), dict[str, str]()
        for column in range(share.outline.columns):
            if len(windows) == most:
                break
            window = pixels[np.newaxis, :, :, column * PIXELS : (column + 1) * PIXELS]
            path = share.tile.patch(line * share.outline.columns + column)
            if reason := _unusable(tile, window[0]):
                left_out[Path(path).name] = reason
                continue
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.folder / path) as unfinished:
                np.savez_compressed(unfinished, window)
            windows[Path(path).name] = [line * PIXELS, column * PIXELS]
        facts, layers = self._facts(share.tile), {}
        for layer, file in files.items():
            layers[layer] = {"url": file.url, "version": file.version, "bytes": file.size}
        facts["outline"] = share.outline
        facts["lines"][str(line)] = {
            "complete": len(windows) + len(left_out) == share.outline.columns,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "read": self.read - before,
            "layers": layers,
            "windows": windows,
            "left out": left_out,
        }
        with atomic_write(self.folder / share.tile.note) as unfinished:
            unfinished.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return facts["lines"][str(line)]


def _windows(tile: Tile) -> tuple[int, int]:
    """Return how many lines of windows a tile has, and how many windows a line.

    Raises:
        DataError: none.
    """
    rows, columns = tile.shape
    if min(rows, columns) < PIXELS:
        raise DataError(f"{tile.name} has {rows} x {columns} pixels, fewer than one patch of {PIXELS}")
    return rows // PIXELS, columns // PIXELS


def _to_read(files: Mapping[str, RemoteFile], *lines: Mapping[str, Sequence[tuple[int, int]]]) -> int:
    """Return how many bytes of some files are not here that lines are read from, together."""
    gaps = (file.missing(each for line in lines for each in line[layer]) for layer, file in files.items())
    return sum(stop - start for parts in gaps for start, stop in parts)


def _with_tile(
    tile: IndexedTile, files: Mapping[str, RemoteFile], work: Callable[[Tile, Mapping[str, RemoteFile]], Result]
) -> Result:
    """Return what is made of a tile while its files are open."""
    with Tile(tile.paths, opener=Opener({file.path: file for file in files.values()})) as source:
        return work(source, files)


def _apart(work: Callable[[], Result], files: Mapping[str, RemoteFile]) -> Result:
    """Return what a function returns that reads files in a thread of its own; raise what it raises.

    Python raises Ctrl-C in the main thread, where GDAL would swallow it. The files then read as if they had ended; a
    server that hangs is not waited for.
    """
    done = Future[Result]()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        while not wait([done], 0.5).done:  # the system may give the signal to another thread, which wakes nobody
            pass
    except KeyboardInterrupt as interrupt:
        for file in files.values():
            file.failure = interrupt
        wait([done], _PATIENCE)
        raise
    return done.result()


def _named(files: Mapping[str, RemoteFile], error: FileError) -> RemoteFile | None:
    """Return the file that an error names; None if it is none of these."""
    return next((file for file in files.values() if file.path == error.path), None)


def _problem(error: FileError, file: RemoteFile) -> str:
    """Return what is wrong with a file, without GDAL's own name for it, nor the advice that is for files on disk."""
    told = re.sub(rf"/?/vsi\w+/(?:{re.escape(file.path)}|the file)", "the file", error.problem)
    return re.split(r"[.:;,]? [Cc]opy (?:it|both)\b", told)[0].rstrip(".")


class Opener:
    """Opens remote files for rasterio by their paths. Each compares as itself: what was open stays with its files."""

    def __init__(self, files: Mapping[str, RemoteFile]) -> None:
        self.files = files

    def __call__(self, path: str, mode: str = "rb") -> RemoteReader:
        """Open a file for reading.

        Raises:
            FileNotFoundError: it is not among them; GDAL asks for files beside.
        """
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path].open()


def _read_note(path: Path) -> dict[str, Any]:
    """Return what stands beside the patches of a tile.

    Raises:
        FileNotFoundError: nothing does.
        DataError: it is damaged.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        Outline.of(facts["outline"])
        for line in facts["lines"].values():
            _ = line["complete"], line["read"], len(line["windows"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        told = f"{path} is damaged ({type(error).__name__}: {error}). Remove it: its patches are cut again."
        raise DataError(told) from error
    return facts


def _failure(files: Mapping[str, RemoteFile]) -> BaseException | None:
    """Return why one of some files could not be read; None if all could."""
    return next((file.failure for file in files.values() if file.failure), None)


def _unusable(tile: Tile, window: np.ndarray) -> str:
    """Return why a window makes no patch; "" if it does."""
    if np.isin(window[LABELS], _UNLABELED).all():
        return "has no labels"
    try:
        tile.check(window, "the window")
    except DataError as error:
        return str(error)
    return ""


def _draw(*words: object) -> bytes:
    """Return what looks drawn at random, and is the same for the same words on every machine."""
    return hashlib.sha256(" ".join(map(str, words)).encode()).digest()


def _is_among(word: str, words: Sequence[str] | None) -> bool:
    return words is None or word in words


def _is_less(number: int, wanted: int | None) -> bool:
    return wanted is not None and number < wanted


def _refuse_stand_in(folder: Path) -> None:
    """Keep real patches from getting among made-up ones.

    Raises:
        DataError: the folder holds a stand-in.
    """
    if stand_in.is_stand_in(folder):
        raise DataError(f"{folder} holds a stand-in, and real patches are not put among made-up ones. Move it away.")


@contextlib.contextmanager
def _place_to_work(folder: Path, dry_run: bool) -> Iterator[Path]:
    """Yield a folder for unfinished files, which this process has for itself.

    Raises:
        FetchError: downloads are forbidden, or another process has it.
    """
    if os.environ.get("COURSE_OFFLINE"):
        raise FetchError("downloads are switched off (COURSE_OFFLINE is set)")
    if dry_run:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    work = folder / _WORK
    work.mkdir(parents=True, exist_ok=True)
    try:
        with locked(work / "lock"):
            sweep(folder)
            yield work
    except LockedError as error:
        raise FetchError(f"{error} fetches into {folder}. Wait for it, or name another folder: COURSE_DATA.") from error


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(desc="reading", total=total, unit="B", unit_scale=True)


def _tell(sentence: str) -> None:
    """Print on stderr, above the bar."""
    from tqdm import tqdm

    tqdm.write(f"{sentence}.", file=sys.stderr)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file; "" of one that is not there."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
