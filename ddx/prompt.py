"""The prompt: what a case and a format become before a chat template is applied."""

from __future__ import annotations

import hashlib
import json


def messages(case_text: str, instructions: str) -> list[dict[str, str]]:
    """The chat messages for one case: the format's instructions, then the case, alone in the user's turn."""
    return [{"role": "system", "content": instructions}, {"role": "user", "content": case_text}]


def prompt_hash(instructions: str) -> str:
    """SHA-256 of the prompt's fixed part, for the record of a run."""
    return hashlib.sha256(json.dumps(messages("{case}", instructions)).encode()).hexdigest()
