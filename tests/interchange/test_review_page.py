"""The page of a review: what is on it, that it is safe and self-contained, and that a usual case is one A4 page."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from review_maker import CASE, WHEN, differential, review

from ddx.case import Case
from ddx.data.demo import demo_cases
from ddx.differential import NOTICE
from ddx.errors import InputError
from ddx.interchange.report import to_html, to_pdf
from ddx.review import Review, Struck

ON_IT = [
    "58 years, female", "severe pain, 7/10; no fever", "Woke at 4 with chest pain", "Overridden", "Wells score 6",
    "Aortic dissection", "ICD-10 I71.0, added by the clinician", "CT angiography ordered.", "no such history",
    "1. Pericarditis", "Something else", "18 %", "41 %", "tiny-model-3", "ab" * 32, "5 March 2026, 14:02 UTC",
    "Reviewer 2", "case-17", "Must not miss: Pulmonary embolism, Myocardial infarction", NOTICE,
]  # fmt: skip


class Words(HTMLParser):
    """The text of a page as it is read, a blank between elements, list items with their numbers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.number: int | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("ol", "ul"):
            self.number = 0 if tag == "ol" else None
        if tag == "li" and self.number is not None:
            self.number += 1
            self.said.append(f"{self.number}.")

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def pages(pdf: bytes) -> list[str]:
    return [" ".join(p.extract_text().split()) for p in PdfReader(BytesIO(pdf)).pages]


def in_all_forms(made: Review) -> tuple[str, str]:
    return Words(to_html(made, WHEN)).text, " ".join(pages(to_pdf(made, WHEN)))


@pytest.mark.parametrize("words", [*ON_IT, "Texidor <twinge> & co"])
def test_what_is_on_the_page(words: str) -> None:
    for text in in_all_forms(review()):
        assert words in text


def test_a_name_and_its_code_stand_apart() -> None:
    words = " ".join(re.sub("<[^>]+>", "", to_html(review(), WHEN)).split())
    for text in (words, " ".join(pages(to_pdf(review(), WHEN)))):
        assert "Pericarditis ICD-10 I30" in text and "Pulmonary embolism must not miss ICD-10 I26" in text


def test_the_final_list_is_in_the_clinicians_order() -> None:
    for text in in_all_forms(review()):
        final = text[text.index("clinician's list stands") : text.index("Struck off")]
        assert final.index("Pulmonary embolism") < final.index("Pericarditis") < final.index("Aortic dissection")


def test_the_pdf_is_one_page_with_a_title_and_a_language_and_the_same_bytes() -> None:
    pdf = to_pdf(review(), WHEN)
    assert pdf == to_pdf(review(), WHEN)
    reader = PdfReader(BytesIO(pdf))
    assert len(reader.pages) == 1
    assert [round(float(x)) for x in reader.pages[0].mediabox[2:]] == [595, 842]
    assert reader.metadata is not None and reader.metadata.title == "Differential diagnosis, review review-1"
    assert reader.trailer["/Root"]["/Lang"] == "en"  # type: ignore[index]


def test_every_example_case_is_one_page() -> None:
    longest = sorted((d.case for d in demo_cases()), key=lambda c: len(c.text))[-3:]
    assert [len(pages(to_pdf(review(case=case), WHEN))) for case in longest] == [1, 1, 1]


def test_a_long_case_goes_on_to_further_pages_and_loses_nothing() -> None:
    text = " ".join(f"Sentence number {i} of a long history." for i in range(400))
    found = pages(to_pdf(review(case=Case("c", text=text), notes="line one\nline two"), WHEN))
    assert len(found) > 1 and all(NOTICE in page for page in found)
    assert "Sentence number 399" in " ".join(found) and "CT" not in found[0]


@pytest.mark.parametrize("words", ["Fièvre à 39 °C, ≥ 3 jours → β-blocker", "Боль в груди", "πόνος", "żółtaczka ½"])
def test_letters_of_other_languages(words: str) -> None:
    for text in in_all_forms(review(case=Case("c", text=words))):
        assert words in text


HOSTILE = "<script>alert(1)</script><b>x</b>&amp; <img src=x onerror=y> {{ 7*7 }} <para/>\x00"


def test_nothing_that_was_written_is_taken_for_markup() -> None:
    listed = differential(diagnoses=tuple(replace(d, name=HOSTILE, key=None) for d in differential().diagnoses[:1]))
    made = review(
        case=Case(HOSTILE, text=HOSTILE), reviewer=HOSTILE, own=(HOSTILE,), notes=HOSTILE, reason=HOSTILE,
        differential=listed.to_dict(), struck=(Struck(HOSTILE, HOSTILE),), review_id=HOSTILE,
    )  # fmt: skip
    page = Words(to_html(made, WHEN))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "para"})
    assert page.text.count("<script>alert(1)</script><b>x</b>&amp; <img src=x onerror=y> {{ 7*7 }}") >= 7
    assert "<script>alert(1)</script>" in " ".join(pages(to_pdf(made, WHEN)))


def test_the_html_fetches_nothing() -> None:
    page = to_html(review(), WHEN)
    assert not re.search(r"https?:|//|url\(|@import|src=|href=", page)
    assert "default-src 'none'" in page


def test_the_colours_are_told_apart() -> None:
    """WCAG contrast of every text colour on every background, at least 4.5:1."""
    page = to_html(review(), WHEN)
    colour = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", page))

    def light(name: str) -> float:
        parts = [int(colour[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert {"ink", "muted", "alarm"} <= set(re.findall(r"[^-]color: var\(--(\w+)\)", page))
    for text in ("ink", "muted", "alarm"):
        for ground in ("paper", "soft"):
            bright, dark = sorted((light(text), light(ground)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"own": None}, "Was not asked for."),
        ({"own": ()}, "None was written."),
        ({"decision": "open", "reason": ""}, "Open: not decided yet"),
        ({"kept": ()}, "Nothing is on the list."),
        ({"differential": None, "decision": "open", "kept": (), "struck": ()}, "The model has not been asked yet."),
        ({"differential": differential(diagnoses=(), status="empty").to_dict()}, "No diagnosis could be read"),
        ({"differential": differential(semantics="membership").to_dict()}, "no sum rule"),
        (
            {"struck": (Struck("Pulmonary embolism", "low D-dimer", "pulmonary_embolism"),)},
            "Struck off although marked as must not miss: Pulmonary embolism.",
        ),
        (
            {"meta": {"evidence": {"pericarditis": {"for": ["worse lying flat"], "against": ["no fever"]}}}},
            "For: worse lying flat",
        ),
        ({"meta": {"evidence": "full"}}, "Pericarditis"),
    ],
)  # fmt: skip
def test_reviews_of_every_kind(change: dict[str, Any], words: str) -> None:
    for text in in_all_forms(review(**change)):
        assert words in text and NOTICE in text


def test_what_cannot_be_made_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for make in (to_html, to_pdf):
        with pytest.raises(InputError, match="time zone"):
            make(review(), datetime(2026, 1, 1))
    monkeypatch.delitem(sys.modules, "ddx.interchange.pdf", raising=False)
    monkeypatch.setitem(sys.modules, "reportlab.platypus", None)
    with pytest.raises(InputError, match="pip install 'ddx\\[app\\]'"):
        to_pdf(review(), WHEN)


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_prints_one_page_and_asks_for_nothing(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        longest = max((d.case for d in demo_cases()), key=lambda c: len(c.text))
        for name, case in (("usual", CASE), ("longest", longest)):
            (tmp_path / f"{name}.html").write_text(to_html(review(case=case), WHEN), encoding="utf-8")
            page.goto((tmp_path / f"{name}.html").as_uri())
            assert len(pages(page.pdf(prefer_css_page_size=True))) == 1
        assert asked == [(tmp_path / f"{name}.html").as_uri() for name in ("usual", "longest")]
        browser.close()
