"""The tangent kernel followed through a fit: what is learned by band, how fast each band is learned, and how far the
kernel has changed."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.errors import InrError, UsageError
from inr.core.samples import Samples
from inr.core.stopwatch import preparation, working_clock
from inr.core.text import finite_json
from inr.fields import Field
from inr.fitting import FitConfig, Observer
from inr.ntk.kernel.matrix import tangent_kernel
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.look_measures import measures
from inr.ntk.probe_windows import ProbeWindows
from inr.ntk.spectra.alignment import debiased_cka
from inr.ntk.spectra.bands import band_energy
from inr.ntk.spectra.fourier import band_kernel

PROBES = 8
TRIAL = 8
"""A trial has this many times fewer points than a look; much of its time does not depend on the points."""

TRIALS_PER_LOOK = 4

LEAST_S = 0.5
"""No trial is made before the share allows this much time, as a trial takes some tenths of a second for any field."""

KEPT_BYTES = 2**28

Parameters = dict[str, Tensor]


class NtkTracker(Observer):
    """Measures the tangent kernel at steps 0, 1, 2, 4, 5, 8, 11, 16, 22 ... (2^(k/2)) and at the end.

    Each measurement is a look. Looks take at most `share` of the fit's own seconds: at each of these steps the
    parameters are copied, and a look at a copy is taken when the time for it, for those so far and for one at the end
    is within the share. The start is first, then the step that is farthest (in log) from those done. Copies beyond
    256 MiB are dropped, the oldest first. Fits shorter than LEAST_S / share
    have no looks. A look is expected to take as long as the longest so far, the first one as
    long as four trials with an eighth of the points (after an untimed one, in which packages are imported).
    Looks do not change the fit: they have their own copy of the field and their own random generator.

    Each look is in the field's own precision, with the same samples and the same random signs:
    - band_residual [B]: E_b = sum |F r|^2_b / sum |F y|^2_b over up to 8 windows of the signal's lattice, with a Hann
      window (Welch 1967); None if the signal has no energy there;
    - kappa [B]: mean of the kernel's Rayleigh quotients at the frequencies of a band, on the first window, from 8
      random functions (`inr.ntk.band_kernel`: relative standard error 1 / sqrt(4 * frequencies in the band));
    - cka: debiased CKA of the kernel at 256 random samples with that at the start;
    - loss: mean of r^2 on the windows; step and seconds: of the fit at that moment;
    - of the kernel at the 256 samples: sharpness, 2 lambda_1 / 256 (of the Gauss-Newton matrix; gradient descent is
      stable below 2 / lr); hessian, the largest eigenvalue of the loss' Hessian there (12 Lanczos steps; None without
      second derivatives); condition (99 % of the trace); kta, alignment with the target without its mean; layers, each
      layer's share of the trace.
    Kernels are of sum_c f_c / sqrt(C), at the trained parameters, not their average (`fit.ema`).

    share: > 0, of the fit's seconds. seed: of the windows and of the random functions.
    """

    key, prefix = "ntk_track", "tracker"

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        self._start: Tensor | None = None
        self._cost: float | None = None
        self._kept: dict[int, tuple[float, Parameters]] = {}
        self._looks: list[dict[str, Any]] = []
        self._stopped: str | None = None

    # -- what the run calls

    def on_start(self, field: Field, samples: Samples) -> None:
        """Raises UsageError for signals without a lattice or with fewer than 4 samples, and untrainable fields."""
        if not any(p.requires_grad for p in field.parameters()):
            raise UsageError("the field has no trained parameters, so there is no tangent kernel to track")
        self._field, self._samples = field, samples
        self._probes = ProbeWindows.of(samples, self._seed)

    def on_step(self, step: int, seconds: float) -> None:
        if self._stopped is None and is_due(step):
            self._keep(step, seconds)
        if self._kept and self._affords(seconds, looks=2):  # one of them for the end
            self._look(self._next())

    def on_end(self, step: int, seconds: float) -> None:
        """The last step, then as many others as the share allows."""
        if self._stopped is not None:
            return
        self._keep(step, seconds)
        if self._start is None and 0 in self._kept and self._affords(seconds):
            self._look(0)
        if step in self._kept and self._affords(seconds):
            self._look(step)
        while self._kept and self._affords(seconds):
            self._look(self._next())

    def document(self) -> dict[str, Any]:
        """JSON: the edges of the bands in cycles per sample, and the looks by step.

        n: samples of a window. share, seconds: the time that looks may take and took. stopped: why there are no more
        looks, if one failed.
        """
        found = {
            "edges": [list(edge) for edge in self._probes.bands.edges],
            "n": self._probes.bands.index.numel(),
            "share": self._share,
            "seconds": self.seconds,
            "looks": sorted(self._looks, key=lambda look: int(look["step"])),
        }
        return found | ({} if self._stopped is None else {"stopped": self._stopped})

    def state(self) -> dict[str, Tensor]:
        tensors = {f"kept.{step}.{name}": p for step, (_, own) in self._kept.items() for name, p in own.items()}
        tensors |= {f"seconds.{step}": torch.tensor(s, dtype=torch.float64) for step, (s, _) in self._kept.items()}
        if self._start is not None:
            tensors["start"] = self._start
        if self._cost is not None:
            tensors["cost"] = torch.tensor(self._cost, dtype=torch.float64)
        return tensors

    def restore(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._looks = [dict(look) for look in document["looks"]]
        self.seconds, self._stopped = float(document["seconds"]), document.get("stopped")
        self._start = tensors.get("start")
        self._cost = float(tensors["cost"]) if "cost" in tensors else None
        kept: dict[int, Parameters] = {}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            if group == "kept":
                step, _, own = rest.partition(".")
                kept.setdefault(int(step), {})[own] = tensor
        self._kept = {step: (float(tensors[f"seconds.{step}"]), own) for step, own in kept.items()}

    # -- looks

    def _keep(self, step: int, seconds: float) -> None:
        if step in self._kept or any(look["step"] == step for look in self._looks):
            return
        own = {name: t.detach().clone() for name, t in self._field.state_dict().items()}
        self._kept[step] = seconds, own
        size = sum(t.numel() * t.element_size() for t in own.values())
        while len(self._kept) > max(2, KEPT_BYTES // max(1, size)):
            del self._kept[min(step for step in self._kept if step > 0)]

    def _affords(self, seconds: float, looks: int = 1) -> bool:
        allowed = self._share * seconds - self.seconds
        if self._cost is None:
            if allowed < LEAST_S:
                return False
            self._cost = TRIALS_PER_LOOK * self._try()
            allowed = self._share * seconds - self.seconds
        return allowed >= looks * self._cost

    def _next(self) -> int:
        done = [math.log1p(look["step"]) for look in self._looks]
        if self._start is None:
            return min(self._kept)
        return max(self._kept, key=lambda step: min((abs(math.log1p(step) - at) for at in done), default=0.0))

    def _try(self) -> float:
        field = self._as_of(self._kept[min(self._kept)][1])
        probes = ProbeWindows.of(self._samples, self._seed, smaller=TRIAL)
        try:
            with preparation:  # what is imported on first use
                self._seen(field, probes)
            before = working_clock()
            self._seen(field, probes)
        except (InrError, RuntimeError) as error:
            self._stop(error)
            return math.inf
        spent = working_clock() - before
        self.seconds += spent
        return spent

    def _look(self, step: int) -> None:
        if step not in self._kept:
            return
        before = working_clock()
        seconds, own = self._kept.pop(step)
        if all(bool(torch.isfinite(t).all()) for t in own.values() if t.is_floating_point()):
            try:
                found, kernel = self._seen(self._as_of(own), self._probes)
            except (InrError, RuntimeError) as error:
                self._stop(error)
            else:
                if self._start is None:
                    self._start = kernel
                cka = finite_json(debiased_cka(kernel, self._start))
                self._looks.append({"step": step, "seconds": seconds, **found, "cka": cka})
        spent = working_clock() - before
        is_first = len(self._looks) <= 1  # the cost so far is an estimate from a trial
        self._cost = spent if is_first or self._cost is None else max(spent, self._cost)
        self.seconds += spent

    def _stop(self, error: InrError | RuntimeError) -> None:
        """A failed look (torch raises RuntimeError) does not end the fit; there are no more looks."""
        self._stopped = error.message if isinstance(error, InrError) else str(error).partition("\n")[0]
        self._kept.clear()

    def _as_of(self, own: Parameters) -> Field:
        field = copy.deepcopy(self._field).eval()
        field.load_state_dict(own)
        return field

    def _seen(self, field: Field, probes: ProbeWindows) -> tuple[dict[str, Any], Tensor]:
        device = next(field.parameters()).device
        have = torch.zeros(probes.bands.n_bands, dtype=torch.float64)
        left, square = torch.zeros_like(have), 0.0
        for window in probes.windows:
            x, y = self._samples.at(window)
            with torch.no_grad():
                residual = field(x.to(device)).cpu().double() - y
            have += band_energy(y, probes.bands, "hann")
            left += band_energy(residual, probes.bands, "hann")
            square += float(residual.square().mean()) / len(probes.windows)
        dtype = _precision(field)
        operator = TangentOperator(field, self._samples.at(probes.windows[0])[0], channels="sum", dtype=dtype)
        kappa = band_kernel(operator, probes.bands, Generator().manual_seed(self._seed), PROBES).kappa
        x, y = self._samples.at(probes.points)
        kernel = tangent_kernel(field, x, channels="sum", dtype=dtype)
        found = {
            "loss": finite_json(square),
            "band_residual": finite_json(torch.where(have > 0, left / have, torch.nan).tolist()),
            "kappa": finite_json(kappa.tolist()),
            **measures(field, kernel, x, y, self._seed),
        }
        return found, kernel.matrix.cpu()


def observers_of(settings: FitConfig) -> list[Observer]:
    """The observers of a run with these settings: an `NtkTracker` if `track_ntk` is set."""
    return [] if settings.track_ntk is None else [NtkTracker(settings.track_ntk, settings.seed)]


def _precision(field: Field) -> torch.dtype:
    """The widest type of the parameters."""
    return max((p.dtype for p in field.parameters()), key=lambda dtype: dtype.itemsize)


def is_due(step: int) -> bool:
    """Whether a step is 0, or the whole part of 2^(k/2) for a k = 0, 1, 2 ..."""
    if step == 0:
        return True
    k = math.ceil(2 * math.log2(step))
    return any(math.isqrt(2**i) == step for i in (k, k + 1))
