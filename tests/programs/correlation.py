"""Correlation and covariance matrices, once with NumPy's whole arrays and once column by column."""

import numpy as np


def correlation_matrix(data):
    mean, stddev = np.mean(data, axis=0), np.std(data, axis=0)
    stddev[stddev <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(data.shape[0]) * stddev
    corr = np.eye(data.shape[1], dtype=data.dtype)
    for i in range(data.shape[1] - 1):
        corr[i + 1 :, i] = corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
    return corr


def covariance_matrix(data):
    centred = data - data.mean(axis=0)
    cov = np.zeros((data.shape[1], data.shape[1]), dtype=data.dtype)
    for i in range(data.shape[1]):
        cov[i:, i] = cov[i, i:] = centred[:, i] @ centred[:, i:] / (data.shape[0] - 1.0)
    return cov


def correlation(data):
    cov = covariance_matrix(data)
    return cov, correlation_matrix(data)


def arguments(size="small", seed=0):
    n, m = {"small": (20, 8), "bench": (2000, 400)}[size]
    return (np.random.default_rng(seed).normal(size=(n, m)) * np.linspace(0.5, 2, m),)
