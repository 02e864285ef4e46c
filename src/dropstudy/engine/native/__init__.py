"""Compiled kernels: built on the user's machine, called from the program."""
