"""The MLflow mirror: the only place that talks to MLflow, in a process of its own."""
