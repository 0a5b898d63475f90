"""vLLM in this process: greedy decoding of all prompts together, as it batches them, with its prefix cache.

The weights are the merged ones (see `ddx.engines.merging`), the prompts token ids, made as the transformers engine
makes them: vLLM sees no text, so a case can't forge a special token here either. In float32 the answers and their
probabilities are those of the transformers engine, up to near-ties.
"""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddx.engines.chat import ChatTokens, Choice
from ddx.engines.drafting import Draft
from ddx.engines.engine import Messages
from ddx.engines.line_ends import FORM, LineEnds
from ddx.engines.merging import merged_folder
from ddx.errors import InputError
from ddx.generation import ALTERNATIVES, Generation

__all__ = ["VllmEngine"]

_LONGEST = 4096  # tokens of a prompt and its answer together
_CACHE_GIB = 2  # of keys and values, on a CPU
_TOKENS = 1024  # of one pass, on a CPU: what a layer makes of them still fits in its own cache
_BLOCK = 32  # tokens: vLLM's CPU kernels want a multiple, and a shorter block finds more of a shared prompt
# Before vllm is imported. In one process it uses all cores; with its own processes, one core less, which it spins on.
_SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


class VllmEngine(ChatTokens):
    """A causal language model by folder or hub name, with an optional LoRA adapter, which is merged and cached.

    `dtype` is bfloat16 where the processor has it, else float32. Raises InputError when vLLM is not installed.
    """

    name = "vllm"
    gives_probabilities = True
    counts: Mapping[str, int] = {}

    def __init__(
        self, base: str, adapter: Path | None = None, max_prompt_tokens: int = 1536, dtype: str | None = None
    ) -> None:
        vllm = _import()
        folder = merged_folder(base, adapter)
        longest = _longest(folder)
        super().__init__(folder, min(max_prompt_tokens, longest // 2))
        self.device, self.dtype = _device(dtype)
        on_cpu = {
            "kv_cache_memory_bytes": _CACHE_GIB << 30, "block_size": _BLOCK, "max_num_batched_tokens": _TOKENS,
            "enforce_eager": True,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.llm = vllm.LLM(
                folder,
                dtype=self.dtype,
                max_model_len=longest,
                enable_prefix_caching=True,
                use_tqdm_on_load=False,
                logits_processors=["ddx.engines.vllm_form:KeepForm"],
                **(on_cpu if self.device == "cpu" else {}),
            )
        self._ids = itertools.count()
        self.decoding: Mapping[str, Any] = {
            "engine": self.name, "version": vllm.__version__, "dtype": self.dtype, "device": self.device,
            "method": "greedy",
        }  # fmt: skip

    def line_draft(self, names: Sequence[str], lines: int) -> Draft | None:
        """None: vLLM decodes by itself."""
        return None

    def generate(
        self,
        chats: Sequence[Messages],
        max_new_tokens: int,
        draft: Draft | None = None,
        ends: LineEnds | None = None,
        batch_size: int = 0,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """Greedy completions, in the order of `chats`, the longest prompts first. `draft` and `batch_size` are not
        used: vLLM fills its own batches."""
        prompts = [self.prompt_ids(chat) for chat in chats]
        settings = self._settings(max_new_tokens, ends)
        engine, began = self.llm.llm_engine, time.perf_counter()
        found: dict[str, list[Choice]] = {}
        names = {i: f"ddx-{next(self._ids)}" for i in sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))}
        try:
            for i, name in names.items():
                engine.add_request(name, {"prompt_token_ids": prompts[i]}, settings)
            while engine.has_unfinished_requests():
                for output in engine.step():
                    found[output.request_id] = _choices(output.outputs[0].logprobs)
                    if on_done:
                        on_done(1)
        except BaseException:
            engine.abort_request(list(names.values()))  # else the next call would meet them
            raise
        each = (time.perf_counter() - began) / max(1, len(prompts))
        return [self._generation(found[names[i]], len(prompt), each) for i, prompt in enumerate(prompts)]

    def _settings(self, max_new_tokens: int, ends: LineEnds | None) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=0.0, max_tokens=max_new_tokens, stop_token_ids=[self.end], ignore_eos=True,
            logprobs=ALTERNATIVES, flat_logprobs=True, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY,
            extra_args={FORM: ends.as_numbers()} if ends else None,
        )  # fmt: skip


def _choices(logprobs: Any) -> list[Choice]:
    """vLLM gives the sampled token, then the likeliest ones, best first: the sampled one once more among them."""
    choices = []
    for start, end in zip(logprobs.start_indices, logprobs.end_indices, strict=True):
        ids, values = logprobs.token_ids[start:end], logprobs.logprobs[start:end]
        kept = [0, *(i for i in range(1, len(ids)) if ids[i] != ids[0])][:ALTERNATIVES]
        choices.append(Choice([ids[i] for i in kept], [values[i] for i in kept]))
    return choices


def _import() -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import vllm
    except ModuleNotFoundError as error:
        raise InputError(
            f"the engine vllm lacks the module {error.name}: pip install 'ddx[vllm]' (on a CUDA machine: vllm)"
        ) from None
    except (ImportError, OSError, RuntimeError):
        raise InputError(
            "vllm cannot be imported; beside a CPU build of torch: pip uninstall torchvision torchaudio torchcodec"
        ) from None
    return vllm


def _device(dtype: str | None) -> tuple[str, str]:
    """What vLLM runs on, and `dtype`, or the best that its processor computes with by itself."""
    import torch
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        half = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "cpu", dtype or ("bfloat16" if half else "float32")
    return current_platform.device_type, dtype or "bfloat16"


def _longest(folder: str) -> int:
    """Tokens of a prompt and its answer together: all that the model has positions for, within reason."""
    from transformers import AutoConfig

    return min(_LONGEST, AutoConfig.from_pretrained(folder).max_position_embeddings)
