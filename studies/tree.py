"""`skipsearch space --tree`: the space as an indented tree, a line a parameter.

What most alternatives of a union have alike (the place of a gate) is said once, before them: of
`any`, or of `any but` those that have no such parameter. Who has it otherwise lists its own.
"""

from collections import Counter
from dataclasses import dataclass, field

from rich.text import Text
from rich.tree import Tree

Row = dict[str, str]


@dataclass
class Node:
    """A parameter with the alternatives under it, or an alternative with its parameters."""

    name: str
    domain: str = ""
    doc: str = ""
    children: dict[str, "Node"] = field(default_factory=dict)

    def written(self) -> str:
        """The whole subtree: two that are written alike are alike."""
        children = [child.written() for child in self.children.values()]
        return f"{self.name} {self.domain} {self.doc} {children}"


def tree_of(title: str, rows: list[Row]) -> Tree:
    """The parameters of `Space.table()`, each under the alternative that it belongs to."""
    root = Node(title)
    for row in rows:
        *path, last = row["name"].split(".")
        node = root
        for part in path:
            node = node.children.setdefault(part, Node(part))
        node.children[last] = Node(last, row["domain"], row["doc"])
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    for child in root.children.values():
        _add(tree, child)
    return tree


def _add(tree: Tree, node: Node) -> None:
    line = Text(node.name, style="bold")
    if node.domain:
        line.append(f"  {node.domain}", style="not bold cyan")
    if node.doc:
        line.append(f"  {node.doc}", style="not bold dim")
    branch = tree.add(line)
    common = _common(node) if node.domain else {}
    for lacking, parameters in _by_lacking(node, common).items():
        but = f" but {', '.join(lacking)}" if lacking else ""
        any_of = branch.add(Text(f"any{but}", style="italic"))
        for child in parameters:
            _add(any_of, child)
    for child in node.children.values():
        own = {k: c for k, c in child.children.items() if not _is(common.get(k), c)}
        if own or not common:
            _add(branch, Node(child.name, child.domain, child.doc, own))


def _common(node: Node) -> dict[str, Node]:
    """The parameters that most alternatives of a union have, exactly alike."""
    alternatives = [c for c in node.children.values() if c.children]
    times = Counter(c.written() for one in alternatives for c in one.children.values())
    found: dict[str, Node] = {}
    for one in alternatives:
        for name, child in one.children.items():
            if len(alternatives) > 2 and times[child.written()] > len(alternatives) / 2:
                found.setdefault(name, child)
    return found


def _by_lacking(node: Node, common: dict[str, Node]) -> dict[tuple[str, ...], list[Node]]:
    """The common parameters by the alternatives that have none of their name."""
    groups: dict[tuple[str, ...], list[Node]] = {}
    for name, child in common.items():
        alternatives = {label: node.children.get(label) for label in node.domain.split(" | ")}
        lacking = [
            label for label, one in alternatives.items() if not one or name not in one.children
        ]
        groups.setdefault(tuple(lacking), []).append(child)
    return groups


def _is(common: Node | None, child: Node) -> bool:
    return common is not None and common.written() == child.written()
