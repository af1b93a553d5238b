"""What nbgrader does in this course: read by `nbgrader`, by formgrader and by `./course homework`.

Students open `homework/HW/`; everything else is in `homework/_instructor/`, and what a term brings in
`homework/_instructor/grading/`, which git ignores.
"""

from pathlib import Path

from nbgrader import preprocessors as steps

from helpers.grading.plugins import clean, pages
from helpers.grading.plugins import steps as ours

ROOT = Path(__file__).resolve().parent
PRIVATE, GRADING = "homework/_instructor", "homework/_instructor/grading"
c = get_config()  # noqa: F821 - traitlets gives it

c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.course_id = "autoencoders"
c.CourseDirectory.source_directory = f"{PRIVATE}/source"
c.CourseDirectory.release_directory = "homework"
c.CourseDirectory.submitted_directory = f"{GRADING}/submitted"
c.CourseDirectory.autograded_directory = f"{GRADING}/autograded"
c.CourseDirectory.feedback_directory = f"{GRADING}/feedback"
c.CourseDirectory.solution_directory = f"{GRADING}/solution"
c.CourseDirectory.source_with_tests_directory = f"{GRADING}/source_with_tests"
c.CourseDirectory.db_url = f"sqlite:///{ROOT}/{GRADING}/gradebook.db"

c.Canonicalise.released = str(ROOT / "homework")
c.PutVariant.tables = str(ROOT / GRADING / "variants")
c.Autograde.sanitize_preprocessors = [
    ours.Canonicalise,
    steps.ClearOutput,
    steps.OverwriteKernelspec,
    steps.OverwriteCells,
    ours.PutVariant,
    steps.CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    ours.SandboxExecute,
    steps.IgnorePattern,
    ours.AllOrNothing,
    ours.LimitCharacters,
    steps.SaveAutoGrades,
    steps.AssignLatePenalties,
    steps.CheckCellMetadata,
]
c.GenerateFeedback.exporter_class = pages.FeedbackExporter
c.GenerateFeedback.preprocessors = [
    clean.CleanOutputs,
    pages.Grades,
    pages.Remarks,
    pages.ExplainErrors,
    pages.PresentableOutputs,
]
c.CleanOutputs.runs = str(ROOT / GRADING / "clean_runs")
c.Remarks.records = str(ROOT / GRADING / "records")

# of formgrader's pages
c.HTMLExporter.filters = {"markdown2html": pages.markdown2html}
c.HTMLExporter.preprocessors = [pages.PresentableOutputs]

# TensorFlow warns on stderr, and nbgrader takes any byte there for a failed test: errors count, warnings do not
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"

# The Validate button, which teachers have, runs no IgnorePattern: let what C++ writes go to the terminal, so that no
# remark of TensorFlow's makes a right answer wrong. A cell may take as long as in `./course homework check`.
c.Execute.extra_arguments = ["--IPKernelApp.capture_fd_output=False"]
c.Execute.timeout = 120

# three times what students are told that a homework takes, since several are graded at a time
c.SandboxExecute.timeout = 60
c.SandboxExecute.total_timeout = 540
c.SandboxKernelManager.memory_mb = 4096
