"""Pure functions: trace in, plotly figure (or table) out. No streamlit, no torch."""
