"""The dashboard: chooses a run and draws its trace. Torch lives in the worker process only (app.jobs)."""
