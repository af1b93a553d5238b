"""`./course homework VERB HW`: a new verb is a line in `VERBS` and a module; see `helpers.commands.verbs`.

A `GradingError` becomes a message and exit status 2: nobody's score depends on it.
"""

import sys

from helpers.commands.verbs import parse

VERBS = {
    "check": "run a homework as it is graded, open tests only: exit status 0 if all pass, 1 if some fail",
    "release": "make what students open from the notebook with solutions",
    "selftest": "prove that a homework's tests are good: solutions pass, and every known mistake loses its points",
    "collect": "take what students handed in out of the zip of Canvas or Moodle",
    "grade": "grade what was collected, in sandboxes: exit status 0 if everything has a score, 1 if something has none",
    "feedback": "write a page for each student, and a zip to hand back",
    "export": "write a table of grades, and fill in that of Canvas",
}


def main(arguments: list[str]) -> int:
    """Do the verb that `arguments` begin with; return the exit status."""
    options = parse(__name__, "Hand out, check and grade homework.", VERBS, arguments)
    from helpers.grading.faults import GradingError

    try:
        return options.run(options)
    except (GradingError, OSError) as error:
        print(f"course homework: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("course homework: stopped.", file=sys.stderr)
        return 130
