"""The model, loaded once for all sessions, behind one line of waiting cases."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

import ddx
from ddx.case import Case
from ddx.differential import Differential
from ddx.engines.base_models import resolve
from ddx.errors import DdxError
from ddx.provenance import read_model_card, shipped_folder
from ddx.service.worker import Worker

if TYPE_CHECKING:
    from ddx.model import Model

TRAIN = "ddx train training/configs/smollm2-135m-sft.yaml"
PART = 24  # cases of a longer job that go into the line together: others come between
_LOOK = 0.1  # seconds between two looks at the line

Answer = Future[Differential]


def model_folder() -> Path:
    """The folder in `$DDX_MODEL`, else the one that ships with the package."""
    return Path(os.environ.get("DDX_MODEL") or shipped_folder())


def missing() -> str | None:
    """One line that says what to run when the model or its base is missing, else None. Imports no torch."""
    folder = model_folder()
    if not (folder / "model.json").exists():
        return f"There is no model in {folder}. Run `{TRAIN}`, then start the app with DDX_MODEL=(its folder)."
    try:
        resolve(read_model_card(folder)["base"])
    except DdxError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}, then reload this page."
    return None


class Engine:
    """Loads the model in the background from the moment it is made, and answers cases in the order they come."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._model: Model | None = None
        self._failure: DdxError | None = None
        self._thread = threading.Thread(target=self._load, name="ddx-load", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            self._model = ddx.load_model(os.environ.get("DDX_MODEL") or None)
            self._worker = Worker(self._model, batch=PART)
            gc.collect()
            gc.freeze()  # streamlit collects garbage after every run; all of torch would be looked through each time
        except DdxError as error:
            self._failure = error
        except Exception as error:  # a corrupt file or a lack of memory; the page must say so and not hang
            self._failure = DdxError(f"the model could not be loaded ({type(error).__name__}: {error})")

    @property
    def loading(self) -> bool:
        """Whether the model is still being loaded."""
        return self._thread.is_alive()

    def loaded(self) -> tuple[Model, Worker]:
        """The model and its line; waits until it is loaded. Raises DdxError if it could not be."""
        self._thread.join()
        if self._model is None or self._worker is None:
            raise self._failure or DdxError("the model could not be loaded")
        return self._model, self._worker

    def ask(self, case: Case) -> Answer:
        """Put a case in line. Raises DdxError when the model can't be loaded or the line is full."""
        return self.loaded()[1].submit([case])[0]

    def result(self, answer: Answer, on_place: Callable[[int], None] = lambda ahead: None) -> Differential:
        """Wait for an answer. `on_place` hears how many cases are before it, at first and when that has changed.

        Raises DdxError when the model failed.
        """
        _, worker = self.loaded()
        heard = None
        while not answer.done():
            if (ahead := worker.ahead(answer)) != heard:
                on_place(ahead)
                heard = ahead
            wait([answer], _LOOK)
        return answer.result()


class InLine:
    """The model for jobs of many cases (`ddx.explain`): in parts, so that other sessions' cases come between. `adjust`
    makes each answer the one that is shown, such as with this site's confidences."""

    def __init__(
        self,
        engine: Engine,
        adjust: Callable[[Differential], Differential],
        on_done: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._engine, self._adjust, self._on_done = engine, adjust, on_done
        self.vocabulary = engine.loaded()[0].vocabulary

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        """Differentials in the order of the cases."""
        _, worker = self._engine.loaded()
        found: list[Differential] = []
        for start in range(0, len(cases), PART):
            part = worker.submit(cases[start : start + PART])
            found += [self._adjust(self._engine.result(answer)) for answer in part]
            for heard in (self._on_done, on_done):
                if heard is not None:
                    heard(len(part))
        return found


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The one engine of this process."""
    return Engine()
