"""How a model writes a differential: each format renders its own instructions and reads its own output."""

from ddx.formats.lines import LinesFormat
from ddx.formats.parsed import Answer, Parsed
from ddx.formats.reading import after_think, parse_confidence
from ddx.formats.tags import TagsFormat

__all__ = ["Answer", "LinesFormat", "Parsed", "TagsFormat", "after_think", "parse_confidence"]
