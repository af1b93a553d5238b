"""Judging and using networks that give every pixel a class. Used by lectures 11 and 12 and homework 7.

Labels are whole numbers, (batch, rows, columns); predictions are probabilities, (batch, rows, columns, classes).
Pixels whose label is ignored (no data, no class) count nowhere: not in a loss, not in a score.

Modules: `losses`, `scores` (the confusion matrix and what follows from it), `rasters` (pictures larger than a
network's), `plots`.
"""

from helpers.segmentation.losses import IGNORE, Dice, MaskedCrossentropy
from helpers.segmentation.rasters import predict_tile, windows, write_geotiff
from helpers.segmentation.scores import ConfusionMatrix, Kappa, MeanIoU, PixelAccuracy, Scores, confusion_matrix, scores

__all__ = [
    "IGNORE",
    "ConfusionMatrix",
    "Dice",
    "Kappa",
    "MaskedCrossentropy",
    "MeanIoU",
    "PixelAccuracy",
    "Scores",
    "confusion_matrix",
    "predict_tile",
    "scores",
    "windows",
    "write_geotiff",
]
