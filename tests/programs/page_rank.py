"""The ranks of the pages of a web of links, from edges that are counted, until they stand still."""

import numpy as np


def page_rank(sources, targets, pages, damping=0.85, tolerance=1e-9):
    order = np.lexsort((targets, sources))
    sources, targets = sources[order], targets[order]
    fresh = np.ones(len(sources), dtype=bool)
    fresh[1:] = (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])
    sources, targets = sources[fresh], targets[fresh]
    links = np.bincount(sources, minlength=pages)
    dangling = links == 0
    rank = np.full(pages, 1 / pages)
    rounds = 0
    while True:
        shares = rank / np.maximum(links, 1)
        new = np.zeros(pages)
        np.add.at(new, targets, shares[sources])
        new = damping * (new + rank[dangling].sum() / pages) + (1 - damping) / pages
        rounds += 1
        if np.abs(new - rank).sum() < tolerance:
            break
        rank = new
    best = np.argsort(-rank, kind="stable")[:5]
    return rank, best, rounds


def arguments(size="small", seed=0):
    pages, edges = {"small": (12, 40), "bench": (4000, 120_000)}[size]
    rng = np.random.default_rng(seed)
    return rng.integers(0, pages, edges), (pages * rng.random(edges) ** 2).astype(int), pages
