"""`./course homework export HW`: grades as a table."""

import argparse
from collections import Counter

from helpers.commands.homework import common
from helpers.grading.pipeline import exporting


def run(options: argparse.Namespace) -> int:
    """Write the tables, and count; return 1 if somebody who handed in has no final score."""
    course = common.course(options)
    students = common.students(course, options)
    table = exporting.rows(course, options.homework, students)
    destination = options.to or course.grading / f"{options.homework}.csv"
    exporting.write(destination, table)
    counts = Counter(row["status"] for row in table)
    print(f"{destination}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    if options.canvas:
        canvas = destination.with_name(f"{options.homework}-canvas.csv")
        filled = exporting.fill_canvas(options.canvas, canvas, options.homework, students, table)
        print(f"{canvas}: {filled} final scores filled in; the others are as Canvas had them.")
    return 1 if counts[exporting.FAILED] or counts[exporting.MANUAL] else 0
