"""Assemblies: how bodies combine over coordinates or space."""

from inr.assemblies._assembly import ASSEMBLIES, Assembly, AssemblyConfig, BodyPlan

__all__ = ["ASSEMBLIES", "Assembly", "AssemblyConfig", "BodyPlan"]
