"""A nano base for real, tiny: trained from nothing, resumed, and read through the one path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from ddx import Case, load_model
from ddx.cli.main import app
from ddx.data.prepare import load_split
from ddx.data.stages import case_at
from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.prompt import messages
from ddx.train.config import NanoConfig
from ddx.train.nano import collate
from ddx.train.nano_data import END, batches, chats, encode, fit_tokenizer
from ddx.train.run import run


@pytest.mark.slow
def test_it_writes_lists_that_can_be_read(tiny_nano: Path, tiny_data: Path) -> None:
    record = json.loads((tiny_nano / "config.json").read_text())
    assert {"versions", "teacher_sha256", "data_sha256", "tokenizer_sha256", "parameters"} <= set(record)
    losses = [json.loads(line) for line in (tiny_nano / "metrics.jsonl").read_text().splitlines()]
    assert losses[-2]["answer_loss"] < losses[0]["answer_loss"] / 3
    model = load_model(str(tiny_nano))
    assert model.info["base"] == str(tiny_nano / "base")
    chat = messages("61-year-old man. Cough.", model.instructions)
    asked = model.engine.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert model.engine.prompt_ids(chat) == model.engine.tokenizer(asked, add_special_tokens=False)["input_ids"]
    found = model.predict_many([case_at(patient, "full") for patient in load_split(tiny_data, "dev")[:20]])
    readable = [f for f in found if f.status in ("ok", "repaired")]
    assert len(readable) >= 15  # of 20: a hundred steps teach the form, not quite without a slip
    assert sum(d.key is not None for f in readable for d in f.diagnoses) > 0.9 * sum(len(f.diagnoses) for f in readable)


@pytest.mark.slow
def test_a_folder_that_moved_is_still_a_model(tiny_nano: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_nano, tmp_path / "moved", ignore=shutil.ignore_patterns("checkpoints"))
    case = Case("1", age=61, sex="M", text="Chest pain; cough.")
    here, there = (load_model(str(folder)).predict(case) for folder in (tiny_nano, tmp_path / "moved"))
    assert here.raw_text == there.raw_text
    shutil.rmtree(tmp_path / "moved" / "base")
    with pytest.raises(InputError, match=r"names the base \./base, which is missing"):
        load_model(str(tmp_path / "moved"))


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tiny_nano: Path, tmp_path: Path) -> None:
    record = json.loads((tiny_nano / "config.json").read_text())
    kept = min((tiny_nano / "checkpoints").iterdir(), key=lambda p: int(p.name.split("-")[1]))
    assert int(kept.name.split("-")[1]) < record["steps"]
    stopped = tmp_path / "stopped"
    shutil.copytree(kept, stopped / "checkpoints" / kept.name)
    shutil.copytree(tiny_nano / "base", stopped / "base", ignore=shutil.ignore_patterns("model*"))
    told = {key: value for key, value in record.items() if key in NanoConfig.model_fields}
    run(NanoConfig(**{**told, "out": stopped}), resume=True)
    ours, theirs = (load_file(folder / "base" / "model.safetensors") for folder in (tiny_nano, stopped))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)


@pytest.mark.slow
def test_a_run_does_not_land_on_another_one(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("method: nano\n")
    result = CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml"), f"data={tiny_data}", f"out={tiny_nano}"])
    assert result.exit_code == 2
    assert "add --resume" in result.stderr


def test_texts_are_tokenised_as_the_engine_asks(tiny_data: Path) -> None:
    """The same tokens in training and at prediction, digits apart, and a case can't forge the end of a turn."""
    config = NanoConfig(data=tiny_data, patients=60, vocabulary=400)
    written = chats(config, Tabular.load(shipped_tabular()))
    tokenizer = fit_tokenizer(written, config.vocabulary)
    assert len(tokenizer) == 400
    again = fit_tokenizer(written, config.vocabulary)
    assert tokenizer.get_vocab() == again.get_vocab()
    for chat, text in zip(written, encode(tokenizer, written), strict=True):
        parts = [f"<|im_start|>{turn['role']}\n" for turn in chat]
        ids = [
            token
            for head, turn in zip(parts, chat, strict=True)
            for piece in (head, turn["content"], f"{END}\n")
            for token in tokenizer(piece, add_special_tokens=False)["input_ids"]
        ]
        assert text.tokens.tolist() == ids[:-1]
        assert tokenizer.decode(text.tokens[text.answer : -1]) == chat[-1]["content"]
        assert text.tokens[-1] == tokenizer.eos_token_id
    forged = tokenizer(f"cough{END}", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.eos_token_id not in forged
    assert tokenizer.convert_ids_to_tokens(tokenizer("a 10\n")["input_ids"]) == ["a", "Ġ", "1", "0", "Ċ"]
    chat = messages("x", "y")
    assert tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\ny<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"
    )


def test_batches_hold_every_text_once_with_little_padding(tiny_data: Path) -> None:
    config = NanoConfig(data=tiny_data, patients=300, vocabulary=400)
    written = chats(config, Tabular.load(shipped_tabular()))
    texts = encode(fit_tokenizer(written, 400), written)
    items = batches(texts, 1024, seed=0)
    assert sorted(id(text) for batch in items for text in batch) == sorted(map(id, texts))
    tensors = [collate([batch], 0, answer_weight=3.0) for batch in items]
    assert all(t["input_ids"].numel() <= 1024 or len(t["input_ids"]) == 1 for t in tensors)
    used = sum(int((t["weight"] > 0).sum()) for t in tensors)
    assert used == sum(len(text.tokens) for text in texts) > 0.9 * sum(t["input_ids"].numel() for t in tensors)
    assert all(bool((t["weight"][t["answer"]] == 3).all()) for t in tensors)


def test_what_a_run_asks_for_and_lacks_is_one_line(tiny_data: Path) -> None:
    teacher = Tabular.load(shipped_tabular())
    with pytest.raises(InputError, match="patients is 9,999, but"):
        chats(NanoConfig(data=tiny_data, patients=9999), teacher)
    written = chats(NanoConfig(data=tiny_data, patients=5), teacher)
    with pytest.raises(InputError, match="tokens, not 3000; lower it"):
        fit_tokenizer(written, 3000)
