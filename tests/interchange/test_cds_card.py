"""The CDS Hooks card: its fields are those of the specification, and nothing in it can act or be taken for markup."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from review_maker import differential, review

from ddx.differential import NOTICE, Diagnosis, Differential
from ddx.errors import InputError
from ddx.interchange.cds import escaped, to_card
from ddx.review import Review

CODING = {
    "type": "object",
    "properties": {"code": {"type": "string", "minLength": 1}, "system": {"type": "string"},
                   "display": {"type": "string", "minLength": 1}},
    "required": ["code", "display"],
    "additionalProperties": False,
}  # fmt: skip
# The card attributes of CDS Hooks 2.0; null and empty values are not allowed anywhere.
CARD = {
    "type": "object",
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "summary": {"type": "string", "minLength": 1, "maxLength": 139, "pattern": r"^[^\r\n]*$"},
        "detail": {"type": "string", "minLength": 1},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": {
            "type": "object",
            "properties": {"label": {"type": "string", "minLength": 1}, "url": {"type": "string"},
                           "icon": {"type": "string"}, "topic": CODING},
            "required": ["label"],
            "additionalProperties": False,
        },
        "suggestions": {"type": "array", "minItems": 1},
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "overrideReasons": {"type": "array", "minItems": 1, "items": CODING},
        "links": {"type": "array", "minItems": 1},
    },
    "required": ["summary", "indicator", "source"],
    "dependentRequired": {"suggestions": ["selectionBehavior"]},
    "additionalProperties": False,
}  # fmt: skip


def faults(card: dict[str, Any]) -> list[str]:
    return [e.message for e in Draft202012Validator(CARD).iter_errors(card)]


def named(*names: str, severity: int | None = 4) -> Differential:
    share = 1 / (len(names) + 1)
    found = tuple(Diagnosis(i, name, share, severity=severity) for i, name in enumerate(names, start=1))
    return Differential("c", found, model={"id": "m"})


def test_the_card_of_a_review() -> None:
    card = to_card(review())
    assert faults(card) == []
    assert not set(card) & {"suggestions", "links", "selectionBehavior"}
    assert card["indicator"] == "warning"
    assert card["summary"].startswith("Consider Pericarditis 41 %, Pulmonary embolism 22 %")
    assert card["summary"].endswith("Must not miss: 2 on the list.")
    assert card["source"] == {"label": "ddx, model tiny-model-3"}
    for words in (NOTICE, "ICD-10 I26", "Something else, not listed: 18 %", "Must not miss: Pulmonary embolism"):
        assert words in card["detail"]
    assert json.loads(json.dumps(card)) == card


def test_a_list_gives_the_same_card_in_each_of_its_forms() -> None:
    card = to_card(differential())
    assert card == to_card(differential().to_dict())
    assert {**card, "uuid": ""} == {**to_card(review()), "uuid": ""}
    assert to_card(review())["uuid"] == to_card(review(notes="changed"))["uuid"] != card["uuid"]


def test_nothing_to_miss_is_info() -> None:
    assert to_card(named("Acute laryngitis"))["indicator"] == "info"


def test_a_membership_list_says_that_there_is_no_sum() -> None:
    card = to_card(differential(semantics="membership"))
    assert "no sum rule" in card["detail"] and "Something else" not in card["detail"]


def test_an_answer_that_could_not_be_read() -> None:
    card = to_card(Differential("c", (), status="empty", model={"id": "m"}))
    assert faults(card) == [] and "could be read" in card["summary"] and NOTICE in card["detail"]


def test_without_a_list_there_is_no_card() -> None:
    with pytest.raises(InputError, match="no model output"):
        to_card(Review("r", review().case))


anything = st.text(min_size=1, max_size=300).filter(str.strip)


@given(st.lists(anything, min_size=1, max_size=8), st.sampled_from([1, 4]))
def test_any_names_give_a_card_that_fits(names: list[str], severity: int) -> None:
    card = to_card(named(*names, severity=severity))
    assert faults(card) == []


def shown(markdown: str) -> tuple[set[str], str]:
    """The kinds of inline content, and the words, that a reader of Markdown makes of a text."""
    [inline] = [
        t for t in MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(markdown) if t.type == "inline"
    ]
    children = inline.children or []
    return {c.type for c in children}, "".join(c.content for c in children)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>", "[click](https://example.org)", "![x](y.png)", "**bold** _it_ ~~no~~ `code`",
        "https://example.org", "www.example.org", "# heading", "| a | b |", "1. one", "&amp; &lt;", "a\n\n- b",
        "me@example.org", r"back\slash", "<https://example.org>", "``https://example.org",
    ],
)  # fmt: skip
def test_names_are_words_and_never_markup(name: str) -> None:
    kinds, words = shown(f"x {escaped(name)} x")
    assert kinds <= {"text", "text_special", "code_inline"} and words == f"x {' '.join(name.split())} x"
    assert escaped(name) in to_card(named(name))["detail"]
