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

from inr._config import param
from inr._errors import UsageError
from inr.export._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.export._lowering import Coordinates
from inr.fitting import Fit


@EXPORTERS.register("pt2")
@dataclass(frozen=True, kw_only=True)
class Pt2(Exporter):
    """A torch.export program of the field itself, for any number of points; loads without inr.

    `torch.export.load("NAME.pt2").module()(points)`, points [N, D] float32. The file "inr.json" inside says what it is.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".pt2",)

    coordinates: Coordinates = param("unit", "what points are given in: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        module = _Whole(fit, self.coordinates == "signal").eval()
        x = torch.rand(8, fit.spec.d_in, generator=torch.Generator().manual_seed(0))
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                dynamic = ({0: torch.export.Dim.DYNAMIC},)
                program = torch.export.export(module, (x,), dynamic_shapes=dynamic, strict=False)
        except Exception as error:  # torch.export raises many kinds
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(
                f"torch.export can not follow field {fit.field.config.type_name!r} ({reason})", "export it as onnx"
            ) from error
        _forget_sources(program.graph_module)
        file = io.BytesIO()
        about = json.dumps({"about": provenance(fit), "coordinates": self.coordinates}, sort_keys=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.export.save(program, file, extra_files={"inr.json": about})
        return Exported({suffix: file.getvalue()})


class _Whole(nn.Module):
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
        self.register_buffer("low", torch.tensor(domain.low))
        self.register_buffer("extent", torch.tensor(domain.extent))
        self.register_buffer("scale", torch.tensor(fit.frame.scale))
        self.register_buffer("offset", torch.tensor(fit.frame.offset))

    def forward(self, x: Tensor) -> Tensor:
        if self.is_in_units:
            x = (x - self.low) / self.extent
        y: Tensor = self.field(x) * self.scale + self.offset
        return y


def _forget_sources(graph_module: Any) -> None:
    """Take the paths of source files out of the graph: equal fits are to be equal bytes on every machine."""
    for node in graph_module.graph.nodes:
        for key in ("stack_trace", "source_fn_stack", "nn_module_stack", "torch_fn"):
            node.meta.pop(key, None)
