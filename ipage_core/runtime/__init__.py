"""What every part stands on and what knows nothing of design: files, paths, and where long work runs."""
