"""The teacher of a warm start: the posterior of the pathology given what a text tells of a patient.

A naive Bayes classifier plus a small network that corrects it, fitted together: DDXPlus draws a patient's findings
from the condition almost independently, so that the counts of 100,000 patients say most, and what they leave (the
order of the interview, what depends on each other) is little enough for a network to learn without learning noise.
A student can't imitate noise, and spends itself in trying: the tabular classifier that stands in the tables of results
(`ddx.evaluation.tabular`) is the worse teacher (a run says how much worse, on dev patients).

Levels of a scale that the wordings do not tell apart are one feature here, so that the target of a text is what the
text says and no more. The file written has the tabular classifier's format, `Tabular.load` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import STAGES, Stage, case_at
from ddx.evaluation.tabular import Featuriser, Tabular, shipped_tabular, training_cases
from ddx.metrics.aggregate import Estimate, mean_interval
from ddx.metrics.per_case import Batch, brier_list, log_loss, pass_at
from ddx.provenance import file_hash, versions
from ddx.train.config import TeacherConfig
from ddx.train.run_folder import write_json
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import load_findings

_LIFT = 3000.0  # above any sum of log-probabilities: a unit lifted by it is linear, though it is a rectifier
Linear = tuple[np.ndarray, np.ndarray]


def train(config: TeacherConfig, say: Callable[[str], None] = print) -> Path:
    """Fit the teacher on the training split, report its figures on dev patients; returns the run folder."""
    torch.manual_seed(config.seed)
    features, merged = Featuriser(), as_told()
    patients = load_split(config.data, "train")
    whole = features([Case("", p.age, p.sex, p.findings) for p in patients]) @ merged
    bayes = naive_bayes(whole, _truth(patients), features)
    pairs = training_cases(patients, config.cuts, config.seed)
    x, y = features([case for _, case in pairs]) @ merged, _truth([patient for patient, _ in pairs])
    say(f"teacher: {x.shape[0]:,} presentations of {len(patients):,} patients")
    networks = [_network(config, config.seed + i, x, y, bayes, say) for i in range(config.networks)]
    (weights, biases), outer = _as_tabular(networks, bayes)
    pathology = [(np.asarray(merged @ weights), biases), outer]  # on features as a case has them
    teacher = Tabular(pathology, Tabular.load(config.membership or shipped_tabular()).membership)
    config.out.mkdir(parents=True, exist_ok=True)
    teacher.save(config.out / "tabular.safetensors")
    content = config.model_dump(mode="json") | {"data_sha256": file_hash(config.data / "manifest.json")}
    dev = load_split(config.data, "dev")
    for name, model in (("teacher", teacher), ("shipped tabular classifier", Tabular.load(shipped_tabular()))):
        found = _figures(model, dev)
        content[name] = {stage: {k: e.to_dict() for k, e in figures.items()} for stage, figures in found.items()}
        for stage, figures in found.items():
            told = ", ".join(f"{k} {e.text(4)}" for k, e in figures.items())
            say(f"{name}: {len(dev):,} dev patients, {stage}: {told}")
    write_json(config.out / "config.json", content | {"versions": versions()})
    return config.out


def as_told() -> sp.csr_matrix:
    """A 0/1 matrix [d, d]: `features @ as_told()` has levels of a scale that read the same in one column."""
    features = Featuriser()
    to = np.arange(features.width)
    for code, definition in load_findings().items():
        first = 0
        for last, wordings in definition.bands:
            if not any("{value}" in phrase for phrases in wordings.values() for phrase in phrases):
                for level in range(first, last + 1):
                    to[features.columns[code, True, str(level)]] = features.columns[code, True, str(last)]
            first = last + 1
    ones = np.ones(features.width, dtype=np.float32)
    return sp.csr_matrix((ones, (np.arange(features.width), to)), shape=(features.width, features.width))


def naive_bayes(x: sp.csr_matrix, y: np.ndarray, features: Featuriser) -> Linear:
    """Weights [d, C] and biases [C] of ln P(condition) + Σ ln P(finding | condition), up to a constant of the case.

    `x` [n, d] are the present findings of whole patients with conditions `y` [n]. A finding that is not stated counts
    for nothing, one that is absent for ln(1 − P), the values of a list of sites or words each for themselves. Rates
    are smoothed by one patient who is like all others.
    """
    conditions, columns, known = len(load_vocabulary()), features.columns, load_findings()
    of = sp.csr_matrix((np.ones(len(y)), (y, np.arange(len(y)))), shape=(conditions, len(y)))
    count, n = np.asarray((of @ x).todense(), dtype=np.float64), np.bincount(y, minlength=conditions)

    def rate(column: int, among: np.ndarray) -> np.ndarray:
        everywhere = count[:, column].sum() / max(among.sum(), 1)
        return np.clip((count[:, column] + everywhere) / (among + 1), 1e-4, 1 - 1e-4)

    weights = np.zeros((features.width, conditions))
    for (code, present, value), column in columns.items():
        if code == "sex":
            weights[column] += np.log(rate(column, n))
        if code not in known:
            continue
        head = columns[code, True, None]
        if value is None:
            weights[column] += np.log(rate(head, n) if present else 1 - rate(head, n))
        elif count[:, column].any():
            p = rate(column, count[:, head])
            weights[column] += np.log(p)
            if known[code].type in ("sites", "words"):
                weights[column] -= np.log(1 - p)
                weights[head] += np.log(1 - p)
    bands = [columns["age", True, edge] for code, _, edge in columns if code == "age"]
    at_least = np.column_stack([n, *(count[:, band] for band in bands), np.zeros(conditions)])
    share = (at_least[:, :-1] - at_least[:, 1:] + 0.5) / (n[:, None] + 0.5 * (len(bands) + 1))
    weights[bands] = np.diff(np.log(share), axis=1).T  # age is given as the bands that it has reached
    prior = np.maximum(n, 0.5)  # a condition that no patient has, as in a small sample, stays possible
    return weights, np.log(prior / prior.sum()) + np.log(share[:, 0])


class _Corrected(torch.nn.Module):
    """Logits of naive Bayes, scaled, plus a network of one hidden layer."""

    def __init__(self, bayes: Linear, hidden: int, dropout: float) -> None:
        super().__init__()
        self.weights, self.biases = (torch.from_numpy(a.astype(np.float32)) for a in bayes)
        width, conditions = bayes[0].shape
        self.first, self.second = torch.nn.Linear(width, hidden), torch.nn.Linear(hidden, conditions)
        self.scale = torch.nn.Parameter(torch.tensor(1.0))
        self.dropped, self.unstated = torch.nn.Dropout(dropout), torch.nn.Dropout(0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.dropped(torch.relu(self.first(self.unstated(x))))
        return self.second(hidden) + self.scale * (x @ self.weights + self.biases)


def _network(
    config: TeacherConfig, seed: int, x: sp.csr_matrix, y: np.ndarray, bayes: Linear, say: Callable[[str], None]
) -> _Corrected:
    model, rng = _Corrected(bayes, config.hidden, config.dropout), np.random.default_rng(seed)
    batches, truth = x.shape[0] // config.batch, torch.from_numpy(y)
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.epochs * batches, pct_start=0.05
    )
    for epoch in range(config.epochs):
        order, total = rng.permutation(x.shape[0])[: batches * config.batch], 0.0
        for rows in order.reshape(batches, config.batch):
            loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(x[rows].toarray())), truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        say(f"teacher: seed {seed}, epoch {epoch + 1}/{config.epochs}, log loss in training {total / batches:.4f}")
    return model


def _as_tabular(networks: Sequence[_Corrected], bayes: Linear) -> list[Linear]:
    """The mean of the networks' logits as one network of one hidden layer, naive Bayes as lifted units of it."""
    share, scale = 1 / len(networks), np.mean([m.scale.item() for m in networks])
    first = [(m.first.weight.detach().numpy().T, m.first.bias.detach().numpy()) for m in networks]
    second = [(m.second.weight.detach().numpy().T, m.second.bias.detach().numpy()) for m in networks]
    inner = np.hstack([w for w, _ in first] + [bayes[0]]), np.concatenate([b for _, b in first] + [bayes[1] + _LIFT])
    outer = np.vstack([w * share for w, _ in second] + [np.eye(len(bayes[1])) * scale])
    return [inner, (outer, sum(b * share for _, b in second) - scale * _LIFT)]


def _truth(patients: Sequence[Patient]) -> np.ndarray:
    """Index of each patient's condition, int [n]."""
    return np.array([load_vocabulary().index(p.pathology or "") for p in patients])


def _figures(model: Tabular, patients: Sequence[Patient]) -> dict[Stage, dict[str, Estimate]]:
    """Figures of the whole posterior by stage, n patients each."""
    truth, out = _truth(patients), {}
    for stage in STAGES:
        p = model.predict([case_at(patient, stage) for patient in patients])[0]
        ranked = np.argsort(-p, axis=1, kind="stable")
        confidence = np.take_along_axis(p, ranked, axis=1)
        batch = Batch(ranked, confidence, truth, [{t} for t in truth.tolist()], np.ones(len(truth), dtype=bool))
        out[stage] = {
            "first diagnosis": mean_interval(pass_at(batch, 1)),
            "Brier score": mean_interval(brier_list(batch)),
            "log loss": mean_interval(log_loss(batch)),
        }
    return out
