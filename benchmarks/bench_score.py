"""Cases a second of each engine in this process, against a plain loop of `generate`, one case at a time.

Same weights (merged), same prompts, greedy. `transformers` computes in float32, vLLM in bfloat16 where the processor
has it: there is then a plain loop in each of the two, every arm is held against both, and its output is compared with
that of the loop in its own type. The arms take turns, and vLLM's prefix cache is emptied before each of its turns. On a
machine that is busy with other things, set OMP_NUM_THREADS=1 and read the CPU seconds: a wall clock then measures the
others.

Named alternatives in the same run: the plain loops; `LLM.chat` of the same vLLM, with neither token probabilities nor
calibration; and the bound that arithmetic sets: an engine that did nothing but the multiplications of these prompts and
answers, at the speed that this machine multiplies large matrices.

    python benchmarks/bench_score.py --cases 104 --plain 16 --rounds 2 [--one-sentence]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from ddx.case import Case
from ddx.data.demo import demo_cases
from ddx.engines.merging import merged_folder
from ddx.model import MAX_NEW_TOKENS, Model, load_model
from ddx.prompt import messages
from ddx.provenance import base_of, read_model_card, shipped_folder

Ids = list[int]
Run = tuple[float, float, list[Ids]]  # wall and CPU seconds of a case, and what was written


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=104, help="answered together by each engine, in each round")
    parser.add_argument("--plain", type=int, default=16, help="of them by the plain loop, in each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one-sentence", action="store_true", help="of a bundled case each: short prompts")
    asked = parser.parse_args()

    shipped = shipped_folder()
    folder = merged_folder(base_of(shipped, read_model_card(shipped)), shipped / "adapter")
    ours = load_model()
    vllm = load_model(engine="vllm") if find_spec("vllm") else None
    own = {"transformers": "float32"}  # what each arm computes in
    cases = examples(asked.cases, asked.one_sentence)
    chats = [messages(ours.prompt_text(case), ours.instructions) for case in cases]
    prompts = [ours.engine.prompt_ids(chat) for chat in chats]  # type: ignore[attr-defined]
    by_length = sorted(range(len(cases)), key=lambda i: len(prompts[i]))
    arms: dict[str, Callable[[int], list[Ids]]] = {"transformers": lambda n: written(ours, cases[:n])}
    if vllm:
        arms |= {"vllm": lambda n: written(vllm, cases[:n]), "LLM.chat": lambda n: chatted(vllm.engine, chats[:n])}
        own |= dict.fromkeys(("vllm", "LLM.chat"), vllm.engine.dtype)  # type: ignore[attr-defined]
    else:
        print("vllm is not installed here: transformers alone (pip install 'ddx[vllm]')")
    loops = {
        dtype: AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        for dtype in sorted(set(own.values()), reverse=True)
    }
    for plain in loops.values():
        looped(plain, prompts[:1], ours)  # the first call sets things up
    for arm in arms.values():
        arm(2)

    turns: dict[str, list[Run]] = {dtype: [] for dtype in loops}  # of the loops
    runs: dict[str, list[Run]] = {name: [] for name in arms}
    differing = dict.fromkeys(arms, 0)
    for turn in range(asked.rounds):
        some = by_length[turn % 3 :: max(1, len(cases) // asked.plain)][: asked.plain]
        for dtype, plain in loops.items():
            turns[dtype].append(timed(lambda n: looped(plain, [prompts[i] for i in some[:n]], ours), len(some)))  # noqa: B023
        for name in sorted(arms, reverse=turn % 2 == 1):
            if vllm:
                vllm.engine.llm.reset_prefix_cache()  # type: ignore[attr-defined]
            runs[name].append(timed(arms[name], len(cases)))
            pairs = zip(some, turns[own[name]][-1][2], strict=True)
            differing[name] += sum(runs[name][-1][2][i] != ids for i, ids in pairs)

    compared = sum(len(run[2]) for run in turns["float32"])
    mean_in, mean_out = np.mean([len(p) for p in prompts]), np.mean([len(x) for x in runs["transformers"][0][2]])
    print(
        f"{len(cases)} cases in each of {asked.rounds} rounds, {mean_in:.0f} tokens of prompt and "
        f"{mean_out:.0f} of answer a case; {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    for dtype, done in turns.items():
        print(f"plain loop in {dtype}: {1 / mean(done, 0):.2f} cases/s, {mean(done, 1):.2f} CPU s a case")
    for name, done in runs.items():
        print(
            f"{name} in {own[name]}: {1 / mean(done, 0):.2f} cases/s, {mean(done, 1):.2f} CPU s a case; "
            f"{compared - differing[name]} of {compared} answers as by the loop in {own[name]}"
        )
        for dtype in turns:
            ratios = [[base[k] / run[k] for base, run in zip(turns[dtype], done, strict=True)] for k in (0, 1)]
            spans = ", ".join(f"{np.mean(r):.2f} ({min(r):.2f} to {max(r):.2f})" for r in ratios)
            print(f"    times the loop in {dtype}: wall, CPU (by round) {spans}")
    if vllm:
        over = [[a[k] / b[k] - 1 for a, b in zip(runs["vllm"], runs["LLM.chat"], strict=True)] for k in (0, 1)]
        spans = ", ".join(f"{np.mean(o):+.1%} ({min(o):+.1%} to {max(o):+.1%})" for o in over)
        print(f"ours over LLM.chat: wall, CPU {spans}")
    for dtype, plain in loops.items():
        speed, work = multiplications(plain, prompts, mean_out)
        least = work / speed
        print(
            f"arithmetic in {dtype}: {work:.1f} GFLOP a case at {speed:.0f} GFLOP/s take at least {least:.3f} s, so no "
            f"such engine can be more than {mean(turns[dtype], 0) / least:.1f} times the loop in {dtype} here"
        )


def examples(n: int, one_sentence: bool) -> list[Case]:
    """The bundled cases, or their sentences as cases, first all the first ones; each once, as vLLM keeps prompts."""
    demos = [demo.case for demo in demo_cases()]
    if one_sentence:
        parts = [case.text.rstrip(".").split(". ") for case in demos]
        demos = [
            replace(case, text=part + ".")
            for nth in zip_longest(*parts)
            for case, part in zip(demos, nth, strict=True)
            if part is not None
        ]
    if n > len(demos):
        raise SystemExit(f"--cases {n}: there are {len(demos)} different ones, and one asked again would cost nothing")
    return demos[:n]


def mean(done: Sequence[Run], which: int) -> float:
    return float(np.mean([run[which] for run in done]))


def timed(arm: Callable[[int], list[Ids]], n: int) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    found = arm(n)
    return (time.perf_counter() - wall) / n, (time.process_time() - cpu) / n, found


def written(model: Model, cases: Sequence[Case]) -> list[Ids]:
    """The whole path: prompt, engine, parser, matcher, calibrator."""
    answers = model.generate(cases)
    model.read_many(cases, answers)
    return [list(answer.generation.token_ids) for answer in answers]


def looped(plain: Any, prompts: Sequence[Ids], ours: Model) -> list[Ids]:
    end, found = ours.engine.end, []  # type: ignore[attr-defined]
    for prompt in prompts:
        out = plain.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            max_new_tokens=MAX_NEW_TOKENS, eos_token_id=end, pad_token_id=end,
        )  # fmt: skip
        found.append(out[0, len(prompt) :].tolist())
    return found


def chatted(engine: Any, chats: Sequence[Any]) -> list[Ids]:
    from vllm import SamplingParams

    settings = SamplingParams(temperature=0.0, max_tokens=MAX_NEW_TOKENS, stop_token_ids=[engine.end])
    return [list(o.outputs[0].token_ids) for o in engine.llm.chat(list(chats), settings, use_tqdm=False)]


def multiplications(plain: Any, prompts: Sequence[Ids], answer: float) -> tuple[float, float]:
    """(GFLOP/s of large matrices in the model's type, GFLOP of one case): 2 a weight and token, the output layer for
    the answer alone, the shared beginning of the prompts once for all and so left out; attention left out, too."""
    shared = next(i for i, column in enumerate(zip(*prompts, strict=False)) if len(set(column)) > 1)
    head = plain.get_output_embeddings().weight.numel()
    body = sum(p.numel() for name, p in plain.named_parameters() if "embed" not in name and "lm_head" not in name)
    fresh = np.mean([len(prompt) for prompt in prompts]) - shared
    work = 2 * (body * (fresh + answer) + head * answer) / 1e9
    config = plain.config
    x = torch.randn(1024, config.hidden_size, dtype=plain.dtype)
    weights = torch.randn(20, config.intermediate_size, config.hidden_size, dtype=plain.dtype)
    best = 0.0
    for _ in range(4):
        began = time.perf_counter()
        for weight in weights:
            torch.nn.functional.linear(x, weight)
        best = max(best, 2 * x.numel() * config.intermediate_size * len(weights) / 1e9 / (time.perf_counter() - began))
    return best, float(work)


if __name__ == "__main__":
    main()
