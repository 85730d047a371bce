"""What runs a graph: `reference`, the oracle, node by node with NumPy; and `numba`, kernels and the tape that runs them."""
