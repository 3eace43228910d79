"""Docstrings say what a thing does, in words that need no riddle solved."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import files, tree

FRAGMENT = re.compile(r"^(Of|Who|Whoever|Those|That|Whether|As|By|With|Without|None|How|What)\b")
WHO = re.compile(r"\b(who|whoever|whom)\b", re.IGNORECASE)
PERSON = re.compile(
    r"\b(user|users|reader|people|person|researcher|engineer|author|authors|somebody|someone)\b",
    re.IGNORECASE,
)
by_path = pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))


@by_path
def test_no_docstring_begins_with_a_fragment(path: Path) -> None:
    for node, text in docstrings(path):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        assert not FRAGMENT.match(text), f"{where}: {text.splitlines()[0]}"


@by_path
def test_no_trial_driver_or_worker_is_called_who(path: Path) -> None:
    prose = [text for _, text in docstrings(path)] + comments(path)
    for text in prose:
        for sentence in re.split(r"(?<=[.:;])\s", text):
            if WHO.search(sentence):
                assert PERSON.search(sentence), f"{path.relative_to(ROOT)}: {sentence}"


def docstrings(path: Path) -> list[tuple[ast.AST, str]]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [
        (node, text)
        for node in ast.walk(tree(path))
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
    ]


def comments(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [t.string for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
