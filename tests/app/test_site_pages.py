"""The pages that look back, driven by Streamlit's own harness: reliability with the site's cases, compare, about."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from keyword_model import KeywordModel
from site_reviews import MODEL, fill
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.parts import calibrators
from app.parts.engine import Engine, InLine
from app.parts.evaluation import evaluation_file
from ddx.case import Case
from ddx.cli.main import app as command_line
from ddx.differential import Diagnosis, Differential
from ddx.explain.effects import effects_of
from ddx.explain.spans import span_changes
from ddx.service.worker import Worker
from ddx.store import Store
from ddx.vocabulary import load_vocabulary

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"
EVALUATION = evaluation_file()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a store and all that lies beside it."""
    monkeypatch.setenv("DDX_STORE", str(tmp_path / "reviews.sqlite"))
    monkeypatch.setenv("DDX_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DDX_CALIBRATORS", raising=False)
    monkeypatch.delenv("DDX_PHI", raising=False)
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "reviews.sqlite"
    fill(path, 150)
    return path


def open_page(page: str) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=300)
    app.switch_page(f"app_pages/{page}.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    parts = [*app.get("html"), *app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    return " ".join(getattr(p, "value", None) or getattr(getattr(p, "proto", None), "body", "") for p in parts)


def test_too_few_cases_are_one_line_with_how_many_lack(site: Path) -> None:
    fill(site / "reviews.sqlite", 20)
    app = open_page("reliability")
    assert "there are 20 reviewed cases, so 30 more are needed" in words(app)
    assert "5 more are needed" in words(app)
    assert app.button(key="recalibrate").disabled


def test_without_reviews_and_in_phi_mode_the_page_says_why(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No review was decided" in words(open_page("reliability"))
    monkeypatch.setenv("DDX_STORE", str(site / "phi.sqlite"))
    monkeypatch.setenv("DDX_PHI", "1")
    st.cache_resource.clear()
    assert "only hashes are stored" in words(open_page("reliability"))


def test_the_sites_cases_stand_beside_the_evaluation_with_their_number(site: Path, many: Path) -> None:
    shutil.copy(many, site / "reviews.sqlite")
    app = open_page("reliability")
    assert "This site: 150 reviewed cases" in words(app)
    assert "not of the one measured here" in words(app)
    for level in ("top1", "set"):
        app.segmented_control(key="level").set_value(level).run()
        assert not app.exception
    app.selectbox(key="stage").set_value("women and girls").run()
    assert "This site: 75 reviewed cases" in words(app)
    app.selectbox(key="stage").set_value("full").run()
    assert "there are 0 reviewed cases, so 50 more are needed" in words(app)


def test_a_calibrator_is_made_compared_put_into_use_and_rolled_back(site: Path, many: Path) -> None:
    shutil.copy(many, site / "reviews.sqlite")
    answer = Differential("c", (Diagnosis(1, "Gout", 0.9),), model=MODEL)
    app = open_page("reliability")
    assert calibrators.apply(answer) is answer
    app.text_input(key="site_who").set_value("reviewer 1").run()
    app.button(key="recalibrate").click().run()
    assert not app.exception and calibrators.active() is None  # a version alone changes nothing
    assert "Version 1" in words(app) and "better" in words(app)
    app.button(key="site_activate").click().run()
    assert (active := calibrators.active()) and active.number == 1 and active.n_cases == 150
    found = calibrators.apply(answer)
    assert found.model["site_calibrator"]["sha256"] == active.sha256
    assert found.diagnoses[0].confidence < 0.9
    assert "calibrator 1, fitted on 150 reviewed cases" in str(calibrators.notice(found))
    app.button(key="recalibrate").click().run()
    app.selectbox(key="site_version").set_value(2).run()
    app.button(key="site_activate").click().run()
    assert (active := calibrators.active()) and active.number == 2
    app.button(key="site_roll_back").click().run()
    assert (active := calibrators.active()) and active.number == 1
    app.button(key="site_roll_back").click().run()
    assert calibrators.active() is None and calibrators.notice(answer) is None
    assert [one.actor for one in calibrators.folder().history()] == ["reviewer 1"] * 4
    first, second = (one.sha256 for one in calibrators.folder().versions())
    with Store.open(site / "reviews.sqlite", create=False) as store:
        entries = store.entries("site_calibrator")[::-1]
        assert store.verify().intact
    assert [(one.actor, one.action, dict(one.rows)) for one in entries] == [
        ("reviewer 1", "calibrator made", {"site_calibrator/made/1": first}),
        ("reviewer 1", "calibrator put into use",
         {"site_calibrator/now/1": first, "site_calibrator/before/none": None}),
        ("reviewer 1", "calibrator made", {"site_calibrator/made/2": second}),
        ("reviewer 1", "calibrator put into use",
         {"site_calibrator/now/2": second, "site_calibrator/before/1": first}),
        ("reviewer 1", "calibrator rolled back",
         {"site_calibrator/now/1": first, "site_calibrator/before/2": second}),
        ("reviewer 1", "calibrator rolled back",
         {"site_calibrator/now/none": None, "site_calibrator/before/1": first}),
    ]  # fmt: skip
    assert not app.exception


def test_evidence_is_weighed_in_the_confidences_of_the_list(site: Path, many: Path) -> None:
    model = KeywordModel()
    model.info = dict(MODEL)
    model.vocabulary = load_vocabulary()  # type: ignore[attr-defined]
    case = Case("c", text="Tight chest. Tired.")
    with closing(Worker(model)) as worker:
        engine = Ready(model, worker)
        own = effects_of(InLine(engine, calibrators.apply), case, span_changes(case))  # type: ignore[arg-type]
        shutil.copy(many, site / "reviews.sqlite")
        app = open_page("reliability")
        app.button(key="recalibrate").click().run()
        app.button(key="site_activate").click().run()
        finding = effects_of(InLine(engine, calibrators.apply), case, span_changes(case))  # type: ignore[arg-type]
    assert finding.differential == calibrators.apply(own.differential) != own.differential
    key = "Possible NSTEMI / STEMI"
    assert 0 < finding.effects[0].weights[key] < own.effects[0].weights[key]


def test_any_part_of_the_app_can_be_imported_first() -> None:
    """Whichever page is opened first; in a process of its own, as a circle of imports shows only there."""
    names = [f"app.parts.{part.stem}" for part in (MAIN.parent / "parts").glob("[a-z]*.py")]
    code = (
        "import importlib, sys\n"
        f"for name in {names}:\n"
        "    for known in [m for m in sys.modules if m.split('.')[0] == 'app']: del sys.modules[known]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=MAIN.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


class Ready(Engine):
    """An engine whose model is there already."""

    def __init__(self, model: Any, worker: Worker) -> None:
        self._ready = (model, worker)

    def loaded(self) -> tuple[Any, Worker]:
        return self._ready


def test_what_cant_be_logged_is_not_done_and_the_page_says_so(site: Path, many: Path) -> None:
    shutil.copy(many, site / "reviews.sqlite")
    app = open_page("reliability")
    app.button(key="recalibrate").click().run()
    with closing(sqlite3.connect(site / "reviews.sqlite")) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'no room'); END")
    app.button(key="site_activate").click().run()
    assert "no room" in words(app) and not app.exception
    assert calibrators.active() is None and calibrators.folder().history() == ()
    app.button(key="recalibrate").click().run()
    assert "no room" in words(app) and [one.number for one in calibrators.folder().versions()] == [1]
    with closing(sqlite3.connect(site / "reviews.sqlite")) as connection:
        connection.execute("DROP TRIGGER full")
    app.button(key="site_activate").click().run()
    assert (active := calibrators.active()) and active.number == 1
    app.button(key="site_off").click().run()
    with Store.open(site / "reviews.sqlite", create=False) as store:
        assert [one.action for one in store.entries("site_calibrator")] == [
            "calibrator switched off", "calibrator put into use", "calibrator made"
        ]  # fmt: skip
        assert store.verify().intact


def test_an_answer_of_another_model_is_left_as_it_is(site: Path, many: Path) -> None:
    shutil.copy(many, site / "reviews.sqlite")
    app = open_page("reliability")
    app.button(key="recalibrate").click().run()
    app.button(key="site_activate").click().run()
    other = Differential("c", (Diagnosis(1, "Gout", 0.9),), model={**MODEL, "adapter_sha256": "00" * 32})
    assert calibrators.apply(other) is other
    assert "fitted for another model" in str(calibrators.notice(other))
    path = next(calibrators.folder().path.glob("site-*.json"))
    path.write_text("{}")
    assert calibrators.apply(other) is other
    assert "could not be used" in str(calibrators.notice(other))
    assert "not a site calibrator" in words(open_page("reliability"))


def other_run(folder: Path, rows: int = 2000, shift: bool = True) -> None:
    """The shipped evaluation again as another run, with its first diagnoses a little worse."""
    import pandas as pd

    folder.mkdir()
    result = json.loads(EVALUATION.read_text(encoding="utf-8"))
    result["model"]["id"] = "tests/other"
    (folder / "other.json").write_text(json.dumps(result))
    cases = pd.read_parquet(EVALUATION.with_suffix(".cases.parquet")).head(rows)
    if shift:
        cases.loc[::10, "pass@1"] = 0.0
    else:
        cases["case_id"] = [f"x{i}" for i in range(len(cases))]
    cases.to_parquet(folder / "other.cases.parquet")


def test_two_evaluations_are_compared_on_the_same_cases(site: Path) -> None:
    other_run(site / "runs")
    app = open_page("compare")
    assert app.selectbox(key="compare_first").value == "Shipped evaluation"
    assert app.selectbox(key="compare_second").value == "other"
    assert "2,000 cases in common" in words(app)
    assert "All stages together: other is worse" in words(app)
    app.selectbox(key="compare_metric").set_value("log_loss").run()
    assert "no difference that can be told from chance" in words(app)
    app.selectbox(key="compare_stage").set_value("half").run()
    assert not app.exception


def test_what_is_not_the_same_cases_is_refused_in_one_line(site: Path) -> None:
    other_run(site / "runs", shift=False)
    app = open_page("compare")
    assert "the runs share 0 of 2000 cases" in app.error[0].value


def test_uploaded_evaluations_join_and_half_of_one_is_refused(site: Path) -> None:
    other_run(site / "up")
    app = open_page("compare")
    assert "not two evaluations" in app.info[0].value
    content = (site / "up" / "other.json").read_bytes()
    app.file_uploader(key="compare_files").set_value([("other.json", content, "application/json")]).run()
    assert app.error[0].value.startswith("other.cases.parquet: not there")
    app = open_page("compare")
    cases = (site / "up" / "other.cases.parquet").read_bytes()
    files = [("other.json", content, "application/json"), ("other.cases.parquet", cases, "application/octet-stream")]
    app.file_uploader(key="compare_files").set_value(files).run()
    assert "2,000 cases in common" in words(app)


def test_agreement_over_time_with_its_numbers(site: Path, many: Path) -> None:
    shutil.copy(many, site / "reviews.sqlite")
    app = open_page("compare")
    app.segmented_control(key="compare_part").set_value("Clinicians and the model over time").run()
    assert not app.exception
    assert "150 reviews in 8 months from 2026-01 on" in words(app)
    app.segmented_control(key="time_step").set_value("week").run()
    assert "with fewer than 12 reviews in grey" in words(app)
    app.selectbox(key="time_reviewer").set_value("reviewer 1").run()
    assert "75 reviews" in words(app)


def test_about_says_what_is_kept_where(site: Path) -> None:
    text = words(open_page("about"))
    for part in (str(site / "reviews.sqlite"), str(site / "site_calibrators"), "Apache-2.0", "CC-BY 4.0", "@"):
        assert part in text


def test_about_says_how_long_reviews_are_kept_and_what_changes_that(
    site: Path, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "none yet" in words(open_page("about"))
    shutil.copy(many, site / "other.sqlite")
    monkeypatch.setenv("DDX_STORE", str(site / "other.sqlite"))
    st.cache_resource.clear()
    text = words(open_page("about"))
    assert "150; the oldest was last changed on 2026-01-05" in text
    assert "ever: nothing is erased by itself" in text
    command = re.search("ddx (audit retention) STORE (--set) DAYS", text)
    assert command is not None
    done = CliRunner().invoke(command_line, [*command[1].split(), str(site / "other.sqlite"), command[2], "400"])
    assert done.exit_code == 0
    assert "400 days after the last change" in words(open_page("about"))
