"""Tables as tasks: a user's own designs and measured or simulated results, without any Ω."""
