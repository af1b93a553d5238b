"""Data sets: found on disk, checked, and handed over as arrays or batches.

The only floor that may know `tf.data`. Each module is one data set and begins with its datasheet; `fetch` says where
data sets lie and brings what may be brought.
"""

from helpers.errors import CourseError, UsageError


class DataError(CourseError):
    """Data that are there but not what they should be. The message names the file and says what to do."""


class NoDataError(DataError, UsageError):
    """A folder that was named for its data, and has none."""
