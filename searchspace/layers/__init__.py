"""Layers in torch alone, copied into an exported file; here large maps have compiled loops too."""

from skipsearch.searchspace.layers import depth_attention
from skipsearch.searchspace.layers.compiled import attention

depth_attention.FASTER.append(attention.attend)
