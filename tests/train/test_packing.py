"""A packed presentation is computed exactly as if it stood alone."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ddx.train.packing import Answer, Packer, pack
from ddx.train.sft import collate, pack_loss


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval()


def _presentations(rng: np.random.Generator) -> list[tuple[list[int], Answer]]:
    trunk = rng.integers(0, 97, 20).tolist()
    out = []
    for cut in (5, 5, 11, 20):
        prompt = trunk[:cut] + rng.integers(0, 97, 3).tolist()
        tokens = rng.integers(0, 97, 6).tolist()
        out.append((prompt, Answer(tokens, [{t: 0.75, (t + 1) % 97: 0.25} for t in tokens])))
    return out


def _alone(model: LlamaForCausalLM, prompt: list[int], answer: Answer) -> torch.Tensor:
    logits = model(torch.tensor([prompt + answer.tokens[:-1]])).logits[0, len(prompt) - 1 :]
    logp = torch.log_softmax(logits, dim=-1)
    return torch.stack(
        [-sum(w * row[t] for t, w in target.items()) for row, target in zip(logp, answer.targets, strict=True)]
    )


def test_a_pack_has_the_loss_of_its_presentations_alone(model: LlamaForCausalLM) -> None:
    rng = np.random.default_rng(0)
    groups = [_presentations(rng) for _ in range(3)]
    with torch.no_grad():
        together = pack_loss(model, collate([pack([one for group in groups for one in group])]), None)
        alone = torch.cat([_alone(model, *one) for group in groups for one in group]).mean()
    assert torch.allclose(together, alone, atol=1e-5)


def test_packs_of_a_step_have_the_mean_of_their_losses(model: LlamaForCausalLM) -> None:
    rng = np.random.default_rng(4)
    packs = [pack([one for _ in range(n) for one in _presentations(rng)]) for n in (1, 3, 2)]
    assert len({len(p.tokens) for p in packs}) == 3
    with torch.no_grad():
        alone = torch.stack([pack_loss(model, collate([p]), None) for p in packs]).mean()
        assert torch.allclose(pack_loss(model, collate(packs), None), alone, atol=1e-5)


def test_restricting_the_softmax_to_all_tokens_changes_nothing(model: LlamaForCausalLM) -> None:
    batch = collate([pack(_presentations(np.random.default_rng(1)))])
    with torch.no_grad():
        assert torch.allclose(pack_loss(model, batch, None), pack_loss(model, batch, torch.arange(97)), atol=1e-6)


def test_sharing_beginnings_saves_tokens() -> None:
    presentations = _presentations(np.random.default_rng(2))
    alone = sum(len(prompt) + len(answer.tokens) - 1 for prompt, answer in presentations)
    assert len(pack(presentations).tokens) < 0.75 * alone


def test_packs_keep_every_presentation_and_the_size() -> None:
    rng = np.random.default_rng(3)
    groups = [_presentations(rng) for _ in range(20)]
    packer = Packer(150)
    for group in groups:
        packer.add(group)
    packs = packer.close()
    assert sum(p.presentations for p in packs) == sum(map(len, groups))
    assert len(packs) < len(groups)
    assert all(len(p.tokens) <= 150 for p in packs)
