"""What STYLE asks of a notebook and a program can count. `notebooks.py check` runs it."""

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
    lint_prose.words,
    lint_prose.sentence_case,
    unmentioned_numbers,
]
LECTURES = [
    lint_prose.title,
    lint_prose.question,
    lint_prose.you_will,
    lint_prose.know_before,
    lint_prose.time_table,
    lint_prose.recap,
    lint_prose.short_why,
    lint_prose.links_a_source,
    lint_prose.predict,
    lint_prose.should_see,
    lint_prose.exercises,
    lint_code.longest_cells,
    lint_code.total_length,
    lint_code.cell_rhythm,
    lint_code.one_seed,
    lint_code.shapes_spoken,
    lint_code.fails_on_purpose,
]
HOMEWORK = [
    lint_homework.title,
    lint_homework.points,
    lint_homework.lengths,
    lint_homework.contracts,
    lint_homework.triad,
    lint_homework.teaching,
    lint_homework.independent,
]


def lint(source: Source) -> list[str]:
    """List what a notebook does against the style: where, what was found, what is wanted."""
    rules = EVERYWHERE + (HOMEWORK if source.homework else LECTURES)
    return [f"{source.where(index)}: {message}" for rule in rules for index, message in rule(source)]
