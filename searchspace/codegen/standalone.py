"""Write a network as one file that needs torch only: exactly its classes, then `build()`.

The plan is printed by `plan.source`; what it calls is copied from the layers' own files, so that
the exported network is the trained one. Left out is what only this project needs: methods that
nothing in the file calls (`macs`), remarks to the type checker, imports of other layers, and
entries of a table such as `INITIALISATIONS` that the plan does not name.
"""

import re
import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import assert_never

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.arch.heads import Pool, Tokens
from skipsearch.searchspace.assembly.assemble import Shape, assemble, features
from skipsearch.searchspace.assembly.plan import WIDTH, Call, source, strings
from skipsearch.searchspace.assembly.plan import classes as called
from skipsearch.searchspace.codegen.layer_source import Definition, Import, source_of
from skipsearch.searchspace.codegen.library import Library
from skipsearch.searchspace.layers.backbone import Backbone

STANDARD = {"collections.abc", "typing", "math"}
PAPER = re.compile(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}")
BACKBONE = '''\
def backbone(network: nn.Module, stages: Sequence[int] = {stages}) -> Backbone:
    """Return the maps of `stages` (0 is the stem) for detectors; all strides: {strides}."""
    channels = {channels}
    return Backbone(network, stages, [channels[stage] for stage in stages])
'''
TIMM = '''\
def register_with_timm() -> None:
    """Register with timm: `timm.create_model("local-dir:FOLDER", pretrained=True)` makes it."""
    from timm.models import build_model_with_cfg, register_model

    def network(num_classes: int = {classes}, in_chans: int = {channels}) -> nn.Module:
        if in_chans != {channels}:
            raise ValueError(f"in_chans must be {channels}, got {{in_chans}}")
        built = build()
        if num_classes != {classes}:  # another task: a new classifier, or none for 0
            new = nn.Linear({width}, num_classes) if num_classes else nn.Identity()
            built.head.classifier = new
        built.num_classes, built.num_features = num_classes, {width}
        return built

    def entry(pretrained: bool = False, **settings: Any) -> nn.Module:
        return build_model_with_cfg(network, NAME, pretrained, **settings)

    entry.__name__ = NAME
    register_model(entry)
'''


def standalone(arch: Arch, *, classes: int, shape: Shape, name: str, about: str) -> str:
    """Return the text of `model.py`, formatted.

    Parameters
    ----------
    shape
        (channels, height, width) of an image.
    name
        The name under which timm will know the network.
    about
        The file's docstring; the papers behind its layers are added.

    Raises
    ------
    ValueError
        The architecture does not fit images of this shape.

    Examples
    --------
    >>> made = {"classes": 10, "shape": (3, 32, 32), "name": "resnet20"}
    >>> print(standalone(PRESETS["cnntention/resnet20"].arch, **made, about="ResNet-20."))
    """
    plan = assemble(arch, classes=classes, shape=shape)
    library = Library(frozenset(strings(plan)))
    needed = library.closure([*called(plan), Backbone])
    extra = {Import("typing", "Any"), Import("torch", "nn"), Import("collections.abc", "Sequence")}
    parts = [
        f"{_about(about, needed)}\n\n{_imports(library.imports(needed) | extra)}\n\n"
        f'NAME = "{name}"',
        *_texts(needed),
        *_functions(arch, plan, classes, shape),
    ]
    return "\n\n\n".join(part.rstrip() for part in parts) + "\n"


def _about(about: str, needed: Iterable[Definition]) -> str:
    """Return the file's docstring, paragraphs wrapped, the papers behind the layers at its end."""
    papers = dict.fromkeys(link for one in needed for link in PAPER.findall(one.text))
    text = f"{about.strip()}\n\nPapers: {', '.join(papers)}" if papers else about.strip()
    text = text.replace("\\", "/").replace('"""', "'''")
    first, *others = text.split("\n\n")
    wrapped = [_wrapped(first, '"""'), *(p if p[:4] == "    " else _wrapped(p) for p in others)]
    text = "\n\n".join(wrapped)
    end = "\n" if "\n" in text or text.endswith('"') or len(text) > WIDTH - 3 else ""
    return f'{text}{end}"""'


def _wrapped(text: str, start: str = "") -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, initial_indent=start, break_on_hyphens=False))


def _functions(arch: Arch, plan: Call, classes: int, shape: Shape) -> list[str]:
    """Return the code of `build`, `backbone` and `register_with_timm`."""
    found = features(arch)
    head, body = source(plan).split("\n", 1)
    images = f"(B, {', '.join(map(str, shape))})"
    about = f'    """New weights from torch\'s generator; images {images} to (B, {classes})."""'
    numbers = {"channels": list(found.channels), "strides": ", ".join(map(str, found.strides))}
    stages = tuple(range(1, len(found.channels)))
    sizes = {"classes": classes, "channels": shape[0], "width": classifier_width(arch)}
    return [
        f"{head}\n{about}\n{body}",
        BACKBONE.format(stages=stages, **numbers),
        TIMM.format(**sizes),
    ]


def classifier_width(arch: Arch) -> int:
    """Return the number of features that the classifier reads."""
    match arch.head:
        case Pool():
            return features(arch).channels[-1]
        case Tokens(channels=channels):
            return channels
        case _:
            assert_never(arch.head)


def _texts(needed: Iterable[Definition]) -> list[str]:
    """Return the definitions' code, a module's legend of shapes above its first definition."""
    found = []
    for module_name, own in groupby(needed, lambda one: one.module):
        texts = [one.text for one in own]
        if legend := source_of(module_name).legend:
            lines = textwrap.wrap(legend, WIDTH - 2)
            between = "#\n" if texts[0].startswith("#") else ""
            texts[0] = "\n".join(f"# {line}" for line in lines) + f"\n{between}{texts[0]}"
        found += texts
    return found


def _imports(found: Iterable[Import]) -> str:
    """Return import lines, sorted as formatters do: Python's own, then torch's."""
    blocks = []
    for own in (True, False):
        mine = sorted(one for one in found if (one.module in STANDARD) == own)
        lines = [f"import {one.module}" for one in mine if not one.name]
        parts = groupby((one for one in mine if one.name), lambda one: one.module)
        for module_name, names in parts:
            kept = sorted((one.name for one in names), key=_rank)
            lines.append(f"from {module_name} import {', '.join(kept)}")
        blocks += ["\n".join(lines)] if lines else []
    return "\n\n".join(blocks)


def _rank(name: str) -> tuple[int, str]:
    """Sort constants before classes before functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
