"""Layers that need torch only and are copied into exported files.

Importing the package adds the compiled loops of `compiled/` to depth attention; an exported file
does without them.
"""

from skipsearch.searchspace.layers import depth_attention
from skipsearch.searchspace.layers.compiled import attention

depth_attention.FASTER.append(attention.attend)
