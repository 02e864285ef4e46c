"""Examples to train on: where they are found, how they are read, and what is checked before use."""
