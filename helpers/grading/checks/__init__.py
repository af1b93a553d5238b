"""What the test cells of homework call: silent, or an error that says what was expected, what came, where to read.

>>> import numpy as np
>>> from helpers.grading import checks
>>> checks.shape("the code", np.zeros((4, 32)), (4, 8), read="lecture 01, Two halves and a narrow middle")
Traceback (most recent call last):
    ...
helpers.grading.checks.messages.Mismatch: the code
  expected: shape (4, 8)
  got:      shape (4, 32)
  read:     lecture 01, Two halves and a narrow middle
"""

from helpers.grading.checks.chance import seed
from helpers.grading.checks.limits import Limit, at_least, at_most, recorded
from helpers.grading.checks.messages import Mismatch, holds
from helpers.grading.checks.models import layers_in, model, parameters, rectified, sampled, trains_everywhere
from helpers.grading.checks.values import close, differ, numbers, refuses, same, shape, within

__all__ = [
    "Limit",
    "Mismatch",
    "at_least",
    "at_most",
    "close",
    "differ",
    "holds",
    "layers_in",
    "model",
    "numbers",
    "parameters",
    "recorded",
    "rectified",
    "refuses",
    "same",
    "sampled",
    "seed",
    "shape",
    "trains_everywhere",
    "within",
]
