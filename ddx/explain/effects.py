"""What a part of a case does to each diagnosis: change the part, ask the same model again, and compare.

Nothing is asked of the model about its reasons, so what is shown is what moved its answer (leave-one-out, also called
erasure: Li, Monroe & Jurafsky 2016, arXiv 1612.08220). Three limits come with it. Weights do not add up: of two parts
that say the same, each alone can be missed without a change. The list for the whole case may be a little off by chance,
a 3 written where a 1 would do, and all weights are measured from it: their order stands, their zero may be shifted
(`Evidence.middle`). And a weight speaks of this model, not of medicine.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ddx.case import Case, Finding
from ddx.differential import Differential

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["FEW", "FLOOR", "Change", "Effect", "Evidence", "Kind", "effects_of", "identity", "log_odds"]

Kind = Literal["removed", "reversed"]
FLOOR = 1e-4  # confidences are kept between this and 1 minus this: log-odds within ±9.21 nats
FEW = 6  # with fewer parts most of them may matter, and their middle is no zero


@dataclass(frozen=True, slots=True)
class Change:
    """A variant of a case: without one part of it, or with that part reversed.

    `text` says the part in words. `span` is its place in the text of the whole case, or `findings` are its findings.
    """

    case: Case
    text: str
    kind: Kind = "removed"
    span: tuple[int, int] | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What one change did.

    `weights` holds for each diagnosis its log-odds with the part as it stands minus those after the change, in nats:
    above 0 the part speaks for the diagnosis, below 0 against it. NaN where no answer could be read.
    """

    change: Change
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The differential of the whole case, and an effect for each change in the order given."""

    differential: Differential
    effects: tuple[Effect, ...]

    def ranked(self, key: str) -> list[Effect]:
        """The effects on one diagnosis, what speaks for it most strongly first; those without an answer left out."""
        known = [e for e in self.effects if not math.isnan(e.weights[key])]
        return sorted(known, key=lambda e: -e.weights[key])

    def middle(self, key: str) -> float:
        """The median weight on one diagnosis, in nats; 0 with fewer than `FEW` effects.

        Most parts of a case do little by themselves, so this is how far the list of the whole case is off, and a better
        zero than 0 for what speaks for a diagnosis and what against it.
        """
        weights = [effect.weights[key] for effect in self.ranked(key)]
        return statistics.median(weights) if len(weights) >= FEW else 0.0


def effects_of(model: Model, case: Case, changes: Sequence[Change], keys: Sequence[str] | None = None) -> Evidence:
    """Answer a case and all its variants in one batch, and compare.

    `keys` are the diagnoses to weigh (a condition's key, or the text of one that matched none); None: those listed.
    """
    whole, *changed = model.predict_many([case, *(change.case for change in changes)])
    if keys is None:
        keys = [identity(d.key, d.name) for d in whole.diagnoses]
    size = len(model.vocabulary)
    before = {key: log_odds(whole, key, size) for key in keys}
    found = (
        Effect(change, {key: before[key] - log_odds(answer, key, size) for key in keys})
        for change, answer in zip(changes, changed, strict=True)
    )
    return Evidence(whole, tuple(found))


def identity(key: str | None, name: str) -> str:
    """What a diagnosis is called here: its condition's key, else its name."""
    return name if key is None else key


def log_odds(differential: Differential, key: str, conditions: int) -> float:
    """ln(q / (1 − q)) of the calibrated confidence q in a diagnosis, in nats; NaN where no answer could be read.

    A diagnosis that is not listed gets an even share of "something else": what the list leaves, over the vocabulary's
    `conditions` that it does not name, but no more than the last one listed. Confidences of the meaning `membership`
    leave nothing to share, and an unlisted diagnosis gets `FLOOR`.

    >>> from ddx.differential import Diagnosis
    >>> answer = Differential("", (Diagnosis(1, "A", 0.5, "a"), Diagnosis(2, "B", 0.04, "b")))
    >>> [round(log_odds(answer, key, 48), 2) for key in ("a", "b", "c")]      # c: .46 / 46
    [0.0, -3.18, -4.6]
    """
    listed = {identity(d.key, d.name): d.confidence for d in differential.diagnoses}
    if not listed:
        return math.nan
    q = listed.get(key)
    if q is None:
        rest = differential.other
        q = FLOOR if rest is None else min(rest / max(1, conditions - len(listed)), *listed.values())
    q = min(max(q, FLOOR), 1 - FLOOR)
    return math.log(q / (1 - q))
