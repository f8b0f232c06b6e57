"""htr-gan: restoration of handwriting guided by a recogniser."""

__version__ = "0.1.0"
