"""Review a case: the case on the left, its differential and what to make of it on the right."""

import html
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from app.parts import calibrators, engine, records, state
from app.parts.abstain import advice
from app.parts.ask_view import ask_next
from app.parts.case_entry import Entry, case_entry
from app.parts.decision import decide, own_list
from app.parts.differential_view import differential_html, reading_html, status_text
from app.parts.downloads import downloads
from app.parts.evaluation import measured_sentence
from app.parts.evidence_view import evidence
from app.parts.settings import Settings, settings
from app.parts.texts import case_line
from ddx.differential import Differential
from ddx.errors import DdxError
from ddx.vocabulary import load_vocabulary


def page() -> None:
    """The whole page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Review a case", anchor=False, width="stretch")
        chosen = settings()
    problem = engine.missing()
    if problem is None:
        engine.engine()  # starts loading while the clinician reads
    left, right = st.columns([5, 7], gap="large")
    with left:
        st.subheader("Case", anchor=False)
        entry = case_entry()
    with right:
        st.subheader("Differential", anchor=False)
        if problem is not None:
            st.error(problem, icon=":material/download:")
            return
        place = st.empty()
        if entry.submitted and entry.case is not None:
            place.empty()  # the list of the case before is not to be seen beside this one
            begin(entry, chosen)
        with place.container():
            result(entry, chosen)


def result(entry: Entry, chosen: Settings) -> None:
    """The right side: nothing yet, the way to a list, or a list."""
    opened = state.current(entry.case)
    if opened is None:
        placeholder()
    elif opened.differential is not None or answered(opened, chosen):
        show(opened, entry, chosen)


def begin(entry: Entry, chosen: Settings) -> None:
    """Start a review: it is stored from now on, and the model is at the case while the clinician writes."""
    assert entry.case is not None
    meta = {**entry.meta, **({"stage": entry.case.meta["stage"]} if "stage" in entry.case.meta else {})}
    opened = state.begin(entry.case, chosen.reviewer, meta)
    records.save(opened)
    ready = engine.engine()
    if not ready.loading:
        ask(opened)


def ask(opened: state.Open) -> bool:
    """Put the case in line for the model, once; whether that worked."""
    try:
        if opened.answer is None:
            opened.answer = engine.engine().ask(opened.review.case)
    except DdxError as error:
        engine.engine.clear()  # the next try loads afresh
        st.error(str(error), icon=":material/error:")
        return False
    return True


def answered(opened: state.Open, chosen: Settings) -> bool:
    """Get the model's answer on the screen; first the clinician's own list, where that is wanted."""
    if opened.problem:
        st.error(opened.problem, icon=":material/error:")
    if chosen.own_first and opened.review.own is None and not own_list(opened):
        return False
    began = time.perf_counter()
    if engine.engine().loading:
        with st.spinner("Loading the model, once after a start …", show_time=True):
            engine.engine().loaded()
    if not ask(opened):
        return False
    place = st.empty()

    def on_place(ahead: int) -> None:
        waiting = f"{ahead} case{'s' * (ahead != 1)} in line before this one …"
        place.caption(waiting if ahead else "Generating the differential …")

    try:
        assert opened.answer is not None
        differential = engine.engine().result(opened.answer, on_place)
    except DdxError as error:
        opened.answer = None
        st.error(f"{error}. Try again with “Review this case”.", icon=":material/error:")
        return False
    opened.prompt = engine.engine().loaded()[0].prompt_text(opened.review.case)
    differential = calibrators.apply(differential)
    opened.show(differential, differential.seconds or time.perf_counter() - began)
    records.save(opened)
    st.rerun()


def placeholder() -> None:
    """What the right side says before there is a result."""
    st.html(
        '<div class="ddx-empty"><p><strong>No differential yet.</strong></p>'
        "<p>The model will list the conditions that could explain the case, each with its calibrated "
        "confidence, its ICD-10 code and a mark where it must not be missed, and say how likely something "
        "else is.</p></div>"
    )


def show(opened: state.Open, entry: Entry, chosen: Settings) -> None:
    """A result: the list, how to read it, what the clinician makes of it, and what lies behind it."""
    differential = opened.differential
    assert differential is not None
    if warning := status_text(differential):
        st.warning(warning, icon=":material/info:")
    display = chosen.display
    # The promises and what was measured are of the model's own confidences, not of those that a site adjusted.
    adjusted = "site_calibrator" in differential.model
    if not adjusted and (why := advice(differential)):
        st.warning(why, icon=":material/do_not_disturb_on:")
        display = "bands" if display == "numbers" else display
    if differential.diagnoses:
        st.html(f'<div data-review="{opened.review.review_id}">{differential_html(differential, display)}</div>')
        measured = None if adjusted else measured_sentence(opened.review.case)
        st.html(reading_html(differential, measured, display, adjusted))
    if site := calibrators.notice(differential):
        st.info(site, icon=":material/tune:")
    if opened.review.own is not None:
        own = "; ".join(f"{i}. {line}" for i, line in enumerate(opened.review.own, start=1)) or "none"
        st.html(f'<p class="ddx-reading"><strong>Your own list before:</strong> {html.escape(own)}</p>')
    if entry.demo is not None:
        written_for(differential, entry)
    decide(opened)
    if differential.diagnoses:
        with folded("Evidence for and against", f"evidence_{opened.review.review_id}") as wanted:
            if wanted:
                evidence(opened)
        with folded("What to ask next", f"ask_{opened.review.review_id}") as wanted:
            if wanted:
                ask_next(opened)
    with folded("Take along", f"take_{opened.review.review_id}") as wanted:
        if wanted:
            downloads(opened)
    with st.expander("Technical details"):
        st.html(details_html(opened, differential))


@contextmanager
def folded(label: str, key: str) -> Iterator[bool]:
    """An expander; whether it is open, since its inside is made only then."""
    with st.expander(label, key=key, on_change="rerun") as box:
        yield bool(box.open)


def written_for(differential: Differential, entry: Entry) -> None:
    """The condition that an example was written for: sent to the browser only once it is asked for."""
    demo = entry.demo
    assert demo is not None
    with folded("Show the written-for condition", f"written_{demo.case.case_id}") as wanted:
        if not wanted:
            return
        if not demo.in_vocabulary:
            st.markdown(
                f"**{demo.pathology}**, which is outside the 49 conditions that the model knows: "
                "the right answer here is “something else”."
            )
            return
        condition = load_vocabulary().from_ddxplus(demo.pathology)
        rank = next((d.rank for d in differential.diagnoses if d.key == condition.key), None)
        where = f"number {rank} on the list" if rank else "not on the list"
        st.markdown(f"**{condition.name}**: {where}. The example was written to illustrate it; it measures nothing.")


def details_html(opened: state.Open, d: Differential) -> str:
    """Model, hashes, cost and raw output, escaped."""
    info = d.model
    rows = [
        ("Review", opened.review.review_id),
        ("Case", case_line(opened.review.case)),
        ("Model", info.get("id", "not stated")),
        ("Base model", info.get("base", "not stated")),
        ("Adapter SHA-256", info.get("adapter_sha256", "none")),
        ("Calibrator SHA-256", info.get("calibrator_sha256", "none: confidences as the model wrote them")),
        ("Vocabulary SHA-256", info.get("vocabulary_sha256", "not stated")),
        ("Prompt SHA-256", info.get("prompt_sha256", "not stated")),
        ("Tokens", f"{d.prompt_tokens:,} read, {d.tokens:,} written"),
        ("Seconds", f"{opened.seconds:.1f}" if opened.seconds else "not kept"),
        ("Meaning of confidence", d.semantics),
        ("Status", "; ".join([d.status, *d.repairs])),
        ("Stored in", "this app's store of reviews, as version " + str(opened.version)),
    ]
    cells = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows)
    raw = html.escape(d.raw_text) or "(not kept)"
    raw = f'<p class="ddx-label">Raw output</p><pre class="ddx-raw">{raw}</pre>'
    return f'<dl class="ddx-details">{cells}</dl>{raw}'


page()
