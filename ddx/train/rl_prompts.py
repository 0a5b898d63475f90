"""The prompts of a reinforcement-learning run: training patients at evidence stages, with their matched gold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import STAGES, Stage, case_at, wording_seed
from ddx.errors import InputError
from ddx.prompt import messages
from ddx.rewards import Gold, Reward
from ddx.train.rl_config import RLConfig
from ddx.vignette import render


@dataclass(frozen=True)
class RLPrompt:
    """One case as the trainer takes it: chat messages, an id that says patient and stage, and its gold."""

    case_id: str
    stage: Stage
    chat: list[dict[str, str]]
    gold: Gold


def draw_prompts(config: RLConfig, reward: Reward) -> list[RLPrompt]:
    """The cases of a whole run in the order in which it sees them, each patient at most once.

    The same config and data give the same prompts. Raises InputError when the data has too few patients.
    """
    rng = random.Random(f"rl|{config.seed}")
    patients = [p for p in load_split(config.data, "train") if usable(p, config)]
    wanted = config.steps * config.prompts_per_step
    if len(patients) < wanted:
        raise InputError(
            f"{config.data}: {len(patients):,} usable training patients, but {config.steps} steps of "
            f"{config.prompts_per_step} prompts need {wanted:,}; lower steps or completions_per_step"
        )
    chosen = rng.sample(patients, wanted)
    stages = rng.choices(list(config.stages), list(config.stages.values()), k=wanted)
    if config.curriculum:
        stages.sort(key=lambda stage: -STAGES.index(stage))
    return [prompt_of(p, s, reward, wording_seed(p) + config.seed) for p, s in zip(chosen, stages, strict=True)]


def prompt_of(patient: Patient, stage: Stage, reward: Reward, seed: int) -> RLPrompt:
    """A patient at a stage, in the wording of `seed`."""
    case = case_at(patient, stage)
    gold = reward.gold(patient.gold, patient.pathology, patient.gold_probs)
    return RLPrompt(case.case_id, stage, messages(render(case, seed=seed), reward.format.instructions()), gold)


def usable(patient: Patient, config: RLConfig) -> bool:
    """Whether the reward is defined for a patient: pathology known, gold probabilities where they are used."""
    if patient.pathology is None or not patient.gold:
        return False
    return patient.gold_probs is not None or not (config.gold_weights or config.soft_brier)


def stage_counts(prompts: list[RLPrompt]) -> Iterator[str]:
    """ "stage n" for each stage that occurs, for the run's plan."""
    for stage in STAGES:
        n = sum(p.stage == stage for p in prompts)
        if n:
            yield f"{stage} {n:,}"
