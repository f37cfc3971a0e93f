"""Measuring models: bits per byte, needles, questions in prose, with controls."""
