"""The linear slot: parametrisations of a linear map."""

from inr.layers.linear._base import LINEARS, Linear, LinearConfig, Role

__all__ = ["LINEARS", "Linear", "LinearConfig", "Role"]
