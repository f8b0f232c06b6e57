"""Processes: identity, the runner, the end of whole trees."""
