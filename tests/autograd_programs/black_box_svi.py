"""Black-box variational inference of a Gaussian, with noise drawn before."""

import numpy as np

from tracegraph import grad


def log_density(x):
    mu, log_sigma = x[:, 0], x[:, 1]
    sigma_density = -0.5 * (log_sigma / 1.35) ** 2
    mu_density = -0.5 * (mu / np.exp(log_sigma)) ** 2 - log_sigma
    return sigma_density + mu_density


def black_box_variational_inference(logprob, D, noise):
    def unpack_params(params):
        return params[:D], params[D:]

    def gaussian_entropy(log_std):
        return 0.5 * D * (1.0 + np.log(2 * np.pi)) + np.sum(log_std)

    def variational_objective(params):
        mean, log_std = unpack_params(params)
        samples = noise * np.exp(log_std) + mean
        lower_bound = gaussian_entropy(log_std) + np.mean(logprob(samples))
        return -lower_bound

    return variational_objective, grad(variational_objective), unpack_params


objective, gradient, unpack = black_box_variational_inference(log_density, 2, np.random.RandomState(0).randn(200, 2))
arguments = (np.array([-1.0, 0.3, -2.0, -1.5]),)


def main():
    params = arguments[0]
    for _ in range(80):
        params = params - 0.05 * gradient(params)
    return objective(arguments[0]), objective(params)
