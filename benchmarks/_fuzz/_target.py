"""One fuzz target: seed inputs, mutations, the tested function, and allowed outcomes."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

Mutator = Callable[[bytes, random.Random, list[bytes]], bytes]
"""(an input, a source of chance, the seeds) to another input."""

TARGETS: dict[str, Target] = {}


@dataclasses.dataclass(frozen=True)
class Target:
    """seeds: small valid inputs. call: uses one input; an `InrError` of a kind in `may_raise` refuses it,
    and any other exception is a fault.

    mutate: structure-aware mutations. repair: corrects lengths and checksums. follows: prefixes of the modules whose
    branches guide the search, where the reader is Python; without any, the kinds of refusal guide it. cost_ms:
    approximate cost of a case, for sharing out runs. cpu_s, memory_mb: limits of a case.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    call: Callable[[bytes], None]
    mutate: Mutator
    cost_ms: float
    repair: Callable[[bytes], bytes] | None = None
    may_raise: tuple[str, ...] = ("UnreadableError", "UsageError", "ConfigError", "InspectRefusesError")
    follows: tuple[str, ...] = ()
    cpu_s: float = 5.0
    memory_mb: int = 512
    max_bytes: int = 8192


def add(target: Target) -> Target:
    """Add a target to the list."""
    if target.name in TARGETS:
        raise ValueError(f"target {target.name!r} is there twice")
    TARGETS[target.name] = target
    return target


def shares(targets: list[Target], runs: int, budget_s: float) -> dict[str, int]:
    """Runs per target, `runs` in all: as many for each if the CPU budget allows it, else fewer of slow ones.

    n_t is proportional to cost_t^-p, with the least p from 0 (equal counts) to 1 (equal times) within the budget.
    """

    def spread(p: float) -> dict[str, int]:
        weights = {t.name: t.cost_ms**-p for t in targets}
        total = sum(weights.values())
        return {name: max(1, round(runs * weight / total)) for name, weight in weights.items()}

    def seconds(p: float) -> float:
        found = spread(p)
        return sum(found[t.name] * t.cost_ms for t in targets) / 1000

    p = next((step / 20 for step in range(21) if seconds(step / 20) <= budget_s), 1.0)
    found = spread(p)
    cheapest = min(targets, key=lambda t: t.cost_ms)
    found[cheapest.name] += max(0, runs - sum(found.values()))
    return found
