"""The tangent kernel: matrix, products, sketches, estimates, and kernels of infinitely wide networks."""
