"""The page and the figures of strained silicon."""
