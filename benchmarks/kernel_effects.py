"""Effects of methods on the tangent kernel: `python benchmarks/kernel_effects.py [--figure NAME -o FILE]`.

Without --figure: the table, saved as a record. Kernels of fresh fields (width 32, 3 layers) on a 16 x 16 lattice, in
float64; medians over seeds. high: share of the trace at frequencies beyond a quarter of a cycle per sample. condition:
lambda_1 / lambda_k where k modes have 99 % of the trace; of_target: where they have 90 % of the energy of a target with
two tones and an edge. rank: exp of the entropy of the eigenvalues. For row equilibration also after 300 steps on that
target.

With --figure: kernels on a 32 x 32 lattice, width 64, 4 layers, by frequency and by mode, bands between the seeds:
pi_net (polynomial nets and the MLP of equal size), fr_iga (a plain ReLU network, Fourier-reparameterised, and under
IGA), omega (SIREN's), winner (SIREN's noise at the start), or all of them into a folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _kernel_figure import Curves, curves, draw, rates
from _record import save
from torch import Tensor

from inr import ntk
from inr.core.config import parse
from inr.fields import Field, FieldConfig
from inr.fitting import Run, resolve
from inr.fitting.residual_transforms.iga import lowering
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


def lowered(matrix: Tensor, k: int) -> Tensor:
    """K S, made symmetric: the kernel of gradient descent under IGA if every point is its own representative."""
    product = matrix @ lowering(matrix, k)
    return (product + product.T) / 2


def table(n_seeds: int) -> None:
    x = ntk.lattice(SHAPE)

    def median(document: Document, steps: int, change: Callable[[Tensor], Tensor]) -> dict[str, float]:
        each = [numbers(change(ntk.tangent_kernel(field_of(document, s, steps), x).matrix)) for s in range(n_seeds)]
        return {name: statistics.median(one[name] for one in each) for name in each[0]}

    rows = []
    for name, (before, after, k, steps) in CASES.items():
        old = median(before, steps, lambda m: m)
        new = median(after, steps, functools.partial(lowered, k=k) if k else lambda m: m)
        rows.append({"method": name, "before": old, "after": new})
        print(f"{name:60}", "  ".join(f"{n} {old[n]:.3g} -> {new[n]:.3g}" for n in old), flush=True)
    print(save("kernel-effects", rows))


@dataclasses.dataclass(frozen=True)
class Figure:
    """kernels: label, field, eigenvalues that IGA lowers."""

    title: str
    subtitle: str
    kernels: tuple[tuple[str, Document, int], ...]


LATTICE = (32, 32)
WIDE = {"width": 64, "depth": 4}
MLP = {"type": "mlp", **WIDE, "encoding": "identity"}
FEATURES = {"encoding": {"type": "random_fourier", "n_frequencies": 32, "sigma": 2.0}}


def sines(omega: float, **other: Any) -> Document:
    return {"type": "siren", **WIDE, "activation": {"type": "sine", "omega": omega}, **other}


FIGURES = {
    "pi_net": Figure(
        "Polynomial nets learn from 0.06 to 0.25 cycles faster than the MLP of equal size",
        "Fresh fields behind the same 32 random frequencies (sigma 2), about 16,600 parameters each",
        (
            ("ReLU MLP", {"type": "mlp", **WIDE, **FEATURES}, 0),
            ("Pi-net, NCP", {"type": "pi_ncp", **WIDE, **FEATURES, "width": 34}, 0),
            ("Pi-net, CCP", {"type": "pi_ccp", **WIDE, **FEATURES}, 0),
        ),
    ),
    "fr_iga": Figure(
        "FR and IGA speed up what a ReLU network learns slowly",
        "Fresh ReLU network on coordinates; hidden layers reparameterised (FR, 8 times the trained numbers); residuals "
        "adjusted (IGA)",
        (
            ("ReLU", MLP, 0),
            ("FR", MLP | {"linear": {"type": "fourier_reparam", "n_low": 32, "n_high": 32, "phases": 8}}, 0),
            ("IGA, k 20", MLP, 20),
            ("IGA, k 60", MLP, 60),
        ),
    ),
    "omega": Figure(
        "SIREN's omega moves the roll-off",
        "Fresh sine networks; omega of all layers",
        tuple((f"omega {omega}", sines(float(omega)), 0) for omega in (5, 10, 20, 30, 60)),
    ),
    "winner": Figure(
        "WINNER's noise on the first two layers broadens the kernel",
        "Fresh sine networks with omega 10; s0 and s1 of the noise",
        (
            ("SIREN", sines(10.0), 0),
            *(
                (f"s0 {s0}, s1 {s1}", sines(10.0, type="winner", init={"type": "winner", "s0": s0, "s1": s1}), 0)
                for s0, s1 in ((5.0, 0.05), (20.0, 0.1), (40.0, 0.3))
            ),
        ),
    ),
}


def figure_of(name: str, n_seeds: int, suffix: str) -> bytes:
    chosen = FIGURES[name]
    x = ntk.lattice(LATTICE)
    found: list[Curves] = []
    for label, document, k in chosen.kernels:
        fields = [field_of(document, seed, 0) for seed in range(n_seeds)]
        matrices = [ntk.tangent_kernel(field, x).matrix for field in fields]
        count = sum(p.numel() for p in fields[0].parameters() if p.requires_grad)
        found.append(curves(label, [lowered(m, k) if k else m for m in matrices], LATTICE))
        print(f"{name:8} {label:16} {count:7,} parameters  high {high(matrices, k):.3f}", flush=True)
    return draw(chosen.title, chosen.subtitle, found, suffix)


def high(matrices: list[Tensor], k: int) -> float:
    """Median share of the trace beyond a quarter of a cycle per sample."""
    beyond = ntk.radial_frequency(LATTICE) > 0.25
    shares = []
    for matrix in matrices:
        kappa = rates(lowered(matrix, k) if k else matrix, LATTICE)
        shares.append(float(kappa[beyond].sum() / kappa.sum()))
    return statistics.median(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", choices=[*FIGURES, "all"])
    parser.add_argument("-o", "--output", type=Path, default=Path())
    given = parser.parse_args()
    if given.figure is None:
        table(given.seeds)
        return
    for name in FIGURES if given.figure == "all" else [given.figure]:
        path = given.output / f"kernel_{name}.svg" if given.output.is_dir() else given.output
        path.write_bytes(figure_of(name, given.seeds, path.suffix))
        print(path)


if __name__ == "__main__":
    main()
