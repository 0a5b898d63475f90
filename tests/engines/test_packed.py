"""Packed layers give what linear layers give."""

from __future__ import annotations

import pytest
import torch

from ddx.engines.packed import PackedLinear, pack_linears

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 7), (40, 1), (2, 300), (0, 1)])
@pytest.mark.parametrize("bias", [False, True])
def test_the_product_is_the_same_up_to_rounding(shape: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(1)
    linear = torch.nn.Linear(48, 96, bias=bias)
    x = torch.randn(*shape, 48)
    with torch.inference_mode():
        found = PackedLinear(linear)(x)
        assert found.shape == (*shape, 96) and torch.allclose(found, linear(x), atol=1e-5)


@needs_onednn
def test_every_float32_layer_of_a_model_is_packed_and_no_other() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
    model = torch.nn.Sequential(inner, torch.nn.Linear(8, 4, dtype=torch.float64), torch.nn.Embedding(3, 8))
    assert pack_linears(model)
    kinds = [type(module).__name__ for module in model.modules()]
    assert kinds == ["Sequential", "Sequential", "PackedLinear", "ReLU", "Linear", "Embedding"]
