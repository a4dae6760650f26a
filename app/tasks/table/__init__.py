"""The page and the figures of a user's own table."""
