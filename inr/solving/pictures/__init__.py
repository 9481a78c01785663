"""Pictures from their differences: cloning, filling, tone mapping, heights from normals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inr.solving.pictures.problem import PictureProblem as PictureProblem
    from inr.solving.pictures.settings import PictureSettings as PictureSettings
    from inr.solving.pictures.solver import PictureSolution as PictureSolution
    from inr.solving.pictures.solver import solve_picture as solve_picture
    from inr.solving.pictures.tasks import TASKS as TASKS

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "problem": ["PictureProblem"],
        "settings": ["PictureSettings"],
        "solver": ["PictureSolution", "solve_picture"],
        "tasks": ["TASKS"],
    },
)
