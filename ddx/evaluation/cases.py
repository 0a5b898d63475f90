"""An evaluation case by case, as a table: what `ddx compare` pairs, and where a reader looks up a failure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ddx.differential import Differential
from ddx.errors import InputError
from ddx.evaluation.sample import Sample
from ddx.metrics import per_case
from ddx.metrics.per_case import Batch
from ddx.vocabulary import Vocabulary

__all__ = ["METRICS", "case_table", "read_cases"]

# Column → what it is called in a table. Each is a value of one case whose mean is the figure.
METRICS = {
    "pass@1": "first diagnosis right",
    "pass@3": "among the first three",
    "listed": "on the list",
    "recall": "gold differential found",
    "distinct": "distinct gold a list",
    "mrr": "reciprocal rank",
    "brier": "Brier score of the list",
    "log_loss": "log loss",
    "valid": "answers read in full",
    "tokens": "tokens written",
}


def case_table(
    batch: Batch, sample: Sample, vocabulary: Vocabulary, differentials: Sequence[Differential]
) -> pd.DataFrame:
    """One row a case, in the order of the sample: who, what was listed with which confidence, and the `METRICS`.

    No text of a case is in it. dx1..dxK: the key of a condition, the model's own words where nothing matched, or empty.
    """
    k = batch.codes.shape[1]
    rank = np.where(per_case.hits(batch), np.arange(1, k + 1), 0).max(axis=1)
    keys = [condition.key for condition in vocabulary]
    table = pd.DataFrame(
        {
            "case_id": [c.case_id for c in sample.cases],
            "stage": sample.stages,
            "age": [c.age for c in sample.cases],
            "sex": [c.sex for c in sample.cases],
            "pathology": [keys[i] for i in sample.truth],
            "rank": pd.Series(rank, dtype="Int64").mask(rank == 0),
            "status": [d.status for d in differentials],
        }
    )
    for slot in range(k):
        listed = [d.diagnoses[slot] if slot < len(d.diagnoses) else None for d in differentials]
        table[f"dx{slot + 1}"] = [None if x is None else x.key or x.name for x in listed]
        table[f"confidence{slot + 1}"] = batch.conf[:, slot]
    table["other"] = [d.other if d.valid else None for d in differentials]
    values = {
        "pass@1": per_case.pass_at(batch, 1),
        "pass@3": per_case.pass_at(batch, 3),
        "listed": per_case.pass_at(batch, k),
        "recall": per_case.recall_at(batch, k),
        "distinct": per_case.distinct_gold_at(batch, k),
        "mrr": per_case.reciprocal_rank(batch),
        "brier": per_case.brier_list(batch),
        "log_loss": per_case.log_loss(batch),
        "valid": batch.valid.astype(float),
        "tokens": np.array([d.tokens for d in differentials], dtype=float),
    }
    return table.assign(**values)


def read_cases(path: Path) -> pd.DataFrame:
    """The table that `ddx eval` wrote. Raises InputError when it is missing or something else."""
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; `ddx eval` writes it beside its JSON, evaluate again") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    if missing := {"case_id", "stage", "confidence1", *METRICS} - set(table.columns):
        raise InputError(f"{path}: has no column {sorted(missing)[0]!r}; not a table of cases by `ddx eval`")
    return table
