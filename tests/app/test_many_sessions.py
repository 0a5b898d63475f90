"""Twenty people at work in twenty browsers for two minutes: each sees only their own case, and their place in line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from needs import BROWSER, MODEL
from served import Served, chromium, served, settled

from ddx.data.demo import demo_cases
from ddx.model import load_model
from ddx.review import Review
from ddx.store import Store

pytestmark = [*BROWSER, *MODEL]
SESSIONS, SECONDS, WAIT = 20, 120, 240_000
LOOK = """() => ({
    review: document.querySelector('[data-review]')?.dataset.review ?? '',
    list: document.querySelector('.ddx-list')?.innerText ?? '',
    own: document.querySelector('[data-testid=stForm] textarea') !== null,
    place: document.body.innerText.match(/[0-9]+ cases? in line before this one/)?.[0] ?? '',
    errors: [...document.querySelectorAll('[data-testid=stException], [data-testid=stAlertContentError]')]
        .map(e => e.innerText),
})"""


@dataclass
class Session:
    """One person: their browser, the cases they have had, and what the screen said of each."""

    number: int
    page: Any
    own_first: bool
    texts: Iterator[str]
    text: str = ""
    before: str = ""
    writing: bool = False
    answered: list[tuple[str, str, str]] = field(default_factory=list)  # text, review, list

    @property
    def name(self) -> str:
        return f"reviewer {self.number}"

    def submit(self) -> None:
        """Write the next case and send it."""
        self.text, self.writing = next(self.texts), self.own_first
        self.before = self.page.evaluate(LOOK)["review"]
        self.page.get_by_label("Case", exact=True).fill(self.text)
        self.page.get_by_role("button", name="Review this case").click()

    def look(self) -> dict[str, Any]:
        """What is on the screen; writes the own list where one is asked for, notes an answer."""
        seen: dict[str, Any] = self.page.evaluate(LOOK)
        if self.writing and seen["own"]:
            self.page.get_by_label("Your differential").fill(f"Own of {self.number}: {len(self.answered)}")
            self.page.get_by_role("button", name="Show the model's list").click()
            self.writing = False
        elif not self.writing and seen["review"] not in ("", self.before):
            self.answered.append((self.text, seen["review"], seen["list"]))
            self.text = ""
        return seen


def test_twenty_sessions_at_once_see_each_only_their_own(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    cases = [" ".join(demo.case.text.split()[:45]) for demo in demo_cases()]
    places, errors = set[str](), list[str]()
    with served(tmp_path / "reviews.sqlite") as app, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        sessions = [Session(i, begun(browser, app, i), i % 2 == 1, iter(cases[i::SESSIONS])) for i in range(SESSIONS)]
        for session in sessions:
            session.page.on("pageerror", lambda error: errors.append(str(error)))
        end, last = time.monotonic() + SECONDS, time.monotonic() + 600
        while time.monotonic() < end or any(session.text for session in sessions):
            assert time.monotonic() < last, "some session never got its answer"
            for session in sessions:
                if not session.text and time.monotonic() < end and len(session.answered) < len(cases) // SESSIONS:
                    session.submit()
                elif session.text:
                    seen = session.look()
                    places.add(seen["place"])
                    errors += seen["errors"]
        browser.close()
        assert errors == []
        assert places - {""}, "nobody was told a place in line"
        reviews = [review for session in sessions for _, review, _ in session.answered]
        assert len(reviews) == len(set(reviews)) >= SESSIONS
        with Store.open(app.store, create=False) as kept:
            for session in sessions:
                assert session.answered
                for count, (text, review, shown) in enumerate(session.answered):
                    found = kept.get(review)
                    assert found.review.case.text == text and found.review.reviewer == session.name
                    own = (f"Own of {session.number}: {count}",) if session.own_first else None
                    assert found.review.own == own
                    names = listed(found.review)
                    assert [name for name in names if name not in shown] == [], "the screen shows the stored list"
            first = [(text, kept.get(review).review) for s in sessions for text, review, _ in s.answered[:1]]
            assert kept.verify().intact
    model = load_model()
    asked = [review.case for _, review in first]
    for (_, review), alone in zip(first, model.predict_many(asked), strict=True):
        assert listed(review)[0] == alone.diagnoses[0].name, "the list is this case's"


def listed(review: Review) -> list[str]:
    """The names in a stored differential."""
    assert review.differential is not None
    return [line["name"] for line in review.differential["differential"]]


def begun(browser: Any, app: Served, number: int) -> Any:
    """A browser of its own, with a name, and the own list first or not."""
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.set_default_timeout(WAIT)
    page.goto(app.url)
    page.get_by_role("heading", name="Review a case").wait_for()
    page.get_by_role("button", name="Settings").click()
    if number % 2 == 0:
        page.get_by_text("My own list first").click()
    page.get_by_label("Your name or initials", exact=True).fill(f"reviewer {number}")
    page.get_by_label("Your name or initials", exact=True).press("Enter")
    settled(page)
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="My own case").click()
    page.get_by_label("Case", exact=True).wait_for()
    return page
