"""The form of a list, kept inside vLLM: what `ddx.engines.line_ends` says, as one of its logits processors.

vLLM gives the log-probabilities from before its processors, so those that are kept stay the model's own.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

from ddx.engines.line_ends import FORM, LineEnds

__all__ = ["KeepForm"]


class KeepForm(AdapterLogitsProcessor):
    """For each request that names a form (`extra_args`), minus infinity for the tokens that it does not allow."""

    def is_argmax_invariant(self) -> bool:
        """False: the likeliest token may change."""
        return False

    def new_req_logits_processor(
        self, params: SamplingParams
    ) -> Callable[[list[int], torch.Tensor], torch.Tensor] | None:
        """What changes the logits [V] of one request, given the tokens of its answer so far."""
        numbers = (params.extra_args or {}).get(FORM)
        if numbers is None:
            return None
        ends = LineEnds.of(numbers)

        def keep(written: list[int], logits: torch.Tensor) -> torch.Tensor:
            allowed = ends.allowed(written)
            if allowed is None or int(logits.argmax()) in allowed:
                return logits
            tokens = list(allowed)
            kept = torch.full_like(logits, -torch.inf)
            kept[tokens] = logits[tokens]
            return kept

        return keep
