"""The page that designs cells for several properties at once."""
