"""Grading of homework: what test cells call, what proves that the tests are good, and the way of a submission."""
