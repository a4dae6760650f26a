"""The benchmark's results as a page and as a report."""
