"""One body over all coordinates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor, nn

from inr.assemblies._assembly import ASSEMBLIES, Assembly, AssemblyConfig, BodyPlan
from inr.layers import Kit, Role


@ASSEMBLIES.register("single")
@dataclass(frozen=True, kw_only=True)
class SingleConfig(AssemblyConfig):
    """y = W_last cell_n( ... cell_1(e) ... ) + b, with e = encoding(x)."""

    def build(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> Assembly:
        return Single(plan, d_in, d_out, generator)


class Single(Assembly):
    def __init__(self, plan: BodyPlan, d_in: int, d_out: int, generator: Generator) -> None:
        super().__init__()
        self.encoding = plan.encoding.build(d_in, generator)
        d_e = d_h = self.encoding.d_out
        cells = []
        for i in range(plan.depth):
            role: Role = "first" if i == 0 else "hidden"
            kit = Kit(d_h, d_e, d_in, plan.width, role, plan.has_bias, plan.linear, plan.activation, generator)
            cell = plan.cell.build(kit)
            cells.append(cell)
            d_h = cell.d_out
        self.cells = nn.ModuleList(cells)
        self.last = plan.linear.build(d_h, d_out, has_bias=plan.has_bias, role="last", generator=generator)
        self.smoothness = min(self.encoding.smoothness, *(c.smoothness for c in cells), float("inf"))
        self.outside = self.encoding.outside

    def forward(self, x: Tensor) -> Tensor:
        e = self.encoding(x)
        h = e
        for cell in self.cells:
            h = cell(h, e, x)
        return self.last(h)
