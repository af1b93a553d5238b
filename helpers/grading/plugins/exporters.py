"""Our table of grades for `nbgrader export --exporter=helpers.grading.plugins.exporters.StatusExporter`."""

from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin

from helpers.grading.pipeline import exporting
from helpers.grading.pipeline.course import Course


class StatusExporter(ExportPlugin):
    """Writes one row for each submission, quoted, with a column that says what its score means."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the homeworks that were asked for, or all."""
        course = Course(Path.cwd())
        wanted = self.assignment or [assignment.name for assignment in gradebook.assignments]
        table = [row for homework in wanted for row in exporting.rows(course, homework, {})]
        exporting.write(Path(self.to or "grades.csv"), table)
