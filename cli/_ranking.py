"""What `inr suggest --field` prints: settings by rehearsed gain, and commands with the best of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inr.core.text import command

from ._output import Output, human_seconds, say, say_exactly

if TYPE_CHECKING:
    from inr.ntk.ranking import Ranked, Ranking

SHOWN = 3
"""Commands, at most."""


@dataclass(frozen=True)
class Asked:
    """The command line, in parts: the input, the options of the signal, and `key=value` of field and fit."""

    input: str
    of_signal: Sequence[str]
    of_field: Sequence[str]
    of_fit: Sequence[str]
    steps: int | None
    seed: int

    def command(self, family: str, change: Ranked | None) -> str:
        """`inr fit` with these options, and those of a change after them."""
        of_field, of_fit, options = self.of_field, self.of_fit, ["--field", family]
        if change is not None and change.change.is_whole:
            from inr.ntk.changes import OF_RECIPE, RECIPE

            if change.change.rule == RECIPE:
                of_fit = [text for text in of_fit if text.partition("=")[0].partition(".")[0] not in OF_RECIPE]
            else:
                of_field, options = [], []
        options += [word for text in of_field for word in ("--set", f"field.{text}")]
        options += [word for text in of_fit for word in ("--set", f"fit.{text}")]
        options += ["--steps", str(self.steps)] if self.steps is not None else []
        options += ["--seed", str(self.seed)] if self.seed else []
        options += [*self.of_signal, *(change.change.options if change is not None else ())]
        return command("inr", "fit", self.input, *options)


def show_ranking(out: Output, found: Ranking, kind: str, asked: Asked) -> None:
    """The table of settings, and the commands of those that are worth it."""
    from inr.ntk.verdict import WORTH_DB

    family = found.field.type_name
    plain = asked.command(family, None)
    best = found.advised
    if out.as_json:
        rows: list[dict[str, Any]] = [
            {
                "setting": r.change.what,
                "gain_db": r.gain_db if math.isfinite(r.gain_db) else None,
                "parameters": r.size,
                "is_advised": r in best,
                "command": asked.command(family, r),
            }
            for r in found.found
        ]
        document = {
            "kind": kind,
            "field": family,
            "steps": found.steps,
            "share": found.share,
            "cost": found.cost,
            "seconds": round(found.seconds, 3),
            "command": plain,
            "settings": rows,
        }
        out.result("suggest_settings", document, "", "")
        return
    if out.is_quiet:
        say_exactly(asked.command(family, best[0]) if best else plain)
        return
    say(
        f"{found.rehearsals} rehearsals of {family} with {found.steps} steps, each on {100 * found.share:.3g} % of the "
        f"samples: {human_seconds(found.seconds)}, about {found.cost:.2g} times the samples of a fit"
    )
    rows_shown = [[r.change.what, _gain(r.gain_db), f"x{r.size:.3g}"] for r in found.found]
    place = sum(r.gain_db > 0 for r in found.found)
    rows_shown.insert(place, ["as it is", "0.0 dB", "x1"])
    out.table(["setting", "gain", "parameters"], rows_shown, right=("gain", "parameters"))
    if best:
        say("\n".join(asked.command(family, r) for r in best[:SHOWN]))
    else:
        say(f"no setting of this size gains {WORTH_DB:g} dB or more; as it is:\n{plain}")
    if (larger := found.larger) is not None:
        say(f"with {larger.size:.2g} times the parameters:\n{asked.command(family, larger)}")


def _gain(value: float) -> str:
    return f"{value:+.1f} dB" if math.isfinite(value) else "diverges"
