"""Training presentations of the warm start: DDXPlus patients at points of their interview, and teaching vignettes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import STAGES, case_of, interview, stage_length, wording_seed
from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular
from ddx.formats import LinesFormat
from ddx.prompt import messages
from ddx.train.config import SFTConfig
from ddx.train.packing import AnswerWriter, Pack, fill, join, tree
from ddx.train.targets import Target, from_list, from_teacher
from ddx.vignette import render
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import Register

# How many lines of an answer are supervised. The first lines say most; all answers in full would
# spend half of the training on the tail of the lists.
_LINES = ((2, 0.55), (3, 0.22), (99, 0.23))
# Full evidence is the easy part, and its text the longest: this share of the patients is shown in full.
_IN_FULL = 0.4


def build(config: SFTConfig, tokenizer: Any, teacher: Tabular) -> list[Pack]:
    """All packs of a run, in training order; the same config and data give the same packs."""
    rng = random.Random(config.seed)
    format_ = LinesFormat(config.k)
    vocabulary = load_vocabulary()

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def prompt(text: str) -> list[int]:
        chat = messages(text, format_.instructions())
        return encode(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    writer = AnswerWriter(encode, [c.short for c in vocabulary], end_token(tokenizer), config.soft_names)
    trees: list[Pack] = []
    patients = load_split(config.data, "train")
    rng.shuffle(patients)
    for patient, register, cases, targets in _patients(patients[: config.patients], config, teacher, rng):
        seed = wording_seed(patient) + config.seed
        texts = [render(case, register, seed) for case in cases]
        trees.append(
            tree([(prompt(t), writer.write(target, _lines(rng))) for t, target in zip(texts, targets, strict=True)])
        )
    if config.teaching is not None and config.teaching_epochs > 0:
        vignettes = teaching_vignettes(config.teaching)
        whole, part = divmod(round(config.teaching_epochs * len(vignettes)), len(vignettes))
        for vignette in vignettes * whole + rng.sample(vignettes, part):
            target = from_list(vignette["differential"], vocabulary, config.k)
            trees.append(tree([(prompt(vignette["text"]), writer.write(target, config.k))]))
    rng.shuffle(trees)
    packs = [join([trees[i] for i in group]) for group in fill(trees, config.tokens_per_pack)]
    rng.shuffle(packs)
    return packs


def teaching_vignettes(folder: Path) -> list[dict]:
    """The project-written vignettes (`*.jsonl`): {"id", "condition", "text", "differential", …}."""
    files = sorted(folder.glob("teaching_*.jsonl"))
    if not files:
        raise InputError(f"{folder}: no teaching_*.jsonl here; set teaching to their folder, or to null to go without")
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


def end_token(tokenizer: Any) -> int:
    """The token that ends an assistant's turn: ChatML's if the tokenizer has it, else its end of sequence."""
    chatml = tokenizer.convert_tokens_to_ids("<|im_end|>")
    return chatml if isinstance(chatml, int) and chatml != tokenizer.unk_token_id else tokenizer.eos_token_id


def _patients(
    patients: Sequence[Patient], config: SFTConfig, teacher: Tabular, rng: random.Random
) -> Iterator[tuple[Patient, Register, list[Case], list[Target]]]:
    """(patient, register, cases, targets), the teacher asked in large batches."""
    for start in range(0, len(patients), 2000):
        rows: list[tuple[Patient, Register, list[Case]]] = []
        for patient in patients[start : start + 2000]:
            items = interview(patient)
            cuts = [stage_length(items, stage) for stage in STAGES if stage != "full" or rng.random() < _IN_FULL]
            cuts += [rng.randint(1, max(cuts)) for _ in range(config.cuts - len(cuts))]
            chosen = sorted(set(cuts if config.cuts >= len(STAGES) else rng.sample(cuts, config.cuts)))
            register: Register = "narrative" if rng.random() < config.narrative_share else "terse"
            rows.append((patient, register, [case_of(patient, items[:cut], str(cut)) for cut in chosen]))
        p, m = teacher.predict([case for _, _, cases in rows for case in cases])
        at = 0
        for patient, register, cases in rows:
            targets: list[Target] = [from_teacher(p[at + i], m[at + i], config.k) for i in range(len(cases))]
            at += len(cases)
            yield patient, register, cases, targets


def _lines(rng: random.Random) -> int:
    return rng.choices([n for n, _ in _LINES], [w for _, w in _LINES])[0]
