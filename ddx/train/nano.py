"""A nano base: a small Llama, trained from nothing on the project's own texts by transformers' own `Trainer`.

It makes research on a laptop possible: the same prompt, format and engine as any other base, at a fraction of the
cost. It has read nothing but vignettes of the vocabulary, and knows no other English.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.provenance import file_hash, versions
from ddx.train.config import NanoConfig
from ddx.train.nano_data import POSITIONS, Text, batches, chats, encode, fit_tokenizer
from ddx.train.precision import as_possible
from ddx.train.processes import processes, rank
from ddx.train.run_folder import JsonLines, checkpoint_to_resume, write_json


class Batches(Dataset):
    """Ready batches as a torch data set; one item is one batch."""

    def __init__(self, items: list[list[Text]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> list[Text]:
        return self.items[index]


def collate(items: list[list[Text]], pad: int, answer_weight: float) -> dict[str, torch.Tensor]:
    """One batch to tensors [B, T], padded on the right: `input_ids`, and for each token its `weight` in the loss and
    whether it belongs to an `answer`."""
    (texts,) = items
    shape = len(texts), max(len(text.tokens) for text in texts)
    ids = torch.full(shape, pad, dtype=torch.long)
    weight, answer = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    for row, text in enumerate(texts):
        end = len(text.tokens)
        ids[row, :end] = torch.from_numpy(text.tokens)
        weight[row, : text.answer] = 1.0
        weight[row, text.answer : end] = answer_weight
        answer[row, text.answer : end] = True
    return {"input_ids": ids, "weight": weight, "answer": answer}


class NanoTrainer(Trainer):
    """transformers' Trainer with a weight for each token, and the loss of the answers alone in the log."""

    def __init__(self, *args: Any, autocast: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._autocast = autocast
        self._answers: list[torch.Tensor] = []

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        ids, weight, answer = inputs["input_ids"], inputs["weight"][:, 1:], inputs["answer"][:, 1:]
        with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=self._autocast):
            # no mask for padding: it stands on the right, and attention is causal
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        each = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        ).view_as(weight)
        self._answers.append(each.detach()[answer].mean())
        loss = (each * weight).sum() / weight.sum()
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the mean loss on answer tokens since the last line."""
        if self._answers:
            logs["answer_loss"] = round(float(torch.stack(self._answers).mean()), 4)
            self._answers = []
        super().log(logs, *args, **kwargs)


def train(config: NanoConfig, resume: bool = False, say: Callable[[str], None] = print) -> Path:
    """Train, and return the run folder, a model that `load_model` reads (without a calibrator yet).

    `resume` goes on from the last checkpoint of `config.out`. The folder holds `base/` (weights and tokenizer, a
    folder for `transformers`), `model.json`, `config.json` (what was run, with versions and hashes),
    `metrics.jsonl` and `checkpoints/`.

    Raises InputError when the data, the teacher or the checkpoint to resume from is missing.
    """
    checkpoint = checkpoint_to_resume(config.out, resume)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(config.seed)
    teacher = config.teacher or shipped_tabular()
    written = chats(config, Tabular.load(teacher))
    first = rank() == 0  # under torchrun, one process writes the run folder
    base = config.out / "base"
    if checkpoint:
        tokenizer = AutoTokenizer.from_pretrained(str(base))
    else:
        tokenizer = fit_tokenizer(written[: config.tokenizer_texts], config.vocabulary)
        if first:
            tokenizer.save_pretrained(base)
    texts = encode(tokenizer, written)
    items = batches(texts, config.tokens_per_batch, config.seed)
    steps = len(items) // config.batches_per_step
    if steps == 0:
        raise InputError(f"{len(items)} batches make no step of {config.batches_per_step}: draw more patients")
    config = as_possible(config, torch.cuda.is_available(), say)
    model = _model(config, tokenizer)
    if first:
        _describe(config, model, teacher, texts, items, steps, say)
    trainer = NanoTrainer(
        model=model, args=_arguments(config, steps), train_dataset=Batches(items), autocast=config.bf16,
        data_collator=lambda item: collate(item, tokenizer.pad_token_id, config.answer_weight),
        callbacks=[JsonLines(config.out / "metrics.jsonl")],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=checkpoint)
    if first:
        model.config.use_cache = True  # the trainer turns it off
        model.save_pretrained(base)
        card = {"base": "./base", "format": config.format, "k": config.k, "semantics": "pathology"}
        write_json(config.out / "model.json", {"id": config.out.name, **card})
    return config.out


def _describe(
    config: NanoConfig,
    model: Any,
    teacher: Path,
    texts: list[Text],
    items: list[list[Text]],
    steps: int,
    say: Callable[[str], None],
) -> None:
    """Say what will be done, and write `config.json`."""
    parameters, tokens = model.num_parameters(), sum(len(text.tokens) for text in texts)
    padded = sum(len(batch) * max(len(text.tokens) for text in batch) for batch in items)
    say(
        f"{parameters / 1e6:.1f} M parameters; {len(texts):,} texts in {tokens:,} tokens "
        f"({1 - tokens / padded:.1%} padding), {steps:,} steps"
    )
    content = {
        **config.model_dump(mode="json"), "parameters": parameters, "texts": len(texts), "tokens": tokens,
        "steps": steps, "tokenizer_sha256": file_hash(config.out / "base" / "tokenizer.json"),
        "teacher_sha256": file_hash(teacher), "data_sha256": file_hash(config.data / "manifest.json"),
        "versions": versions(),
    }  # fmt: skip
    write_json(config.out / "config.json", content)


def _model(config: NanoConfig, tokenizer: Any) -> LlamaForCausalLM:
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=config.width, intermediate_size=config.inner,
        num_hidden_layers=config.layers, num_attention_heads=config.heads, num_key_value_heads=config.heads,
        max_position_embeddings=POSITIONS, tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",  # on a CPU, forth and back, faster than the fused kernel on texts this short
    )  # fmt: skip
    model = LlamaForCausalLM(shape)
    if config.compile:
        torch._dynamo.config.optimize_ddp = False  # each layer is a graph of its own already
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    return model


def _arguments(config: NanoConfig, steps: int) -> TrainingArguments:
    accumulated, rest = divmod(config.batches_per_step, processes())
    if rest:
        raise InputError(f"batches_per_step {config.batches_per_step} can't be shared by {processes()}")
    return TrainingArguments(
        output_dir=str(config.out / "checkpoints"), max_steps=steps, per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulated, learning_rate=config.learning_rate,
        lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": 0.03},
        warmup_steps=max(1, round(config.warmup_share * steps)), weight_decay=config.weight_decay, adam_beta2=0.98,
        max_grad_norm=1.0, logging_steps=10, save_steps=config.save_steps, save_total_limit=2, report_to=[],
        seed=config.seed, remove_unused_columns=False, dataloader_num_workers=0, ddp_find_unused_parameters=False,
        use_cpu=not torch.cuda.is_available(), train_sampling_strategy="sequential",
    )  # fmt: skip
