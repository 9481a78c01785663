"""Machinery that compiled CPU kernels share: SIMD, threads, workspaces, matrix products."""
