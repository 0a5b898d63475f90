"""The batch page, driven by Streamlit's own harness; jobs run with the keyword rule in place of the language model."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scoring"))

import keyword_worker  # noqa: E402

from app.parts import engine  # noqa: E402
from ddx.differential import NOTICE  # noqa: E402
from ddx.scoring import jobs  # noqa: E402
from ddx.scoring.jobs import Job, all_jobs  # noqa: E402

CASES = "\n".join(
    [
        "case_id,age,sex,text,note",
        "c1,58,M,heavy chest pain,first",
        "c2,31,F,wheezing at night,second",
        "c3,abc,F,a cough,third",
        "c4,4,M,fever,fourth",
    ]
).encode()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DDX_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("KEYWORD_SECONDS", "0")
    monkeypatch.setattr(jobs, "WORKER", keyword_worker.COMMAND)
    monkeypatch.setattr(engine, "missing", lambda: None)
    return tmp_path / "jobs"


def batch() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120)
    app.run()
    app.switch_page("app_pages/batch.py").run()
    assert not app.exception
    return app


def uploaded(content: bytes = CASES, name: str = "Ward 7.csv") -> AppTest:
    app = batch()
    app.file_uploader[0].upload(name, content).run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    parts = [*app.get("html"), *app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.success]
    found = (getattr(p, "value", None) or getattr(getattr(p, "proto", None), "body", "") for p in parts)
    return " ".join(found).replace("&#x27;", "'").replace("\\", "")


def only_job() -> Job:
    (job,) = all_jobs()
    return job


def ended(state: str = "finished") -> None:
    end = time.monotonic() + 240
    while only_job().status().active and time.monotonic() < end:
        time.sleep(0.05)
    assert only_job().status().state == state, only_job().status()


def finished(content: bytes = CASES) -> AppTest:
    app = uploaded(content)
    app.button(key="batch_start").click().run()
    assert not app.exception
    ended()
    return app.run()


def select(app: AppTest, key: str) -> object:
    return app.selectbox(key=f"{key}_{only_job().id}")


def test_the_page_says_where_tables_are_kept_and_what_it_is_not(folder: Path) -> None:
    text = words(batch())
    assert str(folder) in text and "until you delete them" in text and NOTICE in text


def test_an_upload_is_looked_over_before_anything_is_scored() -> None:
    app = uploaded()
    text = words(app)
    assert "Ward 7.csv: CSV, UTF-8, separator comma; 4 rows" in text
    assert "Carried along: note" in text
    assert "1 of the 4 rows can't be scored (age 1)" in text
    assert "Row 4, column age: 'abc' is not a number of years" in text
    assert "Score 4 rows" in [button.label for button in app.button]
    assert only_job().status().state == "new"


def test_from_start_to_results_filters_and_review() -> None:
    app = finished()
    text = words(app)
    assert "<dt>Rows</dt><dd>4<" in text and "<dt>Answered</dt><dd>3<" in text and "age 1" in text
    assert text.index("Possible NSTEMI / STEMI") < text.index("Bronchospasm")
    assert "error: row 4, column age" in text
    id = only_job().id

    def rows() -> str:
        assert not app.exception
        return next(h.proto.body for h in app.get("html") if h.proto.body.startswith('<table class="ddx-rows"'))

    select(app, "order").set_value("confidence, low first").run()
    assert rows().index("Viral infection") < rows().index("NSTEMI")
    select(app, "alarm").set_value("first").run()
    assert "No row fits" in words(app)  # the rule's names are not the vocabulary's
    select(app, "alarm").set_value(None).run()
    app.text_input(key=f"search_{id}").set_value("WHEEZ").run()
    assert "c2<" in rows() and "c1<" not in rows()
    app.text_input(key=f"search_{id}").set_value("nowhere").run()
    assert "No row fits" in words(app)
    app.text_input(key=f"search_{id}").set_value("").run()
    app.multiselect(key=f"kinds_{id}").set_value(["error"]).run()
    assert "c3<" in rows() and "c1<" not in rows()
    app.multiselect(key=f"kinds_{id}").set_value([]).run()
    app.slider(key=f"confidence_{id}").set_value((50, 65)).run()
    assert "c1<" in rows() and "c2<" not in rows() and "c3<" not in rows()
    select(app, "row").set_value(0).run()
    assert "heavy chest pain" in words(app)
    app.button(key="batch_review").click().run()
    assert not app.exception
    assert app.title[0].value == "Review a case"
    assert app.text_area(key="own_text").value == "heavy chest pain"
    state = app.session_state
    assert (state["own_age"], state["own_sex"], state["source"]) == (58.0, "M", "My own case")


def test_a_row_that_is_no_case_cannot_be_opened() -> None:
    app = finished()
    select(app, "row").set_value(2).run()
    assert "This row can't be scored" in words(app)
    assert "batch_review" not in [button.key for button in app.button]


def test_columns_by_other_names_are_chosen_and_kept() -> None:
    content = b"Nr;Alter;Geschlecht;Anamnese;Befund\n1;58;W;chest pain;none\n2;7,5;M;wheezing;wet\n"
    app = uploaded(content, "Ambulanz.csv")
    assert "none called text, findings or EVIDENCES" in words(app)
    assert "--map" not in words(app)
    for name, header in {"case_id": "Nr", "age": "Alter", "sex": "Geschlecht", "text": "Anamnese"}.items():
        app.selectbox(key=f"column_{only_job().id}_{name}").set_value(header).run()
    assert not app.exception
    assert "1 of the 2 rows can't be scored (sex 1)" in words(app)
    app.selectbox(key=f"sex_{only_job().id}_W").set_value("F").run()
    app.multiselect(key=f"text_{only_job().id}").set_value(["Befund"]).run()
    assert "all 2 rows can be scored" in words(app)
    mapping = only_job().order.mapping
    assert mapping.columns == {"case_id": "Nr", "age": "Alter", "sex": "Geschlecht", "text": "Anamnese"}
    assert (mapping.values, mapping.text_columns) == ({"sex": {"W": "F"}}, ("Befund",))
    again = batch()  # as after a reload
    assert "all 2 rows can be scored" in words(again)
    again.button(key="batch_start").click().run()
    ended()
    again.run()
    assert "<dt>Answered</dt><dd>2<" in words(again)
    assert json.loads(only_job().sidecar.read_text())["input"]["values"] == {"sex": {"W": "F"}}


def test_cancel_resume_and_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.3")
    many = b"text\n" + b"".join(b"chest pain %d\n" % i for i in range(300))
    app = uploaded(many)
    app.button(key="batch_start").click().run()
    end = time.monotonic() + 240
    while only_job().status().done < 100 and time.monotonic() < end:
        time.sleep(0.05)
    app.run()
    assert "of 300 rows" in words(app)
    app.button(key="batch_cancel").click().run()
    ended("cancelled")
    app = batch()  # another session, as after a restart
    assert "The job was cancelled" in words(app)
    monkeypatch.setenv("KEYWORD_SECONDS", "0")
    app.button(key="batch_resume").click().run()
    ended()
    app.run()
    assert "<dt>Answered</dt><dd>300<" in words(app)
    assert "All 300 rows" in words(app)
    app.button(key="batch_delete").click().run()
    assert not app.exception
    assert all_jobs() == []


def test_a_file_that_is_no_table_is_refused_in_one_line() -> None:
    app = uploaded(b"\x00\x01\x02", "x.xlsx")
    assert app.error[0].value.replace("\\", "").startswith("x.xlsx: a damaged Excel workbook")
    assert "batch_start" not in [button.key for button in app.button]
    app = uploaded(json.dumps([{"text": "x"}]).encode(), "list.json")
    assert "write one object a line" in app.error[0].value.replace("\\", "")


def test_markup_in_a_table_stays_text() -> None:
    content = b"text,<b>note</b>\n<script>alert(1)</script> chest,**x** ![](http://example.org/a.png)\n"
    app = uploaded(content, "![](http://example.org/b.png)<i>.csv")
    app.button(key="batch_start").click().run()
    ended()
    app.run()
    select(app, "row").set_value(0).run()
    text = words(app)
    assert "<script>" not in text and "<b>note" not in text and "<i>" not in text
    assert not [m for m in app.markdown if "http" in m.value]
