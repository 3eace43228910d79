"""Names that would hide one another, and files that git would not keep."""

import ast
import subprocess

from tests.support import ROOT
from tests.support.imports import files, modules, tree


def test_no_module_has_the_name_of_a_public_function_of_its_package() -> None:
    """Once the module is imported it would take the function's place in the package."""
    for path in files():
        if path.name != "__init__.py":
            continue
        package = ".".join(path.relative_to(ROOT).parent.parts)
        beside = {m.removeprefix(f"{package}.") for m in modules() if m.startswith(f"{package}.")}
        functions = {n.name for n in tree(path).body if isinstance(n, ast.FunctionDef)}
        exported = {
            alias.asname or alias.name
            for node in tree(path).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if f"{(node.module or '').removeprefix('skipsearch.')}.{alias.name}" not in modules()
        }
        assert not beside & (functions | exported), path


def test_git_ignores_no_file_that_it_keeps() -> None:
    def git(*command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *command], cwd=ROOT, input=given, capture_output=True, text=True, check=False
        )

    kept = git("ls-files")
    assert kept.returncode == 0, kept.stderr
    ignored = git("check-ignore", "--no-index", "--stdin", given=kept.stdout)
    assert ignored.stdout == ""
