"""A finding with values (pain sites, a scale, a colour): how it is drawn, and how likely it is under each condition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Detail", "log", "pick"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TINY = 1e-300  # stands for a chance of 0, so that no sum of logarithms is undefined


@dataclass(frozen=True)
class Detail:
    """Values of a finding, given the condition and that its parent is present.

    parent: the finding whose detail this is; None for one that stands alone (foreign travel).
    values: V tokens of DDXPlus.
    absent: [C], the chance that it is absent (the pain does not radiate).
    rates:  [C, V]. With `most` 1, the chance of each value, rows summing to 1. With more, every value is there with
            its rate, independent of the others, given that there are from 1 to `most` of them. Strictly between 0
            and 1 then.
    """

    code: str
    parent: str | None
    values: tuple[str, ...]
    absent: Floats
    rates: Floats
    most: int

    @cached_property
    def log_room(self) -> Floats:
        """[C]: ln of the chance that independent values number from 1 to `most`."""
        numbers = np.zeros((len(self.rates), self.most + 1))
        numbers[:, 0] = 1.0
        for rate in self.rates.T[:, :, None]:  # each value either adds one or leaves the number as it is
            numbers = numbers * (1 - rate) + np.pad(numbers, ((0, 0), (1, 0)))[:, :-1] * rate
        return log(numbers[:, 1:].sum(axis=1))

    def draw(self, truth: Ints, rng: np.random.Generator) -> Bools:
        """Values [n, V] for patients with these conditions [n]; a row without any is the finding absent."""
        found = np.zeros((len(truth), len(self.values)), dtype=np.bool_)
        left = np.flatnonzero(rng.random(len(truth)) >= self.absent[truth])
        if self.most == 1:
            found[left, pick(self.rates[truth[left]], rng)] = True
            return found
        while len(left):
            found[left] = rng.random((len(left), len(self.values))) < self.rates[truth[left]]
            number = found[left].sum(axis=1)
            left = left[(number < 1) | (number > self.most)]
        return found

    def log_chance(self, found: Bools) -> Floats:
        """ln P(values | condition), [n, C], of what `draw` gives.

        >>> d = Detail("E_130", "E_129", ("V_86", "V_107"), np.array([0.5]), np.array([[0.25, 0.75]]), 1)
        >>> np.exp(d.log_chance(np.array([[True, False], [False, False]]))).ravel().round(9).tolist()
        [0.125, 0.5]
        """
        y = found.astype(np.float64)
        some = y.sum(axis=1, keepdims=True) > 0
        given = y @ log(self.rates).T
        if self.most > 1:
            given += (1 - y) @ log(1 - self.rates).T - self.log_room
        return np.where(some, log(1 - self.absent) + given, log(self.absent))


def log(p: ArrayLike) -> Floats:
    """ln p, and about −690 where p is 0."""
    return np.log(np.maximum(np.asarray(p, dtype=np.float64), TINY))


def pick(p: Floats, rng: np.random.Generator) -> Ints:
    """One column [n] for each row of chances [n, m]."""
    upper = np.cumsum(p, axis=1)
    return (rng.random((len(p), 1)) * upper[:, -1:] < upper).argmax(axis=1)
