"""Machinery that Triton kernels share."""
