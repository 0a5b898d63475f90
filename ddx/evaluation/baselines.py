"""Other ways to answer, none of them trained, on the first cases of each stage: what the model is held against.

The base model as it was before training, asked in four ways (`prompts`), decoded greedily. `verbalized` is Verbalized
Sampling (Zhang et al. 2025, arXiv 2510.01171) in the project's own words: responses drawn from the distribution, with
their probabilities, in one generation; the paper decodes it at a temperature, here it is greedy like the others.

`best-of-k`: the trained model in single-answer mode, asked again and again at equal tokens: first lines at temperature
1, as many as fit in the tokens of its own list (`ddx.engines.sampling`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ddx.answers import Answered
from ddx.case import Case
from ddx.differential import Diagnosis, Differential, Status
from ddx.engines.local import TransformersEngine
from ddx.engines.sampling import LONGEST, sample_lines
from ddx.errors import InputError
from ddx.evaluation.completions import read_lines
from ddx.evaluation.measure import GROUPS, batch_of, figures
from ddx.evaluation.sample import Sample
from ddx.formats import LinesFormat
from ddx.generation import Generation
from ddx.metrics import per_case
from ddx.metrics.aggregate import paired_difference
from ddx.metrics.per_case import Batch
from ddx.model import MAX_NEW_TOKENS, Model
from ddx.prompt import messages, prompt_hash
from ddx.provenance import versions
from ddx.vocabulary import Match, Vocabulary

__all__ = [
    "BEST_OF_K", "LABEL_LIST", "Cost", "OnDone", "Record", "ask", "baseline_figures", "beside", "by_share",
    "differences", "prompts", "stored_records", "ticks", "untrained",
]  # fmt: skip

LABEL_LIST, BEST_OF_K = "label-list", "best-of-k"
COMPARED = {"pass@1": lambda b: per_case.pass_at(b, 1), "brier_list": per_case.brier_list}
Cost = dict[str, np.ndarray]
Record = dict[str, Any]
OnDone = Callable[[str, int, int], None]


class Prompt(NamedTuple):
    """What the untrained base model is told, and how many diagnoses are read from its answer."""

    k: int
    instructions: str


def prompts(k: int, vocabulary: Vocabulary) -> dict[str, Prompt]:
    """The ways in which the base model is asked, by name.

    >>> from ddx.vocabulary import load_vocabulary
    >>> [(name, prompt.k) for name, prompt in prompts(5, load_vocabulary()).items()]
    [('prompt-single', 1), ('prompt-multi', 5), ('label-list', 5), ('verbalized', 5)]
    """
    listed = LinesFormat(k).instructions()
    names = f" Choose only from these: {', '.join(c.name for c in vocabulary)}."
    drawn = (
        f"Draw {k} different responses at random from the whole distribution over what this patient may have, "
        "one diagnosis per line, each with the probability in percent with which it would be drawn."
    )
    return {
        "prompt-single": Prompt(1, LinesFormat(1).instructions()),
        "prompt-multi": Prompt(k, listed),
        LABEL_LIST: Prompt(k, listed + names),
        "verbalized": Prompt(k, drawn + names),
    }


def untrained(model: Model) -> dict[str, Model]:
    """The base of a model as it was before training, loaded once, for each of the `prompts`."""
    base = model.info["base"]
    engine = TransformersEngine(base)
    found = {}
    for name, (k, instructions) in prompts(model.format.k, model.vocabulary).items():
        info = {"id": f"{base}, {name}", "base": base, "versions": versions()}
        limit = LONGEST if k == 1 else MAX_NEW_TOKENS
        found[name] = Model(engine, k, None, info, model.vocabulary, model.semantics, instructions, None, limit)
    return found


def ask(
    model: Model, base: Mapping[str, Model], sample: Sample, budgets: Sequence[int], on_done: OnDone
) -> list[Record]:
    """What each baseline wrote, a record a case, baseline by baseline; `budgets`: tokens of the model's own lists.

    Without best-of-k where the model writes no lines, or where its engine can't sample.
    """
    records: list[Record] = []
    for name, asked in base.items():
        written = asked.generate(sample.cases, ticks(on_done, name, len(sample)), sample.seeds)
        records += _records(name, sample, [[answer.generation] for answer in written])
    if isinstance(model.format, LinesFormat) and isinstance(model.engine, TransformersEngine):
        texts = [model.prompt_text(case, seed) for case, seed in zip(sample.cases, sample.seeds, strict=True)]
        chats = [messages(text, model.instructions) for text in texts]
        seeds = [_seed(case.case_id) for case in sample.cases]
        drawn = sample_lines(model.engine, chats, seeds, budgets, ticks(on_done, BEST_OF_K, len(sample)))
        records += _records(BEST_OF_K, sample, drawn)
    return records


def beside(completions: Path) -> Path:
    """Where the records of the baselines lie, beside the completions of a report.

    >>> beside(Path("runs/standard.completions.jsonl")).name
    'standard.baselines.completions.jsonl'
    """
    return completions.with_name(f"{completions.name.removesuffix('.completions.jsonl')}.baselines.completions.jsonl")


def stored_records(path: Path, model: Model, sample: Sample) -> list[Record]:
    """The records of an earlier evaluation on these cases.

    Raises InputError when the file holds something else, other cases, or other baselines than this version has.
    """
    try:
        records = read_lines(path)
        cases: dict[str, list[str]] = {}
        for record in records:
            cases.setdefault(record["baseline"], []).append(record["case_id"])
            _check(record)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise InputError(f"{path}: not the completions of baselines; move it away, to have them asked again") from None
    if set(cases) - {BEST_OF_K} != set(prompts(model.format.k, model.vocabulary)):
        raise InputError(f"{path}: other baselines than this version has; move it away, to have them asked again")
    ids = [case.case_id for case in sample.cases]
    if any(theirs != ids for theirs in cases.values()):
        most = max(Counter(record["stage"] for record in records if record["baseline"] == LABEL_LIST).values())
        raise InputError(
            f"{path}: other cases than these; it has {most} at a stage. Give the --base-cases that it was made with, "
            "or move it away, to have the baselines asked again"
        )
    return records


def baseline_figures(
    model: Model, sample: Sample, own: Mapping[str, tuple[Batch, Cost]], records: Sequence[Record]
) -> dict[str, Any]:
    """Figures of all ways to answer on the same cases. `own` holds what needs no asking, the model first.

    "same_cases": of `own`. "baselines": of the records. "minus_baselines": the model minus each, paired by case.
    "baseline_prompts_sha256": what the base model was told.
    """
    k, vocabulary = model.format.k, model.vocabulary
    batches: dict[str, Batch] = {name: batch for name, (batch, _) in own.items()}
    result: dict[str, Any] = {
        "same_cases": {name: figures(batch, sample, vocabulary, cost) for name, (batch, cost) in own.items()},
        "baselines": {},
    }
    asked = prompts(k, vocabulary)
    for name in dict.fromkeys(record["baseline"] for record in records):
        rows = [record for record in records if record["baseline"] == name]
        pairs = list(zip(sample.cases, rows, strict=True))
        if name == BEST_OF_K:
            lists = [by_share(model, case, row) for case, row in pairs]
        else:
            reader = _reader(model, asked[name].k)
            lists = [reader.read(case, Answered("", _generations(row)[0])) for case, row in pairs]
        batches[name] = batch_of(lists, sample, vocabulary, k)
        cost = {what: np.array([float(row[what]) for row in rows]) for what in ("tokens", "prompt_tokens", "seconds")}
        result["baselines"][name] = figures(batches[name], sample, vocabulary, cost)
    first, *others = batches
    result["minus_baselines"] = {name: differences(batches[first], batches[name], sample) for name in others}
    result["baseline_prompts_sha256"] = {name: prompt_hash(prompt.instructions) for name, prompt in asked.items()}
    return result


def by_share(model: Model, case: Case, record: Record) -> Differential:
    """One differential from samples of single answers: distinct conditions by their share of the samples.

    The share is the confidence (what a sample states of itself is not used), ties go by which came first, and at most
    K are listed. A sample that can't be read counts for "something else"; if none can, the answer is empty.
    """
    counts: Counter[str] = Counter()
    matches: dict[str, Match] = {}
    samples = _generations(record)
    for one in samples:
        for answer in LinesFormat(1).parse(one.text, truncated=one.truncated).answers:
            match = model.matcher.match(answer.text)
            matches.setdefault(match.identity, match)
            counts[match.identity] += 1
    diagnoses: list[Diagnosis] = []
    for identity, count in counts.most_common(model.format.k):  # equal counts stay in the order first seen
        condition, share = matches[identity].condition, count / len(samples)
        name = condition.name if condition else matches[identity].text
        diagnoses.append(Diagnosis(len(diagnoses) + 1, name, share, key=condition.key if condition else None))
    lost = len(samples) - counts.total()
    status: Status = "empty" if not diagnoses else "repaired" if lost else "ok"
    return Differential(case.case_id, tuple(diagnoses), model.semantics, status, tokens=record["tokens"])


def differences(batch: Batch, other: Batch, sample: Sample) -> dict[str, dict[str, Any]]:
    """Differences of two batches of the same cases, the first minus the other, by stage; paired by case."""
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        rows = np.array(sample.where(group))
        if len(rows):
            a, b = batch.take(rows), other.take(rows)
            found[group] = {name: paired_difference(f(a), f(b)).to_dict() for name, f in COMPARED.items()}
    return found


def _reader(model: Model, k: int) -> Model:
    """Reads what the base model wrote: lines, whatever the trained model writes, and no calibrator."""
    reader = model.uncalibrated()
    reader.format = LinesFormat(k)
    return reader


def _records(name: str, sample: Sample, written: Sequence[Sequence[Generation]]) -> list[Record]:
    """`tokens` and `seconds` of a case are those of all its completions; its prompt is computed once."""
    return [
        {"baseline": name, "case_id": case.case_id, "stage": stage, "completions": [g.text for g in of_case],
         "truncated": [g.truncated for g in of_case], "tokens": sum(len(g.token_ids) for g in of_case),
         "prompt_tokens": of_case[0].prompt_tokens, "seconds": round(sum(g.seconds for g in of_case), 4)}
        for case, stage, of_case in zip(sample.cases, sample.stages, written, strict=True)
    ]  # fmt: skip


def _generations(record: Record) -> list[Generation]:
    """The completions of a record; tokens and seconds are kept for all of them together, in the first."""
    texts, cut = record["completions"], record["truncated"]
    first = Generation(texts[0], (0,) * record["tokens"], record["prompt_tokens"], cut[0], record["seconds"])
    return [first, *(Generation(t, (), 0, c, 0.0) for t, c in zip(texts[1:], cut[1:], strict=True))]


def _check(record: Record) -> None:
    """Raises ValueError, KeyError, TypeError or IndexError for what `_records` did not write."""
    _generations(record)
    "".join([*record["completions"], record["stage"]])
    float(record["seconds"])


def _seed(case_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"best-of-k|{case_id}".encode()).digest()[:6])


def ticks(on_done: OnDone, what: str, total: int) -> Callable[[int], None]:
    """`on_done` for one of the things that are counted."""
    on_done(what, total, 0)
    return lambda more: on_done(what, total, more)
