"""What happens around the gradient steps, one concern a module."""
