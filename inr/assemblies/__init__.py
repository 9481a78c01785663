"""Assemblies: how networks over all or single coordinates combine into a field."""

from inr.assemblies._assembly import ASSEMBLIES, Assembly, AssemblyConfig
from inr.assemblies._body import Body, BodyPlan
from inr.assemblies._factorised import Factorised
from inr.assemblies._fused import linears_between

__all__ = ["ASSEMBLIES", "Assembly", "AssemblyConfig", "Body", "BodyPlan", "Factorised", "linears_between"]
