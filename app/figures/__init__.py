"""Pure functions: arrays → a Plotly figure as a plain dict. Nothing here imports Streamlit."""
