"""The batch page's words: what a job's state is called, and times and counts as people say them."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from ddx.errors import InputError
from ddx.scoring.jobs import Job, State, Status

STATES: dict[State, str] = {
    "new": "Not started",
    "starting": "Starting",
    "waiting": "Waiting for another job to end",
    "reading": "Reading the table",
    "loading": "Loading the model",
    "running": "Running",
    "writing": "Writing the results",
    "finished": "Finished",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:&-])")


def literal(text: str) -> str:
    """Text from a file, as Markdown that shows it as it is.

    >>> literal("column *age*: 'a_b'")
    "column \\\\*age\\\\*\\\\: 'a\\\\_b'"
    """
    return _MARKDOWN.sub(r"\\\1", text)


def short_path(path: Path) -> str:
    """A folder as people write it: "~" for the home folder."""
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def when(moment: datetime) -> str:
    """A moment in this machine's time zone."""
    return f"{moment.astimezone():%-d %b %Y, %H:%M}"


def state_word(status: Status) -> str:
    """A state where it is not drawn again every second, so that it must hold for longer."""
    return "At work" if status.active else STATES[status.state]


def job_label(job: Job) -> str:
    """A job in one line of a list."""
    try:
        order = job.order
    except InputError:
        return f"{job.id} · {state_word(job.status())}"
    return f"{order.name} · {when(order.created)} · {state_word(job.status())}"


def duration(seconds: float) -> str:
    """A span of time, roughly.

    >>> duration(4), duration(100), duration(4000), duration(200_000)
    ('a few seconds', '2 minutes', '1 hour 7 minutes', '2 days 7 hours')
    """
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"{round(seconds / 5) * 5} seconds"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    return " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in [p for p in parts if p[0]][:2])


def progress_line(status: Status) -> str:
    """How far a running job is: rows, speed, time left."""
    if not status.total:
        return STATES[status.state]
    parts = [f"{status.done:,} of {status.total:,} rows"]
    if status.state != "running":
        return f"{STATES[status.state]} · {parts[0]}" if status.done else STATES[status.state]
    if status.rate:
        speed = f"{status.rate:,.1f} rows a second" if status.rate >= 0.95 else f"{1 / status.rate:.1f} seconds a row"
        parts.append(speed)
    if status.left is not None:
        parts.append(f"about {duration(status.left)} left")
    return " · ".join(parts)
