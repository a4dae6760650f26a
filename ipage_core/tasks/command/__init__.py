"""A user's own command as Ω: a folder with its description, all its rows, and the models trained on them."""
