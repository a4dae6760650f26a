"""Strains of a crystal of one's own, by any calculator that speaks ASE."""
