"""What can be done to pictures by their differences: one file per task."""

from inr.solving.pictures.tasks._base import GREY_LEVELS, TASKS, Inputs, PictureTask, Posed, Raster

__all__ = ["GREY_LEVELS", "TASKS", "Inputs", "PictureTask", "Posed", "Raster"]
