"""The warm start: LoRA on a base model by transformers' own `Trainer`, on packs of presentations."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

from ddx.engines.base_models import resolve
from ddx.evaluation.tabular import Tabular
from ddx.train.config import SFTConfig
from ddx.train.examples import build
from ddx.train.packing import Pack

_LOG = logging.getLogger(__name__)
_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Packs(Dataset):
    """Packs as a torch data set; one item is one sequence."""

    def __init__(self, packs: list[Pack]) -> None:
        self.packs = packs

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> Pack:
        return self.packs[index]


def collate(packs: list[Pack]) -> dict[str, torch.Tensor]:
    """One pack to tensors; `mask` is additive float32 [1, 1, T, T]."""
    (pack,) = packs
    visible = torch.from_numpy(pack.visible)
    mask = torch.zeros(visible.shape).masked_fill_(~visible, torch.finfo(torch.float32).min)
    return {
        "input_ids": torch.from_numpy(pack.tokens)[None],
        "positions": torch.from_numpy(pack.positions)[None],
        "mask": mask[None, None],
        "at": torch.from_numpy(pack.at),
        "row": torch.from_numpy(pack.row),
        "token": torch.from_numpy(pack.token),
        "weight": torch.from_numpy(pack.weight),
    }


def pack_loss(model, batch: dict[str, torch.Tensor], candidates: torch.Tensor | None) -> torch.Tensor:
    """Mean cross-entropy against the soft targets at the answer positions.

    `candidates` [V'] restricts the softmax to these token ids (it must hold every target token); None uses the
    whole vocabulary.
    """
    hidden = model.model(
        input_ids=batch["input_ids"],
        attention_mask=batch["mask"],
        position_ids=batch["positions"],
        use_cache=False,
    ).last_hidden_state[0, batch["at"]]
    weights, column = model.lm_head.weight, batch["token"]
    if candidates is not None:
        weights = weights[candidates]
        place = torch.full((model.lm_head.weight.shape[0],), -1, dtype=torch.long)
        place[candidates] = torch.arange(len(candidates))
        column = place[column]
    logp = torch.log_softmax(hidden.float() @ weights.T.float(), dim=-1)
    return -(logp[batch["row"], column] * batch["weight"]).sum() / len(batch["at"])


class SFTTrainer(Trainer):
    """transformers' Trainer with the loss of `pack_loss`."""

    def __init__(self, *args, always: torch.Tensor, negatives: int, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._always, self._negatives = always, negatives

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        base = model.get_base_model()
        candidates = None
        if self._negatives and self.model.training:
            drawn = torch.randint(0, base.lm_head.weight.shape[0], (self._negatives,))
            candidates = torch.unique(torch.cat([self._always, drawn]))
        loss = pack_loss(base, inputs, candidates)
        return (loss / self.args.gradient_accumulation_steps, None) if return_outputs else loss / self.args.gradient_accumulation_steps


class JsonLines(TrainerCallback):
    """Metrics as JSON lines in the run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args, state, control, logs=None, **kwargs):
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


def train(config: SFTConfig, teacher_file: Path, resume: bool = False) -> Path:
    """Train and return the folder of the adapter. `resume` goes on from the last checkpoint of `config.out`."""
    random.seed(config.seed)
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    folder = resolve(config.base)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    packs = build(config, tokenizer, Tabular.load(teacher_file))
    presentations = sum(p.presentations for p in packs)
    tokens = sum(len(p.tokens) for p in packs)
    steps = len(packs) // config.packs_per_step
    _LOG.info("%d presentations, %d tokens, %d packs, %d steps", presentations, tokens, len(packs), steps)
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "config.json").write_text(
        json.dumps({**config.model_dump(mode="json"), "presentations": presentations, "tokens": tokens, "steps": steps}, indent=1)
    )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    layers = range(config.lora_first_layer, model.config.num_hidden_layers)
    model = get_peft_model(
        model,
        LoraConfig(
            r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=0.0, target_modules=_LINEAR,
            layers_to_transform=list(layers), task_type="CAUSAL_LM",
        ),
    )  # fmt: skip
    if config.compile:
        for layer in model.get_base_model().model.layers:
            layer.compile(dynamic=True)
    always = torch.unique(torch.from_numpy(np.concatenate([p.token for p in packs])))
    trainer = SFTTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(config.out / "checkpoints"), max_steps=steps, per_device_train_batch_size=1,
            gradient_accumulation_steps=config.packs_per_step, learning_rate=config.learning_rate,
            lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": 0.03},
            warmup_steps=max(1, round(config.warmup_share * steps)), weight_decay=0.0, adam_beta2=0.99, max_grad_norm=1.0,
            logging_steps=5, save_steps=config.save_steps, save_total_limit=2, report_to=[], seed=config.seed,
            remove_unused_columns=False, dataloader_num_workers=0, use_cpu=not torch.cuda.is_available(),
            train_sampling_strategy="sequential",
        ),
        train_dataset=Packs(packs),
        data_collator=collate,
        callbacks=[JsonLines(config.out / "metrics.jsonl")],
        always=always,
        negatives=config.negatives,
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume)
    model.save_pretrained(config.out / "adapter")
    return config.out / "adapter"
