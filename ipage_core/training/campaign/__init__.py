"""Campaigns: as many distinct designs verified by Ω as a budget of evaluations allows, from few rows or no rows."""
