"""One config, one run: what `ddx train` calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ddx.errors import InputError
from ddx.files import write_text
from ddx.train.config import Config, NanoConfig, RLConfig, TabularConfig, TeacherConfig, load_config
from ddx.train.processes import one_first

Say = Callable[[str], None]


def run(config: Config, resume: bool = False, say: Say = print) -> Path:
    """Train what the config asks for; returns the run folder."""
    if isinstance(config, TabularConfig):
        return _tabular(config, say)
    if isinstance(config, RLConfig):
        return _reinforce(config, resume, say)
    # here: torch and transformers are imported only for a language model
    if isinstance(config, NanoConfig):
        from ddx.train import nano

        return nano.train(config, resume, say)
    if isinstance(config, TeacherConfig):
        from ddx.train import teacher

        return teacher.train(config, say)
    from ddx.train.sft import train

    if config.adapter is not None and not config.adapter.exists():
        _warm_up(config.warm_start, config.adapter.parent, say)
    return train(config, resume, say)


def _tabular(config: TabularConfig, say: Say) -> Path:
    from ddx.data.prepare import load_split
    from ddx.evaluation.tabular import fit

    patients = load_split(config.data, "train"), load_split(config.data, "dev")
    model = fit(*patients, epochs=config.epochs, hidden=config.hidden, seed=config.seed, say=say)
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(config.out / "config.json", config.model_dump_json(indent=1) + "\n")
    model.save(config.out / "tabular.safetensors")
    return config.out


def _reinforce(config: RLConfig, resume: bool, say: Say) -> Path:
    """Fetch, prepare and warm up what is missing; train; choose on dev patients; calibrate; evaluate; report."""
    from ddx.train.processes import processes, rank
    from ddx.train.rl_start import check_possible

    check_possible(config)  # before trl is imported, which takes a while
    _ready(config, say)
    import torch

    from ddx.train import grpo, rl_report, selection

    folder = grpo.train(config, resume, say)
    if rank() != 0:
        return folder
    if processes() > 1:  # the others end here, and leave their cores
        torch.set_num_threads(min(os.cpu_count() or 1, processes() * torch.get_num_threads()))
    selection.select(config, say)
    _finish(config, folder, say)
    rl_report.write_report(folder)
    return folder


def _ready(config: RLConfig, say: Say) -> None:
    """Make the data and the start model where they are missing and the config says from what."""
    with one_first():
        if config.source is not None and not (config.data / "manifest.json").exists():
            from ddx.data.prepare import prepare

            say(f"preparing {config.data} from {config.source}")
            prepare(config.source, config.data)
        _fetch(config.base, say)
    if config.start is not None and not (config.start / "model.json").exists():
        _warm_up(config.warm_start, config.start, say)


def _warm_up(recipe: Path | None, out: Path, say: Say) -> None:
    """Run the config that makes the folder `out`, going on where an earlier try stopped. None: nothing to do."""
    if recipe is None:
        return
    config = load_config(recipe)
    if config.out != out:
        raise InputError(f"{recipe}: writes to {config.out}, but {out} is wanted; set both alike")
    with one_first():
        _fetch(getattr(config, "base", None), say)
    say(f"warm start: {recipe}")
    run(config, (config.out / "checkpoints").is_dir(), say)
    with one_first():  # it wrote the model that all of them go on from
        pass


def _fetch(base: str | None, say: Say) -> None:
    if base is not None:
        from ddx.engines.base_models import get

        get(base, say)


def _finish(config: RLConfig, folder: Path, say: Say) -> None:
    """A calibrator and a test evaluation beside the model, for what they are defined on: `pathology` confidences."""
    if config.meaning != "pathology":
        say("no calibrator and no test evaluation: both are for confidences of the meaning `pathology`")
        return
    from ddx.evaluation.calibrate import calibrate, write_calibrators
    from ddx.evaluation.evaluate import Plan, evaluate
    from ddx.evaluation.files import write_evaluation
    from ddx.model import load_model

    if config.calibration_cases:
        say("fitting the calibrator")
        write_calibrators(folder, calibrate(load_model(str(folder)), config.data, str(config.calibration_cases)))
    if config.evaluate != "none":
        say(f"evaluating on test patients ({config.evaluate})")
        plan = Plan(config.data, "test", config.evaluate, None, 0, None)
        write_evaluation(folder / "evaluation.json", evaluate(load_model(str(folder)), plan, lambda *_: None))
