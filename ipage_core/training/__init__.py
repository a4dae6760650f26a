"""Training: the loop, the settings of every network, the data they learn from, and the searches behind the settings."""
