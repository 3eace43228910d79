"""Gates of one number a channel: statistics of each channel of (B, C, H, W) weigh that channel.

Each returns its features in the type it got them in, under autocast too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.pooling import spatial_mean


class ChannelGate(nn.Module):
    """x · mask(x), each channel times its number."""

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """(B, C)."""
        raise NotImplementedError

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return masked(x_BCHW, self.mask(x_BCHW))


class SqueezeExcite(ChannelGate):
    """x · sigmoid(W₂ relu(W₁ mean(x))) (https://arxiv.org/abs/1709.01507, equation 3)."""

    def __init__(self, channels: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        hidden = functional.relu(self.squeeze(spatial_mean(x_BCHW)))
        return torch.sigmoid(self.excite(hidden))


class EfficientChannel(ChannelGate):
    """x · sigmoid(conv1d(mean(x))) along the channels (https://arxiv.org/abs/1910.03151)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        mean_B1C = spatial_mean(x_BCHW).unsqueeze(1)
        return torch.sigmoid(self.conv(mean_B1C)).squeeze(1)


class StyleWeights(nn.Module):
    """w₁·mean + w₂·deviation, a pair a channel from 0 (SRM, https://arxiv.org/abs/1903.10829).

    A module of its own, so that blocks can share it while each keeps its norm.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 2))

    def forward(self, mean_BC: Tensor, std_BC: Tensor) -> Tensor:
        return self.weight[:, 0] * mean_BC + self.weight[:, 1] * std_BC


class StyleRecalibration(ChannelGate):
    """x · sigmoid(norm(w₁·mean(x) + w₂·std(x))) (SRM, https://arxiv.org/abs/1903.10829).

    `norm` is a batch norm of the (B, C) summaries: training needs two images. The deviation over
    the pixels is unbiased, as in the authors' code; that of one pixel is 0. Their 1e-5 inside the
    root is left out: where the deviation is 0, torch's gradient of it is 0, never nan.
    """

    def __init__(self, weights: StyleWeights, norm: nn.Module) -> None:
        super().__init__()
        self.weights, self.norm = weights, norm

    def mask(self, x_BCHW: Tensor) -> Tensor:
        unbiased = min(1, x_BCHW.shape[2] * x_BCHW.shape[3] - 1)
        std_BC = x_BCHW.std((2, 3), correction=unbiased)
        summary_BC = self.weights(spatial_mean(x_BCHW), std_BC)
        return torch.sigmoid(self.norm(summary_BC))


class SpatialPyramid(ChannelGate):
    """x · sigmoid(W₂ relu(W₁ [pool₁(x), pool₂(x), …])): the means of 1×1, 2×2, … cells, flattened.

    The authors' code (https://github.com/13952522076/SPANet) has levels 1, 2, 4 and no biases:
    22·C·hidden parameters. Where a map has fewer pixels than cells, cells share pixels.
    """

    def __init__(self, channels: int, hidden: int, levels: list[int], bias: bool) -> None:
        super().__init__()
        self.levels = levels
        cells = sum(level * level for level in levels)
        self.squeeze = nn.Linear(cells * channels, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        pools = [functional.adaptive_avg_pool2d(x_BCHW, n).flatten(1) for n in self.levels]
        hidden = functional.relu(self.squeeze(torch.cat(pools, dim=1)))
        return torch.sigmoid(self.excite(hidden))


class SwitchableExcitation(ChannelGate):
    """x · s(a·FC(v)) · s(b·conv1d(v)) · s(c·(w·v + b₀)), v = mean(x), (a, b, c) = s(linear(v)).

    SEM (https://arxiv.org/abs/2209.05680): an SE, an ECA and a scale a channel, each weighed by a
    switch that reads v; s is the sigmoid. As in the authors' code: w from 0, b₀ from −1, biases in
    the FC and in the switch, none in the convolution. 2Cq + q + 6C + 3 + kernel parameters.
    """

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.switch = nn.Linear(channels, 3)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.full((channels,), -1.0))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        mean_BC = spatial_mean(x_BCHW)
        a_B1, b_B1, c_B1 = torch.sigmoid(self.switch(mean_BC)).chunk(3, dim=1)
        full_BC = self.excite(functional.relu(self.squeeze(mean_BC)))
        near_BC = self.conv(mean_BC.unsqueeze(1)).squeeze(1)
        own_BC = self.weight * mean_BC + self.bias
        mask_BC = torch.sigmoid(a_B1 * full_BC) * torch.sigmoid(b_B1 * near_BC)
        return mask_BC * torch.sigmoid(c_B1 * own_BC)


class SelfEnhanced(ChannelGate):
    """x · s(M + m) · s(w₁·(t₁·M + t₂·m) + b₁), M and m = w₂·v + b₂ of v = max(x) and min(x).

    SPEM (https://arxiv.org/abs/2208.10322): s is the sigmoid, tᵢ = pᵢ²/(p₁² + p₂²) two shares for
    all channels. As in the authors' code: w from 0, b from −1, p from 1/2, and `penalty` joins the
    loss, times 0.1. Where pixels tie, they share the gradient (theirs picks one).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool_weight = nn.Parameter(torch.zeros(channels))
        self.pool_bias = nn.Parameter(torch.full((channels,), -1.0))
        self.mix_weight = nn.Parameter(torch.zeros(channels))
        self.mix_bias = nn.Parameter(torch.full((channels,), -1.0))
        self.share = nn.Parameter(torch.full((2,), 0.5))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        most_BC = self.pool_weight * x_BCHW.amax((2, 3)) + self.pool_bias
        least_BC = self.pool_weight * x_BCHW.amin((2, 3)) + self.pool_bias
        share = self.share.square() / self.penalty()
        mix_BC = self.mix_weight * (share[0] * most_BC + share[1] * least_BC) + self.mix_bias
        return torch.sigmoid(most_BC + least_BC) * torch.sigmoid(mix_BC)

    def penalty(self) -> Tensor:
        """p₁² + p₂², unscaled; of an instance that blocks share, it joins the loss once."""
        return self.share.square().sum()


class EffectiveSqueeze(ChannelGate):
    """x · hardsigmoid(W mean(x) + b): no squeeze (eSE, https://arxiv.org/abs/1911.06667).

    The hard sigmoid is relu6(z + 3)/6, as in the authors' code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.excite = nn.Linear(channels, channels)

    def mask(self, x_BCHW: Tensor) -> Tensor:
        return functional.hardsigmoid(self.excite(spatial_mean(x_BCHW)))


class GlobalResponse(nn.Module):
    """x + γ·x·N(x) + β, N = ‖x‖/(mean of ‖x‖ over the channels + 1e-6), γ and β from 0.

    GRN (https://arxiv.org/abs/2301.00808, algorithm 1); ‖x‖ is the L2 norm over the pixels of a
    channel. Channels come first here; nothing else differs. A map of zeros has finite gradients:
    torch's of a norm of 0 is 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def mask(self, x_BCHW: Tensor) -> Tensor:
        """γ·N(x), (B, C): the gain of a channel is 1 more."""
        norm_BC = torch.linalg.vector_norm(x_BCHW, dim=(2, 3))
        response_BC: Tensor = norm_BC / (norm_BC.mean(1, keepdim=True) + 1e-6)
        return self.gamma * response_BC

    def forward(self, x_BCHW: Tensor) -> Tensor:
        shift = self.beta[:, None, None].to(x_BCHW.dtype)
        return x_BCHW + masked(x_BCHW, self.mask(x_BCHW)) + shift


def masked(x_BCHW: Tensor, mask_BC: Tensor) -> Tensor:
    """Each channel times its number. Without the cast, parameters kept in float32 would widen
    the features, and everything after them, under autocast."""
    return x_BCHW * mask_BC[:, :, None, None].to(x_BCHW.dtype)
