"""Logs of programs that really failed."""
