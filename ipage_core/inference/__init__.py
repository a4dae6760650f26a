"""The engine: latent design → posterior samples → localization → correction → verification, for any task."""
