"""Measure the numbers that a lecture's prose promises, and write them to lectures/expected.toml.

python authoring/measure.py 01_simple [--seeds 5] [--root DIR]

Runs the built lecture once for each seed on the real data; one that expected.toml lists under `on_stand_in`, on its
stand-in, with whatever real data there are out of its sight. With fewer than five seeds nothing is written.
"""

import argparse
import re
import sys
import tempfile
import tomllib
from decimal import ROUND_UP, Context, Decimal
from math import isfinite
from pathlib import Path

from notebooks import PROJECT
from shorthand import SourceError
from sources import EXPECTED, ON_STAND_IN, read_expected, read_on_stand_in

from helpers.files import atomic_write
from helpers.notebooks import STAND_IN, execute, without_data

ENOUGH = 5  # seeds; fewer say too little about the spread
MARGIN = 0.25  # of the range of the seeds: how far beyond it a run on another machine may fall
FLOOR = 0.01  # of the value: at least so far
HEADER = re.compile(r"""\["?(?P<stem>[\w-]+)"?\."?(?P<name>\w+)"?\]""")
MEASURED = re.compile(r"(value|tolerance|seeds)\s*=")


def run(path: Path, names: list[str], seed: int, stand_ins: Path | None = None) -> tuple[dict, float]:
    """Execute a lecture with a seed; return its numbers and the seconds taken.

    Args:
        stand_ins: where stand-ins are made, for a lecture that is to run on them; None for real data.

    Raises:
        SourceError: the data are not those wanted, or a variable is not one finite number.
    """
    swap = {"seed_everything(0)": f"seed_everything({seed})"}
    env = without_data(stand_ins) if stand_ins else None
    _, values, seconds = execute(path, names=[*names, STAND_IN], replace=swap, env=env)
    _check_data(path.name, on_stand_in=values.pop(STAND_IN), wanted=stand_ins is not None)
    for name, value in values.items():
        if type(value) not in (int, float) or not isfinite(value):
            raise SourceError(
                f"{path.name}: {name} is {value!r}; give the notebook a variable that is one finite number"
            )
    return values, seconds


def _check_data(name: str, *, on_stand_in: bool, wanted: bool) -> None:
    if on_stand_in and not wanted:
        raise SourceError(
            f"{name} ran on stand-in data; put the real data where COURSE_DATA points to, or list the lecture under "
            f"{ON_STAND_IN} in {EXPECTED} if its numbers are to be those of the stand-in"
        )
    if wanted and not on_stand_in:
        raise SourceError(f"{name} is listed under {ON_STAND_IN} in {EXPECTED}, but no variable of it has is_stand_in")


def summary(values: list[float]) -> dict:
    """Turn one number's values over the seeds into its entry in expected.toml.

    The value is that of the first seed, which is the notebook's: students see it on their screen. The tolerance is how
    far beyond the smallest and the largest seed a run may fall.

    >>> summary([0.09264, 0.09270, 0.0931, 0.0925, 0.0928])
    {'value': 0.0926, 'tolerance': 0.00093, 'seeds': [0.09264, 0.0927, 0.0931, 0.0925, 0.0928]}
    >>> summary([7, 7, 7])
    {'value': 7, 'tolerance': 0.07, 'seeds': [7, 7, 7]}
    """
    seeds = [_rounded(value, 4) for value in values]
    value = _rounded(values[0], 3)
    tolerance = max(MARGIN * (max(seeds) - min(seeds)), FLOOR * abs(value))
    # twelve digits first: the last bits of a product are noise, and rounding up would lift them
    upwards = Context(prec=2, rounding=ROUND_UP).create_decimal(Decimal(f"{tolerance:.12g}"))
    return {"value": value, "tolerance": float(upwards), "seeds": seeds}


def rewrite(text: str, stem: str, measured: dict[str, dict]) -> str:
    """Put measured entries into the text of expected.toml; its order and comments stay.

    Raises:
        SourceError: the text does not give each number a table of its own, or an array spans lines.
    """
    lines, entry = [], None
    for line in text.splitlines():
        if line.startswith("["):
            header = HEADER.match(line)
            entry = measured.get(header["name"]) if header and header["stem"] == stem else None
            lines += [line, *(f"{key} = {value}" for key, value in (entry or {}).items())]
        elif not (entry and MEASURED.match(line)):
            lines.append(line)
    new = "\n".join(lines) + "\n"
    if not _says(new, stem, measured):
        raise SourceError(f'{EXPECTED}: write each number of {stem} as its own table ["{stem}".name], a key to a line')
    return new


def _rounded(value: float, digits: int) -> float:
    return value if isinstance(value, int) else float(f"{value:.{digits}g}")


def _says(text: str, stem: str, measured: dict[str, dict]) -> bool:
    try:
        numbers = tomllib.loads(text)[stem]
    except tomllib.TOMLDecodeError:
        return False
    return all(entry.items() <= numbers[name].items() for name, entry in measured.items())


def table(runs: list[dict], entries: dict[str, dict]) -> str:
    """Lay out the values of every run, with that of the first seed, the smallest and the largest."""
    rows = ["number                     value        smallest     largest      tolerance"]
    for name, entry in entries.items():
        values = [run[name] for run in runs]
        cells = [entry["value"], min(values), max(values), entry["tolerance"]]
        rows.append(f"{name:<27}" + "".join(f"{cell:<13.6g}" for cell in cells))
    return "\n".join(rows)


def measure(root: Path, stem: str, seeds: int) -> None:
    """Run a lecture with seeds 0, 1, …, print the numbers and write them down."""
    names = list(read_expected(root).get(stem, {}))
    if not names:
        raise SourceError(f'{EXPECTED} has no number of "{stem}"; add a table ["{stem}".name] with the line value = 0')
    with tempfile.TemporaryDirectory() as folder:
        stand_ins = Path(folder) if stem in read_on_stand_in(root) else None
        runs = [
            _run_and_tell(root / "lectures" / f"{stem}.ipynb", names, seed, seeds, stand_ins) for seed in range(seeds)
        ]
    entries = {name: summary([values[name] for values in runs]) for name in names}
    print(table(runs, entries))
    if seeds < ENOUGH:
        print(f"{EXPECTED} stays as it is: {seeds} seeds are fewer than {ENOUGH}.")
        return
    path = root / EXPECTED  # read again: another lecture may have been measured meanwhile
    text = rewrite(path.read_text(encoding="utf-8"), stem, entries)
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(f"wrote {EXPECTED}; run ./course build, so that the prose says so")


def _run_and_tell(path: Path, names: list[str], seed: int, seeds: int, stand_ins: Path | None) -> dict:
    values, seconds = run(path, names, seed, stand_ins)
    said = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
    print(f"seed {seed} ({seed + 1} of {seeds}), {seconds:.0f} s: {said}", flush=True)
    return values


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lecture", help="such as 01_simple")
    parser.add_argument("--seeds", type=int, default=ENOUGH)
    parser.add_argument("--root", type=Path, default=PROJECT, help="the folder that has authoring/ and lectures/")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds wants at least 1")
    try:
        measure(options.root, options.lecture.removesuffix(".ipynb"), options.seeds)
    except (SourceError, FileNotFoundError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
