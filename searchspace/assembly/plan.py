"""Plans: a network as a tree of calls, which is run for training and printed for export.

`module(plan)` and `source(plan)` walk the same tree in the same order, so that the printed code
draws the same random numbers and is the same network. A call that is used twice is one shared
module, and prints as a local variable; equal neighbours print as a loop.

>>> head = call(nn.Linear, 64, 10)
>>> source(call(nn.Sequential, call(nn.Flatten), head))
def build() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from torch import nn

WIDTH = 100
Argument = Any  # a Call, a list of arguments, or a constant that prints as itself


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """A call `cls(*args, **kwargs)` yet to be made; the same object is one shared module."""

    cls: type
    args: tuple[Argument, ...] = ()
    kwargs: dict[str, Argument] = field(default_factory=dict)
    name: str = "shared"  # the local variable's, where it is used more than once


def call(cls: type, *args: Argument, **kwargs: Argument) -> Call:
    """Plan `cls(*args, **kwargs)`."""
    return Call(cls, args, kwargs)


def in_turn(*parts: Call) -> Call:
    """Plan a sequence of parts without identities; the identity if nothing is left."""
    kept = [one for one in parts if one.cls is not nn.Identity]
    if len(kept) == 1:
        return kept[0]
    return Call(nn.Sequential, tuple(kept)) if kept else Call(nn.Identity)


def module(plan: Call) -> nn.Module:
    """Make the network of a plan; its parameters are drawn from torch's global generator."""
    made: dict[int, Any] = {}
    for shared in _shared(plan):
        made[id(shared)] = _make(shared, made)
    network: nn.Module = _make(plan, made)
    return network


def source(plan: Call) -> str:
    """Print a plan as `def build() -> nn.Module:`, which needs only torch and the named classes."""
    return _code(plan).replace("'", '"')  # as formatters have it; no string here holds a quote


def identity(plan: Call) -> str:
    """Return 12 hexadecimal digits, the same for two plans exactly if they print the same code."""
    return hashlib.sha256(_code(plan).encode()).hexdigest()[:12]


def classes(plan: Call) -> list[type]:
    """List the classes that the plan calls, each after those of its parts."""
    return list(dict.fromkeys(one.cls for one in _calls(plan)))


def strings(plan: Call) -> set[str]:
    """Collect the strings that the plan passes, such as the name of an initialisation."""
    found, ahead = set[str](), [plan]
    while ahead:
        match one := ahead.pop():
            case Call():
                ahead += [*one.args, *one.kwargs.values()]
            case list():
                ahead += one
            case str():
                found.add(one)
    return found


def _code(plan: Call) -> str:
    names: dict[int, str] = {}
    lines = ["def build() -> nn.Module:"]
    for number, shared in enumerate(_shared(plan), start=1):
        name = f"{shared.name}_{number}"
        lines.append(f"    {name} = {_print(shared, names, 4, len(name) + 3)}")
        names[id(shared)] = name
    lines.append(f"    return {_print(plan, names, 4, 7)}")
    return "\n".join(lines) + "\n"


def _make(argument: Argument, made: dict[int, Any]) -> Any:
    match argument:
        case Call():
            if id(argument) in made:
                return made[id(argument)]
            args = [_make(one, made) for one in argument.args]
            kwargs = {name: _make(one, made) for name, one in argument.kwargs.items()}
            return argument.cls(*args, **kwargs)
        case list():
            return [_make(one, made) for one in argument]
        case _:
            return argument


def _shared(plan: Call) -> list[Call]:
    """List the calls used more than once, each after those that it uses itself."""
    calls = _calls(plan)
    uses = Counter(map(id, calls))
    if len(uses) == len(calls):
        return []
    return list({id(one): one for one in calls if uses[id(one)] > 1}.values())


def _calls(plan: Call) -> list[Call]:
    """List every use of a call after those of its parts; parts of a shared call count once."""
    found: list[Call] = []
    _collect(plan, found, set())
    return found


def _collect(argument: Argument, found: list[Call], seen: set[int]) -> None:
    if isinstance(argument, Call):
        if id(argument) not in seen:
            seen.add(id(argument))
            for one in (*argument.args, *argument.kwargs.values()):
                _collect(one, found, seen)
        found.append(argument)
    elif isinstance(argument, list):
        for one in argument:
            _collect(one, found, seen)


def _print(argument: Argument, names: dict[int, str], indent: int, used: int = 0) -> str:
    """Print an argument as code that starts `used` columns after the indentation."""
    if isinstance(argument, Call):
        if (name := names.get(id(argument))) is not None:
            return name
        head = f"{_class_name(argument.cls)}("
        return _items(head, ")", argument.args, argument.kwargs, names, indent, used)
    if isinstance(argument, list):
        return _items("[", "]", tuple(argument), {}, names, indent, used)
    return repr(argument)


def _items(
    head: str,
    tail: str,
    args: tuple[Argument, ...],
    kwargs: dict[str, Argument],
    names: dict[int, str],
    indent: int,
    used: int,
) -> str:
    """Print a call or list: on one line if it fits, else one item per line, repeats as a loop."""
    inner = indent + 4
    parts = [_print(one, names, inner) for one in args]
    if len(set(parts)) < len(parts):
        parts = _folded(parts, args, names, inner)
    parts += [f"{k}={_print(one, names, inner, len(k) + 1)}" for k, one in kwargs.items()]
    line = f"{head}{', '.join(parts)}{tail}"
    if "\n" not in line and indent + used + len(line) + 1 <= WIDTH:
        return line
    pad = "\n" + " " * inner
    return f"{head}{pad}{f',{pad}'.join(parts)},\n{' ' * indent}{tail}"


def _folded(
    texts: list[str], args: tuple[Argument, ...], names: dict[int, str], indent: int
) -> list[str]:
    """Print runs of equal arguments as loops."""
    parts: list[str] = []
    for text, run in groupby(zip(texts, args, strict=True), itemgetter(0)):
        equal = [one for _, one in run]
        if len(equal) > 2 or (len(equal) > 1 and "\n" in text):
            parts.append(_loop(text, equal, names, indent))
        else:
            parts += [text] * len(equal)
    return parts


def _loop(text: str, equal: list[Argument], names: dict[int, str], indent: int) -> str:
    """Print `*(one for _ in range(n))`, on one line if it fits; `text` is one at `indent`."""
    each = f"for _ in range({len(equal)})"
    line = f"*({text} {each})"
    if "\n" not in line and indent + len(line) + 1 <= WIDTH:
        return line
    pad = "\n" + " " * (indent + 4)
    return f"*({pad}{_print(equal[0], names, indent + 4)}{pad}{each}\n{' ' * indent})"


@cache
def _class_name(cls: type) -> str:
    return f"nn.{cls.__name__}" if cls.__module__.startswith("torch.nn.") else cls.__name__
