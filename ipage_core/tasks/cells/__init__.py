"""Architected materials: 32×32 periodic cells, their operator, data, networks, constraints and exports."""
