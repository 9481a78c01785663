"""The empirical neural tangent kernel of a field, and what it says about what the field can learn.

`tangent_kernel` makes the matrix, `TangentOperator` its products; `spectrum`, `alignment`, `dynamics`, `bands` and
`fourier` read them; `analytic` has the kernels of infinitely wide networks.
"""

from inr.ntk._alignment import (
    Alignment,
    Drift,
    alignment,
    cka,
    debiased_cka,
    drift,
    kernel_target_alignment,
    label_gradient_alignment,
    target_alignment,
)
from inr.ntk._analytic import WideKernels, WideLayer, infinite_width, wide_kernels
from inr.ntk._bands import (
    Bands,
    band_energy,
    band_probes,
    band_residual,
    lattice,
    log_bands,
    power,
    radial_frequency,
    spectral_centroid,
)
from inr.ntk._dynamics import (
    Sharpness,
    adam_weights,
    octaves,
    predicted_loss_of_modes,
    predicted_losses,
    predicted_residual,
    rates,
    sharpness,
    time_constants,
)
from inr.ntk._estimates import Estimate, LowRank, hutch_pp, hutchinson, nystrom, squared_frobenius
from inr.ntk._fourier import BandKernel, band_kernel, band_kernel_of, fourier_diagonal, leakage, rayleigh, roll_off
from inr.ntk._kernel import Kernel, Method, cross_kernel, tangent_kernel
from inr.ntk._lanczos import Density, Eigenpairs, density, lanczos
from inr.ntk._operator import Channels, TangentOperator
from inr.ntk._sanity import violations
from inr.ntk._sketch import Sketch, sketch
from inr.ntk._spectrum import Ranks, Spectrum, condition, modes_for, ranks, spectrum

__all__ = [
    "Alignment",
    "BandKernel",
    "Bands",
    "Channels",
    "Density",
    "Drift",
    "Eigenpairs",
    "Estimate",
    "Kernel",
    "LowRank",
    "Method",
    "Ranks",
    "Sharpness",
    "Sketch",
    "Spectrum",
    "TangentOperator",
    "WideKernels",
    "WideLayer",
    "adam_weights",
    "alignment",
    "band_energy",
    "band_kernel",
    "band_kernel_of",
    "band_probes",
    "band_residual",
    "cka",
    "condition",
    "cross_kernel",
    "debiased_cka",
    "density",
    "drift",
    "fourier_diagonal",
    "hutch_pp",
    "hutchinson",
    "infinite_width",
    "kernel_target_alignment",
    "label_gradient_alignment",
    "lanczos",
    "lattice",
    "leakage",
    "log_bands",
    "modes_for",
    "nystrom",
    "octaves",
    "power",
    "predicted_loss_of_modes",
    "predicted_losses",
    "predicted_residual",
    "radial_frequency",
    "ranks",
    "rates",
    "rayleigh",
    "roll_off",
    "sharpness",
    "sketch",
    "spectral_centroid",
    "spectrum",
    "squared_frobenius",
    "tangent_kernel",
    "target_alignment",
    "time_constants",
    "violations",
    "wide_kernels",
]
