"""What STYLE asks of a notebook.

What harms a reader is a problem, for `notebooks.py check`; counts of lengths, words and rhythm are remarks, for
`notebooks.py check --report`, and fail nothing.
"""

import lint_code
import lint_homework
import lint_prose
from sources import EXPECTED, Source


def unmentioned_numbers(source: Source) -> lint_prose.Findings:
    """Every expected number is told in the prose."""
    for name in (name for name in source.numbers if name not in source.named):
        yield None, f"never says <<{name}>>, which {EXPECTED} expects; say it or delete its table"


EVERYWHERE = [
    lint_code.swallowed_by_marker,
    lint_code.swallowed_by_prose,
    lint_code.compiles,
    unmentioned_numbers,
]
LECTURES = [
    lint_prose.title,
    lint_prose.question,
    lint_prose.you_will,
    lint_prose.know_before,
    lint_prose.time_table,
    lint_prose.recap,
    lint_prose.links_a_source,
    lint_prose.predict,
    lint_prose.should_see,
    lint_prose.exercises,
    lint_code.one_seed,
    lint_code.shapes_spoken,
    lint_code.fails_on_purpose,
]
HOMEWORK = [
    lint_homework.title,
    lint_homework.points,
    lint_homework.contracts,
    lint_homework.triad,
    lint_homework.teaching,
    lint_homework.independent,
]
ANSWERS = [
    lint_prose.title,
    lint_code.one_seed,
    lint_code.shapes_spoken,
]
OF_ROOM = {"lectures": LECTURES, "homework": HOMEWORK, "answers": ANSWERS, "pages": []}
REPORTED = [lint_prose.words, lint_prose.sentence_case]
REPORTED_OF_LECTURES = [
    lint_prose.questions,
    lint_prose.promises,
    lint_prose.short_why,
    lint_prose.numbers_of_exercises,
    lint_code.longest_cells,
    lint_code.total_length,
    lint_code.cell_rhythm,
]
REPORTED_OF_HOMEWORK = [lint_prose.questions, lint_homework.range_of_points, lint_homework.lengths]
REPORTED_OF_ROOM = {"lectures": REPORTED_OF_LECTURES, "homework": REPORTED_OF_HOMEWORK, "answers": [], "pages": []}


def lint(source: Source) -> list[str]:
    """Return what harms a reader of a notebook: where, what was found, what is wanted."""
    return _found(source, EVERYWHERE + OF_ROOM[source.room])


def remarks(source: Source) -> list[str]:
    """Return what the writer of a notebook may look at again, in the same form."""
    return _found(source, REPORTED + REPORTED_OF_ROOM[source.room])


def _found(source: Source, rules: list) -> list[str]:
    return [f"{source.where(index)}: {message}" for rule in rules for index, message in rule(source)]
