"""A batch job that is at work or was stopped: how far it is, and what can be done with it."""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st

from app.parts.batch_words import literal, progress_line
from ddx.errors import InputError
from ddx.scoring.jobs import Job, Status
from ddx.scoring.runner import WINDOW

_ERROR = "batch_error"
_EVERY = 1.0  # seconds


def attempt(action: Callable[[], object]) -> None:
    """Do something in a callback; what goes wrong is shown at the top of the page."""
    try:
        action()
    except InputError as error:
        st.session_state[_ERROR] = str(error)


def show_error() -> None:
    """What went wrong in the last callback, once."""
    message = st.session_state.pop(_ERROR, None)
    if message:
        st.error(literal(message), icon=":material/error:")


def watch(job: Job) -> None:
    """The progress of a job at work. Only this part is drawn again every second; the page itself when it has ended."""
    st.fragment(_progress, run_every=_EVERY)(job)


def _progress(job: Job) -> None:
    status = job.status()
    if not status.active:
        st.rerun(scope="app")
    line = progress_line(status)
    share = f' value="{status.done}" max="{status.total}"' if status.total and status.state != "reading" else ""
    st.html(
        f'<p class="ddx-progress-line">{html.escape(line)}</p>'
        f'<progress class="ddx-progress" aria-label="Rows done"{share}></progress>'
    )
    if job.cancelling:
        st.button("Cancelling …", disabled=True, key="batch_cancelling")
    else:
        st.button("Cancel", icon=":material/stop_circle:", key="batch_cancel", on_click=attempt, args=(job.cancel,))
    st.html(  # a caption is too pale to read
        '<p class="ddx-job-line">The job goes on when this page or the app is closed. Cancelling keeps the answers '
        "that are there.</p>"
    )


def stopped(job: Job, status: Status) -> None:
    """A job that was cancelled, interrupted, or has failed: what is kept, and the way on."""
    if status.state == "failed":
        st.error(f"{literal(status.message)}.", icon=":material/error:")
    elif status.state == "interrupted":
        st.warning(
            "The job was interrupted: its process ended without a word, as when the machine is restarted or runs out "
            "of memory. Resume goes on with the answers that are kept.",
            icon=":material/warning:",
        )
    else:
        st.info("The job was cancelled. Resume goes on with the answers that are kept.", icon=":material/info:")
    if status.total and status.done:
        line = f"{status.done:,} of {status.total:,} rows are answered and kept."
        if status.state == "interrupted":  # nobody was left to count what is kept
            line = f"{status.done:,} of {status.total:,} rows were done; at most {WINDOW} are answered again."
        st.html(f'<p class="ddx-progress-line">{line}</p>')
    with st.container(horizontal=True):
        st.button(
            "Resume", type="primary", icon=":material/play_arrow:", key="batch_resume",
            on_click=attempt, args=(job.start,),
        )  # fmt: skip
        if status.state == "failed":
            st.button(
                "Start anew", key="batch_anew", on_click=attempt, args=(lambda: job.start(anew=True),),
                help="Throws the kept answers away.",
            )  # fmt: skip


def actions(job: Job, status: Status) -> None:
    """Delete, once confirmed."""
    if status.active:
        return
    with st.popover("Delete", icon=":material/delete:", key=f"batch_delete_{job.id}"):
        st.markdown("Delete the uploaded table, all answers and results of this job? This can't be undone.")
        st.button("Delete for good", type="primary", key="batch_delete", on_click=_delete, args=(job,))


def _delete(job: Job) -> None:
    attempt(job.delete)
    st.query_params.pop("job", None)
