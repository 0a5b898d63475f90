"""A case: one patient presentation, and the findings it states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ddx.errors import InputError

Sex = Literal["F", "M"]
_SEXES: dict[str, Sex] = {"f": "F", "female": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
MAX_AGE = 120.0


@dataclass(frozen=True)
class Finding:
    """One stated finding: a DDXPlus evidence code, whether it is present, and its value if it has one.

    What a case does not list is *not stated*, which is not the same as absent.
    """

    code: str
    present: bool = True
    value: str | None = None

    @classmethod
    def from_ddxplus(cls, evidence: str) -> Finding:
        """Read DDXPlus's own form.

        >>> Finding.from_ddxplus("E_54_@_V_161")
        Finding(code='E_54', present=True, value='V_161')
        """
        code, _, value = evidence.partition("_@_")
        return cls(code, True, value or None)


@dataclass(frozen=True)
class Case:
    """One patient presentation.

    age is in years (0 to 120, fractions for infants), sex is "F" or "M", either may be None (not stated).
    `findings` keep the order in which they were learned. `text` is free text, used as it stands.
    """

    case_id: str = ""
    age: float | None = None
    sex: Sex | None = None
    findings: tuple[Finding, ...] = ()
    text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.text.strip() or self.findings):
            raise InputError(f"{_where(self.case_id)}no text and no findings: give at least one of them")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "case") -> Case:
        """Build a case from JSON-like data: `case_id, age, sex, text, findings`.

        `findings` is a list of DDXPlus codes ("E_54_@_V_161"; a leading "-" or "no:" means absent) or of
        objects `{"code", "present", "value"}`. Unknown keys are refused. Raises InputError with one line.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: expected an object with text or findings, got {type(data).__name__}")
        unknown = set(data) - {"case_id", "age", "sex", "text", "findings"}
        if unknown:
            raise InputError(
                f"{where}: unknown key {sorted(unknown)[0]!r}; known keys are case_id, age, sex, text, findings"
            )
        text = data.get("text") or ""
        if not isinstance(text, str):
            raise InputError(f"{where}: text must be a string, got {type(text).__name__}")
        raw = data.get("findings") or ()
        if isinstance(raw, str) or not isinstance(raw, Iterable):
            raise InputError(f'{where}: findings must be a list of codes such as "E_91", got {type(raw).__name__}')
        if not (text.strip() or raw):
            raise InputError(f"{where}: no text and no findings; give at least one of them")
        return cls(
            case_id=str(data.get("case_id") or ""),
            age=read_age(data.get("age"), where),
            sex=read_sex(data.get("sex"), where),
            findings=tuple(_read_finding(item, where) for item in raw),
            text=text,
        )

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads.

        >>> case = Case("c", 58.0, "M", (Finding("E_91"),))
        >>> Case.from_dict(case.to_dict()) == case
        True
        """
        findings = [dict(vars(f)) for f in self.findings]
        return {"case_id": self.case_id, "age": self.age, "sex": self.sex, "text": self.text, "findings": findings}


def read_age(value: Any, where: str = "age") -> float | None:
    """Age in years, or None when empty; raises InputError on anything that is not a number from 0 to 120.

    >>> read_age("58"), read_age(""), read_age("1,5")
    (58.0, None, 1.5)
    """
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:
        return None
    try:
        age = float(str(value).strip().replace(",", "."))
    except ValueError:
        raise InputError(f"{where}: age {str(value)[:20]!r} is not a number of years") from None
    if not 0 <= age <= MAX_AGE:
        raise InputError(f"{where}: age {age:g} is outside 0 to {MAX_AGE:g} years")
    return age


def read_sex(value: Any, where: str = "sex") -> Sex | None:
    """Sex as "F" or "M", or None when empty; raises InputError otherwise."""
    if value is None or value != value or not str(value).strip():
        return None
    sex = _SEXES.get(str(value).strip().lower())
    if sex is None:
        raise InputError(f"{where}: sex {str(value)[:20]!r} is not one of F, M, female, male")
    return sex


def _read_finding(item: Any, where: str) -> Finding:
    if isinstance(item, Mapping):
        if "code" not in item or set(item) - {"code", "present", "value"}:
            raise InputError(f"{where}: a finding needs a code, and may have present and value; got {sorted(item)}")
        present = item.get("present", True)
        if not isinstance(present, bool):
            raise InputError(f"{where}: present must be true or false for finding {item['code']}")
        value = item.get("value")
        return Finding(str(item["code"]), present, None if value is None else str(value))
    text = str(item).strip()
    absent = text.startswith(("-", "no:"))
    finding = Finding.from_ddxplus(text.removeprefix("-").removeprefix("no:").strip())
    return Finding(finding.code, not absent, finding.value)


def _where(case_id: str) -> str:
    return f"case {case_id}: " if case_id else ""
