"""The commands of htr-gan, one a module."""
