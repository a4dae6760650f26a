"""The sine wave: its figure and its panel."""
