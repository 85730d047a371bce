"""The Fourier transform of a length that is a power of a radix, after Stockham: reshapes and small products alone."""

import numpy as np


def stockham_fft(x, radix, levels):
    n = radix**levels
    i, j = np.meshgrid(np.arange(radix), np.arange(radix), indexing="ij")
    small = np.exp(-2j * np.pi * i * j / radix)
    y = x.reshape(n).astype(np.complex128)
    y = y.reshape(1, n)
    for level in range(levels):
        done = radix**level
        k, r = np.ogrid[:done, :radix]
        twist = np.exp(-2j * np.pi * k * r / (done * radix))
        y = y.reshape(done, radix, n // (done * radix)) * twist[:, :, np.newaxis]
        y = np.tensordot(small, y, axes=(1, 1)).reshape(done * radix, -1)
    return y.ravel()


def arguments(size="small", seed=0):
    radix, levels = {"small": (2, 5), "bench": (4, 9)}[size]
    rng = np.random.default_rng(seed)
    n = radix**levels
    return rng.normal(size=n) + 1j * rng.normal(size=n), radix, levels
