"""What to ask next: the gains are those of the definition, and a question is never asked twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ddx.case import Case, Finding
from ddx.data.demo import demo_cases
from ddx.data.stages import STAGES
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.explain.ask_next import FLOOR, answers_by_model, rank_questions, with_answer
from ddx.explain.stated import stated_findings, stated_in_text
from ddx.simulate.clinic import Clinic, Telling
from ddx.simulate.estimate import load_clinic
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import load_findings

NAMES = {definition.name: code for code, definition in load_findings().items()}
FEVER, COUGH, NAUSEA, SMOKING = (NAMES[n] for n in ("fever", "cough", "nausea", "current smoking"))
CODES = (FEVER, COUGH, NAUSEA, SMOKING)
# P(present | condition), the same for both sexes, of conditions a to d
CHANCE = np.array([[0.9, 0.5, 0.2, 0.0], [0.1, 0.5, 0.2, 0.0], [0.5, 0.5, 0.9, 0.0], [0.2, 0.5, 0.1, 0.0]])


def clinic(**change: object) -> Clinic:
    """Four conditions, four findings; only women are over two years old; d is rare in them."""
    none = (Telling(0, 0, 0, 0, 0),) * 2
    prevalence = np.array([[[0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.3, 0.1]]] * 2)
    made = Clinic(
        conditions=("a", "b", "c", "d"), findings=CODES, ages=np.array([[0.1, 0.1, 0.2, 0.2], [0.2, 0.2, 0.0, 0.0]]),
        bands=(0, 2), prevalence=prevalence, complaint=np.ones((2, 4, 4)) / 4, chance=np.array([CHANCE, CHANCE]),
        history=np.zeros(4, dtype=bool), related=np.ones((4, 4), dtype=bool), details=(),
        telling=dict.fromkeys(STAGES, none), asking={stage: np.zeros(4) for stage in STAGES},
    )  # fmt: skip
    return replace(made, **change)  # type: ignore[arg-type]


def of(*pairs: tuple[str | None, float], **change: object) -> Differential:
    found = tuple(Diagnosis(i, key or "odd", p, key) for i, (key, p) in enumerate(pairs, start=1))
    return replace(Differential("c", found), **change)  # type: ignore[arg-type]


CASE = Case("c", 3.0, "F", (Finding("E_53"),))
LIST = of(("a", 0.5), ("b", 0.3))


def h(p: Sequence[float]) -> float:
    return -sum(x * math.log2(x) for x in p if x > 0)


def test_gain_and_confidences_by_hand() -> None:
    """Something else (.2) is c and d, 3 : 1 at this age: θ of fever .5·.75 + .2·.25 = .425."""
    [fever] = [q for q in rank_questions(LIST, CASE, clinic()) if q.code == FEVER]
    q, theta = [0.5, 0.3, 0.2], [0.9, 0.1, 0.425]
    yes = sum(p * t for p, t in zip(q, theta, strict=True))
    assert fever.chance == pytest.approx(yes)
    assert fever.if_yes == pytest.approx([p * t / yes for p, t in zip(q, theta, strict=True)])
    assert fever.if_no == pytest.approx([p * (1 - t) / (1 - yes) for p, t in zip(q, theta, strict=True)])
    assert fever.gain == pytest.approx(h(q) - yes * h(fever.if_yes) - (1 - yes) * h(fever.if_no))


def test_the_most_telling_question_comes_first_and_what_no_one_can_have_is_not_asked() -> None:
    found = rank_questions(LIST, CASE, clinic())
    assert [q.code for q in found] == [FEVER, NAUSEA, COUGH]  # smoking: nobody in this clinic
    assert found[-1].gain == pytest.approx(0, abs=1e-12)  # cough is as common with each
    assert [q.code for q in rank_questions(LIST, CASE, clinic(), most=1)] == [FEVER]


def test_answers_average_to_the_list_and_no_answer_settles_it() -> None:
    for q in rank_questions(LIST, CASE, clinic()):
        assert sum(q.if_yes) == pytest.approx(1) and sum(q.if_no) == pytest.approx(1)
        mean = [q.chance * y + (1 - q.chance) * n for y, n in zip(q.if_yes, q.if_no, strict=True)]
        assert mean == pytest.approx([0.5, 0.3, 0.2])
    sure = clinic(chance=np.array([np.round(CHANCE)] * 2))
    for q in rank_questions(LIST, CASE, sure):
        assert min(*q.if_yes, *q.if_no) > 0
    [fever] = [q for q in rank_questions(of(("a", 0.5), ("b", 0.5)), CASE, sure) if q.code == FEVER]
    assert fever.if_yes[:2] == pytest.approx([1 - FLOOR, FLOOR])


def test_age_and_sex_weigh_what_is_left_out() -> None:
    """At under two years d makes 4 of the 7 of c and d, above 1 of 4."""

    def background(case: Case) -> float:
        [fever] = [q for q in rank_questions(of(("a", 0.5), ("b", 0.3)), case, clinic()) if q.code == FEVER]
        return (fever.chance - 0.5 * 0.9 - 0.3 * 0.1) / 0.2

    assert background(CASE) == pytest.approx(0.425)
    assert background(replace(CASE, age=0.5)) == pytest.approx((0.3 * 0.5 + 0.4 * 0.2) / 0.7)
    both = [background(replace(CASE, age=age)) for age in (0.5, 3.0)]
    for case in (replace(CASE, age=None), replace(CASE, age=None, sex=None), replace(CASE, sex=None)):
        assert min(both) - 1e-9 <= background(case) <= max(both) + 1e-9
    assert background(replace(CASE, age=None, sex="M")) == pytest.approx(both[0])  # no man here is older


def test_coded_findings_weigh_what_is_left_out() -> None:
    """Nausea (.9 · 3 of c, .1 · 1 of d, first complaints at ¼ each) makes c likelier still, its absence d."""

    def background(present: bool) -> float:
        case = replace(CASE, findings=(Finding(NAUSEA, present),))
        [fever] = [q for q in rank_questions(LIST, case, clinic()) if q.code == FEVER]
        return (fever.chance - 0.5 * 0.9 - 0.3 * 0.1) / 0.2

    c, d = (0.25 + 0.75 * p for p in (CHANCE[2, 2], CHANCE[3, 2]))
    assert background(True) == pytest.approx((3 * c * 0.5 + d * 0.2) / (3 * c + d))
    c, d = 1 - c, 1 - d
    assert background(False) == pytest.approx((3 * c * 0.5 + d * 0.2) / (3 * c + d))


def test_what_matched_no_condition_is_like_something_else() -> None:
    [fever] = [q for q in rank_questions(of(("a", 0.5), (None, 0.3), ("zz", 0.1)), CASE, clinic()) if q.code == FEVER]
    kept = [after / before for after, before in zip(fever.if_yes, [0.5, 0.3, 0.1, 0.1], strict=True)]
    assert kept[1] == pytest.approx(kept[2]) == pytest.approx(kept[3])


def test_lists_that_leave_nothing_to_ask() -> None:
    assert rank_questions(of(), CASE, clinic()) == []
    assert max(q.gain for q in rank_questions(of(("a", 1.0)), CASE, clinic())) == pytest.approx(0)
    everything = of(("a", 0.25), ("b", 0.25), ("c", 0.25), ("d", 0.25))
    assert rank_questions(everything, CASE, clinic())[0].gain > 0
    with pytest.raises(InputError, match="membership"):
        rank_questions(replace(LIST, semantics="membership"), CASE, clinic())


def test_a_finding_that_is_stated_is_not_asked_about() -> None:
    coded = replace(CASE, findings=(Finding(FEVER, False),))
    written = replace(CASE, text="Afebrile, no nausea.")
    assert FEVER not in [q.code for q in rank_questions(LIST, coded, clinic())]
    assert [q.code for q in rank_questions(LIST, written, clinic())] == [COUGH]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Fever and chills.", {"fever", "chills"}),
        ("No fever, denies nausea.", {"fever", "nausea"}),
        ("AFEBRILE", {"fever"}),
        ("Known high blood pressure; does not smoke.", {"hypertension", "current smoking"}),
        ("Palpitation at night", {"palpitations"}),
        ("feverfew tea", set()),
        ("T 39.2, sats 90 %", set()),
        ("", set()),
    ],
)
def test_words_that_state_a_finding(text: str, names: set[str]) -> None:
    found = {load_findings()[code].name for code in stated_in_text(text)}
    assert names <= found if names else not found


def test_every_wording_without_a_value_states_its_finding() -> None:
    wordings = [
        (code, phrase)
        for code, definition in load_findings().items()
        for present, register in itertools.product((True, False), ("terse", "narrative"))
        for phrase in definition.phrases[present].get(register, ())
        if "{" not in phrase
    ]
    missed = [p for code, p in wordings if code not in stated_in_text(f"Well before. {p.capitalize()}, since noon.")]
    assert len(wordings) > 2000
    assert all(len(phrase.split()[-1]) <= 3 for phrase in missed)  # abbreviations so short are not looked for


def test_a_detail_states_its_parent_and_an_absent_parent_its_details() -> None:
    site, pain, intensity = "E_55", "E_53", "E_56"
    assert {site, pain} <= stated_findings(Case("c", findings=(Finding(site, True, "V_29"),)))
    assert intensity in stated_findings(Case("c", findings=(Finding(pain, False),)))
    assert intensity not in stated_findings(Case("c", findings=(Finding(pain),)))


def test_the_shipped_clinic_knows_what_tells_two_conditions_apart() -> None:
    vocabulary = load_vocabulary()
    pair = [vocabulary.by_key(key) for key in ("gerd", "myocardial_infarction")]
    listed = tuple(Diagnosis(i, c.name, 0.45, c.key) for i, c in enumerate(pair, start=1))
    found = rank_questions(Differential("c", listed), Case("c", 60, "M", (Finding("E_53"),), "Chest pain."))
    best = found[0]
    assert best.gain > 0.2 and best.kind in ("symptom", "antecedent")
    assert len(found) > 150 and len({q.code for q in found}) == len(found)
    assert "pregnant" not in {q.name for q in found}  # a man is not asked
    assert all(0 <= q.gain <= math.log2(3) and 0 < q.chance < 1 for q in found)
    assert [q.gain for q in found] == sorted((q.gain for q in found), reverse=True)


def test_every_example_case_can_be_asked_about() -> None:
    listed = of(("gerd", 0.4), ("pneumonia", 0.3), (None, 0.1))
    for demo in demo_cases():
        assert rank_questions(listed, demo.case, load_clinic(), most=3)


class Listens:
    """Takes a finding that is present for the diagnosis, one that is absent for none."""

    def __init__(self) -> None:
        self.batches: list[list[Case]] = []

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        self.batches.append(list(cases))
        for done in range(1, len(cases) + 1):
            if on_done:
                on_done(done)
        return [of(("a", 0.8 if case.findings[-1].present else 0.1)) for case in cases]


def test_the_model_answers_all_in_one_batch_with_progress() -> None:
    model, done = Listens(), list[int]()
    questions = rank_questions(LIST, CASE, clinic(), most=2)
    answers = answers_by_model(model, CASE, questions, done.append)  # type: ignore[arg-type]
    assert [a.question for a in answers] == questions and done == [1, 2, 3, 4]
    assert [(a.yes.diagnoses[0].confidence, a.no.diagnoses[0].confidence) for a in answers] == [(0.8, 0.1)] * 2
    [batch] = model.batches
    assert [case.findings[-1] for case in batch] == [Finding(q.code, p) for q in questions for p in (True, False)]
    assert all(case.findings[:-1] == CASE.findings for case in batch)


def test_an_answer_is_learned_last_and_the_text_stays() -> None:
    case = with_answer(Case("c", 3.0, "F", (Finding(COUGH),), "some text"), FEVER, False)
    assert case.findings == (Finding(COUGH), Finding(FEVER, False)) and case.text == "some text"
