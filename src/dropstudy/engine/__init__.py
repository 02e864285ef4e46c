"""Training: trainer.py is its interface; README.md explains how it is fast."""
