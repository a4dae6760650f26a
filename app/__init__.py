"""The app: pages (widgets in, figure out), figures (data → plotly), and cached calls of the core."""
