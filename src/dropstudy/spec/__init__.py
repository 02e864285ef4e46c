"""Specification of a study: its file, its arms, the plan of its runs, and how it may grow."""
