"""Tangent kernels and residuals by mode and by band of frequencies."""
