"""A case as findings: present, absent or not stated, found by typing, with their values."""

from __future__ import annotations

import streamlit as st

from ddx.case import Finding
from ddx.vocabulary.findings import FindingDef, load_findings

__all__ = ["findings_form"]


def findings_form() -> tuple[Finding, ...]:
    """Show the form, return what it states. What is in neither list is not stated, which is not the same as absent."""
    known = load_findings()
    asked = [code for code, f in known.items() if f.parent in (None, code)]
    present = st.multiselect(
        "Present", asked, format_func=lambda code: _label(known[code]), key="form_present", persist_state="session",
        placeholder="Type to search: fever, chest pain, smoker …",
    )  # fmt: skip
    absent = st.multiselect(
        "Absent (asked, and denied)", [code for code in asked if known[code].phrases[False] and code not in present],
        format_func=lambda code: _label(known[code]), key="form_absent", persist_state="session",
        placeholder="Type to search",
    )  # fmt: skip
    stated: list[Finding] = []
    for code in present:
        stated += _present(known[code], [f for f in known.values() if f.parent == code and f.code != code])
    return (*stated, *(Finding(code, False) for code in absent))


def _present(definition: FindingDef, details: list[FindingDef]) -> list[Finding]:
    """A finding that is there: itself, or its values; and the details that were given."""
    stated = _values(definition) if definition.values or definition.type == "scale" else []
    found = stated or [Finding(definition.code)]
    if details:
        with st.expander(f"{_label(definition)}: more about it", expanded=True):
            for detail in details:
                found += _values(detail)
    return found


def _values(definition: FindingDef) -> list[Finding]:
    """Its values, as far as they were given; none is "not stated"."""
    code, label, key = definition.code, _label(definition), f"form_{definition.code}"
    if definition.type == "scale":
        level = st.select_slider(
            f"{label} (0 to 10)", [None, *range(11)], key=key, persist_state="session",
            format_func=lambda n: "not stated" if n is None else str(n),
        )  # fmt: skip
        return [] if level is None else [Finding(code, True, str(level))]
    options = [value for value in definition.values if not definition.is_absent_value(value)]
    if not options:
        given = st.segmented_control(label, ["Yes", "No"], key=key, persist_state="session")
        return [] if given is None else [Finding(code, given == "Yes")]
    chosen = st.multiselect(
        label, options, format_func=lambda value: definition.values[value], key=key, persist_state="session"
    )
    return [Finding(code, True, value) for value in chosen]


def _label(definition: FindingDef) -> str:
    return definition.name[:1].upper() + definition.name[1:]
