"""Runs of a training function that the user brings."""
