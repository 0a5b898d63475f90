"""The one path: case → prompt → engine → parser → matcher → calibrator → Differential.

Training, evaluation, batch scoring and the app all answer through here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from ddx.answers import Answered, Written, answered, read_answer
from ddx.calibration.calibrator import Calibrator, to_unit_sum
from ddx.calibration.signals import SIGNALS
from ddx.case import Case
from ddx.differential import Diagnosis, Differential, Semantics
from ddx.engines.engine import Engine, load_engine
from ddx.errors import InputError
from ddx.formats import LinesFormat, TagsFormat
from ddx.prompt import messages, prompt_hash
from ddx.provenance import base_of, file_hash, read_model_card, shipped_folder, versions
from ddx.vignette import render
from ddx.vocabulary import Match, Matcher, Vocabulary, load_vocabulary

MAX_NEW_TOKENS = 96
BATCH = 48  # cases decoded together
_LOG = logging.getLogger("ddx")
# How much a case says: calibration has to hold for little, for much and in between.
COVARIATES = ("log_words", "log_words_squared")
# In a model's folder: its calibrator, and where that reads token probabilities, the one for engines that give none.
CALIBRATOR, CALIBRATOR_STATED = "calibrator.json", "calibrator_stated.json"
Interval = tuple[float, float]


class Model:
    """A language model that answers cases; make one with `load_model`."""

    def __init__(
        self,
        engine: Engine,
        k: int,
        calibrator: Calibrator | None,
        info: dict[str, Any],
        vocabulary: Vocabulary | None = None,
        semantics: Semantics = "pathology",
        instructions: str | None = None,
        format: LinesFormat | TagsFormat | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        """`instructions` stand in the place of the format's own: for a base model that never learned the format.

        `format` is `LinesFormat(k)` unless given; the tags with reasoning need more `max_new_tokens`.
        """
        self.engine, self.max_new_tokens = engine, max_new_tokens
        self.format = format or LinesFormat(k)
        self.vocabulary = vocabulary or load_vocabulary()
        self.instructions = instructions or self.format.instructions()
        self.matcher = Matcher(self.vocabulary)
        self.calibrator = calibrator or Calibrator("identity", k=k, semantics=semantics)
        self.semantics: Semantics = semantics
        names, lines = [c.short for c in self.vocabulary], isinstance(self.format, LinesFormat)
        self._draft = engine.line_draft(names, self.format.k) if lines else None
        # Not for a model that never learned the format: it may write "8.5 %".
        self._ends = engine.line_ends(names) if lines and not instructions else None
        decoding = {**engine.decoding, **({"form": "lines"} if self._ends else {})}
        self.info = {**info, "prompt_sha256": prompt_hash(self.instructions), "engine": decoding}
        if self.calibrator.signals and not engine.gives_probabilities:
            self.info["signals"] = "missing"
            _LOG.warning("%s: no token probabilities; confidences are calibrated without them", engine.name)

    def prompt_text(self, case: Case, seed: int | None = None) -> str:
        """The text of a case as the model sees it, without the instructions."""
        return render(case, seed=seed)

    def predict(self, case: Case) -> Differential:
        """The differential for one case."""
        return self.predict_many([case])[0]

    def uncalibrated(self) -> Model:
        """The same model with its confidences as stated."""
        twin = copy(self)
        twin.calibrator = Calibrator("identity", k=self.format.k, semantics=self.semantics)
        twin.info = {key: value for key, value in self.info.items() if key not in ("calibrator_sha256", "signals")}
        return twin

    def predict_many(
        self,
        cases: Sequence[Case],
        on_done: Callable[[int], None] | None = None,
        seeds: Sequence[int | None] | None = None,
        batch_size: int = BATCH,
    ) -> list[Differential]:
        """Differentials in the order of `cases`. An unreadable answer gives a differential with status "empty", a case
        on which the engine gave up one with status "failed".

        `seeds` picks the wording of structured findings (see `ddx.vignette.render`); None is the plain wording.
        """
        return self.read_many(cases, self.generate(cases, on_done, seeds, batch_size))

    def generate(
        self,
        cases: Sequence[Case],
        on_done: Callable[[int], None] | None = None,
        seeds: Sequence[int | None] | None = None,
        batch_size: int = BATCH,
    ) -> list[Answered]:
        """For each case the text that the model saw and what it wrote; `read` takes them from there."""
        texts = [self.prompt_text(c, s) for c, s in zip(cases, seeds or [None] * len(cases), strict=True)]
        chats = [messages(text, self.instructions) for text in texts]
        answers = self.engine.generate(chats, self.max_new_tokens, self._draft, self._ends, batch_size, on_done)
        return [answered(text, answer, self.format) for text, answer in zip(texts, answers, strict=True)]

    def read_many(self, cases: Sequence[Case], answers: Sequence[Answered]) -> list[Differential]:
        """What `generate` gave for these cases, as differentials."""
        return [self.read(case, answer) for case, answer in zip(cases, answers, strict=True)]

    def read(self, case: Case, answer: Answered) -> Differential:
        """One generation to a calibrated differential: parser, matcher, calibrator. Where the engine gave up on the
        case, a differential with status "failed", and the engine's reason among its repairs."""
        generation = answer.generation
        if generation.error is not None:
            return Differential(
                case.case_id, (), self.semantics, "failed", (generation.error,), seconds=generation.seconds,
                model=self.info,
            )  # fmt: skip
        written = read_answer(answer, self.format, self.matcher, self.semantics)
        confidence, rescaled, intervals = self._calibrated(written, answer.text)
        order = sorted(range(len(confidence)), key=lambda i: -confidence[i])
        diagnoses = tuple(
            _diagnosis(rank, written.matches[i], written.stated[i], float(confidence[i]), intervals[i])
            for rank, i in enumerate(order, start=1)
        )
        return Differential(
            case.case_id, diagnoses, self.semantics, written.status, written.repairs, rescaled, generation.text,
            len(generation.token_ids), generation.prompt_tokens, generation.seconds, self.info,
        )  # fmt: skip

    def _calibrated(self, written: Written, text: str) -> tuple[np.ndarray, bool, list[Interval | None]]:
        """Calibrated confidences [K]; whether those or the stated ones were divided by a sum above 1; intervals [K]."""
        if not written.matches:
            return np.zeros(0), False, []
        calibrator = self.calibrator
        known = covariates(text)
        x = np.array([[known[name] for name in calibrator.covariates]]) if calibrator.covariates else None
        lists = written.beside[[SIGNALS.index(name) for name in calibrator.signals]] if calibrator.signals else None
        everywhere = np.ones_like(written.conf, dtype=bool)
        calibrated, rescaled = calibrator.apply(written.conf, everywhere, x, lists)
        _, over = to_unit_sum(np.array([[c or 0.0 for c in written.stated]]))
        over &= self.semantics == "pathology"
        intervals: list[Interval | None] = [None] * len(written.matches)
        if (bounds := calibrator.interval(written.conf, everywhere)) is not None:
            intervals = [(float(low), float(high)) for low, high in zip(bounds[0][0], bounds[1][0], strict=True)]
        return calibrated[0], bool(rescaled[0] or over[0]), intervals


def covariates(text: str) -> dict[str, float]:
    """What a calibrator may depend on besides the list, by name: ln(1 + words of the case), and its square.

    >>> covariates("")
    {'log_words': 0.0, 'log_words_squared': 0.0}
    """
    words = math.log1p(len(text.split()))
    return {"log_words": words, "log_words_squared": words**2}


def load_model(name: str | None = None, calibrated: bool = True, engine: str = "transformers") -> Model:
    """Load a model: the shipped one, or a folder that `ddx train` wrote (`model.json`, `adapter/`, its calibrators).

    A base that starts with "./" lies in the folder itself. `engine` is "transformers", "vllm" or the URL of a server
    that serves this model (see `ddx.engines.engine.load_engine`); its record stands in `info["engine"]`. An engine
    without token probabilities gets the calibrator that was fitted without them; `info["signals"]` is then "not used",
    and "missing" where the folder has no such calibrator.

    Raises InputError when the folder or the base model is missing, saying what to run, and when the engine can't start.
    """
    folder = shipped_folder() if name is None else Path(name)
    if not (folder / "model.json").exists():
        raise InputError(f"{folder}: no model.json here; give a folder that `ddx train` wrote")
    card = read_model_card(folder)
    adapter, base = folder / "adapter", base_of(folder, card)
    info: dict[str, Any] = {"id": card["id"], "base": base, "versions": versions()}
    info["vocabulary_sha256"] = load_vocabulary().content_hash
    if adapter.exists():
        info["adapter_sha256"] = file_hash(adapter / "adapter_model.safetensors")
    weights = Path(base) / "model.safetensors"
    if base != card["base"] and weights.exists():
        info["base_sha256"] = file_hash(weights)
    running = load_engine(engine, base, adapter if adapter.exists() else None)
    calibrator = None
    if calibrated and (folder / CALIBRATOR).exists():
        calibrator, path = _read_calibrator(folder, running.gives_probabilities)
        info["calibrator_sha256"] = file_hash(path)
        if path.name == CALIBRATOR_STATED:
            info["signals"] = "not used"
            _LOG.warning("%s: no token probabilities; calibrated from the stated confidences alone", running.name)
    return Model(
        running, card["k"], calibrator, info,
        semantics=card.get("semantics", "pathology"), format=format_of(card),
        max_new_tokens=card.get("max_new_tokens", MAX_NEW_TOKENS),
    )  # fmt: skip


def _read_calibrator(folder: Path, probabilities: bool) -> tuple[Calibrator, Path]:
    """The calibrator of a model's folder for an engine with or without token probabilities, and its file."""
    path, other = folder / CALIBRATOR, folder / CALIBRATOR_STATED
    found = Calibrator.from_json(path.read_text(encoding="utf-8"), str(path))
    if found.signals and not probabilities and other.exists():
        return Calibrator.from_json(other.read_text(encoding="utf-8"), str(other)), other
    return found, path


def format_of(card: dict[str, Any]) -> LinesFormat | TagsFormat:
    """The format that a model's card names ("lines" or "tags", with or without `think`), for its K."""
    if card["format"] == "lines":
        return LinesFormat(card["k"])
    if card["format"] == "tags":
        return TagsFormat(card["k"], card.get("think", True))
    raise InputError(f"model.json: format {card['format']!r} is not one of lines, tags")


def _diagnosis(
    rank: int, match: Match, stated: float | None, confidence: float, interval: Interval | None
) -> Diagnosis:
    condition = match.condition
    if condition is None:
        return Diagnosis(rank, match.text, confidence, text=match.text, stated=stated, interval=interval)
    return Diagnosis(
        rank, condition.name, confidence, condition.key, condition.icd10 or None, condition.severity,
        match.text, stated, match.method, match.score, interval,
    )  # fmt: skip
