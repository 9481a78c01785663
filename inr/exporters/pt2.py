"""torch.export: a program of plain torch operations, which torch loads without this package."""

from __future__ import annotations

import copy
import io
import json
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.text import error_line
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.exporters._lowering import Coordinates
from inr.fitting import Fit


@EXPORTERS.register("pt2")
@dataclass(frozen=True, kw_only=True)
class Pt2(Exporter):
    """A torch.export program of the field itself, for any number of points; loads without inr.

    `torch.export.load("NAME.pt2").module()(points)`, points [N, D] in float32, with coordinates=signal in float64. The
    extra file "inr.json" inside describes it.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".pt2",)

    coordinates: Coordinates = param("unit", "units of points: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        module = _SignalUnitsField(fit, self.coordinates == "signal").eval()
        x = torch.rand(8, fit.spec.d_in, generator=torch.Generator().manual_seed(0))
        x = x.double() if self.coordinates == "signal" else x
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                dynamic = ({0: torch.export.Dim.DYNAMIC},)
                program = torch.export.export(module, (x,), dynamic_shapes=dynamic, strict=False)
        except Exception as error:  # torch.export raises many kinds
            reason = error_line(error)
            raise UsageError(
                f"torch.export cannot trace field {fit.field.config.type_name!r} ({reason})", "export it as onnx"
            ) from error
        _strip_source_paths(program.graph_module)
        file = io.BytesIO()
        about = json.dumps({"about": provenance(fit), "coordinates": self.coordinates}, sort_keys=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.export.save(program, file, extra_files={"inr.json": about})
        return Exported({suffix: file.getvalue()})


class _SignalUnitsField(nn.Module):
    """Coordinates [N, D] to values in the signal's units [N, C]."""

    low: Tensor
    extent: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, fit: Fit, is_in_units: bool) -> None:
        super().__init__()
        self.field = copy.deepcopy(fit.field.fold()).requires_grad_(False)
        self.is_in_units = is_in_units
        domain = fit.frame.domain
        self.register_buffer("low", torch.tensor(domain.low, dtype=torch.float64))
        self.register_buffer("extent", torch.tensor(domain.extent, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(fit.frame.scale))
        self.register_buffer("offset", torch.tensor(fit.frame.offset))
        self.softening = fit.frame.softening

    def forward(self, x: Tensor) -> Tensor:
        if self.is_in_units:
            x = ((x.double() - self.low) / self.extent).float()
        z: Tensor = self.field(x)
        if self.softening:
            z = z.clamp(min=0)
            z = (z + (z * (z + 4 * self.softening)).sqrt()) / 2
        return z * self.scale + self.offset


def _strip_source_paths(graph_module: Any) -> None:
    """Remove the paths of source files from the graph, so that equal fits give equal bytes on every machine."""
    for node in graph_module.graph.nodes:
        for key in ("stack_trace", "source_fn_stack", "nn_module_stack", "torch_fn"):
            node.meta.pop(key, None)
