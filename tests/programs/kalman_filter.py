"""A Kalman filter that follows a point in the plane through noisy sightings, some of which are missing."""

import numpy as np


class Kalman:
    def __init__(self, dt, noise, error):
        self.F = np.eye(4)
        self.F[0, 2] = self.F[1, 3] = dt
        self.H = np.eye(2, 4)
        self.Q = noise * np.diag([dt**3 / 3, dt**3 / 3, dt, dt])
        self.R = error * np.eye(2)
        self.x = np.zeros(4)
        self.P = 10 * np.eye(4)

    def predict(self):
        self.x = self.F @ self.x
        self.P = self.F @ self.P @ self.F.T + self.Q

    def update(self, z):
        y = z - self.H @ self.x
        S = self.H @ self.P @ self.H.T + self.R
        K = self.P @ self.H.T @ np.linalg.inv(S)
        self.x = self.x + K @ y
        self.P = (np.eye(4) - K @ self.H) @ self.P
        sign, logdet = np.linalg.slogdet(2 * np.pi * S)
        return -0.5 * (y @ np.linalg.solve(S, y) + sign * logdet)


def kalman_filter(sightings, seen, dt, noise, error):
    kalman = Kalman(dt, noise, error)
    track = np.zeros((len(sightings), 4))
    likelihood = 0.0
    for t in range(len(sightings)):
        kalman.predict()
        if seen[t]:
            likelihood += kalman.update(sightings[t])
        track[t] = kalman.x
    return track, kalman.P, likelihood


def arguments(size="small", seed=0):
    n = {"small": 8, "bench": 600}[size]
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=(n, 2)), axis=0), rng.random(n) < 0.9, 0.1, 1.0, 0.5


def loss(sightings, seen, dt, noise, error):
    return kalman_filter(sightings, np.ones(len(seen), dtype=bool), dt, noise, error)[2]


differentiate = (0, 3, 4)
