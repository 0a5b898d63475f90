"""The promises of `ddx.evaluation.promises` as tables: how many to show, and when to abstain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddx.differential import percent
from ddx.evaluation.words import cell, count

__all__ = ["held", "promise_lines", "promise_rows"]

_MISTAKES = {"first": "the first diagnosis is wrong", "list": "the condition is not on the list"}
_SEXES = {"F": "women and girls", "M": "men and boys"}


def promise_rows(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """For the report; None where the model promises nothing.

    `lengths`: a row for each target and sex, a cell for each stage: `text` (coverage of the smoothed lists), `note` (n,
    the binomial range, and what is shown: mean length and coverage), `outside` the range; or `text` "refused" with the
    reason. `abstention`: (mistake, [risk promised, threshold, share answered, risk of these, risk of all]).
    """
    found = result.get("promises")
    if not found:
        return None
    stages = list(result["metrics"])
    lengths = [
        (f"{percent(float(target))}, {words}", [_cell(table.get(f"{stage}, {sex}")) for stage in stages])
        for target, table in found["lengths"].items()
        for sex, words in _SEXES.items()
    ]
    abstention = [
        (
            _MISTAKES[row["what"]],
            [
                f"{row['promised']:g}",
                f"{row['threshold']:.2f}",
                cell(row["answered"]),
                cell(row.get("risk")) or "–",
                cell(row["risk_of_all"]),
            ],
        )
        for row in found["abstention"]
    ]
    return {"n_cases": found["n_cases"], "lengths": lengths, "abstention": abstention, "refused": found["refused"]}


def held(found: Mapping[str, Any], target: str) -> tuple[int, int]:
    """(groups within the binomial range, groups) at a target; refused groups are not among them."""
    cells = [cell_ for cell_ in found["lengths"][target].values() if "within" in cell_]
    return sum(cell_["within"] for cell_ in cells), len(cells)


def promise_lines(result: Mapping[str, Any]) -> list[str]:
    """A sentence a target and a rule, for the Markdown."""
    found = result.get("promises")
    if not found:
        return []
    lines = []
    for target, table in found["lengths"].items():
        inside, groups = held(found, target)
        if groups:
            lines.append(
                f"List length for {percent(float(target))}: coverage within the binomial 95 % range of the target in "
                f"{inside} of {count(groups, 'group')} (stage and sex); refused in {len(table) - groups}."
            )
    for row in found["abstention"]:
        lines.append(
            f"Abstention, {_MISTAKES[row['what']]}: promised at most {row['promised']:g} (with probability "
            f"{1 - row['delta']:g}); answered {cell(row['answered'])} of n={row['answered']['n']:,}, risk of these "
            f"{cell(row.get('risk')) or '–'}, of all {cell(row['risk_of_all'])}."
        )
    return lines


def _cell(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    if "refused" in found:
        return {"text": "refused", "note": found["refused"], "outside": False}
    low, high = found["binomial_low"], found["binomial_high"]
    note = (
        f"n={found['n']:,}, range {low:.3f}–{high:.3f}; shown: {found['shown_length']['value']:.2f} "
        f"({found['shown_length']['low']:.2f}–{found['shown_length']['high']:.2f}), "
        f"coverage {cell(found['shown_coverage'])}"
    )
    return {"text": cell(found["coverage"]), "note": note, "outside": not found["within"]}
