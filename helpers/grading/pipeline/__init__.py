"""The way of a homework through a term: release, collect, grade, feedback, export; and `check`, which students run.

nbgrader does the grading and keeps the gradebook. Here is what it leaves to the instructor: which student a file is
from, what went wrong with it, and that every student ends with a score that is right or with a line that says why not.
"""
