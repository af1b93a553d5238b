"""`./course homework release HW`: what students open, without solutions."""

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from helpers.commands.homework import common
from helpers.grading.faults import UnknownError
from helpers.grading.pipeline.releasing import release


def run(options: argparse.Namespace) -> int:
    """Release, and say where."""
    folder = release(common.course(options), options.homework, due=_utc(options.due) if options.due else "")
    print(f"{options.homework} is in {folder}: no solution, hidden test or mark scheme in it.")
    return 0


def _utc(text: str) -> str:
    """Read a time with its zone, before anything is done; a guess would make students late.

    >>> _utc("2026-11-30 23:59 +0100"), _utc("2026-11-30 23:59 UTC")
    ('2026-11-30 22:59:00 UTC', '2026-11-30 23:59:00 UTC')

    Raises:
        GradingError: it is no time, or no zone that is known.
    """
    time, _, zone = text.strip().rpartition(" ")
    try:
        found = datetime.fromisoformat(time + zone) if zone[:1] in ("+", "-") else datetime.fromisoformat(time)
        found = found if found.tzinfo else found.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    except (ValueError, KeyError, OSError):  # the last two are unknown zones
        wanted = (
            'wanted is a day, a time and its zone, such as "2026-11-30 23:59 UTC", "... +0100" or "... Europe/Berlin"'
        )
        raise UnknownError(f"--due {text!r} is not understood; {wanted}") from None
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
