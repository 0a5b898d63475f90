"""Entry point of the app: the frame around every page. Run `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # streamlit puts app/ on the path, not the folder that holds it
    sys.path.insert(0, str(ROOT))

from app.parts import access, theme  # noqa: E402
from ddx.differential import NOTICE  # noqa: E402

st.set_page_config(page_title="ddx", page_icon=theme.MARK, layout="wide", initial_sidebar_state="collapsed")
theme.apply()
page = st.navigation(
    [
        st.Page("app_pages/review.py", title="Review", icon=":material/stethoscope:", default=True),
        st.Page("app_pages/batch.py", title="Batch", icon=":material/table_rows:"),
        st.Page("app_pages/reliability.py", title="Reliability", icon=":material/straighten:"),
        st.Page("app_pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("app_pages/about.py", title="About", icon=":material/info:"),
    ],
    position="top",
)
st.html(f'<p class="ddx-notice" role="note">{NOTICE}</p>')
if access.admitted():
    page.run()
