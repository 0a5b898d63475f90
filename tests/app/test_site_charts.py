"""The charts of the pages that look back are valid Vega-Lite and say what their words say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from app.parts.compare_time import FEW, Period, agreement_chart, agreement_words, periods
from app.parts.compare_view import difference_chart, difference_words
from app.parts.reliability_chart import two_series
from ddx.calibration.reliability import reliability, wilson
from ddx.evaluation.cases import METRICS
from ddx.evaluation.charts import DARK, LIGHT
from ddx.review import Kept
from ddx.store import Reviewed


def found(seed: int, n: int = 200) -> dict:
    rng = np.random.default_rng(seed)
    conf = rng.random(n)
    return reliability(conf, rng.random(n) < conf)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("logit", [False, True])
def test_two_series_are_one_valid_chart_that_differs_in_more_than_colour(colours: object, logit: bool) -> None:
    spec = two_series(found(1), found(2), colours, logit, "Observed").to_dict()  # type: ignore[arg-type]
    assert len(spec["layer"]) == 5 + 3
    assert spec["layer"][5]["mark"]["strokeDash"] and spec["layer"][7]["mark"]["shape"] == "square"
    assert len(two_series(found(1), None, colours, logit, "Observed").to_dict()["layer"]) == 5  # type: ignore[arg-type]


def compared() -> dict:
    difference = {"value": -0.05, "low": -0.08, "high": -0.02, "n": 100}
    nothing = {"value": 0.0, "low": -0.1, "high": 0.1, "n": 50}
    each = {"value": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}}
    stages = {
        stage: {metric: {"a": each, "b": {**each, "minus_first": minus}} for metric in METRICS}
        for stage, minus in (("all", difference), ("full", nothing))
    }
    return {"runs": ["a", "b"], "n": 100, "left_out": 0, "stages": stages}


def test_differences_are_a_valid_chart_and_words_that_know_which_way_is_better() -> None:
    for metric in METRICS:
        assert difference_chart(compared(), metric, LIGHT).to_dict()["layer"]
    assert "All stages together: b is worse, -5.0 points" in difference_words(compared(), "pass@1")
    assert "All stages together: b is better, -0.050" in difference_words(compared(), "brier")
    assert "All stages together: b is shorter" in difference_words(compared(), "tokens")
    assert "All findings: no difference that can be told from chance" in difference_words(compared(), "pass@1")


def reviewed(day: str, agrees: bool, overridden: bool) -> Reviewed:
    first, other = Kept("Gout", key="gout", confidence=0.5), Kept("Anaemia", key="anaemia", confidence=0.2)
    decision = "overridden" if overridden else "accepted"
    kept = (first, other) if agrees else (other, first)
    return Reviewed(
        day, f"{day}T23:30:00.000000Z", "", decision, None, 40.0, "F", "m", "pathology", (first, other), kept
    )  # type: ignore[arg-type]


def test_periods_have_no_gaps_and_add_up() -> None:
    days = [("2025-12-31", True, False), ("2026-01-01", False, True), ("2026-03-31", True, True)]
    rows = periods([reviewed(*day) for day in days], "month")
    assert rows == [
        Period(date(2025, 12, 1), 1, 1, 0), Period(date(2026, 1, 1), 1, 0, 1), Period(date(2026, 2, 1), 0, 0, 0),
        Period(date(2026, 3, 1), 1, 1, 1),
    ]  # fmt: skip
    weeks = periods([reviewed(*day) for day in days], "week")
    assert weeks[0] == Period(date(2025, 12, 29), 2, 1, 1)  # a Monday
    assert len(weeks) == 14 and sum(row.n for row in weeks) == 3
    assert periods([], "week") == []


def test_few_reviews_are_grey_in_chart_and_words() -> None:
    rows = [Period(date(2026, 1, 1), FEW, 9, 3), Period(date(2026, 2, 1), FEW - 1, 9, 2)]
    spec = agreement_chart(rows, "month", "agrees", LIGHT).to_dict()
    assert [row["few"] for row in spec["data"]["values"]] == [False, True]
    words = agreement_words(rows, "month")
    assert "23 reviews in 2 months from 2026-01 on" in words and f"1 month with fewer than {FEW} reviews" in words
    low, high = wilson(FEW / 2, FEW)
    assert high - low < 0.51  # what the constant is chosen by
