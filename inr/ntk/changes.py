"""Changes of a run's settings that may learn more: of its rates, optimizer and schedule, and of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from inr.core.config import override
from inr.core.errors import ConfigError
from inr.fields import FieldConfig
from inr.fitting import FitConfig, resolve
from inr.ntk.report import UNCHANGED
from inr.ntk.trials import candidates, setting_at
from inr.signals import Signal

RATES = (3.0, 1 / 3)
OPTIMIZERS = ("soap", "adam")
RECIPE = "--recipe best"
OF_RECIPE = ("lr", "lr_encoding", "optimizer", "schedule", "sampler", "ema")
"""Settings of a run that a family's recipe replaces. Its batch is not one: steps with more samples cost more."""


@dataclass(frozen=True)
class Change:
    """What is changed, in the words of the command line, and the settings with it.

    rule: the kind of change, such as `activation.omega` or `fit.lr`. options: of the command line after those of the
    run itself. is_whole: the field or the recipe is replaced, so its settings of the run itself do not count.
    is_lower: the rate or a frequency becomes lower, which rehearsals on few samples favour too much: 8 fits with such
    changes that they advised lost 0.7 dB in the mean, 9.6 at worst (record `verdict-advice`), so it is not advised.
    """

    what: str
    rule: str
    field: FieldConfig
    run: FitConfig
    options: tuple[str, ...]
    is_whole: bool = False
    is_lower: bool = False

    @classmethod
    def none(cls, field: FieldConfig, run: FitConfig) -> Change:
        """The run as it is."""
        return cls(UNCHANGED, "", field, run, ())

    @property
    def is_of_run(self) -> bool:
        """Whether the field stays as it is."""
        return self.rule.startswith("fit.") or self.rule == RECIPE


def changes(signal: Signal, config: FieldConfig, settings: FitConfig) -> list[Change]:
    """The rate, the optimizer, the schedule and the family's recipe; and what `candidates` has of the field.

    config, settings: resolved. Changes that the field refuses are left out.
    """
    found = [
        replace(
            _of_run(config, settings, [f"lr={settings.lr * by:.3g}", *_encoding_rate(settings, by)]), is_lower=by < 1
        )
        for by in RATES
    ]
    others = [f"optimizer={name}" for name in OPTIMIZERS if settings.optimizer.type_name != name]
    if settings.schedule.type_name != "cosine":
        others.append("schedule=cosine")
    found += [_of_run(config, settings, [text]) for text in others]
    best = resolve(signal, config, {"steps": settings.steps, "seed": settings.seed})[1]
    if any(getattr(best, name) != getattr(settings, name) for name in OF_RECIPE):
        found.append(Change(RECIPE, RECIPE, config, replace(best, batch=settings.batch), (), is_whole=True))
    for what, changed, lr in candidates(config, settings.lr, is_rehearsed=True):
        if lr == settings.lr:
            found.append(_of_candidate(what, changed, settings))
    return found


def sizes(config: FieldConfig, settings: FitConfig) -> list[Change]:
    """The field with lower frequencies, and with another width or number of levels or octaves."""
    found = []
    for path, scale in SCALES:
        value = setting_at(config, path)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value:
            continue
        changed = scale(value)
        if changed == value:
            continue
        texts = [f"{path}={changed:g}"]
        if path == "activation.omega" and setting_at(config, "activation.omega_first") == value:
            texts.append(f"activation.omega_first={changed:g}")
        try:
            other = override(config, texts, "field")
        except ConfigError:
            continue
        options = tuple(word for text in texts for word in ("--set", f"field.{text}"))
        is_lower = changed < value and path != "encoding.levels"
        found.append(Change(f"field.{texts[0]}", path, other, settings, options, is_lower=is_lower))
    return found


def _times(by: float) -> Callable[[float], float]:
    return lambda value: value * by


SCALES: Sequence[tuple[str, Callable[[float], float]]] = (
    ("activation.omega", _times(0.5)),
    ("activation.scale", _times(0.5)),
    ("activation.scale", _times(2)),
    ("encoding.sigma", _times(0.5)),
    ("encoding.octaves", lambda n: n + 2),
    ("encoding.octaves", lambda n: max(1, n - 2)),
    ("encoding.levels", lambda n: max(2, round(n * 2 / 3))),
    ("encoding.levels", lambda n: round(n * 1.5)),
    ("width", _times(2)),
)
"""Settings of a field's frequencies and size, and how each is changed."""


def _of_run(config: FieldConfig, settings: FitConfig, texts: list[str]) -> Change:
    options = tuple(word for text in texts for word in ("--set", f"fit.{text}"))
    rule = f"fit.{texts[0].partition('=')[0]}"
    return Change(f"fit.{texts[0]}", rule, config, override(settings, texts, "fit"), options)


def _encoding_rate(settings: FitConfig, by: float) -> list[str]:
    return [] if settings.lr_encoding is None else [f"lr_encoding={settings.lr_encoding * by:.3g}"]


def _of_candidate(what: str, changed: FieldConfig, settings: FitConfig) -> Change:
    key, _, value = what.partition("=")
    if key == "field":
        width = ("--set", f"field.width={getattr(changed, 'width', 256)}")
        return Change(f"--field {value}", "--field", changed, settings, ("--field", value, *width), is_whole=True)
    texts = [what]
    first = setting_at(changed, "activation.omega_first")
    if key == "activation.omega" and first is not None and f"{first:g}" == value:
        texts.append(f"activation.omega_first={value}")
    options = tuple(word for text in texts for word in ("--set", f"field.{text}"))
    return Change(f"field.{what}", key, changed, settings, options)
