"""The search: the only place that knows Optuna. Its storage is the sampler's memory, repaired from the journal."""
