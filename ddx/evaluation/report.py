"""The evaluation as one HTML file that needs nothing else: what was found, on whom, and how to check it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ddx.differential import NOTICE
from ddx.evaluation import charts, tables
from ddx.evaluation.promise_tables import promise_rows
from ddx.evaluation.subgroups import SMALL
from ddx.evaluation.words import LEVELS, OUTCOMES, STAGES, UNITS, cell, interval
from ddx.vocabulary import load_vocabulary

__all__ = ["to_html"]

_HEADS = {"all": "all", "initial": "first finding", "quarter": "a quarter", "half": "half", "full": "all findings"}
_SUBGROUP_ROWS = {
    "pass@1": "first diagnosis right",
    "pass@3": "among the first three",
    "brier_list": "Brier score of the list (lower is better)",
}


def to_html(result: Mapping[str, Any]) -> str:
    """The report of what `ddx eval` wrote. Everything that a model or a file said is escaped."""
    page = _environment().get_template("report.html.jinja")
    return page.render(
        result=result,
        notice=NOTICE,
        stages=[_HEADS[s] for s in result["metrics"]],
        headline=_headline(result),
        rows=[*tables.figure_rows(result), *tables.sizes(result)],
        differences=tables.difference_rows(result),
        ways=tables.ways(result, _HEADS),
        outside=tables.outside_lines(result),
        rescaled=_rescaled(result["calibrator"].get("rescaled")),
        diagrams=[_diagram(result["reliability"][level]["all"], level) for level in LEVELS],
        by_group=[
            (STAGES.get(group, group), _picture(found, "item", 0.62), charts.in_words(found, "diagnosis"))
            for group, found in result["reliability"]["item"].items()
            if group != "all" and found["bins"]
        ],
        subgroups=_subgroups(result),
        selective=_selective(result),
        promises=promise_rows(result),
        decision=_decision(result),
        small=SMALL,
        examples=[{**e, "stage": STAGES[e["stage"]]} for e in result["examples"]],
        checklist=_checklist(result),
    )


def _headline(result: Mapping[str, Any]) -> list[str]:
    """The findings in sentences, figures with interval and n."""
    figures = result["metrics"]
    lines = []
    for stage in (s for s in ("initial", "full") if s in figures):
        first, n = figures[stage]["pass@1"], figures[stage]["pass@1"]["n"]
        lines.append(
            f"{STAGES[stage]}: the first diagnosis was the patient's condition in {interval(first, 'percent')} "
            f"of {n:,} cases, and among the first three in {interval(figures[stage]['pass@3'], 'percent')}."
        )
    inside = [s for s in figures if s != "all" and figures[s].get("ece_item", {}).get("within_null")]
    outside = [s for s in figures if s != "all" and figures[s].get("ece_item", {}).get("within_null") is False]
    if inside:
        lines.append(
            "Confidence: the calibration error of a diagnosis is what a perfectly calibrated model would score at "
            f"{_and(inside)}" + (f", and larger at {_and(outside)}." if outside else ".")
        )
    elif outside:
        lines.append(f"Confidence: the calibration error is larger than chance explains at {_and(outside)}.")
    worse = [s for s, f in result["minus_tabular"].items() if s != "all" and f["pass@1"]["high"] < 0]
    lines.append(
        f"Against the tabular classifier the first diagnosis is less often right at {_and(worse)} (95 % intervals)."
        if worse
        else "Against the tabular classifier, no stage shows the first diagnosis less often right (95 % intervals)."
    )
    return lines


def _rescaled(found: Mapping[str, int] | None) -> str:
    if found is None:
        return ""
    return f"{found['count']:,} of {found['n']:,} lists added up to more than 100 % and were divided by their sum."


def _and(stages: list[str]) -> str:
    words = [f"“{STAGES[s].lower()}”" for s in stages]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _diagram(found: Mapping[str, Any], level: str) -> dict[str, Any]:
    chart = charts.reliability_chart(found, charts.LIGHT, False, OUTCOMES[level]).to_dict()
    spec = json.dumps(chart, separators=(",", ":")).encode("utf-8")
    return {
        "title": LEVELS[level],
        "svg": _picture(found, level, 0.75),
        "histogram": _svg(charts.histogram(found, charts.LIGHT).properties(width=0.75 * charts.SIDE).to_dict()),
        "words": charts.in_words(found, UNITS[level]),
        "bins": Markup(charts.bins_table(found)),
        "spec": "data:application/json;base64," + base64.b64encode(spec).decode("ascii"),
        "found": found,
    }


def _picture(found: Mapping[str, Any], level: str, scale: float) -> Markup:
    chart = charts.reliability_chart(found, charts.LIGHT, False, OUTCOMES[level])
    side = charts.SIDE * scale
    return _svg(chart.properties(width=side, height=side).to_dict())


def _svg(spec: dict[str, Any]) -> Markup:
    """The chart as SVG, drawn by Vega from numbers and the project's own labels: nothing in it needs escaping."""
    return Markup(vl_convert.vegalite_to_svg(spec))


def _selective(result: Mapping[str, Any]) -> dict[str, Any]:
    figures, stages = result["selective"], list(result["metrics"])
    names = [("first", "the first diagnosis is wrong"), ("list", "the condition is not on the list")]
    pictures = [charts.risk_coverage_chart(figures[what], _HEADS, charts.LIGHT) for what, _ in names]
    return {
        "rows": [(words, [cell(figures[what][s]["aurc"]) for s in stages]) for what, words in names],
        "risks": [(words, [cell(figures[what][s]["risk"]) for s in stages]) for what, words in names],
        "pictures": [
            (words, _svg(picture.properties(width=270, height=220).to_dict()))
            for (_, words), picture in zip(names, pictures, strict=True)
        ],
    }


def _decision(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for stage, curve in result["decision"].items():
        chart = charts.decision_chart(curve, charts.LIGHT).properties(width=270, height=220)
        found.append(
            {
                "stage": STAGES[stage],
                "n": curve["n"],
                "events": curve["events"],
                "svg": _svg(chart.to_dict()),
                "rows": [
                    (f"{t:.0%}", *(cell(e) for e in three))
                    for t, *three in zip(
                        curve["thresholds"], curve["model"], curve["treat_all"], curve["minus_treat_all"], strict=True
                    )
                ],
            }
        )
    return found


def _subgroups(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One table a metric: a row a subgroup, a cell a stage with its n; few cases are marked."""
    found = []
    for metric, words in _SUBGROUP_ROWS.items():
        rows = []
        for groups in result["subgroups"].values():
            for name, by_stage in groups.items():
                cells = []
                for stage in result["metrics"]:
                    e = by_stage.get(stage, {}).get(metric)
                    cells.append(None if e is None else {"text": cell(e), "n": e["n"], "few": e["n"] < SMALL})
                rows.append((name, cells))
        found.append({"metric": words, "rows": rows})
    return found


def _checklist(result: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    text = (files("ddx.evaluation") / "tripod_llm.yaml").read_text(encoding="utf-8")
    calibrator = result["calibrator"]
    words = {
        "model": result["model"]["id"],
        "conditions": len(load_vocabulary()),
        "split": result["data"]["split"],
        "sample": result["data"]["sample"],
        "n": f"{result['n']:,}",
        "calibrator": calibrator["kind"],
        "calibration_cases": f"{calibrator['n_cases']:,}",
        "k": max(int(name.removeprefix("pass@")) for name in result["metrics"]["all"] if name.startswith("pass@")),
        "prompt": result["model"]["prompt_sha256"][:16],
        "protocol": result["protocol"],
    }
    return [(number, topic, answer.format(**words)) for number, topic, answer in yaml.safe_load(text)]


@cache
def _environment() -> Environment:
    loader = PackageLoader("ddx.evaluation", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
