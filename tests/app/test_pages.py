"""The app's pages, driven by Streamlit's own test harness; the model and the evaluation are those that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.parts import records
from ddx.differential import NOTICE
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder
from ddx.store import Store

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"
NO_MODEL = not (shipped_folder() / "model.json").exists() or not (cache_dir() / SMOLLM2).exists()


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviews of a test are kept in the test's own folder."""
    monkeypatch.setenv("DDX_STORE", str(tmp_path / "reviews.sqlite"))
    records.store.clear()


def open_app(page: str | None = None) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.run()
    if page:
        app.switch_page(f"app_pages/{page}.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    parts = [*app.get("html"), *app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    return " ".join(getattr(p, "value", None) or getattr(getattr(p, "proto", None), "body", "") for p in parts)


def test_every_page_says_what_it_is_not() -> None:
    for page in (None, "reliability", "about"):
        assert NOTICE in words(open_app(page))


def test_without_a_model_the_page_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DDX_MODEL", str(tmp_path))
    app = open_app()
    assert "ddx train" in app.error[0].value


def test_without_an_evaluation_the_page_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DDX_EVALUATION", str(tmp_path / "none.json"))
    assert "ddx eval" in open_app("reliability").info[0].value
    (tmp_path / "none.json").write_text("{not json")
    assert "not readable as JSON" in open_app("reliability").info[0].value


@pytest.mark.skipif(not (shipped_folder().parent / "evaluation" / "standard.json").exists(), reason="none shipped")
def test_the_reliability_page_shows_the_shipped_evaluation_at_every_choice() -> None:
    data = json.loads((shipped_folder().parent / "evaluation" / "standard.json").read_text(encoding="utf-8"))
    app = open_app("reliability")
    assert f"{data['n']:,} test cases" in words(app)
    for stage in data["metrics"]:
        app.selectbox(key="stage").set_value(stage).run()
        assert not app.exception
        assert f"{data['reliability']['item'][stage]['n_cases']:,}" in words(app)
    app.toggle(key="logit").set_value(True).run()
    assert not app.exception


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(NO_MODEL, reason=f"run `ddx models get {SMOLLM2}` first")
def test_ones_own_list_is_stored_before_the_models_is_shown() -> None:
    app = open_app()
    app.button(key="review_example").click().run()
    assert not app.exception and "Something else" not in words(app)
    review = app.session_state["open_review"].review
    app.text_area(key=f"own_{review.review_id}").set_value("Gout\n\n  septic   arthritis ")
    next(b for b in app.button if b.label == "Show the model's list").click().run()
    assert not app.exception and "Something else" in words(app)
    opened = app.session_state["open_review"]
    assert sum(d.confidence for d in opened.differential.diagnoses) + opened.differential.other == pytest.approx(1)
    with Store.open(records.where(), create=False) as store:
        assert store.get(review.review_id).review.own == ("Gout", "septic arthritis")
        assert [e.action for e in store.entries(review.review_id)][-3:] == ["saved"] * 3, "begun, own list, the model's"
        assert store.verify().intact


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(NO_MODEL, reason=f"run `ddx models get {SMOLLM2}` first")
def test_a_list_is_changed_confirmed_and_found_again(tmp_path: Path) -> None:
    app = reviewed()
    names = [k.name for k in app.session_state["open_review"].review.kept]
    app.button(key="Down_0").click().run()
    app.button(key="strike_2").click().run()
    review = app.session_state["open_review"].review
    assert [k.name for k in review.kept] == [names[1], names[0], *names[3:]] and review.struck[0].name == names[2]
    assert app.button(key="override").disabled, "a change needs a reason"
    app.text_input(key=f"why_{review.review_id}").set_value("the second fits the onset").run()
    app.button(key="override").click().run()
    assert not app.exception and "the second fits the onset" in app.success[0].value
    again = open_app()
    again.segmented_control(key="source").set_value("Earlier").run()
    box = again.selectbox(key="earlier")
    box.set_value(box.options[0] if isinstance(box.options[0], str) else box.options[0]).run()
    assert not again.exception
    assert again.session_state["open_review"].review == app.session_state["open_review"].review
    assert "the second fits the onset" in again.success[0].value


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(NO_MODEL, reason=f"run `ddx models get {SMOLLM2}` first")
def test_evidence_and_questions_are_made_once_and_shown() -> None:
    app = reviewed()
    review_id = app.session_state["open_review"].review.review_id
    for key, button in ((f"evidence_{review_id}", "make_evidence"), (f"ask_{review_id}", "make_questions")):
        app.session_state[key] = True  # opens the expander
        app.run()
        app.button(key=button).click().run()
        assert not app.exception
    opened = app.session_state["open_review"]
    assert opened.evidence.effects and opened.questions
    assert 'aria-label="Evidence for and against' in words(app) and "Chance of yes" in words(app)
    app.button(key="ask_both").click().run()
    assert not app.exception and len(opened.answers) == 1


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(NO_MODEL, reason=f"run `ddx models get {SMOLLM2}` first")
def test_markup_in_a_case_stays_text() -> None:
    app = open_app()
    app.toggle(key="own_first").set_value(False).run()
    app.segmented_control(key="source").set_value("My own case").run()
    app.text_area(key="own_text").set_value("<script>alert(1)</script> sore throat and fever")
    next(b for b in app.button if b.label == "Review this case").click().run()
    assert not app.exception and "Something else" in words(app)
    assert "<script>" not in words(app)


def reviewed() -> AppTest:
    """The first example with the model's list on the screen."""
    app = open_app()
    app.toggle(key="own_first").set_value(False).run()
    app.button(key="review_example").click().run()
    assert not app.exception and "Something else" in words(app)
    return app
