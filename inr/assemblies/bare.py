"""No network: the encoding's features are the values."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from inr.assemblies._assembly import ASSEMBLIES, Assembly, AssemblyConfig
from inr.assemblies._body import BodyPlan
from inr.core.errors import ConfigError


@ASSEMBLIES.register("bare")
@dataclass(frozen=True, kw_only=True)
class BareConfig(AssemblyConfig):
    """y = encoding(x), for encodings with one feature per channel; blocks are not used."""

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return Bare(plan, d_in, d_out, generator)


class Bare(Assembly):
    def __init__(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__()
        self.encoding = plan.encoding.build(d_in, generator)
        if self.encoding.d_out != d_out:
            raise ConfigError(
                [f"encoding has {self.encoding.d_out} features, assembly 'bare' expects one per channel ({d_out})"]
            )
        self.smoothness, self.boundary = self.encoding.smoothness, self.encoding.boundary

    def forward(self, x: Tensor) -> Tensor:
        return self.encoding(x)
