"""Export of fitted fields to formats of other programs, one file per format.

Exporters use one op list (`lower`), except `pt2`, `safetensors` and others that store the module or its tensors.
"""

from inr.exporters._exporter import EXPORTERS, Exported, Exporter, export, exporter_for
from inr.exporters._lowering import lower
from inr.exporters.ops import Program

__all__ = ["EXPORTERS", "Exported", "Exporter", "Program", "export", "exporter_for", "lower"]
