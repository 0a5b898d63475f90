"""Well-formed tables of every kind as bytes, and FHIR resources; tests make from them what they need."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

STORY = "a long story of Mrs Zwiebel with wheezing at night"  # what no message may repeat
HEADER = ["case_id", "age", "sex", "text", "findings"]
GOOD = ["good", "58", "M", STORY, ""]


def csv_file(rows: list[list[str]], header: list[str] = HEADER) -> bytes:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [header, *rows]]
    return "\n".join([*lines, ""]).encode()


def jsonl_file(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")


def workbook(rows: list[list[Any]], merge: str = "", title: str = "Cases") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet_file(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def repacked(content: bytes, changes: dict[str, bytes | None]) -> bytes:
    """A workbook with some of its parts replaced, or left out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    return zipped({name: part for name, part in {**parts, **changes}.items() if part is not None})


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "1960-05-01", **more}


def condition(**more: Any) -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    return {
        "resourceType": "Condition",
        "subject": subject,
        "code": {"text": STORY},
        "recordedDate": "2020-01-01",
        **more,
    }


def observation(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": "Body temperature"},
        "valueQuantity": {"value": 39.5, "unit": "°C"},
        **more,
    }


def bundle(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources], **more}
