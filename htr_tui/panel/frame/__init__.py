"""The header line and the key bar that every screen wears."""
