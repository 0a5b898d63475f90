"""`ddx reward`: a magnifying glass on the reward of one completion."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddx.errors import InputError

if TYPE_CHECKING:
    from ddx.rewards import Reward, Scored

_REPEATED = "names a diagnosis that an earlier answer names too"
_NOT_GOLD = "is not in the gold differential"


def reward(
    gold: Annotated[list[str], typer.Option("--gold", help="A diagnosis of the gold differential; repeat it.")],
    objective: Annotated[str, typer.Option(help="rlvr-single, rlcr-single, rlvr-multi or rlcr-multi.")] = "rlcr-multi",
    format_name: Annotated[str, typer.Option("--format", help="tags or lines.")] = "tags",
    k: Annotated[int | None, typer.Option(help="Answers of a list (default 3; 1 for *-single).")] = None,
    meaning: Annotated[str, typer.Option(help="What a confidence claims: pathology or membership.")] = "pathology",
    pathology: Annotated[str | None, typer.Option(help="The patient's condition, for --meaning pathology.")] = None,
    normalise: Annotated[bool, typer.Option(help="Divide by min(k, number of gold diagnoses).")] = False,
    rank_gain: Annotated[bool, typer.Option(help="Coverage by rank (nDCG).")] = False,
    truncated: Annotated[bool, typer.Option(help="The completion stopped at its token limit.")] = False,
    explain: Annotated[bool, typer.Option(help="Say in words why.")] = False,
) -> None:
    """Score one completion, read from standard input, and print the parts of its reward as JSON."""
    from ddx.formats import LinesFormat, TagsFormat
    from ddx.rewards import Reward, RewardOptions
    from ddx.vocabulary import Matcher, load_vocabulary

    if format_name not in ("tags", "lines"):
        raise InputError(f"--format {format_name!r} is not one of tags, lines")
    k = k if k is not None else 1 if objective.endswith("-single") else 3
    options: Any = {"objective": objective, "k": k, "meaning": meaning, "normalise": normalise, "rank_gain": rank_gain}
    scorer = Reward(
        RewardOptions(**options), (TagsFormat if format_name == "tags" else LinesFormat)(k), Matcher(load_vocabulary())
    )
    text = _standard_input()
    scored = scorer(text, scorer.gold(gold, pathology), truncated)
    result = scored.to_dict()
    if explain:
        result["explanation"] = _explanation(scorer, scored, text, truncated)
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))


def _standard_input() -> str:
    if sys.stdin.isatty():
        typer.echo("ddx: reading a completion from standard input; end it with Ctrl-D", err=True)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("standard input: not UTF-8 text") from None


def _explanation(scorer: Reward, scored: Scored, text: str, truncated: bool) -> list[str]:
    parsed, options = scorer.format.parse(text, truncated), scorer.options
    lines = [f"read as {parsed.status}" + "".join(f"; {repair}" for repair in parsed.repairs)]
    if not scored.valid:
        lines.append("not valid: coverage 0 and the worst Brier score, q = 1 and y = 0 in every slot")
        return lines
    seen: set[str] = set()
    for number, answer in enumerate(parsed.answers):
        match = scorer.matcher.match(answer.text)
        name = match.condition.name if match.condition else "no condition of the vocabulary"
        verdict = "counts" if answer.text in scored.matched else _REPEATED if match.identity in seen else _NOT_GOLD
        seen.add(match.identity)
        line = f"answer {number + 1}, {answer.text!r}: read as {name} ({match.method}); {verdict}"
        if scored.outcomes:
            q, y = scored.confidences[number], scored.outcomes[number]
            line += f"; confidence {q:g} against {y:g} costs ({q:g} − {y:g})² = {(q - y) ** 2:.4f}"
        lines.append(line)
    empty = options.k - len(parsed.answers)
    if empty > 0:
        lines.append(f"{empty} of {options.k} slots are empty: they earn nothing and cost nothing")
    if scored.brier is not None:
        lines.append(f"Brier is the sum of these costs over k = {options.k}: {scored.brier:.4f}")
    minus = f" − Brier {scored.brier:.4f}" if options.calibrated else ""
    lines.append(f"reward {scored.reward:.4f} = coverage {scored.coverage:g}{minus}")
    return lines
