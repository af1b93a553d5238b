"""Submissions a minute: `./course homework grade` against plain `nbgrader autograde`, the same submissions in one run.

    ./course run python benchmarks/grading.py [--quick] [--json] [--homework HW | --no-training]

Both grade the same 30 submissions (8 with `--quick`) of the same homework: by default one made here, an autoencoder in
Keras whose shapes are tested and which is trained for an epoch. Every third submission lacks an answer. nbgrader runs
as its manual says, but that it ignores stderr, where TensorFlow's remarks would otherwise cost everybody every point.
Ours runs each submission in a sandbox, as many at a time as there are cores. `rate_vs_nbgrader` is their wall time
divided by ours, all imports included. `grades_equal` tells whether every test of every submission gave the same.
`forked_vs_started` is what forking kernels saves: some submissions are graded one after the other with kernels that
load TensorFlow anew, and with forked ones, in the same sandbox; the first wall time divided by the second.

With `--no-training` nothing is compared: what grading itself takes is measured, on submissions of the size of homework
1 that train nothing, graded one after the other. It tells the seconds of one after the first, which has the start-up in
it, and where the CPU seconds of one go, those of this process and of the sandbox.
"""

import argparse
import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from helpers.grading.pipeline import Course, exporting, grading
from helpers.grading.pipeline.releasing import release
from helpers.grading.plugins.guard import Guard
from helpers.grading.plugins.steps import SandboxExecute

ROOT = Path(__file__).resolve().parents[1]
MADE = "benchmark"
PLAIN = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.Execute.timeout = 300
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
"""
TEST = {"grade": True, "solution": False, "locked": True, "task": False}
ANSWER = {"grade": False, "solution": True, "locked": False, "task": False}
GIVEN = {"grade": False, "solution": False, "locked": True, "task": False}
RIGHT = """def autoencoder(code_dim):
    ### BEGIN SOLUTION
    layers = keras.layers
    inner = [layers.Dense(code_dim, activation="relu"), layers.Dense(784, activation="sigmoid")]
    return keras.Sequential([layers.Input((784,)), *inner])
    ### END SOLUTION"""


def cell(name: str, source: str, flags: dict, **more: float) -> NotebookNode:
    """Make a cell of the homework."""
    common = {"schema_version": 3, "grade_id": name, "cell_type": "code"}
    return new_code_cell(source, id=name, metadata={"nbgrader": {**common, **flags, **more}})


def made() -> NotebookNode:
    """Make a homework with one question and three tests."""
    fit = (
        "model = autoencoder(32)\nmodel.compile('adam', 'mse')\nimages = np.random.default_rng(0).random((256, 784))\n"
    )
    cells = [
        cell("given", "import numpy as np\nfrom helpers.backend import keras", GIVEN),
        cell("model", RIGHT, ANSWER),
        cell("shape", "assert autoencoder(8).output_shape == (None, 784)", TEST, points=2),
        cell("parameters", "assert autoencoder(32).count_params() == 50992", TEST, points=2),
        cell("learns", fit + "\nassert model.fit(images, images, verbose=0).history['loss'][0] < 1", TEST, points=4),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def submissions(course: Course, homework: str, count: int) -> list[tuple[str, NotebookNode]]:
    """Make what students hand in: the solution, and every third with one answer as it was handed out."""
    source = {c.metadata.nbgrader.grade_id: c.source for c in course.read_source(homework).cells if c.metadata}
    release = course.released(homework) / f"{homework}.ipynb"
    handed = []
    for number in range(count):
        notebook = nbformat.read(release, 4)
        answers = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]
        for place, answer in enumerate(answers):
            if number % 3 or place != number // 3 % len(answers):
                answer.source = source[answer.metadata.nbgrader.grade_id]
        handed.append((f"s{number:02d}", notebook))
    return handed


def hand_in(folder: Path, homework: str, handed: list[tuple[str, NotebookNode]]) -> None:
    """Put submissions where nbgrader looks for them."""
    for student, notebook in handed:
        path = folder / student / homework
        path.mkdir(parents=True)
        nbformat.write(notebook, path / f"{homework}.ipynb")


def timed(*command: str, cwd: Path) -> float:
    """Run a command of ours or nbgrader's; return the seconds that it took."""
    environment = os.environ | {
        "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return seconds


def plain_course(ours: Course, homework: str, root: Path) -> Path:
    """Make a course as nbgrader's manual does, with the same homework."""
    shutil.copytree(ours.source(homework), root / "source" / homework)
    (root / "nbgrader_config.py").write_text(PLAIN.format(root=str(root)))
    timed("nbgrader", "generate_assignment", homework, cwd=root)
    return root


def grades(database: Path) -> dict[tuple[str, str], float | None]:
    """Return what each test gave each student."""
    query = """select student_id, base_cell.name, auto_score from grade
        join submitted_notebook on submitted_notebook.id = grade.notebook_id
        join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
        join base_cell on base_cell.id = grade.cell_id"""
    with sqlite3.connect(database) as connection:
        return {(student, name): score for student, name, score in connection.execute(query)}


def forked_vs_started(course: Course, homework: str, count: int) -> float:
    """Grade some submissions again, one after the other, with kernels of both kinds in the same sandbox."""
    some = grading.waiting(course, homework, again=True)[:count]
    seconds = {}
    for fork in (True, False):
        start = time.perf_counter()
        grading.grade(course, homework, some, jobs=1, fork=fork)
        seconds[fork] = time.perf_counter() - start
    return seconds[False] / seconds[True]


def measure(homework: str, count: int) -> dict[str, object]:
    """Grade the same submissions in both ways."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        course = Course(Path(folder) / "ours")
        if homework == MADE:
            course.source(homework).mkdir(parents=True)
            nbformat.write(made(), course.source(homework) / f"{homework}.ipynb")
        else:
            shutil.copytree(Course(ROOT).source(homework), course.source(homework))
        shutil.copy(ROOT / "nbgrader_config.py", course.root)
        release(course, homework)
        plain = plain_course(course, homework, Path(folder) / "plain")
        handed = submissions(course, homework, count)
        hand_in(course.grading / "submitted", homework, handed)
        hand_in(plain / "submitted", homework, handed)
        ours = timed("helpers.cli", "homework", "grade", homework, "--course", str(course.root), cwd=ROOT)
        theirs = timed("nbgrader", "autograde", homework, cwd=plain)
        got, wanted = grades(course.grading / "gradebook.db"), grades(plain / "gradebook.db")
        return {
            "rate_vs_nbgrader": round(theirs / ours, 2),
            "grades_equal": got == wanted and len(got) > 0,
            "submissions": count,
            "homework": homework,
            "per_minute": round(60 * count / ours, 1),
            "per_minute_nbgrader": round(60 * count / theirs, 1),
            "forked_vs_started": round(forked_vs_started(course, homework, min(count, 5)), 2),
            "cores": os.cpu_count(),
        }


# ---- what grading itself takes ----

SIZED, QUICK_TEST = "hw1_dense", "l1_by_hand"
STEPS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "kernel": (SandboxExecute, ("start_new_kernel", "start_new_kernel_client", "_cleanup_kernel")),
    "looks": (Guard, ("remember", "prepare", "verdict", "lose", "threads")),
    "cells": (SandboxExecute, ("execute_cell",)),
    "control runs": (SandboxExecute, ("_control",)),
    "the rest": (grading, ("_grade",)),
}


def without_training(source: NotebookNode) -> NotebookNode:
    """Return a homework of the same size: what trains in it is another, quick test; cells without points do nothing."""
    by_name = {one.metadata.nbgrader.grade_id: one for one in source.cells if "nbgrader" in one.metadata}
    for one in source.cells:
        is_test = "nbgrader" in one.metadata and one.metadata.nbgrader.grade
        if one.cell_type == "code" and "nbgrader" not in one.metadata:
            one.source = "pass"
        elif is_test and ("train(" in one.source or ".fit(" in one.source):
            one.source = by_name[QUICK_TEST].source
    return source


class Clock:
    """Charges CPU seconds to steps, each without those of the steps within it.

    Args:
        log: where they are written, since the processes that grade are others.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._within = [(0.0, 0.0)]  # seconds charged already, here and in the sandbox, for each step that has begun

    def wrap(self, owner: Any, name: str, step: str) -> None:
        """Charge each call of a function or a method to a step."""
        plain = getattr(owner, name)

        @functools.wraps(plain)
        def measured(*args: Any, **options: Any) -> Any:
            inside, own = _in_sandbox(args[0]), time.process_time()
            self._within.append((0.0, 0.0))
            try:
                return plain(*args, **options)
            finally:
                own = time.process_time() - own
                inside = max(0.0, _in_sandbox(args[0]) - inside)
                charged = self._within.pop()
                with self.log.open("a") as file:
                    file.write(f"{step}\t{own - charged[0] + max(0.0, inside - charged[1])}\n")
                before = self._within[-1]
                self._within[-1] = before[0] + own, before[1] + inside

        setattr(owner, name, measured)

    def read(self) -> dict[str, float]:
        """Return the seconds of each step, and begin anew."""
        found = dict.fromkeys(STEPS, 0.0)
        for step, seconds in (line.split("\t") for line in self.log.read_text().splitlines()):
            found[step] += float(seconds)
        self.log.write_text("")
        return found


def _in_sandbox(measured: object) -> float:
    """Return the CPU seconds that a submission has taken; 0 where none runs."""
    runner = getattr(measured, "runner", measured)
    if isinstance(runner, SandboxExecute) and runner.km and runner.km.has_kernel:
        return runner._computed()
    return 0.0


def measure_alone(count: int) -> dict[str, object]:
    """Grade submissions of the size of a homework, one after the other; then write their pages."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        course = Course(Path(folder) / "ours")
        course.source(SIZED).mkdir(parents=True)
        nbformat.write(without_training(Course(ROOT).read_source(SIZED)), course.source(SIZED) / f"{SIZED}.ipynb")
        shutil.copy(ROOT / "nbgrader_config.py", course.root)
        release(course, SIZED)
        hand_in(course.grading / "submitted", SIZED, submissions(course, SIZED, count))
        clock = Clock(Path(folder) / "seconds")
        for step, (owner, names) in STEPS.items():
            for name in names:
                clock.wrap(owner, name, step)
        ends, steps = [time.perf_counter()], []

        def done(_: object) -> None:
            ends.append(time.perf_counter())
            steps.append(clock.read())

        known = grading.grade(course, SIZED, grading.waiting(course, SIZED), done=done)
        start = time.perf_counter()
        exporting.feedback(course, SIZED, known)
        pages, later = time.perf_counter() - start, count - 1
        return {
            "seconds_after_the_first": round((ends[-1] - ends[1]) / later, 2),
            "seconds_of_the_first": round(ends[1] - ends[0], 2),
            "seconds_of_a_page": round(pages / count, 2),
            **{f"cpu_{step.replace(' ', '_')}": round(sum(s[step] for s in steps[1:]) / later, 3) for step in STEPS},
            "submissions": count,
            "homework": f"{SIZED}, nothing trained",
            "cores": os.cpu_count(),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 submissions instead of 30")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-training", action="store_true", help="what grading itself takes, step by step")
    parser.add_argument("--homework", default=MADE, metavar="HW", help="one of the course, such as hw1_dense")
    options = parser.parse_args()
    count = 8 if options.quick else 30
    report = measure_alone(count) if options.no_training else measure(options.homework, count)
    print(json.dumps(report) if options.json else "\n".join(f"{key:20} {value}" for key, value in report.items()))


if __name__ == "__main__":
    main()
