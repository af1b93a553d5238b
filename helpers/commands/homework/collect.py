"""`./course homework collect HW ZIP`: what students handed in, each in its place."""

import argparse
import re

from helpers.commands.homework import common
from helpers.grading.pipeline import exporting
from helpers.grading.pipeline.collecting import collect

_ANONYMOUS = re.compile(r"(LATE_)?anon_[A-Za-z0-9]+_")


def run(options: argparse.Namespace) -> int:
    """Collect, and tell what was wrong; return 1 if somebody's work cannot be graded or belongs to nobody."""
    course = common.course(options)
    found = collect(course, options.homework, options.zip, common.students(course, options))
    lines = [{"student_id": one.student, "problem": line} for one in found.records for line in one.lines]
    lines += [{"student_id": "", "problem": f"{name}: {_stranger(name)}"} for name in found.strangers]
    lines += [{"student_id": student.id, "problem": "handed in nothing"} for student in found.missing]
    table = course.grading / "problems" / f"{options.homework}.csv"
    for line in lines:
        print(f"{line['student_id']:16} {line['problem']}")
    if lines:
        exporting.write(table, lines)
    failed = [record for record in found.records if record.failure]
    print(f"{len(found.records)} handed in, {len(failed)} of them no notebook to grade; {len(found.missing)} missing.")
    return 1 if failed or found.strangers else 0


def _stranger(name: str) -> str:
    if _ANONYMOUS.match(name):
        return "Canvas gave no names; switch anonymous grading of the assignment off and download the zip again"
    return "nobody on the roster"
