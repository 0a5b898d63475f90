"""`ddx predict`: one case, one differential."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ddx.case import Case, read_age, read_sex
from ddx.cli.loading import ENGINE_HELP, load_for_command
from ddx.errors import DdxError, InputError


def predict(
    text: Annotated[str | None, typer.Argument(help='The case, as text or JSON; "-" is standard input.')] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A .txt or .json file.")] = None,
    age: Annotated[str | None, typer.Option("--age", help="Age in years (0 to 120).")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="F or M.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the documented JSON instead of a table.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    engine: Annotated[str, typer.Option("--engine", help=ENGINE_HELP)] = "transformers",
) -> None:
    """The ranked differential of one case.

    A JSON case has case_id, age, sex, text and/or findings (a list of DDXPlus codes; "-E_91" is absent).
    """
    from ddx.cli.show import print_differential, stderr_console

    case = read_case(text, file, age, sex)
    loaded = load_for_command(model, engine)
    with stderr_console().status("reading the case …"):
        differential = loaded.predict(case)
    if differential.status == "failed":
        raise DdxError(f"no answer ({'; '.join(differential.repairs)})")
    if as_json:
        typer.echo(json.dumps(differential.to_dict(), indent=2, ensure_ascii=False))
    else:
        print_differential(differential)


def read_case(text: str | None, file: Path | None, age: str | None, sex: str | None) -> Case:
    from ddx.scoring.readers import read_text
    from ddx.scoring.rows import MAX_TEXT, check_findings

    if (text is None) == (file is None):
        raise InputError('give one case: its text, or --file F, or "-" for standard input')
    if file is not None:
        where, content = str(file), read_text(file)
    elif text == "-":
        where, content = "standard input", _standard_input()
    else:
        where, content = "case", str(text)
    if len(content) > MAX_TEXT:
        raise InputError(f"{where}: {len(content):,} characters, the limit is {MAX_TEXT:,}")
    is_json = file is not None and file.suffix.lower() == ".json"
    if is_json or content.lstrip().startswith("{"):
        case = Case.from_dict(_object(content, where), where)
    else:
        case = Case.from_dict({"text": content.strip()}, where)
    check_findings(case.findings, where)
    return replace(
        case,
        age=case.age if age is None else read_age(age, "--age"),
        sex=case.sex if sex is None else read_sex(sex, "--sex"),
    )


def _object(content: str, where: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{where}: not valid JSON ({at}: {error.msg})") from None
    except RecursionError:
        raise InputError(f"{where}: not valid JSON (nested too deeply)") from None


def _standard_input() -> str:
    raw = sys.stdin.buffer.read()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("standard input: not UTF-8 text") from None
    if "\x00" in content:
        raise InputError("standard input: binary data (NUL); give text")
    return content
