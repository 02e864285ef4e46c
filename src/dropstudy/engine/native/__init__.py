"""Native kernels: C++ that is compiled on the user's machine and called by XLA."""
