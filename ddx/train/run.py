"""One config, one run: what `ddx train` calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ddx.files import write_text
from ddx.train.config import Config, TabularConfig


def run(config: Config, resume: bool = False, say: Callable[[str], None] = print) -> Path:
    """Train what the config asks for; returns the run folder."""
    if isinstance(config, TabularConfig):
        return _tabular(config, say)
    from ddx.train.sft import train  # here: torch and transformers are imported only for a language model

    return train(config, resume, say)


def _tabular(config: TabularConfig, say: Callable[[str], None]) -> Path:
    from ddx.data.prepare import load_split
    from ddx.evaluation.tabular import fit

    patients = load_split(config.data, "train"), load_split(config.data, "dev")
    model = fit(*patients, epochs=config.epochs, hidden=config.hidden, seed=config.seed, say=say)
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(config.out / "config.json", config.model_dump_json(indent=1) + "\n")
    model.save(config.out / "tabular.safetensors")
    return config.out
