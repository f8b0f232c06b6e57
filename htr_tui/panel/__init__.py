"""The control panel: reads files, draws them, acts by the command line alone."""
