"""What a nano base learns from: its own tokenizer, the texts, and batches of texts of about the same length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ddx.data.prepare import load_split
from ddx.data.stages import wording_seed
from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular
from ddx.formats import LinesFormat
from ddx.prompt import messages
from ddx.train.config import NanoConfig
from ddx.train.examples import presentations
from ddx.vignette import render
from ddx.vocabulary import load_vocabulary

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
POSITIONS = 2048
# ChatML as SmolLM2 writes it, so that both bases are asked alike
_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Text:
    """One text as tokens [T]; the answer, which ends with the end of the turn, starts at index `answer`."""

    tokens: np.ndarray
    answer: int


def chats(config: NanoConfig, teacher: Tabular) -> list[Chat]:
    """System, user and assistant turn of every presentation, in random order.

    Raises InputError when there are fewer patients than the config asks for.
    """
    rng = random.Random(config.seed)
    lists, single = LinesFormat(config.k), LinesFormat(1)
    names = [condition.short for condition in load_vocabulary()]
    patients = load_split(config.data, "train")
    if len(patients) < config.patients:
        raise InputError(f"patients is {config.patients:,}, but {config.data} has {len(patients):,} to train on")
    found: list[Chat] = []
    drawn = rng.sample(patients, config.patients)
    for patient, register, cases, targets, _ in presentations(drawn, config, teacher, rng):
        for case, target in zip(cases, targets, strict=True):
            text = render(case, register, wording_seed(patient) + config.seed)
            format_ = single if config.single_share and rng.random() < config.single_share else lists
            listed = [(names[i], q) for i, q in zip(target.listed, target.confidence, strict=True)][: format_.k]
            answer = {"role": "assistant", "content": format_.render(listed)}
            found.append([*messages(text, format_.instructions()), answer])
    rng.shuffle(found)
    return found


def fit_tokenizer(texts: Sequence[Chat], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `size` tokens, digits one by one, so that a confidence is read as in any other base.

    Raises InputError when the texts are too few for so many tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD, START, END], initial_alphabet=bytes_.alphabet(), show_progress=False
    )
    turns = (f"{turn['role']}\n{turn['content']}" for chat in texts for turn in chat)
    tokenizer.train_from_iterator(turns, trainer)
    if tokenizer.get_vocab_size() < size:
        raise InputError(f"vocabulary: the texts give {tokenizer.get_vocab_size()} tokens, not {size}; lower it")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD, unk_token=PAD,
        chat_template=_TEMPLATE, model_max_length=POSITIONS, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def encode(tokenizer: Any, texts: Sequence[Chat]) -> list[Text]:
    """Tokens of each text: prompt, answer, end of the turn."""
    found = []
    for start in range(0, len(texts), 5000):
        part = texts[start : start + 5000]
        prompts = _ids(
            tokenizer,
            [tokenizer.apply_chat_template(chat[:-1], tokenize=False, add_generation_prompt=True) for chat in part],
        )
        answers = _ids(tokenizer, [chat[-1]["content"] + END for chat in part])
        for prompt, answer in zip(prompts, answers, strict=True):
            found.append(Text(np.array(prompt + answer, dtype=np.int32), len(prompt)))
    return found


def batches(sequences: Sequence[Text], tokens: int, seed: int) -> list[list[Text]]:
    """Every sequence once, in batches of at most `tokens` tokens with padding (or of a single, longer sequence).

    Sequences of a batch are about equally long, so that little is padding; the batches come in random order.
    """
    ordered = sorted(sequences, key=lambda s: len(s.tokens))  # stable: equally long ones stay in random order
    found = list(_filled(ordered, tokens))
    random.Random(seed).shuffle(found)
    return found


def _filled(ordered: Sequence[Text], tokens: int) -> Iterator[list[Text]]:
    batch: list[Text] = []
    for sequence in ordered:
        if batch and (len(batch) + 1) * len(sequence.tokens) > tokens:
            yield batch
            batch = []
        batch.append(sequence)
    if batch:
        yield batch


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
