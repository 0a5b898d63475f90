"""Text files as people have them, read as a stream: encoding, gzip, a zip archive with one file in it.

Understood: UTF-8 with or without a byte order mark, UTF-16 with one, Windows cp1252.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from ddx.errors import InputError

__all__ = ["encodable", "find_encoding", "first_bytes", "open_text", "read_text"]

_CHUNK = 1 << 20
_BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


def find_encoding(path: Path) -> tuple[str, bool]:
    """(encoding, had a byte order mark) of a text file, after decoding the whole file once; raises InputError."""
    head = first_bytes(path)
    if head.startswith((b"PK\x03\x04", b"PAR1")):
        raise InputError(f"{path}: a workbook or Parquet file that is packed; unpack it first")
    if head.startswith(codecs.BOM_UTF8):
        candidates, bom = ["utf-8-sig"], True
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates, bom = ["utf-16"], True
    else:
        candidates, bom = ["utf-8", "cp1252"], False
    for encoding in candidates:
        if encoding == "cp1252":
            _refuse_a_mixture(path)
        if _decodes(path, encoding):
            return encoding, bom
    raise InputError(f"{path}: not readable as {' or '.join(candidates)} text; save it as UTF-8")


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The text of a file whose encoding is known, with its line ends as they are."""
    return io.TextIOWrapper(_unpacked(path), encoding=encoding, newline="")


def read_text(path: Path) -> str:
    """The whole text of a (small) file, in whatever encoding it has; raises InputError."""
    encoding, _ = find_encoding(path)
    with open_text(path, encoding) as handle:
        return handle.read()


def first_bytes(path: Path) -> bytes:
    """The first eight bytes of a file's content, unpacked; raises InputError for what is no readable file."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give a file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a regular file; save it first, it is read more than once")
    try:
        with _unpacked(path) as raw:
            head = raw.read(8)
    except _BROKEN:
        raise _damaged(path) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if not head:
        raise InputError(f"{path}: the file is empty; expected a header and a row for each case")
    return head


def encodable(text: str) -> str:
    r"""The text with what no encoding can carry (half a surrogate pair) written as JSON does.

    >>> print(encodable("a\ud800"))
    a\ud800
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _decodes(path: Path, encoding: str) -> bool:
    line = 1
    try:
        with open_text(path, encoding) as handle:
            while chunk := handle.read(_CHUNK):
                if "\x00" in chunk:
                    line += chunk[: chunk.index("\x00")].count("\n")
                    raise InputError(f"{path}: binary data (NUL at line {line}); give a table saved as CSV")
                line += chunk.count("\n")
    except UnicodeError:
        return False
    except _BROKEN:
        raise _damaged(path) from None
    return True


def _refuse_a_mixture(path: Path) -> None:
    """Raise InputError when some lines can only be UTF-8 and others can't: read as one, half would be garbled.

    Text of another encoding that happens to be valid UTF-8 beyond ASCII is next to impossible.
    """
    utf8 = other = 0
    with _unpacked(path) as raw:
        for number, line in enumerate(raw, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                utf8 = utf8 or number
            except UnicodeDecodeError:
                other = other or number
            if utf8 and other:
                raise InputError(
                    f"{path}: two encodings in one file: line {utf8} is UTF-8, line {other} is not; save it as UTF-8"
                )


def _unpacked(path: Path) -> BinaryIO:
    with open(path, "rb") as handle:
        head = handle.read(4)
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if head in (b"PK\x03\x04", b"PK\x05\x06"):
        return _only_member(path)
    return open(path, "rb")


def _only_member(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    names = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.filename == "[Content_Types].xml" for info in names):
        raise InputError(f"{path}: an Excel workbook or another Office file, where text is expected")
    if len(names) != 1:
        raise InputError(f"{path}: a zip archive with {len(names)} files, not one; unpack it, and give one of them")
    if names[0].flag_bits & 1:
        raise InputError(f"{path}: a zip archive with a password; unpack it first")
    return cast(BinaryIO, archive.open(names[0]))


def _damaged(path: Path) -> InputError:
    with open(path, "rb") as handle:
        name = "gzip file" if handle.read(1) == b"\x1f" else "zip file (an Excel workbook is one)"
    return InputError(f"{path}: a damaged {name}; save or download it again")
