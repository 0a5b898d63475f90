"""Stated lists whose true probabilities are known, for the tests of calibrators."""

from __future__ import annotations

import numpy as np

K = 4
# The kinds that learn from outcomes; "identity" is held to the same rules beside them.
FITTED = ("temperature", "sigmoid", "beta", "isotonic", "venn-abers", "list-softmax")


def sample(n: int, temperature: float | np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """conf, mask [n, K] and outcome [n]: the truth with every log-odds multiplied by `temperature`."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(K + 1, 2.0), n)
    true[:, :K] = -np.sort(-true[:, :K], axis=1)
    outcome = (rng.random((n, 1)) >= np.cumsum(true, axis=1)[:, :K]).sum(axis=1)
    stated = true ** np.reshape(temperature, (-1, 1))
    stated /= stated.sum(axis=1, keepdims=True)
    return stated[:, :K], np.ones((n, K), dtype=bool), outcome


def noisy(conf: np.ndarray, seed: int) -> np.ndarray:
    """Two other lists of the same slots."""
    rng = np.random.default_rng(seed)
    lists = conf * np.exp(rng.normal(0, 0.7, (2, *conf.shape)))
    return lists / np.maximum(1, 1.02 * lists.sum(axis=2, keepdims=True))
