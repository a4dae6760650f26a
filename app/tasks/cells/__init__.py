"""The page and the figures of architected materials."""
