"""Executors: where and how attempts run."""
