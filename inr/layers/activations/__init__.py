"""The activation slot: elementwise functions with their initialisation."""

from inr.layers.activations._base import ACTIVATIONS, Activation, ActivationConfig

__all__ = ["ACTIVATIONS", "Activation", "ActivationConfig"]
