"""Evidence for and against a diagnosis: what the model's own answer loses when a part of the case is taken away."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import streamlit as st

from app.parts import calibrators
from app.parts.engine import InLine, engine
from app.parts.state import Open
from ddx.case import Case
from ddx.differential import percent
from ddx.errors import DdxError
from ddx.explain.effects import Change, Effect, Evidence, effects_of, identity
from ddx.explain.findings import finding_changes
from ddx.explain.missing import missing_findings
from ddx.explain.spans import span_changes

__all__ = ["evidence", "evidence_html", "marked_html", "words_of"]

FEW_AT_FIRST = 5  # parts of a text
_PRINTED = 3  # parts of either side
WEAK = 0.2  # nats: below, a part hardly moves the answer


def evidence(opened: Open) -> None:
    """The evidence for one diagnosis of the list, made once on demand."""
    if opened.evidence is None:
        st.html(
            '<p class="ddx-reading">Each part of the case is taken away in turn and the model asked again: what its '
            "confidence loses is what that part says for a diagnosis, what it gains is what the part says against "
            "it.</p>"
        )
        place = st.empty()
        if not place.button("Show what speaks for and against", key="make_evidence", icon=":material/balance:"):
            return
        place.empty()
        if not _make(opened):
            return
    found = opened.evidence
    assert found is not None
    more = len(_changes(opened.review.case, fine=True)) - len(found.effects)
    if more > 0:
        place = st.empty()
        words = f"Finer: the {len(found.effects) + more} parts one by one"
        if place.button(words, key="finer_evidence", icon=":material/zoom_in:", type="tertiary"):
            place.empty()
            if not _make(opened, fine=True) or opened.evidence is None:
                return
            found = opened.evidence
    if not found.effects:
        st.info("The case has a single part, so nothing can be left out to see what it does.")
        return
    names = {identity(d.key, d.name): d.name for d in found.differential.diagnoses}
    key = st.selectbox("Diagnosis", list(names), format_func=names.__getitem__, key="evidence_for")
    if key is None:
        return
    st.html(evidence_html(found, key, names[key]))
    if opened.review.case.text.strip():
        st.html(marked_html(opened.review.case, found, key))
    absent = missing_findings(opened.review.case, key)
    if absent:
        parts = ", ".join(f"{m.name} ({percent(m.chance)})" for m in absent)
        st.html(
            '<p class="ddx-reading"><strong>Not stated</strong>, though usual with this condition among synthetic '
            f"patients: {html.escape(parts)}. That is missing, not conflicting: it counts neither for nor against.</p>"
        )


def _changes(case: Case, fine: bool) -> list[Change]:
    """The case without each of its parts: at first few enough to be answered while somebody waits."""
    if case.text.strip():
        return span_changes(case) if fine else span_changes(case, FEW_AT_FIRST)
    return [change for change in finding_changes(case) if change.kind == "removed"]


def _make(opened: Open, fine: bool = False) -> bool:
    case = opened.review.case
    changes = _changes(case, fine)
    bar = st.progress(0.0, "Asking the model without each part in turn …")
    done = 0

    def heard(n: int) -> None:
        nonlocal done
        done += n
        bar.progress(min(1.0, done / (len(changes) + 1)), f"{done} of {len(changes) + 1} answers")

    try:
        model = InLine(engine(), calibrators.apply, heard)
        opened.evidence = effects_of(model, case, changes)  # type: ignore[arg-type]
    except DdxError as error:
        st.error(str(error), icon=":material/error:")
        return False
    bar.empty()
    return True


def evidence_html(found: Evidence, key: str, name: str) -> str:
    """A bar a part, what speaks for the diagnosis most strongly first, conflicting parts last."""
    effects = found.ranked(key)
    middle = found.middle(key)
    weights = [e.weights[key] - middle for e in effects]
    if not weights:
        return '<p class="ddx-reading">No answer could be read without its parts, so nothing can be weighed.</p>'
    scale = max(1.0, *(abs(w) for w in weights))
    places = {id(e): i for i, e in enumerate(_in_text(found))}
    rows = "".join(_row(effect, w, scale, places.get(id(effect))) for effect, w in zip(effects, weights, strict=True))
    return (
        f'<table class="ddx-weights" role="table" aria-label="Evidence for and against {html.escape(name)}">'
        '<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Part of the case</th>'
        '<th role="columnheader" scope="col">Against | for</th>'
        '<th role="columnheader" scope="col">Changes the odds</th></tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


def words_of(found: Evidence) -> dict[str, dict[str, list[str]]]:
    """For each diagnosis's key, the parts that speak for it and against it the most: what a printed review says."""
    words = {}
    for key in [identity(d.key, d.name) for d in found.differential.diagnoses]:
        middle = found.middle(key)
        weights = [(e.weights[key] - middle, e.change.text) for e in found.ranked(key)]
        words[key] = {
            "for": [text for weight, text in weights if weight >= WEAK][:_PRINTED],
            "against": [text for weight, text in reversed(weights) if weight <= -WEAK][:_PRINTED],
        }
    return words


def _row(effect: Effect, weight: float, scale: float, place: int | None) -> str:
    words = html.escape(effect.change.text)
    if place is not None:
        words = f'<a href="#ddx-part-{place}">{words}</a>'
    width = 50 * abs(weight) / scale
    side, left = ("for", 50.0) if weight >= 0 else ("against", 50.0 - width)
    bar = f'<span class="ddx-{side}" style="left:{left:.2f}%;width:{width:.2f}%"></span>'
    return (
        f'<tr role="row"><td role="cell">{words}</td>'
        f'<td role="cell"><span class="ddx-balance" aria-hidden="true">{bar}</span></td>'
        f'<td role="cell" class="ddx-says">{_says(weight)}</td></tr>'
    )


def _says(weight: float) -> str:
    if abs(weight) < WEAK:
        return "hardly"
    return f"{'for' if weight > 0 else 'against'}, {math.exp(min(abs(weight), 18.4)):.1f}×"


def marked_html(case: Case, found: Evidence, key: str) -> str:
    """The case's text with its parts marked, so that a bar leads to its words."""
    pieces, at, middle = [], 0, found.middle(key)
    for i, effect in enumerate(_in_text(found)):
        assert effect.change.span is not None
        start, end = effect.change.span
        weight = effect.weights[key] - middle
        side = "" if math.isnan(weight) or abs(weight) < WEAK else "ddx-for" if weight > 0 else "ddx-against"
        pieces.append(html.escape(case.text[at:start]))
        pieces.append(f'<mark id="ddx-part-{i}" class="{side}">{html.escape(case.text[start:end])}</mark>')
        at = end
    pieces.append(html.escape(case.text[at:]))
    return f'<p class="ddx-marked ddx-reading">{"".join(pieces)}</p>'


def _in_text(found: Evidence) -> Sequence[Effect]:
    """The effects with a place in the text, in its order."""
    placed = [e for e in found.effects if e.change.span is not None]
    return sorted(placed, key=lambda e: e.change.span or (0, 0))
