"""The warm start: LoRA on a base model by transformers' own `Trainer`, on packs of presentations."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

from ddx.engines.base_models import resolve
from ddx.errors import InputError
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.provenance import file_hash, versions
from ddx.train.config import SFTConfig
from ddx.train.examples import build
from ddx.train.packing import Pack
from ddx.train.precision import as_possible
from ddx.train.processes import processes, rank
from ddx.train.run_folder import JsonLines, checkpoint_to_resume, write_json

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Packs(Dataset):
    """Packs as a torch data set; one item is one sequence."""

    def __init__(self, packs: list[Pack]) -> None:
        self.packs = packs

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> Pack:
        return self.packs[index]


def collate(packs: list[Pack]) -> dict[str, torch.Tensor]:
    """Packs to tensors: [B, T], padded to the longest; `at` counts through the rows, and `weight` makes a sum over all
    targets the mean over the packs of a pack's mean."""
    long = max(len(pack.tokens) for pack in packs)
    alone = [np.arange(len(p.tokens), long) for p in packs]  # a token of the padding sees itself only
    before = np.cumsum([0, *(len(p.at) for p in packs[:-1])])
    arrays = {
        "input_ids": np.stack([np.append(p.tokens, 0 * rest) for p, rest in zip(packs, alone, strict=True)]),
        "positions": np.stack([np.append(p.positions, 0 * rest) for p, rest in zip(packs, alone, strict=True)]),
        "enter": np.stack([np.append(p.enter, rest) for p, rest in zip(packs, alone, strict=True)]),
        "leave": np.stack([np.append(p.leave, rest + 1) for p, rest in zip(packs, alone, strict=True)]),
        "at": np.concatenate([p.at + row * long for row, p in enumerate(packs)]),
        "row": np.concatenate([p.row + start for p, start in zip(packs, before, strict=True)]),
        "token": np.concatenate([p.token for p in packs]),
        "weight": np.concatenate([p.weight / np.float32(len(p.at) * len(packs)) for p in packs]),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def pack_mask(batch: dict[str, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """What is added to the attention's scores [B, 1, T, T]: 0 where a token sees another, else the lowest number."""
    enter, leave = batch["enter"], batch["leave"]
    visible = (enter[:, None] <= enter[:, :, None]) & (enter[:, :, None] < leave[:, None])
    mask = torch.zeros(visible.shape, dtype=dtype, device=enter.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]


def pack_loss(model: Any, batch: dict[str, torch.Tensor], candidates: torch.Tensor | None) -> torch.Tensor:
    """Mean cross-entropy against the soft targets at the answer positions; the mean of it over several packs.

    `candidates` [V'] restricts the softmax to these token ids (it must hold every target token); None uses the
    whole vocabulary.
    """
    hidden = model.model(
        input_ids=batch["input_ids"],
        attention_mask=pack_mask(batch, model.dtype),
        position_ids=batch["positions"],
        use_cache=False,
    ).last_hidden_state.flatten(0, 1)[batch["at"]]
    weights, column = model.lm_head.weight, batch["token"]
    if candidates is not None:
        weights = weights[candidates]
        place = torch.full((model.lm_head.weight.shape[0],), -1, dtype=torch.long, device=column.device)
        place[candidates] = torch.arange(len(candidates), device=column.device)
        column = place[column]
    with torch.autocast(hidden.device.type, enabled=False):  # a log-probability needs more than bfloat16
        logp = torch.log_softmax(hidden.float() @ weights.T.float(), dim=-1)
    return -(logp[batch["row"], column] * batch["weight"]).sum()


class PackModel(torch.nn.Module):
    """A PEFT model whose forward is `pack_loss`: under DDP, gradients are only shared through a forward."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, torch.Tensor], candidates: torch.Tensor | None) -> torch.Tensor:
        return pack_loss(self.model.get_base_model(), batch, candidates)


class SFTTrainer(Trainer):
    """transformers' Trainer with the loss of `pack_loss`; its checkpoints hold the adapter, not the base."""

    def __init__(self, *args: Any, always: torch.Tensor, negatives: int, autocast: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._always, self._negatives, self._autocast = always, negatives, autocast

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        candidates = None
        if self._negatives and model.training:
            vocabulary = self._adapted.get_base_model().lm_head.weight.shape[0]
            drawn = torch.randint(0, vocabulary, (self._negatives,))
            candidates = torch.unique(torch.cat([self._always, drawn])).to(inputs["at"].device)
        with torch.autocast(inputs["at"].device.type, dtype=torch.bfloat16, enabled=self._autocast):
            loss = model(inputs, candidates)
        return (loss, None) if return_outputs else loss

    @property
    def _adapted(self) -> Any:
        return self.accelerator.unwrap_model(self.model).model

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        self._adapted.save_pretrained(output_dir or self.args.output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        weights = load_file(Path(resume_from_checkpoint) / "adapter_model.safetensors")
        set_peft_model_state_dict(self._adapted, weights)


def train(config: SFTConfig, resume: bool = False, say: Callable[[str], None] = print) -> Path:
    """Train, and return the run folder, a model that `load_model` reads (without a calibrator yet).

    `resume` goes on from the last checkpoint of `config.out`. The folder holds `model.json`, `config.json`
    (what was run, with versions and hashes), `metrics.jsonl`, `adapter/` and `checkpoints/`.

    Raises InputError when the data, the teacher, the base or the checkpoint to resume from is missing.
    """
    checkpoint = checkpoint_to_resume(config.out, resume)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(config.seed)
    folder = resolve(config.base)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    teacher = config.teacher or shipped_tabular()
    packs = build(config, tokenizer, Tabular.load(teacher))
    presentations, tokens = sum(p.presentations for p in packs), sum(len(p.tokens) for p in packs)
    first = rank() == 0  # under torchrun, one process writes the run folder
    steps = len(packs) // (config.packs_per_step * processes())
    if steps == 0:
        raise InputError(f"{len(packs)} packs make no step of {config.packs_per_step}: draw more patients")
    if first:
        say(f"{presentations:,} presentations in {tokens:,} tokens: {len(packs):,} packs, {steps:,} steps")
    config = as_possible(config, torch.cuda.is_available(), say)
    config.out.mkdir(parents=True, exist_ok=True)
    content = {
        **config.model_dump(mode="json"), "presentations": presentations, "tokens": tokens, "steps": steps,
        "adapter_sha256": config.adapter and file_hash(config.adapter / "adapter_model.safetensors"),
        "teacher_sha256": file_hash(teacher), "data_sha256": file_hash(config.data / "manifest.json"),
        "versions": versions(),
    }  # fmt: skip
    if first:
        write_json(config.out / "config.json", content)
    model = _model(config, folder)
    always = torch.unique(torch.from_numpy(np.concatenate([p.token for p in packs])))
    trainer = SFTTrainer(
        model=PackModel(model), args=_arguments(config, steps), train_dataset=Packs(packs), data_collator=collate,
        callbacks=[JsonLines(config.out / "metrics.jsonl")], always=always, negatives=config.negatives,
        autocast=config.bf16,
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=checkpoint)
    if not first:
        return config.out
    model.save_pretrained(config.out / "adapter")
    shrink(config.out / "adapter", config.base)
    card = {
        "id": config.out.name,
        "base": config.base,
        "format": config.format,
        "k": config.k,
        "semantics": "pathology",
    }
    write_json(config.out / "model.json", card)
    return config.out


def shrink(adapter: Path, base: str) -> None:
    """Rewrite an adapter's weights in bfloat16 (half the size, for an error far below that of training), and name
    its base as the config does: peft writes the folder of this machine."""
    path = adapter / "adapter_model.safetensors"
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
    save_file(weights, path.with_suffix(".partial"), metadata={"format": "pt"})
    os.replace(path.with_suffix(".partial"), path)
    content = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    write_json(adapter / "adapter_config.json", {**content, "base_model_name_or_path": base})
    (adapter / "README.md").unlink(missing_ok=True)  # peft's empty template


def _model(config: SFTConfig, folder: str) -> Any:
    dtype = torch.bfloat16 if config.bf16 else torch.float32
    # On a CPU the backward pass of eager attention is faster than the fused kernel's under a dense mask.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
    layers = range(config.lora_first_layer, base.config.num_hidden_layers)
    if not layers:
        raise InputError(f"lora_first_layer is {config.lora_first_layer}, the base has {base.config.num_hidden_layers}")
    lora = LoraConfig(
        r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=0.0, target_modules=LINEAR,
        layers_to_transform=list(layers), task_type="CAUSAL_LM",
    )  # fmt: skip
    model = get_peft_model(base, lora)
    if config.adapter is not None:
        _start_from(config.adapter, model)
    if config.compile:
        torch._dynamo.config.optimize_ddp = False  # each layer is a graph of its own already
        for layer in model.get_base_model().model.layers:
            layer.compile(dynamic=True)
    return model


def _start_from(adapter: Path, model: Any) -> None:
    """Load the weights of an earlier adapter, which must have the same shape as the new one."""
    try:
        weights = load_file(adapter / "adapter_model.safetensors")
    except (OSError, SafetensorError):
        raise InputError(f"{adapter}: no readable adapter_model.safetensors here; give an adapter folder") from None
    own = get_peft_model_state_dict(model)
    other = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    if other or len(weights) != len(own):
        name = other[0] if other else next(n for n in weights if n not in own)
        raise InputError(f"{adapter}: {name} does not fit; lora_r and lora_first_layer must be as in that run")
    set_peft_model_state_dict(model, weights)


def _arguments(config: SFTConfig, steps: int) -> TrainingArguments:
    # On a GPU the packs of a step are computed together: one after another, most of it would wait for work.
    together = config.packs_per_step if torch.cuda.is_available() else 1
    return TrainingArguments(
        output_dir=str(config.out / "checkpoints"), max_steps=steps, per_device_train_batch_size=together,
        gradient_accumulation_steps=config.packs_per_step // together, learning_rate=config.learning_rate,
        lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": 0.03},
        warmup_steps=max(1, round(config.warmup_share * steps)), weight_decay=0.0, adam_beta2=0.99,
        max_grad_norm=1.0, logging_steps=5, save_steps=config.save_steps, save_total_limit=2, report_to=[],
        seed=config.seed, remove_unused_columns=False, dataloader_num_workers=0,
        use_cpu=not torch.cuda.is_available(), train_sampling_strategy="sequential",
    )  # fmt: skip
