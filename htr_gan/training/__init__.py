"""Training: steps as Keras models, everything else as callbacks, state that survives a kill."""
