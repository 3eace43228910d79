"""Attention of a block to the blocks before it, as a recurrence (MRLA).

Shapes: B batch, C channels, H, W positions, G heads of D = C/G channels.
"""

import torch
from torch import Tensor, nn

from skipsearch.searchspace.layers.pooling import spatial_mean
from skipsearch.searchspace.layers.recurrent import State


class LayerAttention(nn.Module):
    """a + norm(O_t), O_t = sigmoid(q·k/√D) ⊙ value(a) + λ ⊙ O_{t−1}: a recurrent gate.

    MRLA-light (https://arxiv.org/abs/2302.03985): q and k are convolutions along the
    channels of the mean of a, the value a depthwise 3×3 convolution. λ is a weight per channel that
    starts N(0, 1) as in the authors' code; the first block of a stage has none, for it has nothing
    to weigh. Unlike the authors' code, whose O_{t−1} is the block's skip input (projected at the
    start of a stage), O_{t−1} is the paper's: the attention output of the block before, and the
    recurrence starts anew in every stage. State: O_t.
    """

    def __init__(
        self, channels: int, kernel: int, heads: int, norm: nn.Module, first: bool
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(
                f"heads must divide the {channels} channels, got {heads}: take a divisor"
            )
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.query = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.key = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.value = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = norm
        if not first:
            self.weight = nn.Parameter(torch.randn(channels))

    def forward(self, a_BCHW: Tensor, state: State) -> tuple[Tensor, State]:
        mean_B1C = spatial_mean(a_BCHW).unsqueeze(1)
        q_BGD, k_BGD = (
            f(mean_B1C).unflatten(2, (self.heads, -1)).squeeze(1) for f in (self.query, self.key)
        )
        mask_BG = torch.sigmoid((q_BGD * k_BGD).sum(2) * self.scale)
        mask_BC = mask_BG.repeat_interleave(q_BGD.shape[2], dim=1)
        out_BCHW = self.value(a_BCHW) * mask_BC[:, :, None, None]
        if state is not None:
            out_BCHW = out_BCHW + state[0] * self.weight[:, None, None].to(out_BCHW.dtype)
        return a_BCHW + self.norm(out_BCHW), (out_BCHW,)

    def macs(self, a_BCHW: Tensor, state: State) -> int:
        """Count q·k and λ ⊙ O_{t−1}; convolutions count themselves, the mask is not counted."""
        _, channels, height, width = a_BCHW.shape
        return channels + (0 if state is None else channels * height * width)
