"""Judging and using networks that give every pixel a class. Used by lectures 11 and 12 and homework 7.

Labels are whole numbers, (batch, rows, columns); predictions are probabilities, (batch, rows, columns, classes).
Pixels whose label is ignored (no data, no class) count nowhere: not in a loss, not in a score.

Modules: `losses`, `scores` (the confusion matrix and what follows from it: scores, areas), `confidence` (how far
probabilities can be trusted), `rasters` (pictures larger than a network's), `maps` (of places of any size, on disk),
`plots`.
"""

from helpers.segmentation.confidence import (
    Reliability,
    conformal_sets,
    conformal_threshold,
    find_temperature,
    reliability,
    soften,
)
from helpers.segmentation.losses import IGNORE, Dice, MaskedCrossentropy, MaskedFocal
from helpers.segmentation.rasters import predict_tile, seam_ratio, windows, write_geotiff
from helpers.segmentation.scores import (
    Areas,
    ConfusionMatrix,
    Kappa,
    MeanIoU,
    PixelAccuracy,
    Scores,
    confusion_matrix,
    estimate_areas,
    scores,
)

__all__ = [
    "IGNORE",
    "Areas",
    "ConfusionMatrix",
    "Dice",
    "Kappa",
    "MaskedCrossentropy",
    "MaskedFocal",
    "MeanIoU",
    "PixelAccuracy",
    "Reliability",
    "Scores",
    "conformal_sets",
    "conformal_threshold",
    "confusion_matrix",
    "estimate_areas",
    "find_temperature",
    "predict_tile",
    "reliability",
    "scores",
    "seam_ratio",
    "soften",
    "windows",
    "write_geotiff",
]
