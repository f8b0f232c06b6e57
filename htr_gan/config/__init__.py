"""Configuration: typed models, and a loader that names every mistake with file, line and key."""
