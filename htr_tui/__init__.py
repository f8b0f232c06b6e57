"""htr-tui: one terminal for long training studies."""

__version__ = "0.1.0"
