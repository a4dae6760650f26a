"""The page on which cells are designed to several properties at once."""
