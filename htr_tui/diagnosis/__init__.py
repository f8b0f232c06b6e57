"""What is wrong with a study as a whole, in words."""
