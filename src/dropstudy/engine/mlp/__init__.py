"""The multilayer perceptron: its program, its draws, its optimisers, its state."""
