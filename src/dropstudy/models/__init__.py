"""A trained network as a Keras model, as a file, and as a predictor."""
