"""Fakes we own: a trainer, study folders of any size, waiting without sleeping."""
