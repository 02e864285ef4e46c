"""Training: the one room that imports the array framework. README.md beside this file says how it is fast."""
