"""The networks: recogniser, generator, discriminator, and reading their output."""
