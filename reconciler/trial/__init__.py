"""Sweeps that are measured, for `reconciler tune` and the benchmark."""
