"""A command of the user's own as Ω: a folder with its description, all its rows, and the models trained on them."""
