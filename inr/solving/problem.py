"""A boundary-value problem: equations, axes, domain, conditions and data, read from TOML or given in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import Generator, Tensor

from inr.core.config import to_toml
from inr.core.errors import UsageError
from inr.core.formula import ZERO, Node, substituted
from inr.core.tensor_formula import tensor_of
from inr.solving.candidates import Function, residuals_by_autograd
from inr.solving.closed_forms import check_closed_form
from inr.solving.conditions import Condition, conditions_of, constancy, value_given
from inr.solving.data import data_of
from inr.solving.domains import Spot, absorbed_walls, axes_of, domain_of, layers_of, spots_of
from inr.solving.equation import TIME, Scope, is_linear, streams_of
from inr.solving.geometry import Box, Domain, sides_of
from inr.solving.inverse import Observed, Unknown, observed_of, unknown_of
from inr.solving.jumps import check_jumps
from inr.solving.masks import masked_shape
from inr.solving.names import (
    cells_of,
    check_names,
    check_number,
    constant_along,
    equations_of,
    exact_of,
    fields_of,
    outputs_of,
    parameter_of,
    residuals_of,
    states_of,
)
from inr.solving.settings import SolveSettings
from inr.solving.solids import solid_of, surfaces_of
from inr.solving.tables import check_tables, kind_of, read_problem


@dataclass(frozen=True)
class Problem:
    """A boundary-value problem.

    scope: what names mean. residuals: formulas that are zero inside, one per equation and part of a complex one.
    exact: a known solution, formula by channel. text: TOML that gives an equal problem. states: how many eigenvalues
    are wanted, 0 in a boundary-value problem; eigenvalue: its name in the equation. spots: where sources
    are concentrated. cells: of finite differences along an axis, which `inr solve` compares with; 0: none. outputs:
    names of files that `inr solve` writes, beside the solution.
    """

    name: str
    scope: Scope
    domain: Domain
    residuals: tuple[Node, ...]
    conditions: tuple[Condition, ...]
    unknowns: Mapping[str, Unknown] = field(default_factory=dict)
    observed: tuple[Observed, ...] = ()
    exact: Mapping[str, Node] = field(default_factory=dict)
    settings: SolveSettings = field(default_factory=SolveSettings)
    text: str = ""
    states: int = 0
    eigenvalue: str = ""
    spots: tuple[Spot, ...] = ()
    cells: int = 0
    outputs: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a problem file. Raises UnreadableError for a missing file, UsageError for what it states."""
        return cls.of_document(read_problem(path), folder=Path(path).parent)

    @classmethod
    def of(
        cls,
        equation: str | Sequence[str],
        axes: Mapping[str, Sequence[float | str]],
        conditions: Sequence[Mapping[str, Any]] = (),
        **tables: Any,
    ) -> Self:
        """A problem from its parts.

        Args:
            equation: one, or a list.
            axes: (low, high) by name; numbers, or formulas such as "2*pi".
            conditions: tables with `on` and `equation`.
            tables: the other tables of a problem file: `parameters`, `fields`, `geometry`, `reference`, `solve` ...

        Examples:
            >>> import inr
            >>> walls = {"on": "boundary", "equation": "u = 0"}
            >>> problem = inr.Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, [walls])
            >>> problem.is_linear
            True
        """
        head = dict(tables.pop("problem", {}))
        head["equations" if not isinstance(equation, str) else "equation"] = equation
        spans = {key: [end if isinstance(end, str) else float(end) for end in span] for key, span in axes.items()}
        document = {"problem": head, "axes": spans, "condition": [dict(each) for each in conditions], **tables}
        return cls.of_document(document)

    @classmethod
    def of_document(cls, document: Mapping[str, Any], folder: Path | None = None) -> Self:
        """The problem that the tables of a file describe. folder: where its data files are; None: it may have none."""
        if kind_of(document) == "picture":
            raise UsageError(
                "this is a picture problem, expected one with an equation", "`inr.solving.pictures.PictureProblem`"
            )
        check_tables(document)
        head = document.get("problem", {})
        states, eigenvalue = states_of(head)
        solid = solid_of(document.get("geometry", {}), folder)
        axes = axes_of(document.get("axes", {}), solid)
        solid = solid or masked_shape(document.get("geometry", {}), axes, folder)
        parameters = {key: parameter_of(key, value) for key, value in document.get("parameters", {}).items()}
        data = {key: data_of(key, table, axes, folder) for key, table in document.get("data", {}).items()}
        parameters |= {key: each.formula for key, each in data.items()}
        unknowns = {key: unknown_of(key, value) for key, value in document.get("unknowns", {}).items()}
        equations = equations_of(head)
        fields = fields_of(document.get("fields"), equations, {*axes, *parameters, *unknowns, eigenvalue})
        check_names([*axes], [*fields], [*parameters, *unknowns, *([eigenvalue] if states else [])])
        scope = Scope(tuple(axes), fields, parameters, (*unknowns, *([eigenvalue] if states else [])))
        scope = dataclasses.replace(scope, slopes=layers_of(head.get("absorb"), axes, scope, document, equations))
        surfaces = surfaces_of(document.get("surfaces", {}), scope.space, folder)
        domain = domain_of(axes, head.get("periodic", []), document.get("geometry", {}), scope, solid, surfaces)
        residuals = tuple(
            part for at, text in enumerate(equations, 1) for part in residuals_of(scope, text, f"equation {at}")
        )
        check_number(residuals, scope, document)
        if not states:  # eigenvalues come from integrals, where coefficients may jump
            check_jumps(equations, scope, domain)
        walls = absorbed_walls(fields) if scope.slopes else []
        conditions = (
            *conditions_of([*document.get("condition", []), *walls], scope, domain, folder),
            *constancy(constant_along(document.get("fields"), [*axes]), scope),
        )
        problem = cls(
            name=str(head.get("name", "")),
            scope=scope,
            domain=domain,
            residuals=residuals,
            conditions=conditions,
            unknowns=unknowns,
            observed=tuple(o for table in document.get("observed", []) for o in observed_of(table, scope, folder)),
            exact=exact_of(document.get("reference", {}), scope),
            settings=SolveSettings.of_table(document.get("solve", {})),
            text=to_toml(document),
            states=states,
            eigenvalue=eigenvalue,
            spots=spots_of(head.get("spots", []), scope.space)
            + tuple(each.spot for each in data.values() if each.spot),
            cells=cells_of(document.get("reference", {})),
            outputs=outputs_of(document.get("output", {})),
        )
        check_closed_form(problem.residual, problem.exact, scope.axes)
        problem._check_data()
        if states:
            problem._check_states()
        problem._check_coverage()
        if not states:
            problem._check_source()
        return problem

    # -- properties

    @property
    def is_linear(self) -> bool:
        """Whether all equations and conditions are linear in the fields, and there are no unknown numbers."""
        return not self.unknowns and self.is_linear_in_fields

    @property
    def is_linear_in_fields(self) -> bool:
        """Whether all equations and conditions are linear in the fields, for given numbers."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        return all(is_linear(node) for node in every)

    @property
    def streams(self) -> set[tuple[str, str]]:
        """(channel, letters) of every derivative that occurs."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        return set().union(*(streams_of(node) for node in every))

    @property
    def floating(self) -> list[str]:
        """Channels that are determined up to a constant only: they occur as derivatives alone."""
        return self._derivatives_alone(self.streams)

    @property
    def has_fluxes_only(self) -> bool:
        """Whether equations and conditions on sides have derivatives only of some field: sources and fluxes balance."""
        on_sides = [r for condition in self.conditions if condition.sides for r in condition.residuals]
        return bool(self._derivatives_alone(set().union(*map(streams_of, [*self.residuals, *on_sides]))))

    def _derivatives_alone(self, streams: set[tuple[str, str]]) -> list[str]:
        found = []
        for channel in self.scope.channels:
            values = {letters for key, letters in streams if key == channel}
            if "" not in values and not any(o.channel == channel for o in self.observed):
                found.append(channel)
        return found

    def order_of(self, axis: str) -> int:
        """The highest derivative along an axis in the equations."""
        streams = set().union(*(streams_of(node) for node in self.residuals))
        return max((letters.count(axis) for _, letters in streams), default=0)

    def residual_of(self, fields: Mapping[str, Node], points: Tensor) -> list[Tensor]:
        """The residuals [N] of formulas for the channels, at points [N, D]: the check of a candidate solution."""
        found = []
        for node in self.residuals:
            values = {axis: points[:, a] for a, axis in enumerate(self.scope.axes)}
            for channel, letters in streams_of(node):
                each = fields[channel]
                for axis in letters:
                    each = self.scope.by_axis(each, axis)
                values[f"{channel}|{letters}"] = tensor_of(each, values, points[:, 0])
            values |= {key: points.new_tensor(unknown.start) for key, unknown in self.unknowns.items()}
            found.append(tensor_of(node, values, points[:, 0]))
        return found

    def residual(self, candidate: Function | Mapping[str, Function], points: Tensor | None = None) -> list[Tensor]:
        """The residuals [N] of the equations for functions of the coordinates, by autograd.

        They check a solution that is known, or a source that was made from one.

        candidate: a torch function of the axes in their order, or one by field. points: [N, D]; none: 1000 inside.
        Unknown numbers have the values that they start from.

        Examples:
            >>> import inr, torch
            >>> walls = {"on": "boundary", "equation": "u = 0"}
            >>> problem = inr.Problem.of("u_xx = -sin(x)", {"x": (0, "pi")}, [walls])
            >>> bool(problem.residual(torch.sin)[0].abs().max() < 1e-12)
            True
        """
        x = self.domain.inside(1000, Generator().manual_seed(0)).x if points is None else points.double()
        numbers = {key: unknown.start for key, unknown in self.unknowns.items()}
        return residuals_by_autograd(self.scope, self.residuals, candidate, x, numbers)

    def _check_data(self) -> None:
        """Refuse numbers to be found that occur nowhere, and measured values outside the box of the domain."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        unused = [key for key in self.unknowns if not any(key in node.names() for node in every)]
        if unused:
            raise UsageError(f"unknown {unused[0]} is in no equation and in no condition", "leave it out of [unknowns]")
        for data in self.observed:
            low, high = data.x.new_tensor(self.domain.low), data.x.new_tensor(self.domain.high)
            slack = 1e-9 * (high - low)
            outside = data.x[((data.x < low - slack) | (data.x > high + slack)).any(1)]
            if len(outside):
                place = ", ".join(f"{value:g}" for value in outside[0].tolist())
                raise UsageError(
                    f"observed {data.channel} has {len(outside)} values outside the axes, the first at ({place})",
                    f"expected {', '.join(self.scope.axes)} within [axes]",
                )

    def _check_states(self) -> None:
        """Refuse an eigenvalue problem of another form than one real field in space."""
        if len(self.scope.channels) != 1 or TIME in self.scope.axes or self.unknowns or self.observed:
            raise UsageError(
                "an eigenvalue problem has one equation for one real field, without time, unknowns and observed data",
                '-lap(u) + V*u = E*u',
            )  # fmt: skip
        if any(not condition.sides for condition in self.conditions):
            raise UsageError("an eigenvalue problem has conditions on sides only, and no means and files of points")
        if not any(self.eigenvalue in node.names() for node in self.residuals):
            raise UsageError(
                f'the equation has no eigenvalue "{self.eigenvalue}"', 'name it with eigenvalue = "..." in [problem]'
            )

    def _check_source(self) -> None:
        """Refuse a problem that zero solves."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        zeros = {f"{channel}|{letters}": ZERO for node in every for channel, letters in streams_of(node)}

        def is_met(node: Node) -> bool:
            try:
                return substituted(node, zeros).is_zero
            except UsageError:  # log(u), 1/u
                return False

        if not self.observed and all(map(is_met, every)):
            raise UsageError(
                "the zero solution fits. Is a source or a condition missing?", 'for eigenvalues, set kind = "eigen"'
            )

    def _check_coverage(self) -> None:
        """Refuse a side without the conditions that the equations need, and values that are given twice."""
        for side in self.domain.sides:
            there = [condition for condition in self.conditions if side in condition.sides and not condition.within]
            for channel in self.scope.channels:
                given = [c.text for c in there for r in c.residuals if value_given(r, channel) is not None]
                if len(given) > 1:
                    raise UsageError(
                        f'{channel.partition(".")[0]} is given twice on side "{side}": {given[0]!r} and {given[1]!r}',
                        "leave out one of them",
                    )
        if self.observed or any(condition.places is not None for condition in self.conditions):
            return
        is_box = isinstance(self.domain.shape, Box)
        if is_box and len(self.domain.space) == 1 and self.domain.time is None:
            (axis,) = self.domain.space  # both conditions may be at one end
            low, high = sides_of(axis)
            needed = self._needed([axis], is_wall=False)
            if axis not in self.domain.periodic and self._count(low, high) < needed:
                self._refuse(low if self._count(low) <= self._count(high) else high, needed, (low, high))
            return
        for axis in self.domain.space if is_box else ():
            missing = [side for side in sides_of(axis) if not self._count(side)]
            order = self.order_of(axis)
            if order and axis not in self.domain.periodic and len(missing) > (1 if order == 1 else 0):
                self._refuse(missing[0], 1)
        for side in self.domain.walls:
            needed = self._needed([a for a in self.domain.space if not is_box or side in sides_of(a)], is_wall=True)
            if self._count(side) < needed:
                self._refuse(side, needed)
        if self.domain.time is not None and TIME not in self.domain.periodic:
            needed = self._needed([TIME], is_wall=False)
            if self._count("start", "end") < needed:
                self._refuse("start", needed, ("start", "end"))

    def _needed(self, axes: Sequence[str], *, is_wall: bool) -> int:
        """How many conditions the derivatives along axes need: one on a wall that an equation has second derivatives
        across; as many as the order along an axis at both its ends together. Of equations or fields, the fewer."""
        each = [streams_of(node) for node in self.residuals]
        by_channel = [{pair for found in each for pair in found if pair[0] == key} for key in self.scope.channels]

        def count(found: set[tuple[str, str]]) -> int:
            order = max((letters.count(axis) for _, letters in found for axis in axes), default=0)
            return int(order > 1) if is_wall else order

        return min(sum(map(count, each)), sum(map(count, by_channel)))

    def _count(self, *sides: str) -> int:
        """Conditions on sides, of a complex one both parts; not those on a part of the boundary."""
        given = [condition for condition in self.conditions if not condition.is_part]
        return sum(len(c.residuals) for side in sides for c in given if side in c.sides)

    def _refuse(self, side: str, needed: int, sides: Sequence[str] = ()) -> None:
        count = self._count(*(sides or (side,)))
        if not count:
            raise UsageError(
                f'no condition on side "{side}": the solution is not unique. Add [[condition]] on = "{side}", or '
                "periodic."
            )
        there = " and ".join(f'"{each}"' for each in sides or (side,))
        highest = sorted({f"{key.partition('.')[0]}_{letters}" for key, letters in self.streams if len(letters) > 1})
        raise UsageError(
            f"{count} {'condition' if count == 1 else 'conditions'} on {there}, and the equations need {needed}: the "
            "solution is not unique",
            f"of second order are {', '.join(highest)}" if highest else "give every field a condition",
        )
