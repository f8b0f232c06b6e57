"""The journal: what happened to a study, append-only, and the fold that gives its state."""
