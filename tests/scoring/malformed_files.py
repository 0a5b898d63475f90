"""Malformed files: `FILES` maps a name to (file name, content, part of the one line that says why it can't be read)."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from table_makers import (
    GOOD,
    HEADER,
    STORY,
    bundle,
    condition,
    csv_file,
    jsonl_file,
    parquet_file,
    patient,
    repacked,
    workbook,
    zipped,
)

_PLAIN = csv_file([GOOD])
_BOOK = workbook([HEADER, GOOD])
_PARQUET = parquet_file({"text": [STORY] * 2_000, "n": list(range(2_000))})
_SHEET_XML = "xl/worksheets/sheet1.xml"
_DAMAGED_BOOK, _DAMAGED_PARQUET = "a damaged Excel workbook", "a damaged Parquet file"


def _sheet_xml(content: str) -> bytes:
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    return repacked(_BOOK, {_SHEET_XML: f"<worksheet {space}>{content}</worksheet>".encode()})


def _hidden() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.create_sheet("other").append(["text"])
    for sheet in book.worksheets:
        sheet.sheet_state = "hidden"
    content = io.BytesIO()
    book.active.sheet_state = "visible"
    book.save(content)
    xml = zipfile.ZipFile(io.BytesIO(content.getvalue())).read("xl/workbook.xml")
    return repacked(content.getvalue(), {"xl/workbook.xml": xml.replace(b'state="visible"', b'state="hidden"')})


def _locked_zip() -> bytes:
    content = bytearray(zipped({"t.csv": _PLAIN}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


_HEAD = csv_file([], ["text"])
FILES: dict[str, tuple[str, bytes, str]] = {
    "csv, nothing": ("t.csv", b"", "the file is empty"),
    "csv, only a mark": ("t.csv", b"\xef\xbb\xbf", "is empty"),
    "csv, only blank lines": ("t.csv", b"\n\r\n  \n;;;\n,,\n", "is empty"),
    "csv, only a header": ("t.csv", _HEAD, "no rows below it"),
    "csv, a header and blank lines": ("t.csv", _HEAD + b"\n\n", "no rows below it"),
    "csv, a separator and nothing": ("t.csv", b"sep=;\n", "is empty"),
    "csv, no column to read": ("t.csv", b"case_id,age,sex\na,58,M\n", "none called text, findings or EVIDENCES"),
    "csv, no header": ("t.csv", f"58,M,{STORY}\n31,F,x\n".encode(), "the first row must name the columns"),
    "csv, a title above": (
        "t.csv",
        f"Our patients\n\ntext\n{STORY}\n".encode(),
        "row 1 has 1 column, none called text",
    ),
    "csv, a column twice": ("t.csv", b"text,age,Text\na,1,b\n", "two columns are called 'text'"),
    "csv, a column twice, padded": ("t.csv", b"age, AGE ,text\n1,2,b\n", "two columns are called 'age'"),
    "csv, findings and EVIDENCES": ("t.csv", b"findings,EVIDENCES\nE_91,E_91\n", "both findings and EVIDENCES"),
    "csv, NUL": ("t.csv", b"text\ncou\x00gh\n", "binary data (NUL at line 2)"),
    "csv, UTF-16 without a mark": ("t.csv", "text\ncough\n".encode("utf-16-le"), "binary data"),
    "csv, UTF-16 cut in half": ("t.csv", "text\ncough\n".encode("utf-16") + b"\x41", "not readable as utf-16"),
    "csv, a mark that lies": ("t.csv", b"\xef\xbb\xbftext\nfi\xe8vre\n", "not readable as utf-8-sig"),
    "csv, no known encoding": ("t.csv", b"text\n\x81\x8d\x8f\n", "not readable as utf-8 or cp1252"),
    "csv, two encodings": ("t.csv", b"text\nfi\xc3\xa8vre\nfi\xe8vre\n", "line 2 is UTF-8, line 3 is not"),
    "csv, two encodings, the other way": (
        "t.csv",
        b"text\nfi\xe8vre\nfi\xc3\xa8vre\n",
        "line 3 is UTF-8, line 2 is not",
    ),
    "csv, a forgotten quote in the header": ("t.csv", b'case_id,"text\na,cough\n', "none called text"),
    "a picture": ("t.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary data"),
    "a PDF": ("t.csv", b"%PDF-1.7\n\x00\x01\x02", "binary data"),
    "an executable": ("t.csv", b"\x7fELF\x02\x01\x01\x00", "binary data"),
    "a page of HTML": ("t.csv", b"<html><table><tr><td>text</td></tr></table></html>", "none called text"),
    "a page of RTF": ("t.csv", rb"{\rtf1\ansi cough}", "not readable as JSON"),
    "gzip, cut off": ("t.csv.gz", gzip.compress(_PLAIN * 50)[:60], "a damaged gzip file"),
    "gzip, a wrong checksum": ("t.csv.gz", gzip.compress(_PLAIN)[:-8] + b"\0" * 8, "a damaged gzip file"),
    "gzip, in name only": ("t.csv.gz", b"\x1f\x8bnot gzip at all", "a damaged gzip file"),
    "gzip, of nothing": ("t.csv.gz", gzip.compress(b""), "the file is empty"),
    "gzip, twice": ("t.csv.gz", gzip.compress(gzip.compress(_PLAIN)), ""),
    "gzip, of a workbook": ("t.xlsx.gz", gzip.compress(_BOOK), "a workbook or Parquet file that is packed"),
    "zip, cut off": ("t.zip", zipped({"t.csv": _PLAIN * 50})[:-40], "a damaged zip file"),
    "zip, in name only": ("t.zip", b"PK\x03\x04not zip at all", "a damaged zip file"),
    "zip, empty": ("t.zip", zipped({}), "a zip archive with 0 files"),
    "zip, two files": ("t.zip", zipped({"a.csv": _PLAIN, "b.csv": _PLAIN}), "a zip archive with 2 files"),
    "zip, with a password": ("t.zip", _locked_zip(), "a zip archive with a password"),
    "xlsx, cut in half": ("t.xlsx", _BOOK[: len(_BOOK) // 2], _DAMAGED_BOOK),
    "xlsx, cut at the end": ("t.xlsx", _BOOK[:-30], _DAMAGED_BOOK),
    "xlsx, four bytes": ("t.xlsx", b"PK\x03\x04", _DAMAGED_BOOK),
    "xlsx, a CSV by another name": ("t.xlsx", _PLAIN, "the name says .xlsx, the content does not"),
    "xlsx, with a password": ("t.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "(.xls) or with a password"),
    "xlsx, an old workbook": ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "(.xls) or with a password"),
    "xlsx, a binary workbook": ("t.xlsb", repacked(_BOOK, {"xl/workbook.bin": b"x"}), "no .xlsx workbook"),
    "xlsx, an OpenDocument sheet": ("t.ods", zipped({"mimetype": b"x", "content.xml": b"<x/>"}), "no .xlsx workbook"),
    "xlsx, a text document": (
        "t.docx",
        zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}),
        "no .xlsx workbook",
    ),
    "xlsx, only a list of contents": ("t.xlsx", zipped({"[Content_Types].xml": b"<Types/>"}), _DAMAGED_BOOK),
    "xlsx, a list of contents that is no XML": (
        "t.xlsx",
        repacked(_BOOK, {"[Content_Types].xml": b"{"}),
        _DAMAGED_BOOK,
    ),
    "xlsx, no workbook part": ("t.xlsx", repacked(_BOOK, {"xl/workbook.xml": None}), _DAMAGED_BOOK),
    "xlsx, no styles": ("t.xlsx", repacked(_BOOK, {"xl/styles.xml": b"<styles"}), _DAMAGED_BOOK),
    "xlsx, no sheet part": ("t.xlsx", repacked(_BOOK, {_SHEET_XML: None}), "no visible sheet"),
    "xlsx, a sheet that is no XML": ("t.xlsx", repacked(_BOOK, {_SHEET_XML: b"text,age"}), _DAMAGED_BOOK),
    "xlsx, a sheet cut off": (
        "t.xlsx",
        repacked(_BOOK, {_SHEET_XML: zipfile.ZipFile(io.BytesIO(_BOOK)).read(_SHEET_XML)[:-60]}),
        _DAMAGED_BOOK,
    ),
    "xlsx, an empty sheet": ("t.xlsx", workbook([]), "sheet 'Cases' is empty"),
    "xlsx, a sheet of blanks": ("t.xlsx", workbook([[" ", None], ["", " "]]), "sheet 'Cases' is empty"),
    "xlsx, only a header": ("t.xlsx", workbook([HEADER]), "no rows below it"),
    "xlsx, no header": ("t.xlsx", workbook([GOOD]), "none called text"),
    "xlsx, a title above": (
        "t.xlsx",
        workbook([["Our patients"], HEADER, GOOD]),
        "row 1 has 1 column, none called text",
    ),
    "xlsx, a merged header": ("t.xlsx", workbook([["text", "text"], [STORY, STORY]]), "two columns are called 'text'"),
    "xlsx, a column twice": ("t.xlsx", workbook([["text", " TEXT "], [STORY, STORY]]), "two columns are called 'text'"),
    "xlsx, all sheets hidden": ("t.xlsx", _hidden(), "no visible sheet"),
    "xlsx, a row beyond the last": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="99999999"><c r="A99999999"><v>1</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "xlsx, a shared string that is not there": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="1"><c r="A1" t="s"><v>99</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "xlsx, a shared string before the first": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="1"><c r="A1" t="s"><v>-1</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "xlsx, rows out of order": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "xlsx, a number in words": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="1"><c r="A1"><v>text</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "xlsx, a cell nowhere": (
        "t.xlsx",
        _sheet_xml('<sheetData><row r="1"><c r="ZZZZZ1"><v>1</v></c></row></sheetData>'),
        _DAMAGED_BOOK,
    ),
    "parquet, four bytes": ("t.parquet", b"PAR1", _DAMAGED_PARQUET),
    "parquet, no footer": ("t.parquet", _PARQUET[:-8], _DAMAGED_PARQUET),
    "parquet, cut in half": ("t.parquet", _PARQUET[: len(_PARQUET) // 2], _DAMAGED_PARQUET),
    "parquet, a footer of zeros": ("t.parquet", _PARQUET[:-200] + b"\0" * 192 + _PARQUET[-8:], _DAMAGED_PARQUET),
    "parquet, a footer too long": ("t.parquet", _PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1", _DAMAGED_PARQUET),
    "parquet, no data": ("t.parquet", b"PAR1" + _PARQUET[-(len(_PARQUET) // 3) :], _DAMAGED_PARQUET),
    "parquet, data of zeros": ("t.parquet", b"PAR1" + b"\0" * 5_000 + _PARQUET[5_004:], _DAMAGED_PARQUET),
    "parquet, a CSV by another name": ("t.parquet", _PLAIN, "the name says .parquet, the content does not"),
    "parquet, a mark at the wrong end": ("t.parquet", b"1RAP" + _PARQUET[4:], "the name says .parquet"),
    "parquet, encrypted": ("t.parquet", b"PARE" + _PARQUET[4:], "an encrypted Parquet file"),
    "parquet, no columns": ("t.parquet", parquet_file({}), "the table has 0 columns"),
    "parquet, no rows": ("t.parquet", parquet_file({"text": pa.array([], pa.string())}), "no rows below it"),
    "parquet, no column to read": ("t.parquet", parquet_file({"age": [1]}), "none called text"),
    "parquet, a column twice": (
        "t.parquet",
        (
            lambda out: (
                pq.write_table(pa.Table.from_arrays([pa.array(["x"])] * 2, ["text", "Text"]), out),
                out.getvalue(),
            )[1]
        )(io.BytesIO()),
        "two columns are called 'text'",
    ),
    "jsonl, nothing": ("t.jsonl", b"", "the file is empty"),
    "jsonl, blank lines": ("t.jsonl", b"\n\n \n", "no JSON"),
    "jsonl, a CSV by another name": ("t.jsonl", _PLAIN, "no JSON; write one object a line"),
    "jsonl, a list": ("t.json", json.dumps([{"text": STORY}]).encode(), "a JSON list; write one object a line"),
    "jsonl, a list over lines": ("t.json", json.dumps([{"text": STORY}], indent=1).encode(), "a JSON list"),
    "jsonl, a string": ("t.json", json.dumps(STORY).encode(), "no JSON; write one object a line"),
    "jsonl, one object over lines": ("t.json", json.dumps({"text": STORY}, indent=1).encode(), "one JSON object over"),
    "jsonl, one object cut off": ("t.jsonl", b'{"text": "cou', "not readable as JSON"),
    "jsonl, NUL": ("t.jsonl", b'{"text": "cou\x00gh"}\n', "binary data"),
    "jsonl, UTF-16 without a mark": ("t.jsonl", '{"text": "x"}'.encode("utf-16-be"), "binary data"),
    "jsonl, two encodings": ("t.jsonl", b'{"text": "fi\xc3\xa8vre"}\n{"text": "fi\xe8vre"}\n', "two encodings"),
    "jsonl, only empty objects": ("t.jsonl", b"{}\n{}\n", "no line is a JSON object with keys"),
    "jsonl, keys that are data": (
        "t.jsonl",
        jsonl_file([json.dumps({f"patient {i}": STORY}) for i in range(2_001)]),
        "more than 2,000 different keys",
    ),
    "jsonl, no key to read": ("t.jsonl", b'{"age": 5}\n', "none called text"),
    "jsonl, a key twice in two rows": ("t.jsonl", b'{"text": "a"}\n{"Text ": "b"}\n', "two columns are called 'text'"),
    "jsonl, cut off in gzip": ("t.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 99)[:40], "a damaged gzip file"),
    "fhir, cut off": (
        "t.json",
        json.dumps(bundle(patient(), condition()), indent=1)[:-5].encode(),
        "not readable as JSON",
    ),
    "fhir, no Patient": ("t.json", json.dumps(bundle(condition())).encode(), "no Patient in this FHIR file"),
    "fhir, an empty Bundle": ("t.json", json.dumps(bundle(), indent=1).encode(), "no Patient in this FHIR file"),
    "fhir, another resource": ("t.json", b'{"resourceType": "Encounter"}', "no Patient in this FHIR file"),
    "fhir, only Conditions": ("t.ndjson", jsonl_file([json.dumps(condition())] * 3), "no Patient in this FHIR file"),
    "fhir, a key twice": (
        "t.json",
        b'{\n"resourceType": "Bundle", "resourceType": "Bundle"\n}',
        "a key is there twice",
    ),
    "fhir, too deep": ("t.json", b'{"resourceType": "Bundle",\n"entry": ' + b"[" * 99_999, "nested too deeply"),
    "fhir, a list of resources": ("t.json", json.dumps([patient()]).encode(), "a JSON list"),
    "fhir, XML": ("t.xml", b'<Patient xmlns="http://hl7.org/fhir"><id value="p1"/></Patient>', "none called text"),
}
