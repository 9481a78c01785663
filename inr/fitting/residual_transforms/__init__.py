"""The residual transform slot: what is done to residuals before they are back-propagated."""

from inr.fitting.residual_transforms._base import RESIDUAL_TRANSFORMS, ResidualTransformConfig

__all__ = ["RESIDUAL_TRANSFORMS", "ResidualTransformConfig"]
