"""The loss slot: a field and a batch to a number."""

from inr.fitting.losses._base import LOSSES, LossConfig, predict

__all__ = ["LOSSES", "LossConfig", "predict"]
