"""The clinic's parameters: counts among DDXPlus training patients, smoothed.

`python -m ddx.simulate.estimate data/ddxplus ddx/assets/clinic.json` counts again. The shipped table holds figures of
DDXPlus (Fansi Tchango et al. 2022, CC-BY 4.0) and no patient.

Smoothing: every rate is (k + m·p)/(n + m), where k of the condition's n patients have it, p is the rate among all
patients, and m = 1: as if each condition had been seen in one more patient, an average one. Nothing that any patient
has is impossible; what none has is.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.splits import split_of
from ddx.data.stages import STAGES, interview, stage_length
from ddx.errors import InputError
from ddx.files import write_text
from ddx.simulate.clinic import SEXES, Clinic, Telling
from ddx.simulate.details import Detail, Floats
from ddx.vignette import Item, group
from ddx.vocabulary import Vocabulary, load_vocabulary
from ddx.vocabulary.findings import load_findings, related_findings

__all__ = ["clinic_of", "count", "estimate", "kind_of", "load_clinic", "load_table", "shipped_table"]

M = 1.0  # patients' worth of smoothing
BANDS = (0, 1, 5, 15, 30, 45, 60, 75)  # first ages of the age bands
ONE_SEX = 100  # a finding that so many patients have, and none of the other sex, is that of one sex
SOURCE = "Counts among DDXPlus patients (Fansi Tchango et al. 2022, CC-BY 4.0), training split of the project's own."


def estimate(folder: Path) -> dict[str, Any]:
    """The table of counts from the training patients of a prepared folder (`ddx data prepare`)."""
    return count(load_split(folder, "train"))


def count(patients: Sequence[Patient]) -> dict[str, Any]:
    """The table of counts. Raises InputError when a patient does not belong to the training split.

    A detail whose parent is absent ("rash itch 0" without a rash) is left out. The first complaint is shared among a
    patient's symptoms where DDXPlus does not say which it was, since `ddx.data.stages` draws one of them.
    """
    other = next((p for p in patients if split_of(p.patient_id) != "train"), None)
    if other is not None:
        raise InputError(f"patient {other.patient_id} is not of the training split; the clinic is estimated there only")
    known = load_findings()
    by_sex: dict[str, Counter[str]] = {sex: Counter() for sex in SEXES}
    ages: dict[str, Counter[int]] = {sex: Counter() for sex in SEXES}
    conditions: dict[str, Any] = {}
    most: Counter[str] = Counter()
    for p in patients:
        row = conditions.setdefault(p.pathology or "", _empty_row())
        items = _items(p)
        ages[p.sex][int(p.age)] += 1
        row["patients"][p.sex][_band(p.age)] += 1
        complaints = [i.code for i in items if i.code == p.initial] or [
            i.code for i in items if i.present and known[i.code].kind == "symptom" and known[i.code].type == "flag"
        ]
        for code in complaints:
            row["complaints"][code] += 1 / len(complaints)
        for item in items:
            if known[item.code].type != "flag":
                row["details"].setdefault(item.code, Counter()).update({*item.values} or {"absent"}, asked=1)
                most[item.code] = max(most[item.code], len(item.values))
            elif item.present:
                row["findings"][item.code] += 1
                by_sex[p.sex][item.code] += 1
    one_sex = {
        code: sex
        for sex, other_sex in zip(SEXES, reversed(SEXES), strict=True)
        for code, number in sorted(by_sex[sex].items())
        if number >= ONE_SEX and not by_sex[other_sex][code]
    }
    for row in conditions.values():
        row["complaints"] = {code: round(weight, 2) for code, weight in sorted(row["complaints"].items())}
        row["findings"] = dict(sorted(row["findings"].items()))
        row["details"] = {code: dict(sorted(c.items())) for code, c in sorted(row["details"].items())}
    ids = "\n".join(sorted(p.patient_id for p in patients))
    return {
        "about": SOURCE,
        "patients": len(patients),
        "ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
        "bands": list(BANDS),
        "ages": {sex: [ages[sex][year] for year in range(max(ages[sex], default=0) + 1)] for sex in SEXES},
        "one_sex": one_sex,
        "most": dict(sorted(most.items())),
        **_stated(patients),
        "conditions": {key: conditions[key] for key in sorted(conditions)},
    }


def kind_of(item: Item) -> str:
    """symptom, antecedent, detail or absent. An absent detail is a detail, and history that is always answered (no
    foreign travel) an antecedent.

    >>> [kind_of(i) for i in (Item("E_91", True), Item("E_91", False), Item("E_57", False), Item("E_204", False))]
    ['symptom', 'absent', 'detail', 'antecedent']
    """
    definition = load_findings()[item.code]
    if definition.parent is not None:
        return "detail"
    return definition.kind if item.present or definition.type != "flag" else "absent"


def clinic_of(table: Mapping[str, Any], vocabulary: Vocabulary) -> Clinic:
    """The clinic of a table of counts, its conditions in the order of the vocabulary.

    Raises InputError when the table has other conditions than the vocabulary.
    """
    keys = tuple(condition.key for condition in vocabulary)
    if set(keys) != set(table["conditions"]):
        raise InputError("the clinic's conditions are not those of the vocabulary; count again (ddx.simulate.estimate)")
    rows = [table["conditions"][key] for key in keys]
    known = load_findings()
    codes = tuple(sorted({code for row in rows for code in row["findings"]}))
    patients = np.array([[row["patients"][sex] for row in rows] for sex in SEXES], dtype=float)  # [2, C, B]
    allowed = np.array([[table["one_sex"].get(code, sex) == sex for code in codes] for sex in SEXES])  # [2, F]
    had, complaints = (_matrix([row[name] for row in rows], codes) for name in ("findings", "complaints"))
    could = np.einsum("scb,sf->cf", patients, allowed)  # patients who can have it
    chance = smoothed(had - complaints, could - complaints)  # among those who did not come with it
    first = smoothed(complaints, could) * allowed[:, None, :]
    share = patients.sum(axis=(0, 2)) / patients.sum()  # [C]
    prevalence = np.moveaxis(patients, 1, 2) + M * share  # [2, B, C]
    ages = np.zeros((len(SEXES), max(map(len, table["ages"].values()))))
    for sex, numbers in enumerate(table["ages"].values()):
        ages[sex, : len(numbers)] = numbers
    related = related_findings()
    return Clinic(
        conditions=keys,
        findings=codes,
        ages=ages / ages.sum(),
        bands=tuple(table["bands"]),
        prevalence=prevalence / prevalence.sum(axis=2, keepdims=True),
        complaint=first / first.sum(axis=2, keepdims=True),
        chance=chance * allowed[:, None, :],
        history=np.array([known[code].kind == "antecedent" for code in codes]),
        related=np.array([[b in related.get(a, ()) for b in codes] for a in codes]),
        details=tuple(_detail(code, most, rows) for code, most in table["most"].items()),
        telling={stage: (Telling(**plain), Telling(**own)) for stage, (plain, own) in table["stated"].items()},
        asking={stage: np.array([part.get(code, 0.0) for code in codes]) for stage, part in table["asked"].items()},
    )


def smoothed(k: Floats, n: Floats) -> Floats:
    """(k + m·p)/(n + m) with p = Σk / Σn over the conditions; k, n [C, F].

    >>> smoothed(np.array([[0.0], [3.0]]), np.array([[1.0], [3.0]])).ravel().tolist()       # p = 3/4
    [0.375, 0.9375]
    """
    p = k.sum(axis=0) / np.maximum(n.sum(axis=0), 1e-9)
    rates: Floats = (np.maximum(k, 0.0) + M * p) / (n + M)
    return rates


def shipped_table() -> Path:
    """The file of counts that ships with the package."""
    return Path(__file__).parents[1] / "assets" / "clinic.json"


@lru_cache(maxsize=1)
def load_table() -> dict[str, Any]:
    """The shipped table of counts."""
    table: dict[str, Any] = json.loads(shipped_table().read_text(encoding="utf-8"))
    return table


@lru_cache(maxsize=1)
def load_clinic() -> Clinic:
    """The shipped clinic: 49 conditions, 208 findings and 15 with values."""
    return clinic_of(load_table(), load_vocabulary())


def to_text(table: Mapping[str, Any]) -> str:
    """A table as JSON with one condition a line."""
    head = [f"{json.dumps(name)}: {json.dumps(part)}" for name, part in table.items() if name != "conditions"]
    rows = [f"{json.dumps(key)}: {json.dumps(row)}" for key, row in table["conditions"].items()]
    return "{\n" + ",\n".join([*head, '"conditions": {\n' + ",\n".join(rows) + "\n}"]) + "\n}\n"


def _empty_row() -> dict[str, Any]:
    return {
        "patients": {sex: [0] * len(BANDS) for sex in SEXES},
        "complaints": Counter(),
        "findings": Counter(),
        "details": {},
    }


def _band(age: float) -> int:
    return sum(age >= first for first in BANDS) - 1


def _items(patient: Patient) -> list[Item]:
    """A patient's findings without the details of absent ones."""
    items = group(patient.findings)
    return _without_orphans(items, {item.code for item in items if item.present})


def _without_orphans(items: Sequence[Item], present: set[str]) -> list[Item]:
    known = load_findings()
    return [i for i in items if known[i.code].parent is None or known[i.code].parent in present]


def _stated(patients: Sequence[Patient]) -> dict[str, Any]:
    """What the interviews of `ddx.data.stages` state at each stage.

    "stated": for first complaints without and with details, the shares of `Telling`; "asked": by first complaint, the
    share of the related absent findings; "means": items of each kind in a case, to compare simulated cases with.
    """
    known = load_findings()
    pools = {code: {c for c in pool if known[c].type == "flag"} for code, pool in related_findings().items()}
    parents = {definition.parent for definition in known.values()}
    said, of = Counter[tuple[str, bool, str]](), Counter[tuple[str, bool, str]]()
    asked, absent = Counter[tuple[str, str]](), Counter[str]()
    means: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for patient in patients:
        items = interview(patient)
        present = {item.code for item in items if item.present}
        first = items[0].code
        absent[first] += len(pools[first] - present)
        rest = [(i.code, known[i.code].parent, kind_of(i)) for i in _without_orphans(items[1:], present)]
        for stage in STAGES:
            codes = {item.code for item in items[: stage_length(items, stage)]}
            for code, parent, kind in rest:
                told = code in codes
                means[stage][kind] += told
                if kind == "absent":
                    asked[stage, first] += told
                elif parent is None or parent in codes:
                    name = "own" if parent == first else "detailed" if code in parents else kind
                    said[stage, first in parents, name] += told
                    of[stage, first in parents, name] += 1
    names = Telling.__annotations__
    return {
        "stated": {
            stage: [{name: _share(said[stage, d, name], of[stage, d, name]) for name in names} for d in (False, True)]
            for stage in STAGES
        },
        "asked": {
            stage: {code: _share(asked[stage, code], number) for code, number in sorted(absent.items())}
            for stage in STAGES
        },
        "means": {
            stage: {kind: _share(number, len(patients)) for kind, number in sorted(means[stage].items())}
            for stage in STAGES
        },
    }


def _share(number: float, of: int) -> float:
    return round(number / of, 4) if of else 0.0


def _matrix(counts: Sequence[Mapping[str, float]], codes: Sequence[str]) -> Floats:
    return np.array([[row.get(code, 0.0) for code in codes] for row in counts], dtype=float)


def _detail(code: str, most: int, rows: Sequence[Mapping[str, Any]]) -> Detail:
    """A finding with values, from the rows of the table."""
    counts = [row["details"].get(code, {}) for row in rows]
    names = {name for c in counts for name in c} - {"absent", "asked"}
    values = tuple(sorted(names, key=lambda v: (len(v), v)))
    asked, absent = _matrix(counts, ["asked"]), _matrix(counts, ["absent"])
    numbers = _matrix(counts, values)
    given = np.broadcast_to(asked - absent, numbers.shape)
    return Detail(
        code, load_findings()[code].parent, values, smoothed(absent, asked)[:, 0], smoothed(numbers, given), most
    )


if __name__ == "__main__":
    write_text(Path(sys.argv[2]), to_text(estimate(Path(sys.argv[1]))))
