"""Parts of a case: cut without loss, weighed by what the model answers without them, and held against quotes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.case import Case, Finding
from ddx.data.case_sets import load_case_set
from ddx.data.demo import demo_cases
from ddx.data.quotes import locate
from ddx.data.vignettes import GoldDiagnosis, Vignette
from ddx.differential import Diagnosis, Differential
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.evaluation.outside import differential_figures, outside_figures
from ddx.explain.agreement import span_agreement, supported
from ddx.explain.effects import FLOOR, effects_of, log_odds
from ddx.explain.findings import finding_changes, finding_effects
from ddx.explain.spans import MOST, evidence_spans, span_changes, split, without
from ddx.provenance import shipped_folder
from ddx.vignette import render
from ddx.vocabulary import load_vocabulary

CONDITIONS = len(load_vocabulary())
# nats that a word adds to the log-odds of a condition, from −1 up
WEIGHTS = {"pneumonia": {"fever": 2.0, "cough": 1.0, "well": -1.5}, "gerd": {"burning": 3.0, "fever": -1.0}}


class WordModel:
    """Independent evidence: each word of `WEIGHTS` in a case adds its nats. A case without "seen" has no answer."""

    vocabulary = load_vocabulary()

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        self.batches.append([render(case) for case in cases])
        return [self._answer(case.case_id, render(case).lower()) for case in cases]

    def _answer(self, case_id: str, text: str) -> Differential:
        if "seen" not in text:
            return Differential(case_id, (), status="empty")
        odds = {key: -1 + sum(w for word, w in words.items() if word in text) for key, words in WEIGHTS.items()}
        q = {key: 1 / (1 + math.exp(-x)) for key, x in odds.items()}
        return Differential(
            case_id, tuple(Diagnosis(i, k, x, k) for i, (k, x) in enumerate(q.items(), 1)), "membership"
        )


def parts(text: str) -> list[str]:
    return [text[slice(*span)] for span in split(text)]


words = st.sampled_from(
    ["He", "has", "fever", "38.5", "16,400/mm3", "Dr.", "e.g.", "(AFP)", "C.", "no", "2 h", "«x»", "–"]
)
texts = st.lists(st.tuples(words, st.sampled_from([" ", " ", ", ", ". ", "; ", "? ", "\n", "... "])), max_size=60).map(
    lambda pairs: "".join(word + gap for word, gap in pairs)
)


@given(texts)
def test_parts_cover_the_text_in_order(text: str) -> None:
    spans = split(text)
    assert all(a < b for a, b in spans) and all(b <= c for (_, b), (c, _) in zip(spans, spans[1:], strict=False))
    assert "".join("".join(parts(text)).split()) == "".join(text.split())


@given(texts, st.data())
def test_leaving_a_part_out_leaves_every_other_word(text: str, data: st.DataObject) -> None:
    spans = split(text)
    if not spans:
        return
    start, end = data.draw(st.sampled_from(spans))
    left = re.findall(r"\w+", without(text, (start, end)).casefold())
    assert left == re.findall(r"\w+", f"{text[:start]} {text[end:]}".casefold())


def test_where_a_text_is_cut() -> None:
    assert parts("Seen at 3 a.m. by Dr. Lee. Grew C. difficile. T 38.5 °C! Well?\nYes") == [
        "Seen at 3 a.m. by Dr. Lee.", "Grew C. difficile.", "T 38.5 °C!", "Well?", "Yes",
    ]  # fmt: skip
    short = "Fever, chills, cough."  # a short sentence is one part
    assert parts(short) == [short]
    long = "For two days he has had a fever of 39.2, chills at night; and white cells of 16,400/mm3 today."
    assert parts(long) == [
        "For two days he has had a fever of 39.2,", "chills at night;", "and white cells of 16,400/mm3 today.",
    ]  # fmt: skip


def test_a_long_text_has_no_more_than_the_most_parts() -> None:
    text = "He said so, then he went home again, and then he came back, in the end. " * 100
    assert 1 < len(split(text)) <= MOST
    assert "".join("".join(parts(text)).split()) == "".join(text.split())


CASE = Case("c", text="Seen today. He has a fever. He has a cough. It is burning. He looks well.")


def test_weights_are_those_of_the_model_in_one_batch() -> None:
    model = WordModel()
    evidence = evidence_spans(model, CASE)  # type: ignore[arg-type]
    assert len(model.batches) == 1 and len(model.batches[0]) == 6
    weights = {e.change.text: e.weights for e in evidence.effects}
    assert weights["He has a fever."] == pytest.approx({"pneumonia": 2.0, "gerd": -1.0})
    assert weights["It is burning."] == pytest.approx({"pneumonia": 0.0, "gerd": 3.0}, abs=1e-9)
    assert [e.change.text for e in evidence.ranked("pneumonia")][:2] == ["He has a fever.", "He has a cough."]
    assert evidence.ranked("pneumonia")[-1].change.text == "He looks well."


def test_the_middle_is_the_zero_where_there_are_parts_enough() -> None:
    text = "Seen. A fever. A cough. It is burning. He looks well. He is tall. He is 40."
    few = evidence_spans(WordModel(), CASE)  # type: ignore[arg-type]
    many = evidence_spans(WordModel(), Case("c", text=text))  # type: ignore[arg-type]
    assert (few.middle("gerd"), many.middle("gerd")) == (0, pytest.approx(0, abs=1e-9))
    shifted = [replace(e, weights={"gerd": e.weights["gerd"] + 0.9}) for e in many.effects]
    assert replace(many, effects=tuple(shifted)).middle("gerd") == pytest.approx(0.9)


def test_a_variant_without_an_answer_weighs_nothing() -> None:
    evidence = evidence_spans(WordModel(), CASE, ["pneumonia"])  # type: ignore[arg-type]
    [silent] = [e for e in evidence.effects if e.change.text == "Seen today."]
    assert math.isnan(silent.weights["pneumonia"]) and silent not in evidence.ranked("pneumonia")


def test_a_single_statement_has_no_parts_to_leave_out() -> None:
    assert span_changes(Case("c", text="Seen with a fever.")) == []
    assert [c.case.text for c in span_changes(Case("c", text="A fever.", findings=(Finding("E_91"),)))] == [""]
    assert evidence_spans(WordModel(), Case("c", text="Seen today.")).effects == ()  # type: ignore[arg-type]


def test_an_unlisted_diagnosis_is_never_above_the_last_one_listed() -> None:
    listed = (Diagnosis(1, "A", 0.30, "a"), Diagnosis(2, "B", 0.002, "b"))
    assert log_odds(Differential("", listed), "c", CONDITIONS) == log_odds(Differential("", listed), "b", CONDITIONS)
    certain = Differential("", (Diagnosis(1, "A", 1.0, "a"),))
    assert log_odds(certain, "a", CONDITIONS) == pytest.approx(-log_odds(certain, "c", CONDITIONS))
    assert log_odds(certain, "a", CONDITIONS) == pytest.approx(9.21, abs=0.01)
    member = Differential("", listed, "membership")
    assert log_odds(member, "c", CONDITIONS) == pytest.approx(math.log(FLOOR), abs=1e-3)
    unmatched = Differential("", (Diagnosis(1, "Gout", 0.5),))
    assert log_odds(unmatched, "Gout", CONDITIONS) == 0


def test_findings_are_removed_with_their_details_and_reversed() -> None:
    codes = ["E_53", "E_55_@_V_29", "E_55_@_V_101", "-E_91", "E_201"]
    case = Case.from_dict({"findings": codes})
    changes = {(c.text, c.kind): render(c.case) for c in finding_changes(case)}
    assert changes == {
        ("In pain; pain in the lower chest and upper chest", "removed"): "No fever; cough.",
        ("In pain; pain in the lower chest and upper chest", "reversed"): "Pain-free; no fever; cough.",
        ("Pain in the lower chest and upper chest", "removed"): "In pain; no fever; cough.",
        ("No fever", "removed"): "In pain; pain in the lower chest and upper chest; cough.",
        ("No fever", "reversed"): "In pain; pain in the lower chest and upper chest; fever; cough.",
        ("Cough", "removed"): "In pain; pain in the lower chest and upper chest; no fever.",
        ("Cough", "reversed"): "In pain; pain in the lower chest and upper chest; no fever; no cough.",
    }


def test_a_finding_alone_can_only_be_reversed() -> None:
    [change] = finding_changes(Case.from_dict({"findings": ["E_91"]}))
    assert (change.kind, render(change.case), change.findings) == ("reversed", "No fever.", (Finding("E_91"),))


def test_findings_weigh_as_the_model_answers() -> None:
    case = Case.from_dict({"text": "Seen.", "findings": ["E_201", "E_91"]})
    evidence = finding_effects(WordModel(), case, ["pneumonia"])  # type: ignore[arg-type]
    weights = {(e.change.text, e.change.kind): e.weights["pneumonia"] for e in evidence.effects}
    assert weights["Fever", "removed"] == pytest.approx(2.0)
    assert weights["Fever", "reversed"] == pytest.approx(0.0, abs=1e-9)  # "no fever" says the word, too


def vignette(case: Case, *gold: tuple[str, str | None, list[str]]) -> Vignette:
    found = tuple(GoldDiagnosis(name, key, None, locate(quotes, case.text)) for name, key, quotes in gold)
    return Vignette(case, "", None, "mine", case.case_id, found)


def test_agreement_with_quotes() -> None:
    model = WordModel()
    right = vignette(CASE, ("Pneumonia", "pneumonia", ["has a fever", "a cough"]), ("Gout", None, ["burning"]))
    wrong = vignette(CASE, ("Reflux", "gerd", ["He looks well"]))
    none = vignette(CASE, ("Reflux", "gerd", ["no such words"]), ("Gout", None, ["fever"]))
    answers = model.predict_many([CASE] * 3)
    assert [supported(v, a) for v, a in zip([right, wrong, none], answers, strict=True)] == [
        ["pneumonia"],
        ["gerd"],
        [],
    ]
    found = span_agreement(model, [right, wrong, none], answers)  # type: ignore[arg-type]
    assert (found["cases"], found["diagnoses"], found["generations"]) == (2, 2, 12)
    # of four parts (the first one has no answer): fever and cough first; burning, cough and well, fever
    assert found["auroc"]["value"] == pytest.approx((1.0 + 1.5 / 3) / 2)
    assert found["top1"]["value"] == pytest.approx((1.0 + 0.0) / 2)
    assert found["top3"]["value"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["chance"]["value"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found["top1_minus_chance"]["value"] == pytest.approx((0.5 - 0.25) / 2)
    assert found["auroc"]["n"] == 2
    assert span_agreement(model, [right, wrong], answers[:2], limit=1)["cases"] == 1  # type: ignore[arg-type]


def test_figures_of_gold_differentials() -> None:
    keys = [c.key for c in load_vocabulary()]
    listed = tuple(Diagnosis(i, k, 0.2, k) for i, k in enumerate([keys[0], keys[1], keys[2]], 1))
    cases = [
        vignette(CASE, ("a", keys[1], ["fever", "zzzzzzzz"]), ("b", keys[5], []), ("c", None, [])),
        vignette(CASE, ("c", None, [])),
    ]
    found = differential_figures(cases, [Differential("1", listed), Differential("2", listed)])
    inside, out = found["in_vocabulary"], found["out_of_vocabulary"]
    assert {k: inside[k]["value"] for k in ("recall@1", "recall@3", "recall@5", "hit@1", "hit@3", "gold")} == {
        "recall@1": 0.0, "recall@3": 0.5, "recall@5": 0.5, "hit@1": 0.0, "hit@3": 1.0, "gold": 2.0,
    }  # fmt: skip
    assert inside["precision"]["value"] == pytest.approx(1 / 3)
    assert (inside["hit@1"]["n"], out["something_else"]["n"]) == (1, 1)
    assert out["something_else"]["value"] == pytest.approx(0.4)
    assert found["quotes"] == {"n": 2, "located": 1, "word_for_word": 1}
    assert found["cases"][0]["gold"] == [keys[1], keys[5]]


def test_cases_go_where_their_gold_belongs(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "case_id,text,gold,gold_differential\n"
        "1,Seen fever.,Pneumonia,\n2,Seen burning.,Gout,\n3,Seen.,,Pneumonia|Gout\n4,Seen.,,\n"
    )
    vignettes = load_case_set(tmp_path / "mine.csv")
    found = outside_figures(vignettes, WordModel().predict_many([v.case for v in vignettes]))
    assert found["in_vocabulary"]["pass@1"]["n"] == 1
    assert found["out_of_vocabulary"]["confidence_first"]["n"] == 1
    assert found["gold_differential"]["n"] == 1 and "open_xddx" not in found
    assert found["without_gold"] == 1
    assert "fever" not in str(found).lower()
    answers = WordModel().predict_many([v.case for v in vignettes])
    found = outside_figures(vignettes, answers, WordModel(), spans=True)  # type: ignore[arg-type]
    assert found["gold_differential"]["spans"]["cases"] == 0  # a table has no quotes


@pytest.mark.model
@pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model")
@pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
def test_the_decisive_finding_speaks_for_its_diagnosis() -> None:
    from ddx.model import load_model

    [demo] = [d for d in demo_cases() if d.case.case_id == "demo-007"]
    [fish] = [c for c in span_changes(demo.case) if "tuna steak" in c.text]  # and the flush half an hour after it
    evidence = effects_of(load_model(), demo.case, [fish])
    assert evidence.differential.diagnoses[0].key == "scombroid"
    assert evidence.effects[0].weights["scombroid"] > 1
