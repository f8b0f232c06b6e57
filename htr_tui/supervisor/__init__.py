"""The supervisor: one detached process a study; the only writer of its journal."""
