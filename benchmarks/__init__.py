"""Measurements behind docs/benchmarks.md: ratios within one run, and counts; `make bench` runs them all."""
