"""What a session has: settings, runs, caches."""
