"""Malformed rows, each with what must be said of it; it must cost only itself.

`ROWS` maps a name to (file name, content, what is expected of its rows: None for a row that is answered, else (kind,
part of the reason)). Everything is made here, so that a reader of the tests sees what is wrong with it.
"""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import Any

import pyarrow as pa
from table_makers import (
    GOOD,
    HEADER,
    STORY,
    bundle,
    condition,
    csv_file,
    jsonl_file,
    observation,
    parquet_file,
    patient,
    workbook,
)

Expected = tuple[str, str] | None

# --------------------------------------------------------------------------------------------------------------
# Cells that are wrong in any kind of table
# --------------------------------------------------------------------------------------------------------------
_AGES = {
    "a word": ("abc", "'abc' is not a number of years"),
    "negative": ("-3", "'-3' is outside 0 to 120 years"),
    "just negative": ("-0.1", "'-0.1' is outside"),
    "400": ("400", "'400' is outside 0 to 120 years"),
    "just too old": ("120.5", "'120.5' is outside"),
    "infinite": ("inf", "'inf' is outside"),
    "beyond any float": ("1e999", "'1e999' is outside"),
    "not a number": ("nan", "'nan' is outside"),
    "with a unit": ("58 years", "'58 years' is not a number of years"),
    "in words": ("fifty-eight", "'fifty-eight' is not"),
    "two commas": ("1,234,5", "'1,234,5' is not"),
    "hexadecimal": ("0x3A", "'0x3A' is not"),
    "a range": ("50-59", "'50-59' is not"),
    "a date": ("1958-03-02", "a date, not an age in years"),
    "a German date": ("02.03.1958", "a date, not an age in years"),
    "a date with a time": ("1958-03-02 00:00:00", "a date, not an age in years"),
    "a story": (STORY, f"a value of {len(STORY)} characters is not a number of years"),
}
_SEXES = {
    "unknown": ("Q", "'Q' is not one of F, M, female, male"),
    "both": ("M/F", "'M/F' is not one of"),
    "a digit": ("1", "'1' is not one of"),
    "a symbol": ("♀", "'♀' is not one of"),
    "an age": ("58", "'58' is not one of"),
    "a story": (STORY, f"a value of {len(STORY)} characters is not one of"),
}
_FINDINGS = {
    "an unknown code": ("E_9999", "'E_9999' is not a known finding"),
    "words": ("fever", "'fever' is not a known finding"),
    "a value it has not": ("E_55_@_V_9999", "E_55 has no value 'V_9999'"),
    "a value missing": ("E_55", "E_55 needs a value"),
    "a value too many": ("E_91_@_V_29", "E_91 has no values"),
    "a scale beyond its end": ("E_56_@_11", "E_56 needs a number from 0 to 10"),
    "a scale absent": ("-E_56", "E_56 is a scale and can't be absent"),
    "an absent value": ("-E_55_@_V_29", "an absent finding has no value"),
    "present and absent": ("E_91;-E_91", "both as present and as absent"),
    "half a list": ('["E_91"', "not a list of codes"),
    "a list in a list": ("[[[[]]]]", "'[[[]]]' is not a known finding"),
    "brackets": ("[" * 15_000, "not a list of codes"),
    "numbers": ("[1, null]", "'1' is not a known finding"),
    "an object without a code": ('[{"value": 1}]', "a finding needs a code"),
    "an object with more": ('[{"code": "E_91", "note": "x"}]', "a finding needs a code"),
    "presence in words": ('[{"code": "E_91", "present": "maybe"}]', "present must be true or false"),
    "code and JSON": ('E_91;["E_201"]', "is not a known finding"),
    "an expression": ("[__import__('os')]", "not a list of codes"),
    "without end": ("E_91;" * 5000, "25,000 characters, the limit is 20,000"),
}
CELLS: dict[str, tuple[list[str], tuple[str, str]]] = {
    **{f"age: {n}": (["bad", cell, "F", STORY, ""], ("age", said)) for n, (cell, said) in _AGES.items()},
    **{f"sex: {n}": (["bad", "5", cell, STORY, ""], ("sex", said)) for n, (cell, said) in _SEXES.items()},
    **{f"findings: {n}": (["bad", "5", "F", "", cell], ("findings", said)) for n, (cell, said) in _FINDINGS.items()},
    "nothing": (["bad", "5", "F", "", ""], ("nothing to read", "no text and no findings")),
    "only blanks": (["bad", "5", "F", " \n ", " "], ("nothing to read", "no text and no findings")),
    "an empty list": (["bad", "5", "F", "", "[]"], ("nothing to read", "no text and no findings")),
    "a text without end": (["bad", "5", "F", "a" * 20_001, ""], ("text", "20,001 characters, the limit is 20,000")),
    "two megabytes": (["bad", "5", "F", "x" * 2_000_000, ""], ("text", "2,000,000 characters")),
    "two faults": (["bad", "abc", "Q", STORY, ""], ("age", "'abc' is not a number of years; column sex: 'Q' is not")),
}


def _as_all_kinds() -> dict[str, tuple[str, bytes, list[Expected]]]:
    """Each faulty row between two good ones, as CSV, JSON Lines, workbook and Parquet."""
    found: dict[str, tuple[str, bytes, list[Expected]]] = {}
    for name, (cells, said) in CELLS.items():
        expected: list[Expected] = [None, said, None]
        rows = [GOOD, cells, GOOD]
        found[f"csv, {name}"] = ("t.csv", csv_file(rows), expected)
        lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows]
        found[f"jsonl, {name}"] = ("t.jsonl", jsonl_file(lines), expected)
        columns = {n: pa.array(list(v)) for n, v in zip(HEADER, zip(*rows, strict=True), strict=True)}
        found[f"parquet, {name}"] = ("t.parquet", parquet_file(columns), expected)
        if all(len(cell) < 32_767 for cell in cells):  # what an Excel cell holds
            found[f"xlsx, {name}"] = ("t.xlsx", workbook([HEADER, *rows]), expected)
    return found


# --------------------------------------------------------------------------------------------------------------
# Rows that only one kind of table can get wrong
# --------------------------------------------------------------------------------------------------------------
_CSV: dict[str, tuple[str, list[Expected]]] = {
    "a row too long": (f"bad,5,F,{STORY},,surplus", [("columns", "6 columns, not 5 as the header")]),
    "a row far too long": ("bad" + ",x" * 500, [("columns", "501 columns, not 5")]),
    "a row of one cell": ("bad", [("nothing to read", "no text")]),
    "only separators": (",,,,", [("nothing to read", "no text")]),
    "the header again": ("case_id,age,sex,text,findings", [("age", "'age' is not a number of years")]),
    "the wrong separator": (f"bad;5;F;{STORY};", [("nothing to read", "no text")]),
    "columns shifted": (f"bad,{STORY},5,F,", [("age", "characters is not a number")]),
    "a quote in the middle, doubled wrongly": (f'bad,5,F,"{STORY} "ah" and more",', [None]),
    "a quote closed by the next row": ('bad,5,F,"cough\nbad2,6,M,"fever",', [("quotes", "2 lines of the file")]),
    "HTML": ("<tr><td>bad</td></tr>", [("nothing to read", "no text")]),
    "a form feed": ("\f", [("nothing to read", "no text")]),
    "a lone carriage return": (f"bad,5,F,\r{STORY},", [("nothing to read", "no text"), ("nothing to read", "no text")]),
    "a footer": ("(1 row affected)", [("nothing to read", "no text")]),
    "JSON in a cell": ('bad,"{""age"": 5}",F,cough,', [("age", "is not a number of years")]),
}
_JSONL: dict[str, tuple[str, Expected]] = {
    "an opening brace": ("{", ("JSON", "not readable as JSON")),
    "cut off": ('{"text": "' + STORY, ("JSON", "not readable as JSON (character")),
    "an empty object": ("{}", ("nothing to read", "no text")),
    "a list": ("[]", ("JSON", "not a JSON object")),
    "a list of values": ('["bad", 5, "F", "cough"]', ("JSON", "not a JSON object")),
    "null": ("null", ("JSON", "not a JSON object")),
    "true": ("true", ("JSON", "not a JSON object")),
    "a number": ("42", ("JSON", "not a JSON object")),
    "a string": (json.dumps(STORY), ("JSON", "not a JSON object")),
    "single quotes": ("{'text': 'cough'}", ("JSON", "not readable as JSON")),
    "no value": ('{"text": }', ("JSON", "not readable as JSON")),
    "a trailing comma": ('{"text": "cough",}', ("JSON", "not readable as JSON")),
    "a comma between lines": ('{"text": "cough"},', ("JSON", "not readable as JSON")),
    "two objects on a line": ('{"text": "a"} {"text": "b"}', ("JSON", "not readable as JSON")),
    "NaN": ('{"age": NaN, "text": "cough"}', ("JSON", "NaN is not JSON; write null")),
    "Infinity": ('{"age": Infinity, "text": "cough"}', ("JSON", "Infinity is not JSON")),
    "minus Infinity": ('{"x": [-Infinity], "text": "cough"}', ("JSON", "-Infinity is not JSON")),
    "a key twice": ('{"text": "cough", "text": "fever"}', ("JSON", "a key is there twice")),
    "a key twice, inside": ('{"text": "cough", "x": {"a": 1, "a": 2}}', ("JSON", "a key is there twice")),
    "a comment": ("// cough", ("JSON", "not readable as JSON")),
    "a control character": ('{"text": "cou\x01gh"}', ("JSON", "not readable as JSON")),
    "a raw tab": ('{"text": "cou\tgh"}', ("JSON", "not readable as JSON")),
    "a wrong escape": (r'{"text": "cou\xgh"}', ("JSON", "not readable as JSON")),
    "half an escape": (r'{"text": "cou\u12"}', ("JSON", "not readable as JSON")),
    "a byte order mark inside": ('\ufeff{"text": "cough"}', ("JSON", "not readable as JSON")),
    "too deep": ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}", ("JSON", "nested too deeply")),
    "a number too long": ('{"age": ' + "9" * 5_000 + ', "text": "cough"}', ("JSON", "a number too long")),
    "a number beyond floats": ('{"age": 1e999, "text": "cough"}', ("age", "'inf' is outside")),
    "half a character": (r'{"text": "cou\ud800gh"}', ("text", "half a character")),
    "half a character in the id": (r'{"case_id": "\udfff", "text": "cough"}', ("case_id", "half a character")),
    "half a character carried along": (r'{"text": "cough", "note": "\ud83d"}', None),
    "NUL in a text": (r'{"text": "cough\u0000", "note": "\u0000"}', None),
    "an age as a list": ('{"age": [58], "text": "cough"}', ("age", "a list or an object")),
    "an age as an object": ('{"age": {"years": 58}, "text": "cough"}', ("age", "a list or an object")),
    "an age as true": ('{"age": true, "text": "cough"}', ("age", "'true' is not a number of years")),
    "a sex as a number": ('{"sex": 2, "text": "cough"}', ("sex", "'2' is not one of")),
    "a sex as a list": ('{"sex": ["F"], "text": "cough"}', ("sex", "a list or an object")),
    "a text as an object": ('{"text": {"complaint": "cough"}}', ("text", "a list or an object")),
    "a text as a list": ('{"text": ["cough", "fever"]}', ("text", "a list or an object")),
    "an id as an object": ('{"case_id": {"value": 1}, "text": "cough"}', ("case_id", "a list or an object")),
    "findings as an object": ('{"findings": {"E_91": true}}', ("findings", "is not a known finding")),
    "findings as a number": ('{"findings": 91}', ("findings", "'91' is not a known finding")),
    "findings in a list": ('{"findings": [["E_91"]]}', ("findings", "is not a known finding")),
    "findings with null": ('{"findings": [null]}', ("findings", "'None' is not a known finding")),
    "other keys": ('{"Texte": "cough", "Alter": 5}', ("nothing to read", "no text")),
}
_SHEET: dict[str, tuple[list[list[Any]], str, list[Expected]]] = {
    "a date as age": ([["bad", datetime(1958, 3, 2), "F", STORY]], "", [("age", "a date, not an age in years")]),
    "a time as age": ([["bad", time(5, 8), "F", STORY]], "", [("age", "'05:08:00' is not a number of years")]),
    "a truth value as age": ([["bad", True, "F", STORY]], "", [("age", "'true' is not a number of years")]),
    "a number as sex": ([["bad", 5, 2, STORY]], "", [("sex", "'2' is not one of")]),
    "an error as age": ([["bad", "#VALUE!", "F", STORY]], "", [("age", "#VALUE!, an error in Excel")]),
    "an error as text": ([["bad", 5, "F", "#N/A"]], "", [("text", "#N/A, an error in Excel")]),
    "a formula as age": ([["bad", "=2024-1958", "F", STORY]], "", [("age", "a formula without a stored value")]),
    "a formula as text": ([["bad", 5, "F", '="cou"&"gh"']], "", [("text", "a formula without a stored value")]),
    "a formula carried along": ([["bad", 5, "F", STORY, None, "=1+1"]], "", [("columns", "6 columns, not 5")]),
    "a cell beyond the header": ([["bad", 5, "F", STORY, None, "surplus"]], "", [("columns", "6 columns, not 5")]),
    "a text merged over two rows": (
        [["bad", 5, "F", STORY], ["bad", 6, "M", None]],
        "D2:D3",
        [None, ("text", "part of the merged cells D2:D3")],
    ),
    "an age merged over two rows": (
        [["bad", 5, "F", STORY], ["bad", None, "M", STORY]],
        "B2:B3",
        [None, ("age", "part of the merged cells B2:B3")],
    ),
    "a row merged into one cell": ([["bad", None, None, None]], "A2:D2", [("age", "part of the merged cells A2:D2")]),
    "rows merged into one": (
        [["bad", 5, "F", STORY], [None, None, None, None]],
        "A2:D3",
        [("age", "part of the merged cells A2:D3"), ("case_id", "part of the merged cells A2:D3")],
    ),
    "only an id": ([["bad"]], "", [("nothing to read", "no text")]),
}
_TEXTS = [STORY, STORY]
_COLUMNS: dict[str, tuple[dict[str, Any], list[Expected]]] = {
    "ages as a list": ({"age": [[58], None], "text": _TEXTS}, [("age", "a list or an object"), None]),
    "ages as a struct": ({"age": [{"y": 5}, None], "text": _TEXTS}, [("age", "a list or an object"), None]),
    "ages as days": ({"age": [datetime(1958, 3, 2), None], "text": _TEXTS}, [("age", "a date, not an age"), None]),
    "ages as truth values": ({"age": [True, None], "text": _TEXTS}, [("age", "'true' is not"), None]),
    "ages without end": ({"age": [float("inf"), float("nan")], "text": _TEXTS}, [("age", "'inf' is outside"), None]),
    "ages below zero": ({"age": [-1, 1], "text": _TEXTS}, [("age", "'-1' is outside"), None]),
    "ages beyond 64 bits": (
        {"age": pa.array([2**64 - 1, 5], pa.uint64()), "text": _TEXTS},
        [("age", "'18446744073709551615' is outside"), None],
    ),
    "days before the calendar": (
        {"day": pa.array([-(10**17), 5], pa.timestamp("ms")), "text": _TEXTS},
        [None, None],
    ),
    "ages before the calendar": (
        {"age": pa.array([-(10**17), None], pa.timestamp("ms")), "text": _TEXTS},
        [("age", "a value that can't be read"), None],
    ),
    "texts as a struct": (
        {"text": [{"a": STORY}, None], "case_id": ["a", "b"]},
        [("text", "a list or"), ("nothing to read", "")],
    ),
    "texts as a list": ({"text": [[STORY], []]}, [("text", "a list or an object"), ("text", "a list or an object")]),
    "texts as bytes": ({"text": [STORY.encode(), b""]}, [None, ("nothing to read", "no text")]),
    "texts as null": ({"text": pa.nulls(2), "age": [5, 6]}, [("nothing to read", "no text")] * 2),
    "findings as numbers": ({"findings": [[1], [2]]}, [("findings", "'1' is not"), ("findings", "'2' is not")]),
    "findings as a map": (
        {"findings": pa.array([[("E_91", "yes")], None], pa.map_(pa.string(), pa.string()))},
        [("findings", "is not a known finding"), ("nothing to read", "no text")],
    ),
    "sexes as numbers": ({"sex": [1, None], "text": _TEXTS}, [("sex", "'1' is not one of"), None]),
    "a dictionary": (
        {"sex": pa.array(["F", "Q"]).dictionary_encode(), "text": _TEXTS},
        [None, ("sex", "'Q' is not one of")],
    ),
}


def _not_utf8() -> bytes:
    """A string column with bytes that are no UTF-8: Arrow does not look, and Python would stumble."""
    bad = b"fi\xe8vre"
    data = b"wheezing" + bad
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 8, len(data)))
    return parquet_file({"text": pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(data))})


# --------------------------------------------------------------------------------------------------------------
# FHIR: one Bundle a line
# --------------------------------------------------------------------------------------------------------------
_NOTHING = ("nothing to read", "no text")
_FHIR: dict[str, tuple[Any, list[Expected]]] = {
    "not JSON": ("{", [("FHIR", "not readable as JSON")]),
    "a list": ([patient()], [("FHIR", "not a JSON object")]),
    "no resourceType": ({"id": "x"}, [("FHIR", "resourceType is missing")]),
    "a resourceType that is a number": ({"resourceType": 1}, [("FHIR", "resourceType is missing")]),
    "a Bundle without a Patient": (bundle(condition()), [("FHIR", "a Bundle without a Patient")]),
    "an empty Bundle": ({"resourceType": "Bundle"}, [("FHIR", "a Bundle without a Patient")]),
    "entries that are an object": (bundle(entry={"a": 1}), [("FHIR", "a Bundle without a Patient")]),
    "entries that are null": (bundle(entry=None), [("FHIR", "a Bundle without a Patient")]),
    "entries that are numbers": (bundle(entry=[1, None, "x"]), [("FHIR", "a Bundle without a Patient")]),
    "resources that are strings": (bundle("Patient"), [("FHIR", "a Bundle without a Patient")]),
    "a misspelt Patient": (bundle(patient(resourceType="patient"), condition()), [("FHIR", "without a Patient")]),
    "a misspelt Condition": (bundle(patient(), condition(resourceType="Conditon")), [_NOTHING]),
    "a Patient and nothing else": (bundle(patient()), [_NOTHING]),
    "a Patient without an id": (bundle(patient(id=None), condition()), [_NOTHING]),
    "an id that is a number": (bundle(patient(id=1), condition()), [("FHIR", "Patient.id is not")]),
    "an id with blanks": (bundle(patient(id="p 1"), condition()), [("FHIR", "Patient.id is not")]),
    "a birth date in German": (
        bundle(patient(birthDate="1.5.1960"), condition()),
        [("FHIR", "Patient.birthDate is not")],
    ),
    "a birth date that never was": (
        bundle(patient(birthDate="1960-02-31"), condition()),
        [("FHIR", "Patient.birthDate")],
    ),
    "a birth date that is a number": (
        bundle(patient(birthDate=1960), condition()),
        [("FHIR", "Patient.birthDate is not")],
    ),
    "born later": (bundle(patient(birthDate="2021-05-01"), condition()), [("age", "'-2' is outside")]),
    "born in 1800": (bundle(patient(birthDate="1800"), condition()), [("age", "'219' is outside")]),
    "a gender that FHIR has not": (bundle(patient(gender="robot"), condition()), [("sex", "'robot' is not one of")]),
    "a gender that is a number": (bundle(patient(gender=1), condition()), [("FHIR", "Patient.gender is not")]),
    "a field that FHIR has not": (
        bundle(patient(age=58), condition()),
        [("FHIR", "Patient.age is not a field of FHIR")],
    ),
    "a name that is a string": (bundle(patient(name="Zwiebel"), condition()), [("FHIR", "Patient.name")]),
    "a Patient twice": (bundle(patient(), patient(), condition()), [("FHIR", "is there twice")] * 2),
    "a Condition without a subject": (bundle(patient(), condition(subject=None)), [_NOTHING]),
    "a subject that is a string": (bundle(patient(), condition(subject="Patient/p1")), [_NOTHING]),
    "a reference that is a number": (bundle(patient(), condition(subject={"reference": 1})), [_NOTHING]),
    "a dangling reference": (bundle(patient(), condition(subject={"reference": "Patient/p9"})), [_NOTHING]),
    "a reference to itself": (bundle(patient(), condition(id="c", subject={"reference": "Condition/c"})), [_NOTHING]),
    "a code that is a list": (bundle(patient(), condition(code=[])), [("FHIR", "Condition.code")]),
    "a code that is a string": (bundle(patient(), condition(code="cough")), [("FHIR", "Condition.code")]),
    "a code without words": (bundle(patient(), condition(code={"coding": [{"code": "1"}]})), [_NOTHING]),
    "no code": (bundle(patient(), condition(code=None)), [_NOTHING]),
    "a coding that is a string": (
        bundle(patient(), condition(code={"coding": ["x"]})),
        [("FHIR", "Condition.code.coding")],
    ),
    "entered in error": (
        bundle(patient(), condition(verificationStatus={"coding": [{"code": "entered-in-error"}]})),
        [_NOTHING],
    ),
    "an Observation without a status": (bundle(patient(), observation(status=None)), [("FHIR", "Observation.status")]),
    "an Observation without a code": (bundle(patient(), observation(code=None)), [("FHIR", "Observation.code")]),
    "an Observation without a value": (bundle(patient(), observation(valueQuantity=None)), [_NOTHING]),
    "a value in words": (
        bundle(patient(), observation(valueQuantity={"value": "high"})),
        [("FHIR", "Observation.value")],
    ),
    "two values": (bundle(patient(), observation(valueString="high")), [("FHIR", "Observation is not as FHIR")]),
    "a component that is an object": (
        bundle(patient(), observation(component={"a": 1})),
        [("FHIR", "Observation.comp")],
    ),
    "a cancelled Observation": (bundle(patient(), observation(status="cancelled")), [_NOTHING]),
    "a circle of Observations": (
        bundle(
            patient(),
            observation(id="a", hasMember=[{"reference": "Observation/b"}]),
            observation(id="b", hasMember=[{"reference": "Observation/a"}]),
        ),
        [None],
    ),
    "a Patient linked to itself": (
        bundle(patient(link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}]), condition()),
        [None],
    ),
    "a Bundle in a Bundle": (bundle(bundle(patient(), condition())), [None]),
    "a faulty one among others": (bundle(patient(), condition(), condition(code=[])), [("FHIR", "Condition.code")]),
    "a text without end": (
        bundle(patient(), condition(code={"text": "x" * 20_001})),
        [("text", "the limit is 20,000")],
    ),
    "no date at all": (bundle(patient(birthDate="1960"), condition(recordedDate=None)), [None]),
}


def _rows() -> dict[str, tuple[str, bytes, list[Expected]]]:
    found = _as_all_kinds()
    good = ",".join(f'"{cell}"' for cell in GOOD)
    for name, (line, expected) in _CSV.items():
        content = f"{','.join(HEADER)}\n{good}\n{line}\n{good}\n".encode()
        found[f"csv, {name}"] = ("t.csv", content, [None, *expected, None])
    found["csv, a quote never closed"] = (
        "t.csv",
        f'{",".join(HEADER)}\n{good}\nbad,5,F,"{STORY}\n{good.replace(chr(34), "")}\n'.encode(),
        [None, ("quotes", "2 lines of the file")],
    )
    good = json.dumps(dict(zip(HEADER, GOOD, strict=True)))
    for name, (line, one) in _JSONL.items():
        found[f"jsonl, {name}"] = ("t.jsonl", jsonl_file([good, line, good]), [None, one, None])
    for name, (rows, merge, expected) in _SHEET.items():
        found[f"xlsx, {name}"] = ("t.xlsx", workbook([HEADER, *rows, GOOD], merge), [*expected, None])
    for name, (columns, expected) in _COLUMNS.items():
        found[f"parquet, {name}"] = ("t.parquet", parquet_file(columns), expected)
    found["parquet, bytes that are no UTF-8"] = ("t.parquet", _not_utf8(), [None, ("text", "bytes that are no UTF-8")])
    good = json.dumps(bundle(patient(), condition()))
    for name, (line, expected) in _FHIR.items():
        text = line if isinstance(line, str) else json.dumps(_without_none(line))
        found[f"fhir, {name}"] = ("t.ndjson", jsonl_file([good, text, good]), [None, *expected, None])
    return found


def _without_none(value: Any) -> Any:
    """`condition(code=None)` is a Condition without a code; in lists, null stays."""
    if isinstance(value, dict):
        keep = ("entry", "id")  # null there is a fault of its own
        return {k: _without_none(v) for k, v in value.items() if v is not None or k in keep}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


ROWS = _rows()
