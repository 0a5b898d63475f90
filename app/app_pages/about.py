"""About: what it is for, what it can't do, what it was made of."""

import html
from typing import Any

import streamlit as st

from app.parts import engine
from app.parts.evaluation import load_evaluation
from ddx.data.demo import demo_cases
from ddx.errors import InputError
from ddx.provenance import file_hash, read_model_card, versions
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
    with right:
        st.subheader("Model", anchor=False)
        problem = engine.missing()
        if problem is not None:
            st.error(problem, icon=":material/download:")
        else:
            st.html(_facts(_model()))
        st.subheader("Versions", anchor=False)
        st.html(_facts(list(versions().items())))


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
