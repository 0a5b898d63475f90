"""The reward of one completion: read it, match it, and put the formulas together. No torch.

One implementation for training, evaluation and `ddx reward`. It reads with the project's parser and matches by
condition, so that repeats, synonyms and tags in the reasoning earn nothing (see `ddx.rewards.exploits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ddx.errors import InputError
from ddx.formats import LinesFormat, Parsed, TagsFormat
from ddx.rewards.formulas import coverage, discounted_coverage, multi_brier
from ddx.rewards.options import RewardOptions
from ddx.vocabulary import Matcher

__all__ = ["Gold", "Reward", "Scored"]

_MUST_NOT_MISS = 2  # severity 1 or 2


@dataclass(frozen=True)
class Gold:
    """The reference of one case, matched once.

    `members` are the identities of the gold differential (condition keys, or "?text" outside the vocabulary), with
    their probability where the data has one; `pathology` is one identity, None where nobody knows it. `weights` is
    what each entry that the coverage counts is worth, under the options of the reward that made this.
    """

    members: Mapping[str, float | None]
    pathology: str | None
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """A scored completion. `reward` goes to the optimiser, the rest to the log.

    coverage: Σ y_i with the chosen weights and scale. brier: B in [0, 1] with the same scale; None when rlvr output
    carries no confidences. distinct: gold entries named. unique: different diagnoses named. matched, unmatched: the
    answers as written that are, or are not, the first to name a gold entry (of what the coverage counts).
    """

    reward: float
    coverage: float
    brier: float | None
    valid: bool
    status: str
    distinct: int
    unique: int
    matched: tuple[str, ...]
    unmatched: tuple[str, ...]
    confidences: tuple[float, ...]
    outcomes: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON that `ddx reward` prints."""
        kept = ("reward", "coverage", "brier", "valid", "status", "matched", "unmatched")
        values = {key: value for key, value in asdict(self).items() if key in kept}
        return {key: round(value, 10) if isinstance(value, float) else value for key, value in values.items()}


class Reward:
    """Scores completions under `options`, read by `format` and matched by `matcher`.

    >>> from ddx.vocabulary import Matcher, load_vocabulary
    >>> reward = Reward(RewardOptions(k=3, meaning="membership"), LinesFormat(3), Matcher(load_vocabulary()))
    >>> gold = reward.gold(["GERD", "Unstable angina"])
    >>> scored = reward("Reflux 80\\nG.E.R.D. 70\\nPneumonia 10", gold)   # 1 − (.2² + .7² + .1²) / 3
    >>> round(scored.reward, 2), scored.matched
    (0.82, ('Reflux',))
    >>> reward("I would rather not say.", gold).reward                    # invalid: coverage 0, B = 1
    -1.0
    """

    def __init__(self, options: RewardOptions, format: LinesFormat | TagsFormat, matcher: Matcher) -> None:
        if format.k != options.k:
            raise InputError(f"the format writes {format.k} answers, the reward scores {options.k}; set both alike")
        self.options, self.format, self.matcher = options, format, matcher
        self._severe = {c.key for c in matcher.vocabulary if c.severity is not None and c.severity <= _MUST_NOT_MISS}

    def gold(
        self, names: Sequence[str], pathology: str | None = None, probabilities: Sequence[float] | None = None
    ) -> Gold:
        """Match a reference: names of the gold differential with their probabilities, and the pathology.

        Synonyms in `names` become one member. Raises InputError when the options need what is not given.
        """
        options, members = self.options, dict[str, float | None]()
        if probabilities is None and (options.gold_weights or options.soft_brier):
            raise InputError("gold_weights and soft_brier need a probability for each gold diagnosis")
        given: Sequence[float | None] = [None] * len(names) if probabilities is None else probabilities
        if len(given) != len(names):
            raise InputError(f"{len(names)} gold diagnoses but {len(given)} probabilities")
        for name, p in zip(names, given, strict=True):
            identity = self.matcher.match(name).identity
            members[identity] = p if p is None else (members.get(identity) or 0.0) + p
        if pathology is None and (options.meaning == "pathology" or options.coverage_on == "pathology"):
            if len(members) != 1:
                raise InputError(
                    "the pathology is scored, but none is given: name it, or choose the meaning `membership`"
                )
            pathology = names[0]
        condition = None if pathology is None else self.matcher.match(pathology).identity
        counted = members if options.coverage_on == "differential" else {condition or "": 1.0}
        return Gold(members, condition, self._weights(counted))

    def __call__(self, text: str, gold: Gold, truncated: bool = False, tokens: int = 0) -> Scored:
        """Score one completion: its text (as the model wrote it, reasoning included), and its number of tokens."""
        return self.score(self.format.parse(text, truncated), gold, tokens)

    def score(self, parsed: Parsed, gold: Gold, tokens: int = 0) -> Scored:
        """Score a completion that is read already. An invalid one gets coverage 0 and B = 1."""
        o, answers, weights = self.options, parsed.answers, gold.weights
        identities = [self.matcher.match(answer.text).identity for answer in answers]
        first = [identity not in identities[:i] for i, identity in enumerate(identities)]
        scale = 1.0 / (min(o.k, len(weights)) or 1) if o.normalise else 1.0
        valid = self._valid(parsed)
        y = [valid and new and identity in weights for identity, new in zip(identities, first, strict=True)]
        gains = [weights[identity] if hit else 0.0 for identity, hit in zip(identities, y, strict=True)]
        if o.rank_gain:
            covered = discounted_coverage(gains, list(weights.values()), o.k) * scale
        else:
            covered = coverage(gains) * scale
        q = tuple(a.confidence for a in answers if a.confidence is not None) if valid else ()
        stated = valid and len(q) == len(answers)
        outcomes = (
            tuple(self._outcome(i, new, gold) for i, new in zip(identities, first, strict=True)) if stated else ()
        )
        brier = scale * (multi_brier(q, outcomes, o.k) if stated else 1.0)
        reward = covered - o.length_penalty * tokens + (o.format_reward if valid else 0.0)
        if o.calibrated:
            reward -= brier
        return Scored(
            reward=reward,
            coverage=covered,
            brier=brier if stated or not valid else None,
            valid=valid,
            status=parsed.status,
            distinct=sum(y),
            unique=sum(first) if valid else 0,
            matched=tuple(a.text for a, hit in zip(answers, y, strict=True) if hit),
            unmatched=tuple(a.text for a, hit in zip(answers, y, strict=True) if not hit),
            confidences=q if stated else (),
            outcomes=outcomes,
        )

    def _valid(self, parsed: Parsed) -> bool:
        """Read in full; under rlvr, whose answers carry no confidence in the paper, all k answers are enough."""
        if parsed.status in ("ok", "repaired"):
            return True
        unstated = any(a.confidence is None for a in parsed.answers)
        return parsed.status == "partial" and not self.options.calibrated and unstated and self._full(parsed)

    def _full(self, parsed: Parsed) -> bool:
        return len(parsed.answers) == self.options.k

    def _weights(self, members: Mapping[str, float | None]) -> dict[str, float]:
        o = self.options
        return {
            identity: (p if o.gold_weights and p is not None else 1.0)
            * (o.severity_weight if identity in self._severe else 1.0)
            for identity, p in members.items()
        }

    def _outcome(self, identity: str, new: bool, gold: Gold) -> float:
        """What a confidence is scored against: 0 or 1, or the gold probability for the soft Brier score."""
        if not new:
            return 0.0
        if self.options.meaning == "pathology":
            return float(identity == gold.pathology)
        if self.options.soft_brier:
            return gold.members.get(identity) or 0.0
        return float(identity in gold.members)
