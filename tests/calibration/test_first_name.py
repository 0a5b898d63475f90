"""The probability of a later name in the first line, held against what the shipped model gives that name there."""

import math
from typing import Any

import pytest

from ddx.data.demo import demo_cases
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.prompt import messages
from ddx.provenance import shipped_folder

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model"),
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


def test_first_is_close_to_what_the_model_gives_the_name_in_the_first_line() -> None:
    """What follows the token at which two names part is taken from the name's own line: an approximation."""
    import torch

    from ddx.model import load_model

    model = load_model()
    engine: Any = model.engine
    cases = [found.case for found in demo_cases()][::13]
    apart = []
    for answer in model.generate(cases):
        prompt = engine.prompt_ids(messages(answer.text, model.instructions))
        for line, signal in zip(answer.generation.text.split("\n"), answer.signals, strict=False):
            if signal is None:
                continue
            name = engine.tokenizer(line.rpartition(" ")[0] + " ", add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = engine.model(torch.tensor([prompt + name])).logits[0, len(prompt) - 1 : -1]
            each = torch.log_softmax(logits.float(), dim=-1)[range(len(name)), name]
            apart.append(abs(signal.first - math.exp(float(each.sum()))))
    assert len(apart) >= 4 * len(cases)
    assert sum(apart) / len(apart) < 0.03 and max(apart) < 0.3
