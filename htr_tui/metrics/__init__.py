"""What trainers report: metrics and other events, by epoch."""
