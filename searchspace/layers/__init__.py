"""Layers in torch alone, copied into an exported file; here large maps have compiled loops too."""

from searchspace.layers import depth_attention
from searchspace.layers.compiled import attention

depth_attention.FASTER.append(attention.attend)
