"""The printed tree says of every parameter exactly which alternatives have it."""

from io import StringIO

from rich.console import Console

from skipsearch.studies.terminal.space import tree_of


def printed(names: dict[str, str]) -> list[str]:
    rows = [{"name": name, "domain": domain, "doc": ""} for name, domain in names.items()]
    console = Console(file=StringIO(), width=100)
    console.print(tree_of("space", rows))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_alternatives_share_is_said_of_those_that_have_it() -> None:
    names = {"gate": "none | a | b | c | d", "gate.a.own": "1"}
    names |= {f"gate.{label}.place": "x | y" for label in "abc"} | {"gate.d.place": "x"}
    names |= {f"gate.{label}.shared": "true | false" for label in "abc"}
    assert printed(names) == [
        "space",
        "└── gate  none | a | b | c | d",
        "    ├── any but none",
        "    │   └── place  x | y",
        "    ├── any but none, d",
        "    │   └── shared  true | false",
        "    ├── a",
        "    │   └── own  1",
        "    └── d",
        "        └── place  x",
    ]


def test_what_all_have_is_said_of_any() -> None:
    names = {"body": "a | b | c"} | {f"body.{label}.dropout": "0.0 | 0.1" for label in "abc"}
    assert printed(names) == [
        "space",
        "└── body  a | b | c",
        "    └── any",
        "        └── dropout  0.0 | 0.1",
    ]
