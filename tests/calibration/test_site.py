"""A site's own calibrator: what it is fitted on, what it claims, and how it is applied and undone."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from site_cases import MODEL, site_cases

from ddx.calibration.site import LEAST, SiteCalibrator, apply, before, compared, fit_site, newest
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.evaluation.ladder import kind_for

AT = "2026-12-31T00:00:00Z"


def listed(*confidences: float, model: dict | None = None) -> Differential:
    diagnoses = tuple(
        Diagnosis(rank, f"condition {rank}", q, interval=(0.0, 1.0)) for rank, q in enumerate(confidences, 1)
    )
    return Differential("c", diagnoses, model={**(model or MODEL), "versions": {"ddx": "9"}})


def test_it_starts_where_the_ladder_leaves_identity() -> None:
    assert kind_for(LEAST - 1, signals=False) == "identity"
    assert kind_for(LEAST, signals=False) == "temperature"


def test_too_few_cases_are_refused_with_the_number_that_lacks() -> None:
    with pytest.raises(InputError, match="there are 17, so 8 more are needed"):
        fit_site(site_cases(17, 1.0), MODEL, AT)


def test_several_reviews_of_a_case_count_once_with_the_newest_decision() -> None:
    cases = site_cases(30, 1.0)
    again = dataclasses.replace(cases[3], review_id="again", decided_at="2027-01-01T00:00:00Z", outcome=4)
    assert [case for case in newest([*cases, again]) if case.case == "case 3"] == [again]
    site = fit_site([*cases, again], MODEL, AT)
    assert (site.n_cases, site.left_out) == (30, {"an earlier review of the same case": 1})
    with pytest.raises(InputError, match="there are 24"):
        fit_site([*site_cases(24, 1.0), dataclasses.replace(cases[3], review_id="again")], MODEL, AT)


def test_where_clinicians_agree_less_than_stated_it_is_better_on_cases_not_fitted_on() -> None:
    site = fit_site(site_cases(300, 0.4), MODEL, AT, "dr a")
    assert 1.8 < site.temperature < 3.5  # 1/.4
    assert site.better
    difference = site.figures["log_loss"]["difference"]
    assert difference["high"] < 0 and difference["n"] == 300
    new = site_cases(300, 0.4, seed=9, start=336)
    later = [dataclasses.replace(case, decided_at=f"2027{case.decided_at[4:]}") for case in new]
    since = compared(site, later)
    assert since is not None and since["log_loss"]["difference"]["high"] < 0
    assert compared(site, new[: LEAST - 1]) is None


def test_where_they_agree_as_stated_no_improvement_is_claimed() -> None:
    claims = [fit_site(site_cases(80, 1.0, seed), MODEL, AT).better for seed in range(20)]
    assert sum(claims) <= 2  # 5 % one-sided would be .5 of 20


def test_the_figures_are_not_those_of_the_cases_fitted_on() -> None:
    cases = site_cases(40, 1.0, seed=3)
    site = fit_site(cases, MODEL, AT)
    conf = np.array([case.confidences for case in cases])
    y = np.array([case.outcome for case in cases])
    fitted, _ = site.calibrator.apply(conf, np.ones_like(conf, dtype=bool))
    every = np.column_stack([fitted, 1 - fitted.sum(axis=1)])
    on_itself = float(-np.log(every[np.arange(40), y]).mean())
    assert site.figures["log_loss"]["after"]["value"] > on_itself


def test_the_same_cases_give_the_same_version_in_any_order() -> None:
    cases = site_cases(60, 0.6)
    one, other = fit_site(cases, MODEL, AT), fit_site(cases[::-1], MODEL, AT)
    assert one == other and one.sha256 == other.sha256
    changed = [dataclasses.replace(cases[0], outcome=5 - cases[0].outcome), *cases[1:]]
    assert fit_site(changed, MODEL, AT).calibrator.fitted_on != one.calibrator.fitted_on


def test_it_goes_through_json_and_refuses_other_json() -> None:
    site = fit_site(site_cases(30, 0.5), MODEL, AT, "dr a", {"of another model": 2})
    assert SiteCalibrator.from_json(site.to_json()) == site
    body = json.loads(site.to_json())
    for broken in ("[]", "{}", "nothing", json.dumps({**body, "figures": {}}), json.dumps({**body, "more": 1})):
        with pytest.raises(InputError, match=r"^x\.json: not a site calibrator"):
            SiteCalibrator.from_json(broken, "x.json")


def test_applied_it_keeps_the_order_and_the_sum_and_says_which_it_is() -> None:
    site = dataclasses.replace(fit_site(site_cases(300, 0.4), MODEL, AT), number=3)
    found = apply(site, listed(0.7, 0.2, 0.05, 0.0))
    confidences = [d.confidence for d in found.diagnoses]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] < 0.7  # drawn together
    assert sum(confidences) + (found.other or 0) == pytest.approx(1)
    assert [d.name for d in found.diagnoses] == [f"condition {rank}" for rank in (1, 2, 3, 4)]
    assert all(d.interval is None for d in found.diagnoses)
    assert found.model["site_calibrator"] == {"version": 3, "sha256": site.sha256, "n_cases": 300}
    assert found.model["id"] == MODEL["id"]


def test_what_was_applied_can_be_undone() -> None:
    site = fit_site(site_cases(300, 0.4), MODEL, AT)
    own = (0.62, 0.2, 0.1, 0.02)
    shown = [row["confidence"] for row in apply(site, listed(*own)).to_dict()["differential"]]
    assert before(site, shown) == pytest.approx(own, abs=2e-4)


def test_it_refuses_what_it_was_not_fitted_for() -> None:
    site = fit_site(site_cases(30, 0.5), MODEL, AT)
    with pytest.raises(InputError, match=r"fitted for the model tests/model \(adapter adadadad, .*recalibrate"):
        apply(site, listed(0.5, model={**MODEL, "adapter_sha256": "00" * 32}))
    with pytest.raises(InputError, match="already"):
        apply(site, apply(site, listed(0.5)))
    with pytest.raises(InputError, match="membership"):
        apply(site, dataclasses.replace(listed(0.5), semantics="membership"))
    nothing = listed()
    assert apply(site, nothing) is nothing
