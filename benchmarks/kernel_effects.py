"""Methods that act on the tangent kernel, before and after: `python benchmarks/kernel_effects.py [--seeds N]`.

Kernels of fresh fields (width 32, 3 layers) on a 16 x 16 lattice, in float64; medians over seeds. high: share of the
trace at frequencies beyond a quarter of a cycle per sample. condition: lambda_1 / lambda_k where k modes have 99 % of
the trace; of_target: where they have 90 % of the energy of a target with two tones and an edge. rank: exp of the
entropy of the eigenvalues. For row equilibration also after 300 steps on that target.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from _record import save
from torch import Tensor

from inr import ntk
from inr._config import parse
from inr.fields import Field, FieldConfig
from inr.fitting import Run, resolve
from inr.fitting.iga import lowering
from inr.signals.array import Array

SHAPE = (16, 16)
NET = {"width": 32, "depth": 3}
SINE = {"type": "sine", "omega": 10.0, "omega_first": 10.0}
FR = {"type": "fourier_reparam", "n_low": 16, "n_high": 16, "phases": 8}
RELU = {"type": "mlp", **NET, "encoding": "identity"}
PE = {"type": "relu_pe", **NET}
SIREN = {"type": "siren", **NET, "activation": SINE}

Document = dict[str, Any]
CASES: dict[str, tuple[Document, Document, int, int]] = {
    "SIREN, omega 10 to 20": (SIREN, SIREN | {"activation": {"type": "sine", "omega": 20.0}}, 0, 0),
    "WINNER, on SIREN with omega 10": (
        SIREN,
        {"type": "winner", **NET, "activation": SINE, "init": {"type": "winner", "s0": 20.0, "s1": 0.1}},
        0,
        0,
    ),
    "FR, on ReLU": (RELU, RELU | {"linear": FR}, 0, 0),
    "FR, on ReLU behind octaves": (PE, PE | {"linear": FR}, 0, 0),
    "FR, on SIREN with omega 10": (SIREN, SIREN | {"linear": FR}, 0, 0),
    "IGA k = 20, on ReLU behind octaves": (PE, PE, 20, 0),
    "IGA k = 20, on SIREN with omega 10": (SIREN, SIREN, 20, 0),
    "row equilibration, on ReLU behind octaves": (PE, PE | {"linear": "row_equilibrated"}, 0, 0),
    "row equilibration, on ReLU behind octaves, after 300 steps": (PE, PE | {"linear": "row_equilibrated"}, 0, 300),
}
"""(before, after, eigenvalues that IGA lowers in `after`, steps of training)."""


def target() -> Tensor:
    x = ntk.lattice(SHAPE)
    edge = torch.sign(torch.sin(50 * x[:, :1] * x[:, 1:]))
    return torch.sin(20 * x[:, :1]) * torch.cos(31 * x[:, 1:]) + x[:, :1] + 0.3 * edge


def field_of(document: Document, seed: int, steps: int) -> Field:
    signal = Array.of_array(target().reshape(SHAPE).float().numpy())
    config = parse(FieldConfig, document, "field")
    run = Run(signal, *resolve(signal, config, {"steps": steps, "seed": seed, "lr": 1e-3}))
    run.advance()
    return run.field


def numbers(matrix: Tensor) -> dict[str, float]:
    found = ntk.spectrum(matrix)
    y = target()
    of_target = ntk.alignment(found, y - y.mean()).coefficients.square()
    kappa = ntk.fourier_diagonal(matrix, SHAPE)
    return {
        "high": float(kappa[ntk.radial_frequency(SHAPE) > 0.25].sum() / kappa.sum()),
        "condition": ntk.condition(found),
        "of_target": ntk.condition(found, of_target, 0.9),
        "rank": ntk.ranks(found).entropy,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    x = ntk.lattice(SHAPE)

    def median(document: Document, steps: int, change: Callable[[Tensor], Tensor]) -> dict[str, float]:
        each = [numbers(change(ntk.tangent_kernel(field_of(document, s, steps), x).matrix)) for s in seeds]
        return {name: statistics.median(one[name] for one in each) for name in each[0]}

    def lowered(matrix: Tensor, k: int) -> Tensor:
        product = matrix @ lowering(matrix, k)
        return (product + product.T) / 2

    rows = []
    for name, (before, after, k, steps) in CASES.items():
        old = median(before, steps, lambda m: m)
        new = median(after, steps, lambda m, k=k: lowered(m, k) if k else m)
        rows.append({"method": name, "before": old, "after": new})
        print(f"{name:60}", "  ".join(f"{n} {old[n]:.3g} -> {new[n]:.3g}" for n in old), flush=True)
    print(save("kernel-effects", rows))


if __name__ == "__main__":
    main()
