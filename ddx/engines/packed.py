"""Linear layers whose weights lie as oneDNN wants them, for decoding on a CPU.

A product of a weight with a few rows (a draft that is checked, some cases at once) makes MKL copy the weight into its
own order each time. Here that is done once. On two cores with AVX2 the layers of a 135M model take 43 instead of 90 ms
for 5 rows, 130 instead of 196 for 48, and are no slower for one or a thousand (`benchmarks/bench_packed.py`).
Results are the same up to rounding.
"""

from __future__ import annotations

import torch

__all__ = ["PackedLinear", "pack_linears"]

_ROWS = 512  # the number of rows that the order is chosen for; it serves fewer as well


class PackedLinear(torch.nn.Module):
    """`linear` for inference on a CPU in float32: x [..., in] → [..., out]."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)  # opaque: not a parameter
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return out


def pack_linears(model: torch.nn.Module) -> bool:
    """Replace every linear layer of a float32 model on a CPU in place; whether this build of torch can."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is torch.nn.Linear and child.weight.dtype == torch.float32:
                setattr(module, name, PackedLinear(child))
    return True
