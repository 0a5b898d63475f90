"""The app's pages, driven by Streamlit's own test harness; the model and the evaluation are those that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ddx.differential import NOTICE
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"
NO_MODEL = not (shipped_folder() / "model.json").exists() or not (cache_dir() / SMOLLM2).exists()


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
def test_an_example_gets_a_differential_whose_parts_sum_to_one() -> None:
    app = open_app()
    app.button(key="review_example").click().run()
    assert not app.exception
    assert "Something else" in words(app)
    result = app.session_state["review_result"].differential
    assert sum(d.confidence for d in result.diagnoses) + result.other == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(NO_MODEL, reason=f"run `ddx models get {SMOLLM2}` first")
def test_markup_in_a_case_stays_text() -> None:
    app = open_app()
    app.segmented_control(key="source").set_value("My own case").run()
    app.text_area(key="own_text").set_value("<script>alert(1)</script> sore throat and fever").run()
    next(b for b in app.button if b.label == "Review this case").click().run()
    assert not app.exception
    assert "<script>" not in words(app)
