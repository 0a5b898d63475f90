"""Looks: the style sheet, the mark, and which chart colours the reader's browser wants."""

from pathlib import Path

import streamlit as st

from ddx.evaluation.charts import DARK, LIGHT, Palette

_STYLE = Path(__file__).with_name("theme.css")

# Three bars of falling length: a ranked list with confidences. One colour that reads on light and on dark.
MARK = (
    "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'>"
    "<g fill='%23158a7f'><rect x='2' y='4' width='20' height='4' rx='1.5'/>"
    "<rect x='2' y='10' width='12' height='4' rx='1.5'/>"
    "<rect x='2' y='16' width='6' height='4' rx='1.5'/></g></svg>"
)


def apply() -> None:
    """Put the style sheet and the mark into the page; every run needs it."""
    st.html(_STYLE)
    st.logo(MARK, size="medium")


def palette() -> Palette:
    """The colours for the theme that the reader's browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT
