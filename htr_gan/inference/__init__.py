"""What trained networks are used for: measuring, restoring, reading, exporting."""
