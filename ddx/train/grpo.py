"""Multi-answer reinforcement learning: TRL's own `GRPOTrainer` with LoRA, our reward, and a run folder.

Dr. GRPO (Liu et al. 2025, arXiv 2503.20783) without scaling by the group's deviation: dividing by it would bend a
proper scoring rule. ONE scalar reward reaches the optimiser; its parts only the log.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from ddx.engines.attention import GROUPED
from ddx.model import format_of
from ddx.provenance import file_hash, versions
from ddx.rewards import Reward
from ddx.train.examples import end_token
from ddx.train.precision import as_possible
from ddx.train.processes import processes
from ddx.train.rl_config import RLConfig
from ddx.train.rl_prompts import draw_prompts, stage_counts
from ddx.train.rl_reward import TrainingReward, write_samples
from ddx.train.rl_start import base_folder, check_possible, micro_batches, start_adapter, start_card
from ddx.train.run_folder import JsonLines, checkpoint_to_resume, write_json
from ddx.train.sft import LINEAR, shrink
from ddx.train.shared_prompt import SharedPromptTrainer
from ddx.vocabulary import Matcher, load_vocabulary

Say = Callable[[str], None]


def train(config: RLConfig, resume: bool = False, say: Say = print) -> Path:
    """Train, and return the run folder: `checkpoints/`, `config.json`, `metrics.jsonl`, `samples.jsonl`, and the
    last adapter as a model folder (`model.json`, `adapter/`) that `ddx.train.selection` may replace by a better one.

    Raises InputError when the start, the data or a checkpoint to resume from is missing, or a GPU that was asked for;
    KeyboardInterrupt after a first Ctrl-C, when the checkpoint is saved.
    """
    check_possible(config)
    checkpoint = checkpoint_to_resume(config.out, resume)
    card = start_card(config)
    options = config.reward_options(card["k"])
    reward = Reward(options, format_of(card), Matcher(load_vocabulary()))
    prompts = draw_prompts(config, reward)
    say(f"{len(prompts):,} prompts in {config.steps:,} steps: {', '.join(stage_counts(prompts))}")
    config = as_possible(config, _on_gpu(config), say)
    base = base_folder(config, card)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    end = end_token(tokenizer)
    tokenizer.eos_token_id = end  # TRL cuts completions there
    scorer = TrainingReward(reward, {p.case_id: p.gold for p in prompts}, {end})
    config.out.mkdir(parents=True, exist_ok=True)
    adapter = start_adapter(config)
    write_json(
        config.out / "config.json",
        {
            **config.model_dump(mode="json"), "k": options.k, "prompts": len(prompts), "versions": versions(),
            "start_adapter_sha256": adapter and file_hash(adapter / "adapter_model.safetensors"),
            "data_sha256": file_hash(config.data / "manifest.json"),
        },
    )  # fmt: skip
    model, lora = _model(config, base)
    trainer = (SharedPromptTrainer if shares_prompts(config) else GRPOTrainer)(
        model=model,
        reward_funcs=scorer,
        args=_arguments(config),
        train_dataset=Dataset.from_list([{"prompt": p.chat, "case_id": p.case_id} for p in prompts]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[
            JsonLines(config.out / "metrics.jsonl"),
            Samples(config.out / "samples.jsonl", scorer, config.samples_every),
            Progress(say, config.samples_every),
            StopOnInterrupt(),
        ],
    )
    trainer.remove_callback(PrinterCallback)  # its line a step is in metrics.jsonl
    trainer.generation_config.eos_token_id = end
    trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.state.global_step < config.steps:
        say(f"stopped after step {trainer.state.global_step:,} of {config.steps:,}; go on with --resume")
        raise KeyboardInterrupt
    if trainer.is_world_process_zero():
        save(trainer.model, config, card)
    return config.out


def shares_prompts(config: RLConfig) -> bool:
    """Whether each prompt is computed once a step (`ddx.train.shared_prompt`) rather than once a completion."""
    # recomputing activations goes without a cache, and sharded weights are gathered by TRL's own generation
    sharded = config.planned_for is not None and config.planned_for.sharding != "none"
    return (
        config.shared_prompts
        and config.generation == "transformers"
        and not config.gradient_checkpointing
        and not sharded
    )


def save(model: Any, config: RLConfig, card: dict[str, Any]) -> None:
    """Write the trained weights as a model folder."""
    out = config.out
    if isinstance(model, PeftModel):
        model.save_pretrained(out / "adapter")
        shrink(out / "adapter", card["base"])
        base = card["base"]
        if config.start is not None and base.startswith("./"):  # it comes along: the run stands on its own
            shutil.copytree(config.start / base, out / base, dirs_exist_ok=True)
    else:
        model.save_pretrained(out / "base")
        AutoTokenizer.from_pretrained(base_folder(config, card)).save_pretrained(out / "base")
        base = "./base"
    content = {**card, "id": out.name, "base": base, "semantics": config.meaning}
    if card["format"] == "tags":
        content["max_new_tokens"] = config.max_completion_tokens
    write_json(out / "model.json", content)


def _model(config: RLConfig, base: str) -> tuple[Any, LoraConfig | None]:
    """(model, LoRA to put on it): a start with an adapter goes on with that, any other gets a fresh one."""
    on_gpu = _on_gpu(config)
    # merging a bfloat16 base into vLLM at every step drifts, so that one stays in float32 under autocast
    frozen = torch.bfloat16 if config.bf16 and config.generation == "transformers" else torch.float32
    dtype = torch.float32 if config.full_finetune else frozen
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=dtype,
        attn_implementation="sdpa" if on_gpu else GROUPED,
        device_map="cuda" if on_gpu and processes() == 1 else None,
    )
    adapter = start_adapter(config)
    if config.full_finetune:
        if adapter:
            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        return model, None
    if adapter:
        going_on = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
        # a shipped adapter names its base in words; at every save peft would look for that name on the hub
        going_on.peft_config["default"].base_model_name_or_path = base
        return going_on, None
    return model, LoraConfig(
        r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=0.0, target_modules=LINEAR, task_type="CAUSAL_LM"
    )


def _arguments(config: RLConfig) -> GRPOConfig:
    accumulate = micro_batches(config, processes())
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(config.out / "tensorboard"))
    vllm: dict[str, Any] = {}
    if config.generation != "transformers":
        mode = config.generation.removeprefix("vllm-")
        vllm = {
            "use_vllm": True,
            "vllm_mode": mode,
            "vllm_gpu_memory_utilization": 0.3,
            "vllm_importance_sampling_mode": "token_truncate",
        }
        if mode == "server":
            vllm["vllm_server_base_url"] = config.vllm_url
    return GRPOConfig(
        output_dir=str(config.out / "checkpoints"), max_steps=config.steps, seed=config.seed,
        per_device_train_batch_size=config.micro_batch, gradient_accumulation_steps=accumulate,
        num_generations=config.group_size, max_completion_length=config.max_completion_tokens,
        shuffle_dataset=False,  # the prompts are in their order already
        learning_rate=config.learning_rate, lr_scheduler_type="constant_with_warmup",
        warmup_steps=round(config.warmup_share * config.steps), weight_decay=0.0, max_grad_norm=1.0,
        beta=config.beta, loss_type="dr_grpo", scale_rewards="none",
        multi_objective_aggregation="sum_then_normalize", mask_truncated_completions=True,
        temperature=config.temperature, top_p=1.0, top_k=0, disable_dropout=True,
        bf16=config.bf16, gradient_checkpointing=config.gradient_checkpointing, ddp_find_unused_parameters=False,
        use_cpu=not _on_gpu(config),
        logging_steps=1, disable_tqdm=True, save_steps=config.save_steps, save_total_limit=None, save_only_model=False,
        log_completions=False, report_to=[] if config.report_to == "none" else [config.report_to],
        **vllm,
    )  # fmt: skip


def _on_gpu(config: RLConfig) -> bool:
    return torch.cuda.is_available() and config.device != "cpu"


class Samples(TrainerCallback):
    """Some completions of every n-th step, as JSON lines."""

    def __init__(self, path: Path, scorer: TrainingReward, every: int) -> None:
        self.path, self.scorer, self.every = path, scorer, every

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        if state.is_world_process_zero and state.global_step % self.every == 1 % self.every:
            write_samples(self.path, state.global_step, self.scorer.last)


class Progress(TrainerCallback):
    """A line now and then: where the run is, what it earns, how long it will take."""

    def __init__(self, say: Say, every: int) -> None:
        self.say, self.every = say, every
        self.began, self.first = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.began, self.first = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Called by the trainer."""
        step = state.global_step
        if not state.is_world_process_zero or "ddx/reward" not in (logs or {}):
            return
        if step % self.every and step not in (self.first + 1, state.max_steps):
            return
        each = (time.monotonic() - self.began) / max(1, step - self.first)
        self.say(
            f"step {step:,} of {state.max_steps:,}: reward {logs['ddx/reward']:.3f}, valid {logs['ddx/valid']:.2f}, "
            f"{each:.1f} s a step, about {each * (state.max_steps - step) / 60:.0f} min left"
        )


class StopOnInterrupt(TrainerCallback):
    """Ctrl-C saves a checkpoint and ends the run after the step; a second one ends it at once."""

    asked = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.before = signal.signal(signal.SIGINT, self._ask)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        signal.signal(signal.SIGINT, self.before)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        if self.asked:
            control.should_save = control.should_training_stop = True

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # not `say`: the signal may arrive while that writes, and a stream can't be entered twice
        os.write(2, b"stopping after this step (Ctrl-C again: at once)\n")
