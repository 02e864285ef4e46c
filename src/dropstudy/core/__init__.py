"""Helpers that all rooms share: types, text, checks of values, atomic files, hardware."""
