"""Taking results away: pure functions, trace in, bytes or text out. No streamlit, no torch. routes.py serves them."""
