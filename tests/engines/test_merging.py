"""A merged folder answers as the adapter does, through transformers and through vLLM where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddx.data.demo import demo_cases
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.engines.local import TransformersEngine
from ddx.engines.merging import merge
from ddx.errors import InputError
from ddx.model import Model, load_model
from ddx.prompt import messages
from ddx.provenance import read_model_card, shipped_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shipped_folder()
    return merge(read_model_card(folder)["base"], folder / "adapter", tmp_path_factory.mktemp("merged") / "m")


def test_the_merged_folder_gives_the_same_answers(merged: Path) -> None:
    cases = [demo.case for demo in demo_cases()[:12]]
    shipped = load_model()
    plain = Model(TransformersEngine(str(merged)), shipped.format.k, None, {"id": "merged"})
    ours, theirs = (m.generate(cases) for m in (plain, shipped))
    assert [a.generation.text for a in ours] == [a.generation.text for a in theirs]
    with pytest.raises(InputError, match="exists already"):
        merge(SMOLLM2, None, merged)


def test_vllm_serves_the_merged_folder_with_the_same_answers(merged: Path) -> None:
    vllm = pytest.importorskip("vllm")
    cases = [demo.case for demo in demo_cases()[:12]]
    shipped = load_model()
    expected = [a.generation.text for a in shipped.generate(cases)]
    engine = vllm.LLM(str(merged), dtype="float32", max_model_len=1024, enforce_eager=True, disable_log_stats=True)
    chats = [messages(shipped.prompt_text(case), shipped.instructions) for case in cases]
    prompts = [{"prompt_token_ids": shipped.engine.prompt_ids(chat)} for chat in chats]
    settings = vllm.SamplingParams(temperature=0.0, max_tokens=96, stop_token_ids=[shipped.engine.end])
    found = [output.outputs[0].text for output in engine.generate(prompts, settings, use_tqdm=False)]
    same = sum(a.strip() == b.strip() for a, b in zip(found, expected, strict=True))
    assert same >= len(cases) - 1  # a near-tie may fall the other way: sums of floats depend on their order
