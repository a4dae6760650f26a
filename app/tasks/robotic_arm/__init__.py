"""The robotic arm: its figure and its panel."""
