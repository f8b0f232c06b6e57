"""Tests; they mirror the packages, and the fakes are ours."""
