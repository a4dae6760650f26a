"""The engine: latent design → posterior samples → localization → correction → verification.

It knows no task by name.
"""
