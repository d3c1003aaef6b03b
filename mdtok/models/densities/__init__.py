"""Models of mixed features, angles and reals: the density of the next frame, by a transformer or by kernels."""
