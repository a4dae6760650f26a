"""The data of a session: settings, runs, caches."""
