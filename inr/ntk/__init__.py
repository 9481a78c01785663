"""The empirical neural tangent kernel (NTK) of a field, and what it predicts about training.

kernel/ computes it: `tangent_kernel` the matrix, `TangentOperator` its products, `sketch` random functions with the
kernel as covariance, `infinite_width` the kernels of infinitely wide networks. spectra/ analyses it by mode and by
frequency, forecast/ predicts training. `ntk_report` puts all of it together, `suggest` proposes settings, `NtkTracker`
follows the kernel through a fit.
"""

from inr.ntk.analysis import ntk_report
from inr.ntk.forecast.dynamics import (
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
from inr.ntk.kernel.curvature import LossCurvature
from inr.ntk.kernel.estimates import Estimate, LowRankKernel, hutch_pp, hutchinson, nystrom, squared_frobenius
from inr.ntk.kernel.infinite_width import WideKernels, WideLayer, infinite_width, wide_kernels
from inr.ntk.kernel.kernel_file import load_kernel, save_kernel
from inr.ntk.kernel.lanczos import Density, Eigenpairs, density, lanczos
from inr.ntk.kernel.matrix import Kernel, Method, cross_kernel, tangent_kernel
from inr.ntk.kernel.operator import Channels, TangentOperator
from inr.ntk.kernel.sketch import Sketch, sketch
from inr.ntk.kernel.wide_posterior import Posterior, wide_posterior
from inr.ntk.report import Report
from inr.ntk.report_document import document_of, report_of
from inr.ntk.spectra.alignment import (
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
from inr.ntk.spectra.bands import (
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
from inr.ntk.spectra.fourier import (
    BandKernel,
    band_kernel,
    band_kernel_of,
    fourier_diagonal,
    leakage,
    rayleigh,
    roll_off,
)
from inr.ntk.spectra.power_laws import PowerLaws, effective_dimension, power_laws
from inr.ntk.spectra.sanity import violations
from inr.ntk.spectra.spectrum import Ranks, Spectrum, condition, modes_for, ranks, spectrum
from inr.ntk.torch_module import TorchModule
from inr.ntk.tracker import NtkTracker, observers_of

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
    "LossCurvature",
    "LowRankKernel",
    "Method",
    "NtkTracker",
    "Posterior",
    "PowerLaws",
    "Ranks",
    "Report",
    "Sharpness",
    "Sketch",
    "Spectrum",
    "TangentOperator",
    "TorchModule",
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
    "document_of",
    "drift",
    "effective_dimension",
    "fourier_diagonal",
    "hutch_pp",
    "hutchinson",
    "infinite_width",
    "kernel_target_alignment",
    "label_gradient_alignment",
    "lanczos",
    "lattice",
    "leakage",
    "load_kernel",
    "log_bands",
    "modes_for",
    "ntk_report",
    "nystrom",
    "observers_of",
    "octaves",
    "power",
    "power_laws",
    "predicted_loss_of_modes",
    "predicted_losses",
    "predicted_residual",
    "radial_frequency",
    "ranks",
    "rates",
    "rayleigh",
    "report_of",
    "roll_off",
    "save_kernel",
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
    "wide_posterior",
]
