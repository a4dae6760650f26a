"""The page and the figures of SrTiO₃."""
