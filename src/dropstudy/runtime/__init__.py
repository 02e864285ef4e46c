"""Bring the runs of a plan to their end: workers, segments, schedule, progress."""
