"""The structured findings of a case, and what each does to each diagnosis: taken away, and turned into its opposite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ddx.case import Case, Finding
from ddx.explain.effects import Change, Evidence, Kind, effects_of
from ddx.vignette import Item, group, write_items
from ddx.vocabulary.findings import load_findings

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["finding_changes", "finding_effects"]


def finding_effects(model: Model, case: Case, keys: Sequence[str] | None = None) -> Evidence:
    """The weight of each finding for each diagnosis, in nats, when it is removed and when it is reversed.

    All are answered in one batch. `keys` are the diagnoses to weigh, None: those the model lists for the whole case.
    """
    return effects_of(model, case, finding_changes(case), keys)


def finding_changes(case: Case) -> list[Change]:
    """For each finding in turn the case without it, then the case with it present where it was absent or the reverse.

    A finding is taken with all its values, and with the details that hang on it (of a pain: where, how strong): these
    would make no sense without it. A detail by itself is only taken away, as is the finding of a case that would have
    nothing left.
    """
    items = group(case.findings)
    changes = []
    for item in items:
        gone = [item, *_details(item, items)]
        own = tuple(f for f in case.findings if _item(f) == (item.code, item.present))
        kept = [f for f in case.findings if not any(_item(f) == (i.code, i.present) for i in gone)]
        kinds: list[tuple[Kind, list[Finding]]] = [("removed", kept)]
        if _parent(item) is None:
            place = case.findings.index(own[0])
            before = [f for f in case.findings[:place] if f in kept]
            opposite = Finding(item.code, not item.present)
            kinds.append(("reversed", [*before, opposite, *kept[len(before) :]]))
        text = write_items(gone, case, "terse", None)[0].rstrip(".")
        for kind, findings in kinds:
            if findings or case.text.strip():
                changes.append(Change(replace(case, findings=tuple(findings)), text, kind, findings=own))
    return changes


def _details(item: Item, items: Sequence[Item]) -> list[Item]:
    """The findings that are details of this one, if it is present."""
    return [i for i in items if item.present and _parent(i) == item.code]


def _parent(item: Item) -> str | None:
    """The code of the finding whose detail this is."""
    definition = load_findings().get(item.code)
    parent = None if definition is None else definition.parent
    return None if parent == item.code else parent


def _item(finding: Finding) -> tuple[str, bool]:
    """Code and polarity, a value that means "none" read as absent."""
    [item] = group([finding])
    return item.code, item.present
