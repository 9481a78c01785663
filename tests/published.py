"""What a paper or its authors' code states, written out in NumPy, and the comparison of our code with it.

A test module has a tuple PUBLISHED of these classes, and a test that calls `check` on each member.
`benchmarks/fidelity.py` makes its table of the same tuples. A difference is "told" if the family's `deviations` state
it; any other difference is "WRONG", and so is a deviation that is stated and not there. A method has no `deviations`:
its docstring says "The paper: ...; here: ..., because ...", and `told` repeats the first part.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from inr.core.config import Config, override, parse
from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fitting import FitConfig

Array = NDArray[Any]
Parameters = Mapping[str, Array]


@dataclass(frozen=True)
class Uniform:
    """U(low, high)."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        return (self.high - self.low) / math.sqrt(12)

    kurtosis = 1.8


@dataclass(frozen=True)
class Normal:
    """N(mean, std^2)."""

    std: float
    mean: float = 0.0
    kurtosis = 3.0


@dataclass(frozen=True)
class TruncatedNormal:
    """N(0, s^2) within +-2 s, where s is such that the standard deviation is `std`, as JAX draws it."""

    std: float
    mean = 0.0
    kurtosis = 2.366

    @property
    def largest(self) -> float:
        return 2 * self.std / 0.87962566


@dataclass(frozen=True)
class Moments:
    """A distribution of which only these are compared; kurtosis: fourth central moment over std^4."""

    mean: float
    std: float
    kurtosis: float


@dataclass(frozen=True)
class Constant:
    """One value."""

    value: float


@dataclass(frozen=True)
class AnyValues:
    """Values about which the source says nothing, or which follow from the signal."""


Distribution = Uniform | Normal | TruncatedNormal | Moments | Constant | AnyValues


@dataclass(frozen=True)
class Row:
    """One comparison. subject: a family or method. what: "forward", "initial.<tensor>" or the path of a setting.

    error: largest difference of two results; None for other comparisons.
    """

    subject: str
    what: str
    published: str
    here: str
    verdict: Literal["exact", "told", "WRONG"]
    error: float | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedFormula:
    """A function of a method that is no family: both sides return arrays for the same inputs."""

    name: str
    source: str
    published: Callable[[], Array]
    here: Callable[[], Array]
    tolerance: float = 1e-6

    def rows(self) -> Iterator[Row]:
        error = float(np.abs(self.published() - self.here()).max())
        verdict: Literal["exact", "WRONG"] = "exact" if error <= self.tolerance else "WRONG"
        yield Row(self.name, "formula", self.source, f"largest difference {error:.1e}", verdict, error)


@dataclass(frozen=True, kw_only=True)
class PublishedMethod:
    """Settings of a method that is no family.

    settings: published values by path. here: ours, the same nesting: a config, or a dict. documented: what has the
    docstring about deviations, by default the config's class. told: what differs on purpose (the path of a setting, or
    a few words) to the beginning of the sentence about it in that docstring.
    """

    name: str
    source: str
    here: Config | Mapping[str, object]
    settings: Mapping[str, object]
    told: Mapping[str, str] = field(default_factory=dict)
    documented: object = None

    def rows(self) -> Iterator[Row]:
        document = self.here.to_json() if isinstance(self.here, Config) else self.here
        text = " ".join(str((self.documented or type(self.here)).__doc__).split())
        for path, published in self.settings.items():
            here = _at(document, path)
            is_told = path in self.told and self.told[path] in text
            verdict: Literal["exact", "told", "WRONG"] = "exact"
            if _is_close(here, published) == is_told:
                verdict = "WRONG"
            elif is_told:
                verdict = "told"
            yield Row(self.name, path, str(published), str(here), verdict)
        for what, sentence in self.told.items():
            if what not in self.settings:
                yield Row(self.name, what, sentence, "see its docstring", "told" if sentence in text else "WRONG")


@dataclass(frozen=True, kw_only=True)
class PublishedFamily:
    """A family as its source has it.

    config: our settings for the published network, as a user gives them; the defaults where those are meant.
    spec: a signal of the source. small: assignments that make the network small, for the comparison of values.
    forward: parameters by name in the state dict, and x [N, D] in [0, 1] (float64), to values [N, C].
    initial: distribution by pattern of names in the state dict (`fnmatch`); each tensor takes the first that fits it.
    settings: published values by path, `field.activation.omega` (of the resolved config) or `fit.lr` (of its
    `paper_recipe`), as they stand in TOML; slots by the name of their variant.
    tolerance: largest absolute difference of the values. seeds: networks over which the initial values are collected.
    """

    config: FieldConfig
    source: str
    spec: Spec
    forward: Callable[[Parameters, Array], Array]
    initial: Mapping[str, Distribution]
    settings: Mapping[str, object]
    small: Sequence[str] = ()
    name: str = ""
    tolerance: float = 1e-9
    seeds: int = 4
    prepare: Callable[[torch.nn.Module], None] = field(default=lambda _: None)

    @property
    def subject(self) -> str:
        return self.name or self.config.type_name

    def rows(self) -> Iterator[Row]:
        told = {d.subject: d for d in type(self.config).deviations_for(self.spec)}
        yield self._forward(told)
        yield from self._initial(told)
        yield from self._settings(told)

    def _verdict(self, what: str, is_equal: bool, told: Mapping[str, object]) -> Literal["exact", "told", "WRONG"]:
        if is_equal == any(fnmatch.fnmatchcase(what, subject) for subject in told):
            return "WRONG"
        return "exact" if is_equal else "told"

    def _forward(self, told: Mapping[str, object]) -> Row:
        """Values of a small network in float64, with its parameters moved away from special values such as 0."""
        config = override(self.config, list(self.small), "field").resolve(self.spec)
        generator = torch.Generator().manual_seed(5)
        module = config.build(self.spec, generator).double().eval()
        self.prepare(module)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(1 + 0.1 * torch.rand(parameter.shape, generator=generator, dtype=torch.float64))
        x = torch.rand((64, self.spec.d_in), generator=generator, dtype=torch.float64)
        parameters = {name: t.detach().numpy() for name, t in module.state_dict().items()}
        error = float(np.abs(self.forward(parameters, x.numpy()) - module(x).detach().numpy()).max())
        verdict = self._verdict("forward", error <= self.tolerance, told)
        return Row(self.subject, "forward", self.source, f"largest difference {error:.1e}", verdict, error)

    def _initial(self, told: Mapping[str, object]) -> Iterator[Row]:
        config = self.config.resolve(self.spec)
        values: dict[str, list[Array]] = {}
        for seed in range(self.seeds):
            module = config.build(self.spec, torch.Generator().manual_seed(seed))
            self.prepare(module)
            for name, tensor in module.state_dict().items():
                values.setdefault(name, []).append(tensor.detach().numpy().ravel())
        used = set()
        for name, parts in values.items():
            pattern = next((p for p in self.initial if fnmatch.fnmatchcase(name, p)), None)
            assert pattern is not None, f"{self.subject}: no distribution is stated for {name}"
            used.add(pattern)
            expected = self.initial[pattern]
            if isinstance(expected, AnyValues):
                continue
            fits, seen = _compare(expected, np.concatenate(parts))
            what = f"initial.{name}"
            yield Row(self.subject, what, str(expected), seen, self._verdict(what, fits, told))
        assert used == set(self.initial), f"{self.subject}: no tensor fits {set(self.initial) - used}"

    def _settings(self, told: Mapping[str, object]) -> Iterator[Row]:
        config = self.config.resolve(self.spec)
        fit = parse(FitConfig, config.paper_recipe(self.spec), "fit")
        ours = {"field": config.to_json(), "fit": fit.to_json()}
        for path, published in self.settings.items():
            here = _at(ours, path)
            is_equal = _is_close(here, published)
            yield Row(self.subject, path, str(published), str(here), self._verdict(path, is_equal, told))


Published = PublishedFamily | PublishedFormula | PublishedMethod


def check(statement: Published) -> None:
    """Assert that every comparison is exact, or a difference that is told."""
    wrong = [row for row in statement.rows() if row.verdict == "WRONG"]
    assert not wrong, "\n".join(f"{r.subject} {r.what}: published {r.published}, here {r.here}" for r in wrong)


def linear(parameters: Parameters, prefix: str, h: Array) -> Array:
    """W h + b with `prefix`.weight and `prefix`.bias."""
    return np.asarray(h @ parameters[f"{prefix}.weight"].T + parameters[f"{prefix}.bias"])


def _compare(expected: Uniform | Normal | TruncatedNormal | Moments | Constant, seen: Array) -> tuple[bool, str]:
    """Mean, standard deviation and kurtosis within five standard errors; values within the ends that there are."""
    seen = seen.astype(np.float64)
    if isinstance(expected, Constant):
        return bool(np.all(np.abs(seen - expected.value) <= 1e-6)), f"{seen.min():.4g} to {seen.max():.4g}"
    n, mean, std = len(seen), float(seen.mean()), float(seen.std())
    text = f"mean {mean:.3g}, standard deviation {std:.4g}, largest {np.abs(seen).max():.4g}"
    fits = abs(mean - expected.mean) <= 5 * expected.std / math.sqrt(n)
    fits &= abs(std - expected.std) <= 5 * expected.std * math.sqrt((expected.kurtosis - 1) / (4 * n)) + 1e-6
    if isinstance(expected, Uniform):
        slack = 1e-6 * max(abs(expected.low), abs(expected.high))
        fits &= bool(seen.min() >= expected.low - slack and seen.max() <= expected.high + slack)
    elif isinstance(expected, TruncatedNormal):
        fits &= bool(0.98 * expected.largest <= np.abs(seen).max() <= expected.largest * (1 + 1e-6))
    elif isinstance(expected, Normal) and n >= 1000:  # a uniform of the same spread has 1.8
        fits &= float(((seen - mean) ** 4).mean() / std**4) > 2.4
    return bool(fits), text


def _at(document: Any, path: str) -> object:
    """The value at a path; of a slot the name of its variant."""
    for part in path.split("."):
        document = document[part]
    return document["type"] if isinstance(document, dict) else document


def _is_close(a: object, b: object) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=1e-6)
    return a == b or (isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and list(a) == list(b))
