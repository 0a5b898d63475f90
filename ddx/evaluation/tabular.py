"""The tabular classifier: what the same findings say to a model that needs no language.

It stands in every table of results, and its posterior is the target that the language model's warm start
learns from. Two heads of the same kind (scikit-learn's `MLPClassifier`): `pathology`, softmax over the
conditions, and `membership`, one sigmoid a condition (is it in the gold differential?). Features: present
findings with their values, absent findings, age and sex; *not stated* is neither. Stored as safetensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.stages import STAGES, case_of, interview, stage_length
from ddx.errors import InputError
from ddx.vignette import group
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import load_findings

_AGE_EDGES = (1, 5, 15, 30, 45, 60, 75)


class Featuriser:
    """Cases to a sparse matrix [n, d] of zeros, ones and a scaled age."""

    def __init__(self) -> None:
        names: list[tuple] = []
        for code, definition in sorted(load_findings().items()):
            names += [(code, False, None), (code, True, None)]
            names += [(code, True, v) for v in definition.values]
            if definition.type == "scale":
                names += [(code, True, str(level)) for level in range(11)]
        names += [("sex", True, "F"), ("sex", True, "M")] + [("age", True, str(e)) for e in _AGE_EDGES]
        self.columns = {name: i for i, name in enumerate(names)}
        self.width = len(names) + 1  # the last column is age / 100

    def __call__(self, cases: Sequence[Case]) -> sp.csr_matrix:
        indices: list[int] = []
        indptr: list[int] = [0]
        data: list[float] = []
        for case in cases:
            row = {self.width - 1: (case.age or 0.0) / 100}
            for item in group(case.findings):
                for value in (None, *item.values):
                    column = self.columns.get((item.code, item.present, value))
                    if column is not None:
                        row[column] = 1.0
            if case.sex:
                row[self.columns["sex", True, case.sex]] = 1.0
            for edge in _AGE_EDGES:
                if case.age is not None and case.age >= edge:
                    row[self.columns["age", True, str(edge)]] = 1.0
            indices += row.keys()
            data += row.values()
            indptr.append(len(indices))
        return sp.csr_matrix((data, indices, indptr), shape=(len(cases), self.width), dtype=np.float32)


@dataclass(frozen=True)
class Tabular:
    """A fitted classifier: weights of the two heads as lists of (matrix, bias)."""

    pathology: list[tuple[np.ndarray, np.ndarray]]
    membership: list[tuple[np.ndarray, np.ndarray]]

    def predict(self, cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
        """P(pathology) [n, C], rows summing to 1, and P(in the gold differential) [n, C]."""
        x = Featuriser()(cases)
        logits, member = _forward(self.pathology, x), _forward(self.membership, x)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        return p / p.sum(axis=1, keepdims=True), 1 / (1 + np.exp(-member))

    def save(self, path: Path) -> None:
        """Write both heads as safetensors (float32)."""
        from safetensors.numpy import save_file

        heads = {"pathology": self.pathology, "membership": self.membership}
        arrays = {
            f"{head}.{depth}.{name}": np.ascontiguousarray(array, dtype=np.float32)
            for head, layers in heads.items()
            for depth, layer in enumerate(layers)
            for name, array in zip("wb", layer, strict=True)
        }
        save_file(arrays, path)

    @classmethod
    def load(cls, path: Path) -> Tabular:
        """Read what `save` wrote."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(path)
            heads = [
                [(arrays[f"{head}.{depth}.w"], arrays[f"{head}.{depth}.b"]) for depth in range(2)]
                for head in ("pathology", "membership")
            ]
        except (OSError, SafetensorError, KeyError):
            raise InputError(
                f"{path}: no tabular classifier here; fit one with `ddx train training/configs/tabular.yaml`"
            ) from None
        return cls(*heads)


def shipped_tabular() -> Path:
    """The classifier that ships with the package: fitted on the whole training split."""
    return Path(__file__).parents[1] / "assets" / "tabular.safetensors"


def training_cases(patients: Sequence[Patient], extra_cuts: int, seed: int) -> list[tuple[Patient, Case]]:
    """Every patient at the four stages and at `extra_cuts` random points of the interview."""
    import random

    rng, out = random.Random(seed), []
    for patient in patients:
        items = interview(patient)
        cuts = {stage_length(items, stage) for stage in STAGES}
        cuts |= {rng.randint(1, len(items)) for _ in range(extra_cuts)}
        out += [(patient, case_of(patient, items[:cut], str(cut))) for cut in cuts]
    return out


def fit(
    train: Sequence[Patient],
    dev: Sequence[Patient],
    epochs: int = 12,
    hidden: int = 256,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> Tabular:
    """Fit both heads on `train`, keeping the epoch with the lowest log loss on `dev` (early stopping)."""
    from sklearn.neural_network import MLPClassifier

    vocabulary = load_vocabulary()
    features = Featuriser()
    sets = {}
    for name, patients, cuts in (("train", train, 2), ("dev", dev, 0)):
        pairs = training_cases(patients, cuts, seed)
        x = features([case for _, case in pairs])
        y = np.array([vocabulary.index(p.pathology or "") for p, _ in pairs])
        m = np.zeros((len(pairs), len(vocabulary)), dtype=np.int8)
        for i, (p, _) in enumerate(pairs):
            m[i, [vocabulary.index(g) for g in p.gold]] = 1
        sets[name] = (x, y, m)
        say(f"tabular: {name} {x.shape[0]} presentations, {x.shape[1]} features")
    heads: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for head, column in (("pathology", 1), ("membership", 2)):
        rng, best = np.random.default_rng(seed), np.inf
        model = MLPClassifier((hidden,), alpha=1e-5, batch_size=256, learning_rate_init=1e-3, random_state=seed)
        x, y, xd, yd = sets["train"][0], sets["train"][column], sets["dev"][0], sets["dev"][column]
        classes = np.arange(len(vocabulary))
        for epoch in range(epochs):
            if epoch >= epochs - 3:
                model.learning_rate_init = 1e-4
                if hasattr(model, "_optimizer"):
                    model._optimizer.learning_rate_init = 1e-4
            order = rng.permutation(x.shape[0])
            for start in range(0, len(order), 65536):
                part = order[start : start + 65536]
                model.partial_fit(x[part], y[part], classes=classes)
            loss = _loss(model.predict_proba(xd), yd)
            say(f"tabular: {head} epoch {epoch + 1}/{epochs} dev log loss {loss:.4f}")
            if loss < best:
                best = loss
                heads[head] = [(w.copy(), b.copy()) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
    return Tabular(heads["pathology"], heads["membership"])


def _loss(p: np.ndarray, y: np.ndarray) -> float:
    p = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)  # in float32, 1 - 1e-9 is 1
    if y.ndim == 1:
        return float(-np.log(p[np.arange(len(y)), y]).mean())
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1).mean())


def _forward(layers: list[tuple[np.ndarray, np.ndarray]], x: sp.csr_matrix) -> np.ndarray:
    # in float64: its rounding depends on the machine far below what any figure shows, that of float32 does not
    (w1, b1), (w2, b2) = [(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]
    return np.maximum(x.astype(np.float64) @ w1 + b1, 0) @ w2 + b2
