"""A review to take along: as a page, as PDF, as a FHIR bundle, as a CDS Hooks card, as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from app.parts import records
from app.parts.evidence_view import words_of
from app.parts.state import Open, result_json
from ddx.errors import DdxError
from ddx.interchange.cds import to_card
from ddx.interchange.fhir import to_bundle, to_json
from ddx.interchange.report import to_html, to_pdf
from ddx.store import StoreError

__all__ = ["downloads"]

FORMS = {
    "Page (HTML)": ("html", "text/html"),
    "Page (PDF)": ("pdf", "application/pdf"),
    "FHIR R4 bundle": ("fhir.json", "application/fhir+json"),
    "CDS Hooks card": ("card.json", "application/json"),
    "The model's answer (JSON)": ("json", "application/json"),
}


def downloads(opened: Open) -> None:
    """Choose a form and download it; nothing leaves in PHI mode."""
    try:
        if records.store().phi:
            st.info("In PHI mode nothing can be taken out.", icon=":material/lock:")
            return
    except StoreError:
        pass  # the page says that nothing is saved; what is on the screen can still be taken along
    form = st.selectbox("Form", list(FORMS), key="form_of_download")
    if form is None:
        return
    ending, kind = FORMS[form]
    try:
        content = _made(opened, ending)
    except DdxError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.download_button(
        "Download", content, file_name=f"ddx-{opened.review.case.case_id or 'case'}.{ending}", mime=kind,
        icon=":material/download:", on_click="ignore", key="download_result",
    )  # fmt: skip


def _made(opened: Open, ending: str) -> str | bytes:
    now = datetime.now(UTC).astimezone()
    if ending in ("html", "pdf"):
        review = opened.review
        if opened.evidence is not None:
            review = replace(review, meta={**review.meta, "evidence": words_of(opened.evidence)})
        return to_html(review, now) if ending == "html" else to_pdf(review, now)
    if ending == "fhir.json":
        return to_json(to_bundle(opened.review, now))
    if ending == "card.json":
        return json.dumps({"cards": [to_card(opened.review)]}, indent=2, ensure_ascii=False)
    return result_json(opened)
