"""Keras models: the Trainer of networks that users build themselves."""
