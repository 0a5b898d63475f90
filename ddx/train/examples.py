"""Training presentations of the warm start: DDXPlus patients at points of their interview, and teaching vignettes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import case_of, interview, stage_length, wording_seed
from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular
from ddx.formats import LinesFormat
from ddx.prompt import messages
from ddx.train.config import NanoConfig, SFTConfig
from ddx.train.packing import Answer, AnswerWriter, Pack, Packer
from ddx.train.targets import Target, from_list, from_teacher
from ddx.vignette import render
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import Register

_DENSE = 10  # points before the last: a patient's points stay in one pack, whose memory grows with its square


def build(config: SFTConfig, tokenizer: Any, teacher: Tabular) -> list[Pack]:
    """All packs of a run, in training order; the same config and data give the same packs."""
    rng = random.Random(config.seed)
    vocabulary = load_vocabulary()
    prompt, writer = writers(tokenizer, config)
    groups: list[list[tuple[list[int], Answer]]] = []
    patients = _drawn(load_split(config.data, "train"), config, rng)
    for patient, register, cases, targets, answered in presentations(patients, config, teacher, rng):
        seed = wording_seed(patient) + config.seed
        prompts = [prompt(render(case, register, seed)) for case in cases]
        lines = [_lines(config, rng) if whole else 0 for whole in answered]
        answers = [writer.write(target, n) for target, n in zip(targets, lines, strict=True)]
        groups.append(list(zip(prompts, answers, strict=True)))
    if config.teaching is not None and config.teaching_epochs > 0:
        vignettes = teaching_vignettes(config.teaching)
        whole, part = divmod(round(config.teaching_epochs * len(vignettes)), len(vignettes))
        for vignette in vignettes * whole + rng.sample(vignettes, part):
            target = from_list(vignette["differential"], vocabulary, config.k)
            groups.append([(prompt(vignette["text"]), writer.write(target, config.k))])
    rng.shuffle(groups)
    packer = Packer(config.tokens_per_pack)
    for group in groups:
        packer.add(group)
    return packer.close()


def writers(tokenizer: Any, config: SFTConfig) -> tuple[Callable[[str], list[int]], AnswerWriter]:
    """What turns a case's text into the tokens of a prompt, and what turns targets into those of an answer."""
    format_ = LinesFormat(config.k)

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def prompt(text: str) -> list[int]:
        chat = messages(text, format_.instructions())
        return encode(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    names = [c.short for c in load_vocabulary()]
    return prompt, AnswerWriter(encode, names, end_token(tokenizer), config.soft_names)


def _drawn(patients: list[Patient], config: SFTConfig, rng: random.Random) -> list[Patient]:
    """`config.patients` patients in random order, without replacement, weighted by `config.more_of` (Efraimidis and
    Spirakis 2006: the largest u^(1/w)). Targets come from the teacher, so that the weights do not bend them."""
    unknown = set(config.more_of) - {condition.key for condition in load_vocabulary()}
    if unknown:
        raise InputError(f"more_of: {sorted(unknown)[0]!r} is not a condition key; see `ddx.load_vocabulary()`")
    keys = [rng.random() ** (1 / config.more_of.get(p.pathology or "", 1.0)) for p in patients]
    order = sorted(range(len(patients)), key=keys.__getitem__, reverse=True)
    return [patients[i] for i in order[: config.patients]]


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


def presentations(
    patients: Sequence[Patient], config: SFTConfig | NanoConfig, teacher: Tabular, rng: random.Random
) -> Iterator[tuple[Patient, Register, list[Case], list[Target], list[bool]]]:
    """(patient, register, cases, targets, which of them are answered), the teacher asked in large batches. A dense
    config adds points from the second finding on to the last drawn one to terse texts, which are not answered."""
    dense = isinstance(config, SFTConfig) and config.dense
    for start in range(0, len(patients), 2000):
        rows: list[tuple[Patient, Register, list[Case], list[bool]]] = []
        for patient in patients[start : start + 2000]:
            items = interview(patient)
            points = rng.choices(list(config.points), list(config.points.values()), k=config.cuts)
            cuts = [rng.randint(1, len(items)) if p == "random" else stage_length(items, p) for p in points]
            register: Register = "narrative" if rng.random() < config.narrative_share else "terse"
            # a narrative brings findings together, so that its earlier points do not begin like the last one
            between = range(max(2, max(cuts) - _DENSE), max(cuts)) if dense and register == "terse" else ()
            chosen = sorted({*cuts, *between})
            cases = [case_of(patient, items[:cut], str(cut)) for cut in chosen]
            rows.append((patient, register, cases, [cut in cuts for cut in chosen]))
        p, m = teacher.predict([case for _, _, cases, _ in rows for case in cases])
        at = 0
        for patient, register, cases, answered in rows:
            targets: list[Target] = [from_teacher(p[at + i], m[at + i], config.k) for i in range(len(cases))]
            at += len(cases)
            yield patient, register, cases, targets, answered


def _lines(config: SFTConfig, rng: random.Random) -> int:
    return rng.choices(list(config.lines), list(config.lines.values()))[0]
