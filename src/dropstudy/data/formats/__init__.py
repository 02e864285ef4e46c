"""Readers of file formats: header first, values later, nothing trusted."""
