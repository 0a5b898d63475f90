"""A review is stored and read again as it was, and a decision stands on something."""

import pytest

from ddx.case import Case, Finding
from ddx.errors import InputError
from ddx.review import Kept, Review, Struck, as_it_stood, kept_from

LIST = {
    "differential": [
        {"name": "Pericarditis", "key": "pericarditis", "icd10": "I30", "confidence": 0.6},
        {"name": "Pulmonary embolism", "key": "pulmonary_embolism", "icd10": "I26", "confidence": 0.2},
    ]
}
CASE = Case("c1", 40.0, "F", (Finding("E_91"), Finding("E_53", False), Finding("E_54", True, "V_161")), "chest pain")


def test_a_review_reads_as_it_was_written() -> None:
    review = Review(
        "r1", CASE, "dr a", ("PE",), LIST, (Kept("Gout", "clinician"),), (Struck("Pericarditis", "no rub"),),
        "overridden", "no rub", "a note", {"evidence": "full"},
    )  # fmt: skip
    assert Review.from_dict(review.to_dict()) == review
    assert Review.from_dict(Review("r2", CASE).to_dict()) == Review("r2", CASE)


def test_a_list_kept_whole_is_told_from_a_changed_one() -> None:
    kept = kept_from(LIST)
    assert as_it_stood(LIST, kept)
    assert not as_it_stood(LIST, kept[::-1]) and not as_it_stood(LIST, kept[:1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decision": "maybe"}, "not one of"),
        ({"decision": "overridden", "differential": LIST}, "needs a reason"),
        ({"decision": "accepted"}, "no model output"),
    ],
)
def test_a_decision_stands_on_something(change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Review("r1", CASE, **change)


def test_what_is_no_review_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="not a stored review"):
        Review.from_dict({"review_id": "r1"})
