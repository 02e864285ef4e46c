"""The multilayer perceptron: programs, random numbers, optimisers, state."""
