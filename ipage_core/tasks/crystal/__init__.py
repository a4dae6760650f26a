"""SrTiO₃ under strain: density functional theory as Ω, its data, networks, constraints and exports."""
