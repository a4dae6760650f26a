"""Tables as tasks: a user's own designs with measured or simulated results, without any Ω."""
