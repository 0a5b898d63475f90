"""Prompts computed once give what prompts computed again and again give: probabilities, gradients, samples."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from ddx.engines.attention import GROUPED
from ddx.train.shared_prompt import completion_log_probs, sample

END, TEMPERATURE = 1, 0.7


def tiny(attention: str = "sdpa") -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=19, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM._from_config(config, attn_implementation=attention)


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Two groups of three, shuffled; prompts padded on the left, completions on the right, one of them truncated."""
    prompts = [[0, 0, 5, 6, 7], [3, 4, 5, 6, 7]]
    ids, mask = [], []
    torch.manual_seed(1)
    for group in (0, 1, 1, 0, 1, 0):
        length = int(torch.randint(1, 5, (1,)))
        completion = torch.randint(2, 19, (length,)).tolist()
        ids.append([*prompts[group], *completion, *[END] * (4 - length)])
        mask.append([*[int(t > 0) for t in prompts[group]], *[1] * length, *[0] * (4 - length)])
    mask[4][5:] = [0] * 4
    return torch.tensor(ids), torch.tensor(mask)


@pytest.mark.parametrize("attention", ["sdpa", GROUPED])
def test_log_probabilities_and_gradients_are_those_of_trl(attention: str) -> None:
    ids, mask = rows()
    kept = mask[:, -4:].bool()
    plain = tiny()
    add_fused_lm_head(plain, temperature=TEMPERATURE, outputs=("log_probs", "entropy"))
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :-4] = -100
    theirs = plain(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
    ours_model = tiny(attention)
    ours, entropy = completion_log_probs(ours_model, ids, mask, 4, TEMPERATURE)
    assert torch.allclose(ours[kept], theirs.log_probs[:, -4:][kept], atol=1e-5)
    assert torch.allclose(entropy[kept], theirs.entropy[:, -4:][kept], atol=1e-5)
    assert not entropy.requires_grad
    weight = torch.randn(6, 4) * kept
    (ours * weight).sum().backward()
    (theirs.log_probs[:, -4:] * weight).sum().backward()
    for (name, a), b in zip(ours_model.named_parameters(), plain.parameters(), strict=True):
        assert a.grad is not None and torch.allclose(a.grad, b.grad, atol=1e-4), name


def test_one_token_completions() -> None:
    ids, mask = rows()
    model = tiny()
    whole = completion_log_probs(model, ids[:, :6], mask[:, :6], 1, 1.0)[0].detach()
    with torch.no_grad():
        plain = model(ids[1:2, :6], attention_mask=mask[1:2, :6]).logits[0, 4].log_softmax(-1)[ids[1, 5]]
    assert whole.shape == (6, 1) and whole[1, 0] == pytest.approx(float(plain), abs=1e-5)


def test_almost_without_heat_a_sample_is_the_greedy_answer() -> None:
    model = tiny(GROUPED)
    prompts = [[5, 6, 7], [3, 4, 5, 6, 7], [5, 6, 7]]
    found = sample(model, prompts, 6, 1e-4, [END])
    for prompt, completion in zip(prompts, found, strict=True):
        line = list(prompt)
        for token in completion:
            with torch.no_grad():
                assert token == int(model(torch.tensor([line])).logits[0, -1].argmax())
            line.append(token)
        assert completion[-1] == END or len(completion) == 6


def test_samples_come_from_the_models_distribution() -> None:
    """First and second token of 4,000 samples against the exact chances, by chi square."""
    model = tiny(GROUPED)
    torch.manual_seed(3)
    pairs = Counter(tuple(s) for s in sample(model, [[3, 4, 5]] * 4000, 2, 2.0, [END]))
    with torch.no_grad():
        first = (model(torch.tensor([[3, 4, 5]])).logits[0, -1] / 2).softmax(-1)
        after = (model(torch.tensor([[3, 4, 5, t] for t in range(19)])).logits[:, -1] / 2).softmax(-1)
    chances = {(t, u): float(first[t] * after[t, u]) for t in range(19) for u in range(19) if t != END}
    chances[END,] = float(first[END])
    assert set(pairs) <= set(chances)
    common = [c for c in chances if 4000 * chances[c] >= 5]
    statistic = sum((pairs[c] - 4000 * chances[c]) ** 2 / (4000 * chances[c]) for c in common)
    freedom = len(common) - 1
    assert len(common) > 20 and statistic < freedom + 4 * (2 * freedom) ** 0.5  # four standard deviations
