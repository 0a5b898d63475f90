"""The model, loaded once for all sessions and asked by one at a time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

import ddx
from ddx.case import Case
from ddx.differential import Differential
from ddx.engines.base_models import resolve
from ddx.errors import DdxError
from ddx.provenance import read_model_card, shipped_folder

if TYPE_CHECKING:
    from ddx.model import Model

TRAIN = "ddx train training/configs/smollm2-135m-sft.yaml"


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
    """Loads the model in the background from the moment it is made, so that it is ready when a case is."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._model: Model | None = None
        self._failure: DdxError | None = None
        self._thread = threading.Thread(target=self._load, name="ddx-load", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            self._model = ddx.load_model(os.environ.get("DDX_MODEL") or None)
        except DdxError as error:
            self._failure = error
        except Exception as error:  # a corrupt file or a lack of memory; the page must say so and not hang
            self._failure = DdxError(f"the model could not be loaded ({type(error).__name__}: {error})")

    @property
    def loading(self) -> bool:
        """Whether the model is still being loaded."""
        return self._thread.is_alive()

    def model(self) -> Model:
        """The model; waits until it is loaded. Raises DdxError if it could not be."""
        self._thread.join()
        if self._model is None:
            raise self._failure or DdxError("the model could not be loaded")
        return self._model

    def review(self, case: Case) -> tuple[Differential, str, float]:
        """The differential, the text that the model saw, and the seconds it took once its turn came."""
        model = self.model()
        with self._turn:
            began = time.perf_counter()
            differential = model.predict(case)
            return differential, model.prompt_text(case), time.perf_counter() - began


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The one engine of this process."""
    return Engine()
