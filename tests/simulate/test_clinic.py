"""The clinic's posterior is exact: by enumeration, by counting patients, and by its calibration."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ddx.case import Case, Finding
from ddx.data.prepare import load_split
from ddx.data.stages import STAGES, Stage
from ddx.errors import InputError
from ddx.metrics.calibration import corp, mcb_null
from ddx.simulate.clinic import SEXES, Clinic, Telling
from ddx.simulate.details import Detail
from ddx.simulate.estimate import clinic_of, count, estimate, kind_of, load_clinic, load_table, shipped_table, to_text
from ddx.vignette import group, render
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import load_findings

PREPARED = Path(__file__).parents[2] / "data" / "ddxplus"


def tiny() -> Clinic:
    """3 conditions, 4 findings (pain with two details, fever, dyspnoea, smoking) and travel."""
    rng = np.random.default_rng(3)
    half = (Telling(0.6, 0.7, 0.3, 0.0, 0.5), Telling(0.4, 0.5, 0.2, 0.8, 0.5))
    telling: dict[Stage, tuple[Telling, Telling]] = {
        "initial": (Telling(0, 0, 0, 0, 0),) * 2,
        "quarter": (Telling(0.4, 0.5, 0.2, 0.0, 0.3), Telling(0.2, 0.3, 0.1, 0.6, 0.3)),
        "half": half,
        "full": (Telling(1, 1, 1, 1, 1),) * 2,
    }
    complaint = rng.dirichlet(np.ones(3), (2, 3))
    return Clinic(
        conditions=("a", "b", "c"),
        findings=("E_53", "E_66", "E_79", "E_91"),
        ages=np.full((2, 4), 1 / 8),
        bands=(0, 2),
        prevalence=rng.dirichlet(np.ones(3), (2, 2)),
        complaint=np.insert(complaint, 2, 0.0, axis=2),
        chance=rng.uniform(0.1, 0.9, (2, 3, 4)),
        history=np.array([False, False, True, False]),
        related=~np.eye(4, dtype=bool) & np.array([True, True, False, True]),
        details=(
            Detail("E_57", "E_53", ("V_1", "V_2", "V_3"), rng.random(3), rng.uniform(0.1, 0.9, (3, 3)), 2),
            Detail("E_56", "E_53", ("1", "2"), np.zeros(3), rng.dirichlet(np.ones(2), 3), 1),
            Detail("E_204", None, ("V_0", "V_4"), rng.random(3), rng.dirichlet(np.ones(2), 3), 1),
        ),
        telling=telling,
        asking={stage: np.array([0.3, 0.5, 0.0, 0.4]) * (stage != "initial") for stage in STAGES},
    )


def likelihood(clinic: Clinic, case: Case, stage: Stage, sex: int, c: int) -> float:
    """P(what the case states | condition) by summing over all that could be behind it."""
    first = clinic.findings.index(case.findings[0].code)
    way = clinic.telling[stage][first == 0]
    said = {f.code: f.present for f in case.findings}
    values: dict[str, set[str]] = defaultdict(set)
    for finding in case.findings:
        if finding.value is not None:
            values[finding.code].add(finding.value)
    total = 0.0
    for world in itertools.product((False, True), repeat=4):
        if not world[first]:
            continue
        p = clinic.complaint[sex, c, first]
        for f, present in enumerate(world):
            if f == first:
                continue
            theta = clinic.chance[sex, c, f]
            told = (way.detailed, way.symptom, way.antecedent, way.symptom)[f]
            mention = told if present else clinic.asking[stage][first] * clinic.related[first, f]
            p *= theta if present else 1 - theta
            p *= mention * (said[clinic.findings[f]] == present) if clinic.findings[f] in said else 1 - mention
        for d in clinic.details:
            spoken = d.parent is None or d.parent in said and world[0]
            share = way.antecedent if d.parent is None else (way.own if first == 0 else way.detail)
            if d.code not in said:
                p *= 1 - share if spoken else 1
                continue
            p *= share * spoken * outcomes(d, c)[frozenset(values[d.code])]
        total += p
    return total


def outcomes(d: Detail, c: int) -> dict[frozenset[str], float]:
    """Every outcome of a detail with its chance, by listing the sets of values."""
    weights = {}
    for inside in itertools.product((False, True), repeat=len(d.values)):
        if d.most == 1:
            weight = sum(rate for rate, there in zip(d.rates[c], inside, strict=True) if there)
        else:
            weight = np.prod([r if there else 1 - r for r, there in zip(d.rates[c], inside, strict=True)])
        if 1 <= sum(inside) <= d.most:
            weights[frozenset(itertools.compress(d.values, inside))] = float(weight)
    scale = (1 - d.absent[c]) / sum(weights.values())
    return {frozenset(): float(d.absent[c])} | {values: weight * scale for values, weight in weights.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_the_posterior_is_that_of_enumeration(stage: Stage) -> None:
    clinic = tiny()
    drawn = clinic.sample(200, stage, seed=1)
    for case, posterior in zip(drawn.cases, drawn.posterior, strict=True):
        sex, band = SEXES.index(case.sex or "F"), int((case.age or 0) >= 2)
        weights = [clinic.prevalence[sex, band, c] * likelihood(clinic, case, stage, sex, c) for c in range(3)]
        assert posterior == pytest.approx(np.array(weights) / sum(weights), abs=1e-12)
    if stage != "initial":
        assert {f.code for case in drawn.cases for f in case.findings} == {*clinic.findings, "E_57", "E_56", "E_204"}
        assert any(not f.present for case in drawn.cases for f in case.findings)


def test_the_posterior_is_how_often_each_condition_is_behind_the_same_findings() -> None:
    clinic = tiny()
    drawn = clinic.sample(10_000, "quarter", seed=2)
    groups: dict[object, list[int]] = defaultdict(list)
    for i, case in enumerate(drawn.cases):
        assert case.age is not None
        groups[case.sex, case.age >= 2, case.findings[0], frozenset(case.findings)].append(i)
    large = [rows for rows in groups.values() if len(rows) >= 60]
    assert len(large) >= 20

    def misfit(posterior: np.ndarray) -> float:
        """The p value of Pearson's statistic over all groups."""
        statistic, freedom = 0.0, 0
        for rows in large:
            found = np.bincount(drawn.truth[rows], minlength=3)
            wanted = posterior[rows].sum(axis=0)
            counted = wanted >= 5
            statistic += float(((found - wanted) ** 2 / wanted)[counted].sum())
            freedom += max(0, int(counted.sum()) - 1)
        return float(stats.chi2.sf(statistic, freedom))

    for rows in large:
        assert np.ptp(drawn.posterior[rows], axis=0).max() < 1e-12  # the order of findings says nothing
    assert misfit(drawn.posterior) > 0.01
    assert misfit(flattened(drawn.posterior)) < 1e-6


def flattened(posterior: np.ndarray) -> np.ndarray:
    """At temperature 2."""
    p = np.sqrt(posterior)
    return p / p.sum(axis=1, keepdims=True)


def test_the_ideal_forecaster_is_calibrated_and_a_distorted_one_is_caught() -> None:
    drawn = [load_clinic().sample(250, stage, seed=0) for stage in STAGES]
    exact, truth = (np.concatenate([getattr(d, name) for d in drawn]) for name in ("posterior", "truth"))
    hit = truth[:, None] == np.arange(exact.shape[1])
    for posterior, calibrated in ((exact, True), (flattened(exact), False)):
        top, each = posterior.argmax(axis=1), np.arange(len(posterior))
        first = posterior[each, top], hit[each, top]
        assert (corp(*first).mcb < mcb_null(first[0], draws=400, level=0.9).high) == calibrated
        assert (corp(posterior, hit).mcb < mcb_null(posterior, draws=100, level=0.9).high) == calibrated


def test_simulated_cases_say_as_much_as_those_of_ddxplus() -> None:
    clinic, means = load_clinic(), load_table()["means"]
    for stage in STAGES:
        cases = clinic.sample(600, stage, seed=4).cases
        found = [Counter(kind_of(item) for item in group(case.findings)[1:]) for case in cases]
        for kind, wanted in means[stage].items():
            number = np.array([kinds[kind] for kinds in found])
            error = number.std() / np.sqrt(len(number))
            assert abs(number.mean() - wanted) <= 0.08 * wanted + 3 * error, (stage, kind)


def test_simulated_cases_read_like_cases() -> None:
    known = load_findings()
    drawn = load_clinic().sample(300, "full", seed=5)
    for case in drawn.cases:
        assert " E " not in render(case)  # an unknown code would stand there as it is
        items = group(case.findings)
        assert known[items[0].code].kind == "symptom" and items[0].present
        there = {item.code for item in items if item.present}
        assert all(known[i.code].parent in (None, *there) for i in items)
        assert len({i.code for i in items}) == len(items)
        if case.sex == "M":
            assert "E_167" not in there  # pregnancy
    again = load_clinic().sample(300, "full", seed=5)
    assert again.cases == drawn.cases and (again.posterior == drawn.posterior).all()
    assert load_clinic().sample(300, "full", seed=6).cases != drawn.cases


def test_a_case_that_cannot_be_is_refused() -> None:
    clinic = load_clinic()
    pregnant = (Finding("E_91"), Finding("E_167"))
    assert clinic.posterior([Case("x", 30, "F", pregnant)], "half").sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="no patient of this clinic"):
        clinic.posterior([Case("x", 30, "M", pregnant)], "half")
    with pytest.raises(ValueError, match="no finding E_9999"):
        clinic.posterior([Case("x", 30, "M", (Finding("E_91"), Finding("E_9999")))], "half")
    with pytest.raises(ValueError, match="age and sex"):
        clinic.posterior([Case("x", None, "M", (Finding("E_91"),))], "half")


def test_only_training_patients_are_counted(some_patients: Callable[[int], Path]) -> None:
    folder = some_patients(400)
    counted, patients = estimate(folder), load_split(folder, "train")
    assert counted["patients"] == len(patients)
    for code in ("E_91", "E_53", "E_57"):
        rows = [p for p in patients if any(e.partition("_@_")[0] == code for e in p.evidences)]
        part = {
            key: row["findings"].get(code, 0) or row["details"].get(code, {}).get("asked", 0)
            for key, row in counted["conditions"].items()
        }
        with_parent = [p for p in rows if code != "E_57" or "E_53" in p.evidences]
        assert {key: n for key, n in part.items() if n} == Counter(p.pathology for p in with_parent)
    with pytest.raises(InputError, match="not of the training split"):
        count([*patients, *load_split(folder, "test")])
    with pytest.raises(InputError, match="not those of the vocabulary"):
        clinic_of(counted, load_vocabulary())


def test_the_shipped_table_is_that_of_the_training_patients() -> None:
    table = load_table()
    assert to_text(table) == shipped_table().read_text(encoding="utf-8")
    assert sum(sum(row["patients"][s]) for row in table["conditions"].values() for s in SEXES) == table["patients"]
    assert "CC-BY 4.0" in table["about"]
    if (PREPARED / "manifest.json").exists():
        split = json.loads((PREPARED / "manifest.json").read_text())["splits"]["train"]
        assert (table["patients"], table["ids_sha256"]) == (split["patients"], split["ids_sha256"])
