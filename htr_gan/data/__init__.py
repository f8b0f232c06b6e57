"""Lines of handwriting: rendered, degraded, kept on disk, given out in a reproducible order."""
