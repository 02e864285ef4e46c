"""The Python API: make a study, run it, read it."""
