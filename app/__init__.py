"""The browser side: pages (widgets in, figure out), figures (data → plotly), cached calls of the core."""
