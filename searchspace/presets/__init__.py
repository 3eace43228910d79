"""Published systems as architectures, each with source, printed figures, exact counts and results.

A preset is a literal, or a literal with some parts replaced; none has code of its own.

>>> PRESETS["as/out"].params
12701322
"""

from skipsearch.searchspace.parameters.domains import nearest
from skipsearch.searchspace.presets import (
    aicnn,
    attention_shortcuts,
    cnntention,
    dia_ablations,
    dia_backbones,
    dia_gates,
    dia_imagenet,
    gradattn,
)
from skipsearch.searchspace.presets.preset import Figure, Preset, Result

__all__ = ["PRESETS", "UNLISTED", "Figure", "Preset", "Result", "preset_named"]

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for paper in (
        attention_shortcuts,
        cnntention,
        dia_backbones,
        dia_gates,
        dia_ablations,
        dia_imagenet,
        aicnn,
        gradattn,
    )
    for preset in paper.SYSTEMS
}
UNLISTED: dict[str, str] = {  # figures that a paper prints and no preset repeats
    "dia": "its tables 10 to 14 print more, of which only one is repeated here",
}


def preset_named(name: str) -> Preset:
    """Return the preset of that name, or raise ValueError with the nearest names."""
    if name not in PRESETS:
        raise ValueError(f"{name} is not a preset{nearest(name, list(PRESETS))}")
    return PRESETS[name]
