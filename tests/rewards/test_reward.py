"""What a reward must do whatever the completion: order of gold, repeats and padding gain nothing, honesty is best."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddx.errors import InputError
from ddx.formats import LinesFormat, TagsFormat
from ddx.metrics.per_case import Batch, distinct_gold_at
from ddx.rewards import Reward, RewardOptions, multi_brier
from ddx.vocabulary import Matcher, load_vocabulary

VOCABULARY = load_vocabulary()
MATCHER = Matcher(VOCABULARY)
NAMES = [c.short for c in VOCABULARY]
K = 4

names = st.sampled_from([*NAMES, "Migraine", "Appendicitis", "Gout"])
percents = st.integers(0, 100)
answer_lists = st.lists(st.tuples(names, percents), min_size=1, max_size=K, unique_by=lambda a: a[0])
golds = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)
options = st.builds(
    RewardOptions,
    objective=st.sampled_from(["rlvr-multi", "rlcr-multi"]),
    k=st.just(K),
    meaning=st.sampled_from(["pathology", "membership"]),
    coverage_on=st.sampled_from(["differential", "pathology"]),
    normalise=st.booleans(),
    severity_weight=st.sampled_from([1.0, 2.0]),
    rank_gain=st.booleans(),
)


def lines(answers: list[tuple[str, int]]) -> str:
    return "".join(f"{name} {percent}\n" for name, percent in answers)


def score(o: RewardOptions, text: str, gold: list[str], pathology: str | None = None) -> float:
    reward = Reward(o, LinesFormat(o.k), MATCHER)
    return reward(text, reward.gold(gold, pathology or gold[0])).reward


@given(options, answer_lists, golds, st.randoms())
def test_the_order_of_gold_changes_nothing(
    o: RewardOptions, answers: list[tuple[str, int]], gold: list[str], rng: random.Random
) -> None:
    shuffled = rng.sample(gold, len(gold))
    assert score(o, lines(answers), gold) == pytest.approx(score(o, lines(answers), shuffled, gold[0]))


@given(options, answer_lists.filter(lambda a: len(a) < K), golds, st.integers(0, K), percents, st.data())
def test_repeats_synonyms_and_junk_never_gain(
    o: RewardOptions, answers: list[tuple[str, int]], gold: list[str], at: int, percent: int, data: st.DataObject
) -> None:
    synonyms = [s for name, _ in answers if (c := MATCHER.match(name).condition) for s in c.labels]
    extra = data.draw(st.sampled_from([*synonyms, *(a[0].upper() for a in answers), "Nonsense", "Zebra pox"]))
    at = max(at, 1 + max((i for i, a in enumerate(answers) if _same(a[0], extra)), default=-1))  # after the original
    padded = [*answers[:at], (extra, percent), *answers[at:]]
    assert score(o, lines(padded), gold) <= score(o, lines(answers), gold) + 1e-12


def _same(a: str, b: str) -> bool:
    return MATCHER.match(a).identity == MATCHER.match(b).identity


@given(options, st.text(max_size=200), golds)
def test_the_reward_stays_in_its_range(o: RewardOptions, text: str, gold: list[str]) -> None:
    reward = Reward(o, LinesFormat(K), MATCHER)
    scored = reward(text, reward.gold(gold, gold[0]))
    assert -1 <= scored.reward <= 2 * K
    if not scored.valid:
        assert (scored.coverage, scored.unique, scored.matched) == (0, 0, ())
        assert scored.brier == pytest.approx(
            1 / min(K, len(gold)) if o.normalise and o.coverage_on == "differential" else 1
        )


@pytest.mark.parametrize("p", [0.0, 0.13, 0.5, 0.72, 1.0])
def test_the_honest_confidence_is_best_in_expectation(p: float) -> None:
    """y ~ Bernoulli(p) for a slot: E[(q − y)²] is least at q = p, among all whole percents."""
    expected = [p * multi_brier([q / 100], [1], 3) + (1 - p) * multi_brier([q / 100], [0], 3) for q in range(101)]
    assert int(np.argmin(expected)) == round(100 * p)


@pytest.mark.parametrize("meaning", ["pathology", "membership"])
def test_honest_lists_are_best_in_expectation_through_the_whole_path(meaning: str) -> None:
    """Three conditions; which is the pathology, or which belong to the gold, is random; all lists of tens compared."""
    shown, chance = ["GERD", "Pneumonia", "Croup"], [0.6, 0.3, 0.1]
    reward = Reward(RewardOptions(k=3, meaning=meaning), LinesFormat(3), MATCHER)  # type: ignore[arg-type]
    if meaning == "pathology":
        world = [(reward.gold(shown, name), p) for name, p in zip(shown, chance, strict=True)]
    else:
        world = []
        for members in itertools.product([0, 1], repeat=3):
            inside = [n for n, m in zip(shown, members, strict=True) if m] or ["Ebola"]
            world.append((reward.gold(inside), float(np.prod([c if m else 1 - c for c, m in zip(chance, members)]))))  # noqa: B905
    values = {
        q: sum(p * reward(lines(list(zip(shown, q, strict=True))), gold).reward for gold, p in world)
        for q in itertools.product(range(0, 101, 10), repeat=3)
    }
    assert max(values, key=values.__getitem__) == (60, 30, 10)


def test_the_paper_reward_by_hand() -> None:
    reward = Reward(RewardOptions("rlcr-multi", k=3, meaning="membership"), TagsFormat(3), MATCHER)
    text = "<think>x</think>" + "".join(
        f"<answer{i}>{n}</answer{i}><confidence{i}>{q}</confidence{i}>"
        for i, (n, q) in enumerate([("GERD", 0.9), ("Pneumonia", 0.5), ("Croup", 0.2)], 1)
    )
    scored = reward(text, reward.gold(["GERD", "Pneumonia"]))
    assert scored.coverage == 2
    assert scored.brier == pytest.approx((0.01 + 0.25 + 0.04) / 3)
    assert scored.reward == pytest.approx(2 - 0.1)
    assert (scored.matched, scored.unmatched) == (("GERD", "Pneumonia"), ("Croup",))


def test_options_beyond_the_paper() -> None:
    text, gold, probabilities = lines([("Croup", 10), ("GERD", 60)]), ["GERD", "Pneumonia"], [0.7, 0.3]

    def value(**more: object) -> float:
        o = RewardOptions(**{"objective": "rlvr-multi", "k": 3, "meaning": "membership", **more})  # type: ignore[arg-type]
        reward = Reward(o, LinesFormat(3), MATCHER)
        return reward(text, reward.gold(gold, "GERD", probabilities), tokens=10).reward

    assert value() == 1
    assert value(normalise=True) == 0.5
    assert value(gold_weights=True) == pytest.approx(0.7)
    assert value(rank_gain=True) == pytest.approx(2 * (1 / np.log2(3)) / (1 + 1 / np.log2(3)))
    assert value(length_penalty=0.01) == pytest.approx(0.9)
    assert value(format_reward=0.1) == pytest.approx(1.1)
    assert value(severity_weight=3) == 1  # GERD is not one that must not be missed
    assert value(objective="rlcr-multi", soft_brier=True) == pytest.approx(1 - (0.1**2 + (0.6 - 0.7) ** 2) / 3)
    assert value(objective="rlcr-multi", normalise=True) == pytest.approx((1 - (0.1**2 + 0.4**2) / 3) / 2)


def test_a_must_not_miss_condition_counts_more() -> None:
    o = RewardOptions("rlvr-multi", k=3, severity_weight=3)
    severe = next(c.short for c in VOCABULARY if c.severity == 1)
    assert score(o, lines([(severe, 90)]), [severe]) == 3


@settings(max_examples=50)
@given(answer_lists, golds)
def test_training_and_evaluation_count_alike(answers: list[tuple[str, int]], gold: list[str]) -> None:
    reward = Reward(RewardOptions("rlvr-multi", k=K), LinesFormat(K), MATCHER)
    scored = reward(lines(answers), reward.gold(gold, gold[0]))
    codes = [
        VOCABULARY.index(c.key) if (c := MATCHER.match(n).condition) else -2 - i for i, (n, _) in enumerate(answers)
    ]
    codes += [-1] * (K - len(codes))
    indices = {VOCABULARY.index(MATCHER.match(g).identity) for g in gold}
    batch = Batch([codes], [[0.0] * K], [0], [indices], [scored.valid])  # type: ignore[arg-type]
    assert scored.coverage == distinct_gold_at(batch, K)[0] == scored.distinct


def test_rlvr_needs_no_confidence_and_rlcr_does() -> None:
    text = "<think>x</think><answer1>GERD</answer1><answer2>Croup</answer2>"
    for objective, valid in (("rlvr-multi", True), ("rlcr-multi", False)):
        reward = Reward(RewardOptions(objective, k=2), TagsFormat(2), MATCHER)  # type: ignore[arg-type]
        scored = reward(text, reward.gold(["GERD"]))
        assert scored.valid is valid
        assert scored.brier == (None if valid else 1.0)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"objective": "rlhf"}, "is not one of"),
        ({"objective": "rlvr-single", "k": 3}, "set k to 1"),
        ({"k": 0}, "at least 1"),
        ({"soft_brier": True}, "membership"),
        ({"length_penalty": -1.0}, "0 or more"),
    ],
)
def test_bad_options_are_refused_with_a_reason(more: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        RewardOptions(**more)


def test_a_missing_pathology_is_refused() -> None:
    reward = Reward(RewardOptions(k=3), LinesFormat(3), MATCHER)
    with pytest.raises(InputError, match="membership"):
        reward.gold(["GERD", "Croup"])
