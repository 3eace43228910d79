"""Gates that weigh positions: within groups, by one context, along rows and columns, by one mask.

Shapes: B batch, C channels, N = H·W positions, G groups of D = C/G channels, Q hidden channels.
Each returns its features in the type it got them in, under autocast too.
"""

from skipsearch.searchspace.layers.spatial_gates.aicnn import ChannelMask, Masked, SpatialMask
from skipsearch.searchspace.layers.spatial_gates.coordinate import CoordinateAttention
from skipsearch.searchspace.layers.spatial_gates.global_context import GlobalContext
from skipsearch.searchspace.layers.spatial_gates.sge import SpatialGroupEnhance

__all__ = [  # noqa: RUF022 - the order in which an exported file has them
    "SpatialGroupEnhance",
    "GlobalContext",
    "CoordinateAttention",
    "ChannelMask",
    "SpatialMask",
    "Masked",
]
