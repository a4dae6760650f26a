"""Strains of a user's own crystal, with any ASE calculator."""
