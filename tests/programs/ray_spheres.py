"""An image of spheres in the light of one lamp: the nearest hit of each ray, with shadows."""

import numpy as np


def normalised(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def intersect(origin, direction, centre, radius):
    """The distance along each ray, infinite where it misses."""
    b = 2 * np.sum(direction * (origin - centre), axis=-1)
    c = np.sum((origin - centre) ** 2, axis=-1) - radius**2
    disc = b**2 - 4 * c
    root = np.sqrt(np.maximum(0, disc))
    near, far = (-b - root) / 2, (-b + root) / 2
    distance = np.where((near > 1e-4) & (near < far), near, far)
    return np.where((disc > 0) & (distance > 1e-4), distance, 1e9)


def ray_spheres(rays, centres, radii, colours, lamp):
    image = np.zeros((len(rays), 3))
    distances = np.array([intersect(np.zeros(3), rays, c, r) for c, r in zip(centres, radii, strict=True)])
    nearest = distances.min(axis=0)
    for k in range(len(centres)):
        hit = (nearest != 1e9) & (distances[k] == nearest)
        if np.any(hit):
            point = rays[hit] * nearest[hit][:, None]
            normal = (point - centres[k]) / radii[k]
            to_lamp = normalised(lamp - point)
            lit = np.ones(len(point), dtype=bool)
            for j in range(len(centres)):
                if j != k:
                    lit &= intersect(point, to_lamp, centres[j], radii[j]) >= 1e9
            shade = np.maximum(np.sum(normal * to_lamp, axis=-1), 0) * lit
            image[hit] += (0.1 + 0.9 * shade)[:, None] * colours[k]
    return np.clip(image, 0, 1)


def arguments(size="small", seed=0):
    n, spheres = {"small": (12, 3), "bench": (300, 8)}[size]
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, n)
    rays = np.stack([*np.meshgrid(axis, axis), np.ones((n, n))], axis=-1).reshape(-1, 3)
    centres = rng.uniform([-2, -2, 3], [2, 2, 5], (spheres, 3))
    return normalised(rays), centres, rng.uniform(0.4, 0.9, spheres), rng.random((spheres, 3)), np.array([5.0, 5.0, -2])
