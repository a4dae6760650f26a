"""What the page is made of: one function a view, (settings, run) → widgets and figures."""
