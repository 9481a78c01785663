"""Targets of `benchmarks/fuzz.py`: one file per group."""
