"""Ballistics: its figure and its panel."""
