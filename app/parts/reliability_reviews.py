"""This site's reviewed cases, as the reliability page, the calibrators and the comparison over time want them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app.parts import calibrators, records
from ddx.calibration.reliability import reliability
from ddx.calibration.site import SiteCase, before, identity
from ddx.errors import InputError
from ddx.evaluation.measure import rounded
from ddx.evaluation.subgroups import AGE_BANDS, SMALL
from ddx.review import Review
from ddx.store import Reviewed, Store

__all__ = ["GROUPS", "LEAST_SHOWN", "Seen", "in_group", "load", "models", "series", "to_cases"]

# From how many cases the site's series is drawn: the evaluation shows figures of fewer in grey, and of 50 perfectly
# calibrated cases the calibration error (ECE) is .11 to .14 by chance alone.
LEAST_SHOWN = SMALL
GROUPS = ("women and girls", "men and boys", *(words for _, _, words in AGE_BANDS))
_SEX = {"women and girls": "F", "men and boys": "M"}
_UNKNOWN = "shown with a site calibrator that is gone"


@dataclass(frozen=True)
class Seen:
    """A decided review with what tells which model made its list, and whether the clinician's own list came first.

    `case` is equal for reviews of one case and tells nothing about it. `site` is the SHA-256 of the site calibrator
    that the list was shown with, None for none.
    """

    reviewed: Reviewed
    model: tuple[tuple[str, str], ...]
    site: str | None
    case: str
    own_first: bool


def load() -> tuple[Seen, ...]:
    """Every decided review, oldest decision first. Raises StoreError when there is no store, and in PHI mode."""
    store = records.store()
    return _load(store.name, store.head()[1], store)


@st.cache_resource(show_spinner=False, max_entries=2)
def _load(name: str, head: str, _store: Store) -> tuple[Seen, ...]:
    """`head`, the newest entry of the store's log, changes with every save."""
    known, found = _known(name), []
    for reviewed in _store.reviewed():
        key = (reviewed.review_id, reviewed.decided_at)
        if key not in known:  # one query a review, so each is asked for once
            known[key] = _seen(reviewed, _store.get(reviewed.review_id).review)
        found.append(known[key])
    return tuple(found)


@st.cache_resource(show_spinner=False, max_entries=2)
def _known(name: str) -> dict[tuple[str, str], Seen]:
    return {}


def _seen(reviewed: Reviewed, review: Review) -> Seen:
    model: Mapping[str, Any] = (review.differential or {}).get("model") or {}
    site = model.get("site_calibrator") or {}
    content = {name: value for name, value in review.case.to_dict().items() if name != "case_id"}
    case = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Seen(reviewed, tuple(identity(model).items()), site.get("sha256"), case, review.own is not None)


def models(seen: Sequence[Seen]) -> list[tuple[tuple[str, str], ...]]:
    """The models that made the lists, that of the newest decision first."""
    return list(dict.fromkeys(one.model for one in reversed(seen)))


def in_group(seen: Sequence[Seen], group: str) -> list[Seen]:
    """Those of a group: "all", an evidence stage, or one of `GROUPS`."""
    if group == "all":
        return list(seen)
    if group in _SEX:
        return [one for one in seen if one.reviewed.sex == _SEX[group]]
    for low, high, words in AGE_BANDS:
        if words == group:
            return [one for one in seen if one.reviewed.age is not None and low <= one.reviewed.age < high]
    return [one for one in seen if one.reviewed.stage == group]


def to_cases(seen: Sequence[Seen], model: tuple[tuple[str, str], ...]) -> tuple[list[SiteCase], Counter[str]]:
    """What a calibrator of this model can be fitted on, and why the other reviews are left out.

    The lists are the model's own: what a site calibrator did to one is undone.
    """
    versions = {site.sha256: site for site in _versions()}
    cases: list[SiteCase] = []
    missed: Counter[str] = Counter()
    for one in seen:
        reviewed, outcomes = one.reviewed, one.reviewed.outcomes()
        if one.model != model:
            missed["of another model"] += 1
        elif reviewed.semantics != "pathology":
            missed["with confidences of another meaning"] += 1
        elif not outcomes or not reviewed.kept:
            missed["without a diagnosis on both lists"] += 1
        elif one.site is not None and one.site not in versions:
            missed[_UNKNOWN] += 1
        else:
            shown = tuple(confidence for confidence, _ in outcomes)
            own = shown if one.site is None else before(versions[one.site], shown)
            outcome = next((at for at, (_, agrees) in enumerate(outcomes) if agrees), len(outcomes))
            cases.append(
                SiteCase(reviewed.review_id, reviewed.decided_at, one.case, own, outcome, own_first=one.own_first)
            )
    return cases, missed


def _versions() -> Sequence[Any]:
    try:
        return calibrators.folder().versions()
    except InputError:
        return ()


@st.cache_data(show_spinner=False, max_entries=64)
def series(key: tuple[Any, ...], _cases: Sequence[SiteCase]) -> dict[str, Any]:
    """The data of a reliability diagram of cases, one review each. `key` tells them from others; it ends with the
    level: item, top1 or set."""
    k, n = max(len(case.confidences) for case in _cases), len(_cases)
    conf, mask, hit = np.zeros((n, k)), np.zeros((n, k), bool), np.zeros((n, k), bool)
    for row, case in enumerate(_cases):
        listed = len(case.confidences)
        conf[row, :listed], mask[row, :listed] = case.confidences, True
        if case.outcome < listed:
            hit[row, case.outcome] = True
    conf /= np.maximum(1.0, conf.sum(axis=1, keepdims=True))  # four decimals can sum to 1.0001
    if key[-1] == "top1":
        return rounded(reliability(conf[:, 0], hit[:, 0]))
    if key[-1] == "set":
        return rounded(reliability(np.minimum(1.0, conf.sum(axis=1)), hit.any(axis=1)))
    return rounded(reliability(conf, hit, mask))
