"""How good a restoration is: as a picture, and as a text."""
