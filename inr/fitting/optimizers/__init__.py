"""The optimizer slot: parameters by role to a torch optimizer."""

from inr.fitting.optimizers._base import OPTIMIZERS, Joint, OptimizerConfig, Residuals

__all__ = ["OPTIMIZERS", "Joint", "OptimizerConfig", "Residuals"]
