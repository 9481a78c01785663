"""Kernels read again along a rehearsal, and what the run would leave if its residual flowed along them.

Only for signals of few samples. At a part of a larger lattice the flow leaves too little: a field that has to learn the
rest too cannot fit the part as if it were alone (record `flows-2`, pictures of 192 pixels: about 10 dB too low).

A rehearsal on few samples has noisier gradients than the run, so it learns less, but its kernel goes through the same
change. The flow (`forecast/kernel_path.py`) takes these kernels with the preconditioner that gradients of whole batches
give.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting import FitConfig, Run
from inr.ntk.forecast.kernel_path import KernelPath
from inr.ntk.forecast.moving_preconditioner import MovingPreconditioner
from inr.ntk.forecast.second_moments import with_moments
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.spectra.windows import energies, windows_of

POINTS = 4096
"""Samples that a signal may have."""
DRAWS = 4
"""Batches whose gradients give a reading's mean squares; one if a batch has all samples."""


def can_follow(settings: FitConfig, samples: Samples) -> bool:
    """Whether the flow is that of the run: the squared error on a lattice of at most POINTS, with Adam or SOAP."""
    loss, optimizer = settings.loss, settings.optimizer
    is_known = optimizer.is_adam_like or optimizer.type_name == "soap"
    is_whole = samples.order is not None and samples.size <= POINTS
    return loss is not None and loss.is_mse and is_known and is_whole


class KernelReadings:
    """Reads the kernel at each of `steps` of a rehearsal of `settings`, and follows the residual.

    centres: of the bands, cycles per sample. left: of the target's energy by band [B] at the last step that was read.
    batch: samples per step of the run that is forecast.
    """

    def __init__(self, samples: Samples, settings: FitConfig, steps: Sequence[int], batch: int) -> None:
        self._generator = Generator().manual_seed(0)
        windows = windows_of(samples, POINTS, 1, self._generator)
        assert windows is not None
        self._samples, self._settings, self._batch, self._windows = samples, settings, batch, windows
        target = energies(windows.y - windows.mean, windows)
        self._target = torch.where(target > 1e-12 * target.sum(), target, 0.0)
        self._preconditioner = MovingPreconditioner(settings)
        self._path: KernelPath | None = None
        self.steps = tuple(steps)
        self.centres = windows.bands.centres
        self.left = torch.ones_like(target)

    def read(self, run: Run) -> None:
        """At the present step, the next of `steps`."""
        field, windows = run.field, self._windows
        was_training = field.training
        field.eval()
        x, y = windows.x.reshape(-1, windows.x.shape[-1]), windows.y.reshape(-1, windows.y.shape[-1])
        operator = TangentOperator(field, x, dtype=torch.float32)
        if self._path is None:
            with torch.no_grad():
                residual = operator.field(operator.x).cpu().double() - y
            self._path = KernelPath(
                residual,
                self.steps,
                self._settings.lr,
                lambda step: self._settings.schedule.factor(step / max(1, self.steps[-1])),
                with_moments(self._settings.optimizer).beta1,
            )
        self._preconditioner.move(run, self._slopes(field))

        def product(v: Tensor) -> Tensor:
            return operator.push(self._preconditioner.apply(operator.pull(v.to(operator.x)))).reshape(-1)

        residual = self._path.take(product).reshape(windows.y.shape)
        field.train(was_training)
        left = energies(residual, windows)
        self.left = torch.where(self._target > 0, left / self._target.clamp_min(1e-300), 0.0)

    def _slopes(self, field: Field) -> list[dict[str, Tensor]]:
        """Gradients of the mean square error over batches of the run's size."""
        size, trained = self._samples.size, {n: p for n, p in field.named_parameters() if p.requires_grad}
        parameter = next(iter(trained.values()))
        found = []
        for _ in range(1 if self._batch == size else DRAWS):
            index = torch.arange(size)
            if self._batch < size:
                index = torch.randint(size, (self._batch,), generator=self._generator)
            x, y = (t.to(parameter) for t in self._samples.at(index))
            with torch.enable_grad():
                loss = (field(x) - y).square().mean()
                slopes = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, materialize_grads=True)
            found.append(dict(zip(trained, slopes, strict=True)))
        return found
