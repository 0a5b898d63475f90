"""Batch: a table of cases, scored by a job of its own that goes on when the page or the app is closed."""

import html
from pathlib import Path

import streamlit as st

from app.parts import engine
from app.parts.batch_progress import actions, show_error, stopped, watch
from app.parts.batch_results import results
from app.parts.batch_setup import setup
from app.parts.batch_words import job_label, literal, short_path, state_word, when
from ddx.errors import InputError
from ddx.provenance import shipped_folder
from ddx.scoring.jobs import Job, all_jobs, create, find, jobs_folder

MAX_MB = 200
TYPES = ["csv", "tsv", "txt", "xlsx", "xlsm", "parquet", "jsonl", "ndjson", "json", "gz", "zip"]
_STYLE = Path(__file__).parents[1] / "parts" / "batch.css"


def page() -> None:
    """The whole page."""
    st.html(_STYLE)
    st.title("Batch", anchor=False)
    st.html(
        '<p class="ddx-reading">Score a table of cases: every row gets a differential or the reason why not. Tables '
        "that you upload, and their results, are kept in "
        f'<span class="ddx-path">{html.escape(short_path(jobs_folder()))}</span> on this machine, where only the '
        "account that runs this app can read them, until you delete them here.</p>"
    )
    show_error()
    jobs = all_jobs()
    upload(first=not jobs)
    job = chosen(jobs)
    if job is not None:
        with st.container(border=True, key="batch_job_panel"):
            show(job)


def upload(first: bool) -> None:
    """Take a table in: it becomes a job that is not started yet."""
    with st.expander("New table", expanded=first, icon=":material/upload_file:"):
        count = st.session_state.setdefault("batch_uploads", 0)
        file = st.file_uploader(
            "Table of cases", type=TYPES, key=f"batch_upload_{count}", max_upload_size=MAX_MB,
            help="CSV, Excel (.xlsx), Parquet, JSON Lines or FHIR R4B; text also packed as .gz or .zip. "
            "Leave out names, dates of birth and record numbers.",
        )  # fmt: skip
    if file is None:
        return
    folder = engine.model_folder().resolve()
    model = None if folder == shipped_folder().resolve() else str(folder)
    try:
        job = create(file.name, file, model)
    except InputError as error:
        st.error(literal(str(error)), icon=":material/error:")
        return
    st.session_state["batch_uploads"] = count + 1  # another uploader, an empty one: the table is with the job now
    st.query_params["job"] = job.id
    st.rerun()


def chosen(jobs: list[Job]) -> Job | None:
    """The job that the address names, so that a reload comes back to it; else the newest."""
    if not jobs:
        return None
    ids = [job.id for job in jobs]
    wanted = st.query_params.get("job", "")
    st.session_state["batch_job"] = wanted if wanted in ids else ids[0]
    labels = {job.id: job_label(job) for job in jobs}
    st.selectbox(
        f"Jobs on this machine ({len(jobs)})", ids, key="batch_job", format_func=lambda id: labels.get(id, id),
        on_change=_remember,
    )  # fmt: skip
    return find(st.session_state["batch_job"])


def show(job: Job) -> None:
    """A job, as far as it is."""
    status = job.status()
    try:
        order = job.order
    except InputError as error:
        st.error(literal(str(error)), icon=":material/error:")
        actions(job, status)
        return
    st.html(  # no st.subheader: a file's name is nobody's Markdown
        f'<h2 class="ddx-job">{html.escape(order.name)}</h2>'
        f'<p class="ddx-job-line">{state_word(status)} · uploaded {when(order.created)}</p>'
    )
    if status.state == "new":
        setup(job, order)
    elif status.active:
        watch(job)
    elif status.state == "finished":
        results(job, order)
    else:
        stopped(job, status)
    actions(job, status)


def _remember() -> None:
    st.query_params["job"] = st.session_state["batch_job"]


page()
