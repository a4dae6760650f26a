"""A user's own problem whose Ω is a command."""
