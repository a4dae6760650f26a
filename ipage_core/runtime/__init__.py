"""Files, paths, long computations and progress bars. Nothing here knows about design."""
