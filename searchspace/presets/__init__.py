"""The published systems as architectures, each with its source, printed figures, exact counts and
results. A preset is a literal, or a literal with some parts replaced; none has code of its own.
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

__all__ = ["PRESETS", "UNLISTED", "Figure", "Preset", "Result", "preset"]

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
UNLISTED: dict[str, str] = {  # what a paper prints besides, of which our notes have no list
    "dia": "its tables 10 to 14 print more, all met as our notes say, which repeat only one",
}


def preset(name: str) -> Preset:
    """The preset of that name. Raises ValueError with the nearest names."""
    if name not in PRESETS:
        raise ValueError(f"{name} is not a preset{nearest(name, list(PRESETS))}")
    return PRESETS[name]
