"""A drum in a box: the wave equation by leapfrog with a sponge near the rim and receivers that listen."""

import numpy as np


def wave_equation(speed, wavelet, receivers, dx, dt):
    ny, nx = speed.shape
    before = np.zeros((ny, nx))
    now = np.zeros((ny, nx))
    heard = np.zeros((len(wavelet), len(receivers)))
    sponge = np.ones((ny, nx))
    for k in range(4):
        fade = 1 - 0.02 * (4 - k)
        sponge[k, :] *= fade
        sponge[-1 - k, :] *= fade
        sponge[:, k] *= fade
        sponge[:, -1 - k] *= fade
    factor = (speed * dt / dx) ** 2
    for t, push in enumerate(wavelet):
        after = 2 * now - before
        bend = now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:] - 4 * now[1:-1, 1:-1]
        after[1:-1, 1:-1] += factor[1:-1, 1:-1] * bend
        after[ny // 2, nx // 2] += push * dt**2
        before, now = now * sponge, after * sponge
        heard[t] = now[2, receivers]
    return heard


def arguments(size="small", seed=0):
    n, steps = {"small": (16, 8), "bench": (180, 120)}[size]
    rng = np.random.default_rng(seed)
    t = np.arange(steps) * 0.1
    wavelet = (1 - 2 * (t - 0.4) ** 2) * np.exp(-((t - 0.4) ** 2))
    return 1 + 0.2 * rng.random((n, n)), wavelet, np.arange(3, n - 3, 2), 1.0, 0.5


def loss(speed, wavelet, receivers, dx, dt):
    return 1e3 * np.sum(wave_equation(speed, wavelet, receivers, dx, dt) ** 2)


differentiate = (0, 1)
