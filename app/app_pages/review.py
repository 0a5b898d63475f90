"""Review a case: the case on the left, its differential on the right."""

import html

import streamlit as st

from app.parts import engine, state
from app.parts.case_entry import Entry, case_entry
from app.parts.differential_view import differential_html, reading_html, status_text
from app.parts.evaluation import measured_sentence
from app.parts.texts import case_line
from ddx.errors import DdxError
from ddx.vocabulary import load_vocabulary


def page() -> None:
    """The whole page."""
    st.title("Review a case", anchor=False)
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
        if entry.submitted and entry.case is not None:
            generate(entry)
        result = state.result_for(entry.case)
        if result is None:
            placeholder()
        else:
            show(result, entry)


def generate(entry: Entry) -> None:
    """Ask the model and keep the result; a failure is one line."""
    assert entry.case is not None
    state.forget()
    ready = engine.engine()
    try:
        if ready.loading:
            with st.spinner("Loading the model, once after a start …", show_time=True):
                ready.model()
        with st.spinner("Generating the differential …", show_time=True):
            differential, prompt, seconds = ready.review(entry.case)
    except DdxError as error:
        engine.engine.clear()  # the next try loads afresh
        st.error(str(error), icon=":material/error:")
        return
    state.keep(state.Result(entry.case, differential, prompt, seconds))


def placeholder() -> None:
    """What the right side says before there is a result."""
    st.html(
        '<div class="ddx-empty"><p><strong>No differential yet.</strong></p>'
        "<p>The model will list the conditions that could explain the case, each with its calibrated "
        "confidence, its ICD-10 code and a mark where it must not be missed, and say how likely something "
        "else is.</p></div>"
    )


def show(result: state.Result, entry: Entry) -> None:
    """A result: the list, how to read it, and what lies behind it."""
    differential = result.differential
    warning = status_text(differential)
    if warning:
        st.warning(warning, icon=":material/info:")
    if differential.diagnoses:
        st.html(differential_html(differential))
        st.html(reading_html(differential, measured_sentence(result.case)))
    if entry.demo is not None:
        written_for(result, entry)
    with st.expander("What the model saw"):
        st.html(f'<p class="ddx-seen">{html.escape(result.prompt)}</p>')
    with st.expander("Technical details"):
        st.html(details_html(result))
    st.download_button(
        "Download as JSON", state.result_json(result), file_name=f"ddx-{result.case.case_id}.json",
        mime="application/json", icon=":material/download:", on_click="ignore", key="download_result",
    )  # fmt: skip


def written_for(result: state.Result, entry: Entry) -> None:
    """The condition that an example was written for: sent to the browser only once it is asked for."""
    demo = entry.demo
    assert demo is not None
    with st.expander("Show the written-for condition", key=f"written_{demo.case.case_id}", on_change="rerun") as box:
        if not box.open:
            return
        if not demo.in_vocabulary:
            st.markdown(
                f"**{demo.pathology}**, which is outside the 49 conditions that the model knows: "
                "the right answer here is “something else”."
            )
            return
        condition = load_vocabulary().from_ddxplus(demo.pathology)
        rank = next((d.rank for d in result.differential.diagnoses if d.key == condition.key), None)
        where = f"number {rank} on the list" if rank else "not on the list"
        st.markdown(f"**{condition.name}**: {where}. The example was written to illustrate it; it measures nothing.")


def details_html(result: state.Result) -> str:
    """Model, hashes, cost and raw output, escaped."""
    d, info = result.differential, result.differential.model
    rows = [
        ("Case", case_line(result.case)),
        ("Model", info.get("id", "not stated")),
        ("Base model", info.get("base", "not stated")),
        ("Adapter SHA-256", info.get("adapter_sha256", "none")),
        ("Calibrator SHA-256", info.get("calibrator_sha256", "none: confidences as the model wrote them")),
        ("Vocabulary SHA-256", info.get("vocabulary_sha256", "not stated")),
        ("Prompt SHA-256", info.get("prompt_sha256", "not stated")),
        ("Tokens", f"{d.prompt_tokens:,} read, {d.tokens:,} written"),
        ("Seconds", f"{result.seconds:.1f}"),
        ("Meaning of confidence", d.semantics),
        ("Status", "; ".join([d.status, *d.repairs])),
    ]
    cells = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows)
    raw = html.escape(d.raw_text) or "(empty)"
    raw = f'<p class="ddx-label">Raw output</p><pre class="ddx-raw">{raw}</pre>'
    return f'<dl class="ddx-details">{cells}</dl>{raw}'


page()
