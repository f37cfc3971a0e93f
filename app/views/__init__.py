"""Pages: thin, one a file."""
