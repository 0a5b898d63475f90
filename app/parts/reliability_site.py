"""The site's own cases on the reliability page: how many there are, and a calibrator fitted on them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.parts import calibrators, records
from app.parts.reliability_reviews import LEAST_SHOWN, Seen, in_group, load, models, series, to_cases
from app.parts.reliability_tables import table
from app.parts.settings import signed_in
from ddx.calibration.site import LEAST, METRICS, SiteCalibrator, SiteCase, compared, fit_site, newest
from ddx.errors import DdxError
from ddx.evaluation.words import count

__all__ = ["Site", "choose", "recalibration", "second_series"]

READING = """
**What these cases can say.** The outcome is the first diagnosis on the clinician's final list, not the patient's
condition: the figures say how often clinicians agreed, not how often the model was right. Most clinicians saw the
model's list before they decided, which draws the two together.
"""
Identity = tuple[tuple[str, str], ...]


class Site:
    """The reviewed cases of one model at this site; `problem` says in one line why there are none to show.

    `stamp` changes with the store."""

    def __init__(self, seen: Sequence[Seen], model: Identity, problem: str = "", stamp: str = "") -> None:
        self.seen, self.model, self.problem, self.stamp = seen, model, problem, stamp
        self.cases, self.left_out = to_cases(seen, model)

    @property
    def enough(self) -> bool:
        """Whether a calibrator can be fitted on the cases."""
        return len(newest(self.cases)) >= LEAST

    def of_group(self, group: str) -> list[SiteCase]:
        """The cases of a group of patients, one review each."""
        wanted = {one.reviewed.review_id for one in in_group(self.seen, group)}
        return [case for case in newest(self.cases) if case.review_id in wanted]


def choose() -> Site:
    """The site's cases, of the model that made the newest unless the reader chooses another."""
    try:
        seen = load()
    except DdxError as error:
        return Site((), (), f"This site's reviewed cases can't be shown: {error}")
    if not seen:
        return Site((), (), "No review was decided at this site yet.")
    found = models(seen)
    model = found[0]
    if len(found) > 1:
        model = st.selectbox(
            "Reviews of the model", found, format_func=_name, key="site_model", width=420,
            help="Each model has its own confidences, so each is looked at apart.",
        )  # fmt: skip
    return Site(seen, model or found[0], stamp=records.store().head()[1])


def second_series(site: Site, level: str, group: str, of: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The data of the site's series and a line about it; None, and how many cases lack, while there are too few."""
    if site.problem:
        return None, site.problem
    cases = site.of_group(group)
    if len(cases) < LEAST_SHOWN:
        more = LEAST_SHOWN - len(cases)
        return None, (
            f"This site's own cases are drawn beside these once there are {LEAST_SHOWN}; of these patients there "
            f"{'is' if len(cases) == 1 else 'are'} {count(len(cases), 'reviewed case')}, so {more} more "
            f"{'is' if more == 1 else 'are'} needed."
        )
    of_model = dict(site.model).get("id", "not stated")
    other = "" if of.get("id") == of_model else f" They are of the model {of_model}, not of the one measured here."
    line = (
        f"This site: {count(len(cases), 'reviewed case')}, the model's own confidences, before any site calibrator. "
        f"“Observed” means here that the clinician's first diagnosis was this one.{other}"
    )
    return series((site.stamp, site.model, group, level), cases), line


def recalibration(site: Site) -> None:
    """Fit a calibrator on the site's cases, compare the versions, put one into use, roll back."""
    st.subheader("This site's own calibrator", anchor=False)
    st.markdown(READING)
    if site.problem:
        st.info(site.problem)
    else:
        _fit(site)
    try:
        versions, active = calibrators.folder().versions(), calibrators.active()
    except DdxError as error:
        st.error(str(error), icon=":material/error:")
        return
    if versions:
        _show(site, versions, active)


def _fit(site: Site) -> None:
    n = len(newest(site.cases))
    left = "".join(f" Left out: {count(k, 'review')} {why}." for why, k in site.left_out.items())
    words = f"{count(n, 'reviewed case')} of {_name(site.model)}.{left}"
    st.html(f'<p class="ddx-reading">{html.escape(words)}</p>')
    if n < LEAST:
        st.caption(f"A calibrator is fitted from {LEAST} cases on; {LEAST - n} more are needed.")
    if site.enough:
        _ask_who()
    if st.button(
        f"Recalibrate from {count(n, 'case')}", disabled=n < LEAST, icon=":material/tune:", key="recalibrate",
        help="Makes a new version and compares it. It is not in use until you say so.",
    ):  # fmt: skip
        try:
            made = fit_site(site.cases, dict(site.model), calibrators.now(), _who(), site.left_out)
            made = calibrators.add(made, _who())
        except DdxError as error:
            st.error(str(error), icon=":material/error:")
            return
        st.session_state["site_version"] = made.number
        st.success(f"Version {made.number} is made. It is not in use yet.", icon=":material/check:")


def _show(site: Site, versions: Sequence[SiteCalibrator], active: SiteCalibrator | None) -> None:
    rows = [(f"Version {one.number}", _cells(one, site, active)) for one in reversed(versions)]
    heads = [
        "Version",
        "Fitted on",
        *(f"{name}, minus the model's own" for name in METRICS.values()),
        "On later cases",
        "State",
    ]
    st.html(
        table(
            "After minus before, so below 0 is better; each case by a fit on the other nine tenths, 95 % bootstrap "
            "intervals over cases", "Versions of the site's calibrator", heads, rows,
        )
    )  # fmt: skip
    numbers = [one.number for one in reversed(versions)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.session_state.get("site_version") not in numbers:
            st.session_state["site_version"] = numbers[0]
        number = st.selectbox(
            "Version", numbers, format_func=lambda n: f"Version {n}", key="site_version", width=150
        )  # fmt: skip
        chosen = next(one for one in versions if one.number == number)
        in_use = active is not None and active.number == chosen.number
        st.button(
            "Put into use", type="primary", disabled=in_use or not chosen.better, key="site_activate",
            on_click=_switch, args=(calibrators.activate, chosen.number),
            help=None if chosen.better else "Not shown to be better on cases that it was not fitted on.",
        )  # fmt: skip
        before = calibrators.folder().before()
        to = f"version {before}" if before is not None else "the model's own"
        st.button(
            f"Roll back to {to}", disabled=not calibrators.folder().can_roll_back(), key="site_roll_back",
            on_click=_switch, args=(calibrators.roll_back,),
        )  # fmt: skip
        st.button(
            "Use none", disabled=active is None, key="site_off", on_click=_switch, args=(calibrators.switch_off,),
            help="Shows the model's own confidences.",
        )  # fmt: skip
    if not site.enough:
        _ask_who()
    if problem := st.session_state.pop("site_problem", None):
        st.error(problem, icon=":material/error:")
    _history(chosen)


def _history(chosen: SiteCalibrator) -> None:
    with st.expander("History, and what the chosen version is"):
        rows = [
            (
                one.at,
                [html.escape(one.actor or "unnamed"), one.action, "none" if one.number is None else f"{one.number}"],
            )
            for one in reversed(calibrators.folder().history())
        ]
        if rows:
            st.html(table("Newest first", "History of the site's calibrator", ["When", "Who", "What", "In use"], rows))
        else:
            st.caption("No version was ever in use.")
        st.download_button(
            f"Download version {chosen.number} as JSON", chosen.to_json(), mime="application/json", on_click="ignore",
            file_name=f"ddx-site-calibrator-{chosen.number:04d}.json", key="site_download", icon=":material/download:",
        )  # fmt: skip
        st.caption(f"SHA-256 {chosen.sha256}; reviews {chosen.calibrator.fitted_on}")


def _cells(one: SiteCalibrator, site: Site, active: SiteCalibrator | None) -> list[str]:
    later = _later((site.stamp, one.sha256), one, site.cases) if dict(site.model) == dict(one.model) else None
    state = "<b>in use</b>" if active is not None and active.number == one.number else ""
    verdict = "better" if one.better else "not shown to be better"
    made = (
        f"<b>{count(one.n_cases, 'case')}</b>"
        f'<span class="ddx-ci">decided {one.first_decided[:10]} to {one.last_decided[:10]}</span>'
        f'<span class="ddx-ci">{one.n_own_first:,} with an own list first</span>'
        f'<span class="ddx-ci">temperature {one.temperature:.2f}</span>'
    )
    after = "–" if later is None else _difference(later["log_loss"], "log loss")
    return [made, *(_difference(one.figures[metric]) for metric in METRICS), after, state or verdict]


@st.cache_data(show_spinner=False, max_entries=64)
def _later(key: tuple[str, str], _site: SiteCalibrator, _cases: Sequence[SiteCase]) -> Any:
    return compared(_site, _cases)


def _difference(found: Mapping[str, Mapping[str, float]], name: str = "") -> str:
    d = found["difference"]
    return (
        f"<b>{d['value']:+.3f}</b>"
        f'<span class="ddx-ci">({d["low"]:+.3f} to {d["high"]:+.3f}), n = {d["n"]:,}</span>'
        f'<span class="ddx-ci">{name} {found["before"]["value"]:.3f} → {found["after"]["value"]:.3f}</span>'
    )


def _switch(do: Callable[..., None], *args: int) -> None:
    try:
        do(*args, _who())
    except DdxError as error:
        st.session_state["site_problem"] = str(error)


def _ask_who() -> None:
    if not signed_in():
        st.text_input("Your name or initials, for the history and the log", key="site_who", max_chars=80, width=320)


def _who() -> str:
    return signed_in() or str(st.session_state.get("site_who") or st.session_state.get("reviewer") or "").strip()


def _name(model: Identity) -> str:
    found = dict(model)
    hashes = [value[:8] for name, value in found.items() if name != "id"]
    return f"{found.get('id', 'a model without an id')} ({', '.join(hashes) or 'no hashes'})"
