"""Inverse design: posterior samples of an invertible network, localized to exact solutions and verified by Ω."""
