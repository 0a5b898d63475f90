"""An evaluation as tables: rows for the report, and Markdown for the documents that quote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ddx.evaluation.promise_tables import promise_lines
from ddx.evaluation.words import WAYS, WAYS_NOTE, cell, count

Figure = Mapping[str, Any]
WHO = {"model": "ddx", "tabular": "tabular classifier"}  # baselines go by their own names
_ROWS = {
    "pass@1": "first diagnosis right",
    "pass@3": "among the first three",
    "recall@5": "gold differential found (recall@5)",
    "ddr": "DDXPlus's own: recall of the differential (DDR)",
    "ddp": "precision of the differential (DDP)",
    "ddf1": "harmonic mean (DDF1)",
    "dsf1": "severe conditions, kept and left out (DSF1)",
    "icd10_f1@1": "first diagnosis, partial credit along ICD-10 (hierarchical F1)",
    "icd10_f1": "list against the gold differential (hierarchical F1)",
    "brier_list": "Brier score of the list",
    "brier_skill_item": "Brier skill of a diagnosis",
    "mcb_item": "CORP miscalibration of a diagnosis",
    "dsc_item": "CORP discrimination of a diagnosis",
    "ece_item": "ECE of a diagnosis (calibrated model: 95 % range)",
    "validity": "answers read in full",
    "tokens": "tokens written a case",
    "tokens_per_distinct": "tokens written for each distinct right diagnosis",
    "seconds_p50": "seconds a case in batches, median",
    "seconds_p95": "… 95th percentile",
}
# Figures of the ways to answer, over all stages; "minus" is the model minus it.
_WAYS_COLUMNS = {
    "pass@1": "first diagnosis right",
    "minus": "… ddx minus it",
    "pass@3": "among the first three",
    "recall@5": "gold differential found (recall@5)",
    "brier_list": "Brier score of the list",
    "validity": "answers read in full",
    "tokens": "tokens written a case",
    "tokens_per_distinct": "tokens written for each distinct right diagnosis",
}
NONE_RIGHT = "none right"
Row = tuple[str, str, list[str]]


def figure_rows(result: Mapping[str, Any]) -> list[Row]:
    """(metric, who, a cell for each stage) of the model and the tabular classifier, on all cases."""
    groups = _whole(result)
    rows = []
    for name, words in _ROWS.items():
        for who, figures in groups.items():
            cells = [cell(figures.get(stage, {}).get(name)) for stage in result["metrics"]]
            if any(cells):
                rows.append((words, WHO[who], cells))
    return rows


def sizes(result: Mapping[str, Any]) -> list[Row]:
    """How many cases stand behind the figures of each."""
    groups = _whole(result)
    return [("n", WHO[who], [f"{f['pass@1']['n']:,}" for f in figures.values()]) for who, figures in groups.items()]


def _whole(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": result["metrics"], "tabular": result["baselines"]["tabular"]}


def ways(result: Mapping[str, Any], heads: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """The ways to answer on the same cases, as tables; None where none was tried. `heads` says what stages are called.

    `intro`; `about`: (who, what it is); `heads` and `rows`: figures of all stages; `stages` and `by_stage`: first
    diagnosis right. A row is (who, cells).
    """
    if not result.get("base_cases"):
        return None
    known = {**result["baselines"], **result["same_cases"]}  # the classifier on these cases
    groups = {name: known[name] for name in WAYS if name in known}
    minus = {name: {"minus": by_stage["all"]["pass@1"]} for name, by_stage in result["minus_baselines"].items()}
    ns = {stage: figures["pass@1"]["n"] for stage, figures in groups["model"].items()}
    stages = [stage for stage in ns if stage != "all"]
    return {
        "intro": f"All on the same {count(ns[stages[0]], 'case')} of each stage. {WAYS_NOTE}",
        "about": [(WHO.get(name, name), WAYS[name]) for name in groups],
        "heads": ["n", *_WAYS_COLUMNS.values()],
        "rows": [
            (WHO.get(name, name), [f"{ns['all']:,}", *_way_cells(figures["all"] | minus.get(name, {}))])
            for name, figures in groups.items()
        ],
        "stages": [f"{(heads or {}).get(stage, stage)} (n={ns[stage]:,})" for stage in stages],
        "by_stage": [
            (WHO.get(name, name), [cell(figures[stage]["pass@1"]) for stage in stages])
            for name, figures in groups.items()
        ],
    }


def _way_cells(figures: Mapping[str, Any]) -> list[str]:
    """A cell for each of `_WAYS_COLUMNS`. Tokens for each right diagnosis have no number where none was right."""
    cells = [cell(figures.get(name)) or "–" for name in _WAYS_COLUMNS]
    if figures.get("tokens_per_distinct", {"value": 0})["value"] is None:
        cells[list(_WAYS_COLUMNS).index("tokens_per_distinct")] = NONE_RIGHT
    return cells


def difference_rows(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(metric, a cell for each stage): the model minus the tabular classifier, paired."""
    found = result["minus_tabular"]
    return [(_ROWS[name], [cell(found[stage][name]) for stage in result["metrics"]]) for name in found["all"]]


def outside_lines(result: Mapping[str, Any]) -> list[str]:
    """Sentences on the outside cases for each model that answered them: those with a pathology in the vocabulary, and
    those with a gold differential, of which only the conditions in the vocabulary can be found."""
    lines = []
    for who, found in result.get("outside", {}).items():
        name, inside = WHO.get(who, who), found["in_vocabulary"]
        if inside["pass@1"]["n"]:
            figures = ", ".join(f"{what} {cell(figure)}" for what, figure in inside.items())
            lines.append(f"Outside vignettes in the vocabulary, {name} (n={inside['pass@1']['n']}): {figures}.")
        for part, source in (("open_xddx", "Open-XDDx"), ("gold_differential", "Cases with a gold differential")):
            if part in found and found[part]["in_vocabulary"]["hit@1"]["n"]:
                lines += _gold_lines(found[part], source, name)
    return lines


def _gold_lines(found: Mapping[str, Any], source: str, who: str) -> list[str]:
    inside, out = found["in_vocabulary"], found["out_of_vocabulary"]
    figures = ", ".join(f"{what} {cell(figure)}" for what, figure in inside.items() if what != "gold")
    lines = [
        f"{source}, cases with a gold diagnosis in the vocabulary, {who} (n={inside['hit@1']['n']}, "
        f"{cell(inside['gold'])} such diagnoses a case): {figures}. Precision is a floor: the gold differential names "
        "conditions that the vocabulary has not, and leaves out others that fit."
    ]
    if out["something_else"]["n"]:
        lines.append(
            f"{source}, the other {out['something_else']['n']} cases, {who}: {cell(out['confidence_first'])} on the "
            f"first diagnosis, {cell(out['something_else'])} on “something else”."
        )
    return lines


def to_markdown(result: Mapping[str, Any]) -> str:
    """Headline tables: by stage beside the tabular classifier, differences to it, other ways to answer on the same
    cases, outside cases."""
    stages = list(result["metrics"])
    lines = [f"| | | {' | '.join(stages)} |", f"|---|---|{'---:|' * len(stages)}"]
    lines += [f"| {words} | {who} | {' | '.join(cells)} |" for words, who, cells in figure_rows(result)]
    each = "; ".join(f"{who} {', '.join(ns)}" for _, who, ns in sizes(result))
    lines += ["", f"n: {each}.", "", "Model minus tabular classifier, on the same cases:", ""]
    lines += _table(stages, difference_rows(result))
    if (found := ways(result)) is not None:
        lines += ["", "## Beside other ways to answer", "", found["intro"], ""]
        lines += [f"- {who}: {what}" for who, what in found["about"]]
        lines += ["", *_table(found["heads"], found["rows"]), "", "First diagnosis right, by stage:", ""]
        lines += _table(found["stages"], found["by_stage"])
    if promised := promise_lines(result):
        lines += ["", "## Promises, held against these cases", "", *(f"- {line}" for line in promised)]
    for line in outside_lines(result):
        lines += ["", line]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
