"""Parts of the page that Streamlit does not have; inline components without a build step."""
