"""What to ask next: findings that are not stated, by how much their answers would tell."""

from __future__ import annotations

import html

import streamlit as st

from app.parts import calibrators
from app.parts.engine import InLine, engine
from app.parts.state import Open
from ddx.differential import Differential, percent
from ddx.errors import DdxError
from ddx.explain.ask_next import Question, answers_by_model, rank_questions

__all__ = ["ask_next"]

_MOST = 8


def ask_next(opened: Open) -> None:
    """The most informative questions, and what each answer would do; made on demand."""
    differential = opened.differential
    assert differential is not None
    if opened.questions is None:
        st.html(
            '<p class="ddx-reading">Findings that the case does not state, ranked by how much the answer would narrow '
            "the list, from how often each goes with each condition among synthetic patients.</p>"
        )
        place = st.empty()
        if not place.button("Rank what to ask", key="make_questions", icon=":material/help:"):
            return
        place.empty()
        try:
            with st.spinner("Weighing all findings that are not stated …"):
                opened.questions = rank_questions(differential, opened.review.case, most=_MOST)
        except DdxError as error:
            st.error(str(error), icon=":material/error:")
            return
    if not opened.questions:
        st.info("There is nothing to ask that would tell these diagnoses apart.")
        return
    st.html(_table(opened.questions, differential))
    questions = {q.code: q for q in opened.questions}
    code = st.selectbox(
        "Ask the model itself what an answer would do", list(questions), key="ask_model",
        format_func=lambda c: _name(questions[c]),
    )  # fmt: skip
    if code is None:
        return
    if st.button("Ask with “yes” and with “no”", key="ask_both", icon=":material/alt_route:"):
        try:
            with st.spinner("Asking the model twice …"):
                model = InLine(engine(), calibrators.apply)
                [answers] = answers_by_model(model, opened.review.case, [questions[code]])  # type: ignore[arg-type]
                opened.answers[code] = answers
        except DdxError as error:
            st.error(str(error), icon=":material/error:")
    if code in opened.answers:
        found = opened.answers[code]
        left, right = st.columns(2)
        left.html(_short(f"{_name(found.question)}: yes", found.yes))
        right.html(_short(f"{_name(found.question)}: no", found.no))


def _table(questions: list[Question], differential: Differential) -> str:
    names = [*(d.name for d in differential.diagnoses), "something else"]
    rows = "".join(
        f'<tr><th scope="row">{html.escape(_name(q))}</th><td>{q.gain:.2f}</td><td>{percent(q.chance)}</td>'
        f"<td>{_lead(names, q.if_yes)}</td><td>{_lead(names, q.if_no)}</td></tr>"
        for q in questions
    )
    return (
        '<div class="ddx-scroll" tabindex="0" role="region" aria-label="What to ask next">'
        '<table class="ddx-table"><caption>Expected gain: by how many bits the answer narrows the list, on average.'
        '</caption><thead><tr><th scope="col">Ask about</th><th scope="col">Gain</th><th scope="col">Chance of yes</th>'
        '<th scope="col">First, if yes</th><th scope="col">First, if no</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _lead(names: list[str], after: tuple[float, ...]) -> str:
    at = max(range(len(after)), key=after.__getitem__)
    return f'{html.escape(names[at])} <span class="ddx-ci">{percent(after[at])}</span>'


def _short(title: str, differential: Differential) -> str:
    rows = "".join(
        f"<li>{html.escape(d.name)} {html.escape(percent(d.confidence))}</li>" for d in differential.diagnoses
    )
    return f'<p class="ddx-label">{html.escape(title)}</p><ol class="ddx-short">{rows}</ol>'


def _name(question: Question) -> str:
    return question.name[:1].upper() + question.name[1:]
