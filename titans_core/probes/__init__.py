"""Questions put to a trace or a model, with the uncertainty of each answer."""
