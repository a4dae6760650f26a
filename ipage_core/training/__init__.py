"""Training: the loop, the settings of every network, the training data, and the searches for the settings."""
