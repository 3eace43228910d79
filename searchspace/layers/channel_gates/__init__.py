"""Gates with a mask over the channels: x · mask(x), x of (B, C, H, W), the mask of (B, C).

Each returns its features in the type it got them in, under autocast too.
"""

from skipsearch.searchspace.layers.channel_gates.channel_gate import ChannelGate, masked
from skipsearch.searchspace.layers.channel_gates.eca import EfficientChannel
from skipsearch.searchspace.layers.channel_gates.ese import EffectiveSqueeze
from skipsearch.searchspace.layers.channel_gates.grn import GlobalResponse
from skipsearch.searchspace.layers.channel_gates.sem import SwitchableExcitation
from skipsearch.searchspace.layers.channel_gates.spa import SpatialPyramid
from skipsearch.searchspace.layers.channel_gates.spem import SelfEnhanced
from skipsearch.searchspace.layers.channel_gates.squeeze_excite import SqueezeExcite
from skipsearch.searchspace.layers.channel_gates.srm import StyleRecalibration, StyleWeights

__all__ = [  # noqa: RUF022 - the order in which an exported file has them
    "ChannelGate",
    "SqueezeExcite",
    "EfficientChannel",
    "StyleWeights",
    "StyleRecalibration",
    "SpatialPyramid",
    "SwitchableExcitation",
    "SelfEnhanced",
    "EffectiveSqueeze",
    "GlobalResponse",
    "masked",
]
