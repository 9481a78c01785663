"""Export: a fitted field in formats that other programs read, one file per format.

Exporters start from one op list (`lower`), except those that hand on what is there already (`pt2`, `safetensors`).
"""

from inr.export._exporter import EXPORTERS, Exported, Exporter, export, exporter_for
from inr.export._lowering import lower
from inr.export._ops import Program

__all__ = ["EXPORTERS", "Exported", "Exporter", "Program", "export", "exporter_for", "lower"]
