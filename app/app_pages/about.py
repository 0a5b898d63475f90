"""About: what it is for, what it can't do, what it was made of, and what is kept where."""

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st

from app.parts import calibrators, engine, records
from app.parts.compare_files import runs_folder
from app.parts.evaluation import evaluation_file, load_evaluation
from ddx.data.demo import demo_cases
from ddx.errors import DdxError, InputError
from ddx.evaluation.promise_tables import promise_lines
from ddx.evaluation.words import count
from ddx.provenance import file_hash, read_model_card, versions
from ddx.scoring.jobs import jobs_folder
from ddx.store import Store
from ddx.vocabulary import load_vocabulary

INTENDED = """
ddx turns a patient case into a ranked differential with a calibrated confidence for each condition. It is
meant for research, and for clinicians who want a second list to hold against their own. It is **not a
medical device**: no regulator has assessed it, and no decision about a patient may rest on it.
"""
LIMITS = """
- **{conditions} conditions.** Everything else can only appear as “something else”. A rare or unlisted
  condition will never be named{measured}.
- **Synthetic training data.** The model learned from DDXPlus, patients drawn from a knowledge base, not
  from records of real people. The confidences are calibrated on such patients; on real ones they have not
  been measured.
- **No clinician has reviewed it.** Neither the vocabulary and its wordings nor the model's answers have had
  a clinical review.
- **English text only**, one presentation at a time, no images, no laboratory values beyond what the text
  says.
- **A small model.** It reads words, and can miss a negation, a time course or an unusual wording. Read what
  it saw before you weigh what it says.
"""
SOURCES = """
- **DDXPlus**: A. Fansi Tchango, R. Goel, Z. Wen, J. Martel, J. Ghosn, “DDXPlus: A New Dataset For Automatic
  Medical Diagnosis”, NeurIPS 2022 Datasets and Benchmarks. CC-BY 4.0. Changes to its tables are listed in
  the project. No DDXPlus patient is shown here: the {examples} examples were written for this project.
- **SmolLM2-135M-Instruct** (Hugging Face), the base language model. Apache-2.0.
- **Multi-answer training**: Puri et al. 2026, “Reaching Beyond the Mode: RL for Distributional Reasoning in
  Language Models”, arXiv 2603.24844.
- **Reliability diagrams**: T. Dimitriadis, T. Gneiting, A. Jordan, “Stable reliability diagrams for
  probabilistic classifiers”, PNAS 2021.
- **ICD-10** codes are those of the World Health Organization.
- ddx itself: Apache-2.0.
"""
CITATIONS = """@inproceedings{fansitchango2022ddxplus,
  title     = {{DDXPlus}: A New Dataset For Automatic Medical Diagnosis},
  author    = {Fansi Tchango, Arsene and Goel, Rishab and Wen, Zhi and Martel, Julien and Ghosn, Joumana},
  booktitle = {Advances in Neural Information Processing Systems 35, Datasets and Benchmarks Track},
  year      = {2022}
}

@article{benallal2025smollm2,
  title   = {{SmolLM2}: When Smol Goes Big -- Data-Centric Training of a Small Language Model},
  author  = {Ben Allal, Loubna and others},
  journal = {arXiv preprint arXiv:2502.02737},
  year    = {2025}
}

@article{puri2026beyond,
  title   = {Reaching Beyond the Mode: RL for Distributional Reasoning in Language Models},
  author  = {Puri and others},
  journal = {arXiv preprint arXiv:2603.24844},
  year    = {2026}
}"""
KEPT = """
Nothing leaves this machine by itself: the app sends no usage data and asks no other service. The files are readable by
their owner; they are not encrypted, so keep them on an encrypted disk. Leave out names and record numbers. How to erase
a case, set a retention time, back up and check the log: `docs/storage.md` and `ddx audit`.
"""
CARDS = Path(__file__).resolve().parents[2] / "data_cards"
CARD_NAMES = {
    "model.md": "Model card", "ddxplus.md": "Data card: DDXPlus", "vignettes.md": "Data card: published vignettes",
    "demo_cases.md": "Data card: the examples",
}  # fmt: skip


def page() -> None:
    """The whole page."""
    st.title("About", anchor=False)
    left, right = st.columns([7, 5], gap="large")
    with left:
        st.subheader("Intended use", anchor=False)
        st.markdown(INTENDED)
        st.subheader("Limits", anchor=False)
        st.markdown(LIMITS.format(conditions=len(load_vocabulary()), measured=_on_other_conditions()))
        st.subheader("Sources and licences", anchor=False)
        st.markdown(SOURCES.format(examples=len(demo_cases())))
        with st.expander("Citations as BibTeX"):
            st.code(CITATIONS, language=None)
        _cards()
    with right:
        st.subheader("Model", anchor=False)
        problem = engine.missing()
        if problem is not None:
            st.error(problem, icon=":material/download:")
        else:
            st.html(_facts(_model()))
        st.subheader("Versions", anchor=False)
        st.html(_facts(list(versions().items())))
        st.subheader("What is kept, and where", anchor=False)
        st.html(_facts(_places()))
        st.markdown(KEPT)
        _promises()


def _cards() -> None:
    """The cards of model and data, each read when it is opened; an installed package has none."""
    for file, name in CARD_NAMES.items():
        if (CARDS / file).is_file():
            with st.expander(name, key=f"card_{file}", on_change="rerun") as card:
                if card.open:
                    text = (CARDS / file).read_text(encoding="utf-8")
                    st.markdown("\n".join(f"##{line}" if line.startswith("#") else line for line in text.splitlines()))


def _promises() -> None:
    """How the promises of list length and abstention held on test patients; nothing where none were measured."""
    try:
        lines = promise_lines(load_evaluation())
    except (InputError, KeyError, TypeError):
        return
    if lines:
        st.subheader("Promises, held against test patients", anchor=False)
        st.markdown("\n".join(f"- {line}" for line in lines))
        st.caption("How long a list must be, and when to give no answer; `ddx promise` makes the rules.")


def _places() -> list[tuple[str, Any]]:
    """What the app keeps, and where: paths of this machine, or the database without its password."""
    try:
        store = records.store()
        phi = "on: hashes in the place of what is written about a case" if store.phi else "off"
        rows = [("Reviews and their log", store.name), ("PHI mode", phi), *_retention(store)]
    except DdxError as error:
        rows = [("Reviews and their log", str(error))]
    try:
        site = calibrators.active()
        used = "none in use" if site is None else f"version {site.number} in use, SHA-256 {site.sha256}"
    except DdxError as error:
        used = str(error)
    rows += [
        ("Batch jobs", str(jobs_folder())),
        ("Site calibrators", str(calibrators.folder().path)),
        ("Site calibrator", used),
        ("Evaluations to compare", str(runs_folder())),
        ("Evaluation shown", str(evaluation_file())),
        ("Model", str(engine.model_folder())),
    ]
    return rows


def _retention(store: Store) -> list[tuple[str, Any]]:
    """How many reviews there are, how old they are, how long they are kept, and what changes that."""
    n, oldest = store.extent()
    held = "none yet" if oldest is None else f"{n:,}; the oldest was last changed on {oldest[:10]}, {_ago(oldest)}"
    days = store.retention_days()
    kept = "ever: nothing is erased by itself"
    if days is not None:
        kept = f"{count(days, 'day')} after the last change; erased when “ddx audit retention STORE” runs"
    return [
        ("Reviews", held),
        ("Kept for", kept),
        ("To change that", "ddx audit retention STORE --set DAYS, or --set ever"),
    ]


def _ago(at: str) -> str:
    days = (datetime.now(UTC) - datetime.fromisoformat(at)).days
    return f"{count(days, 'day')} ago" if days > 0 else "less than a day ago"


def _on_other_conditions() -> str:
    """What the model claimed on published cases outside its vocabulary; nothing when that was not measured."""
    try:
        found = load_evaluation()["outside"]["model"]["out_of_vocabulary"]
    except (InputError, KeyError):
        return ""
    first, other = found["confidence_first"], found["something_else"]
    return (
        f": on {first['n']} published cases of other conditions the model gave its first diagnosis "
        f"{100 * first['value']:.0f} % on average, and “something else” {100 * other['value']:.0f} %"
    )


def _model() -> list[tuple[str, Any]]:
    """What identifies the model, from its files alone, so that this page waits for nothing."""
    folder = engine.model_folder()
    card = read_model_card(folder)
    rows = [("Id", card.get("id", "not stated")), ("Base model", card["base"])]
    files = (
        ("Adapter SHA-256", "adapter/adapter_model.safetensors"),
        ("Calibrator SHA-256", "calibrator.json"),
    )
    for name, path in files:
        rows.append((name, file_hash(folder / path) if (folder / path).exists() else "none"))
    rows.append(("Vocabulary SHA-256", load_vocabulary().content_hash))
    rows.append(("Diagnoses on a list, at most", card.get("k", "not stated")))
    return rows


def _facts(rows: list[tuple[str, Any]]) -> str:
    cells = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows)
    return f'<dl class="ddx-details">{cells}</dl>'


page()
