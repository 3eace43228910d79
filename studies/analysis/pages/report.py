"""What an analysis leaves: a JSON file for machines, a page for people that opens offline."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skipsearch.studies.terminal.tables import json_text
from skipsearch.studies.web.assets import asset, embedded, plotly
from skipsearch.studies.web.axes import Figure
from skipsearch.trainers.atomic_write import write_whole

HERE = "skipsearch.studies.analysis.pages"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A figure (Plotly's JSON, colours as in `web.axes`), a table, lines of text or a picture,
    with its title and what is to be said about it.
    """

    title: str
    note: str = ""
    figure: Figure | None = None
    height: int = 420  # of the figure, in pixels
    rows: Sequence[Sequence[str]] = ()  # the first one has the titles
    lines: Sequence[str] = ()
    png: bytes = b""
    wide: bool = True  # over both columns of the page


@dataclass(frozen=True, kw_only=True)
class Report:
    """`record` is what the JSON file holds; `files` are written beside it, by name."""

    kind: str  # gradient-flow, …: the name of the files
    title: str
    about: str
    facts: Mapping[str, str]
    sections: Sequence[Section]
    record: Mapping[str, Any]
    footer: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Each file whole or not at all. Raises ValueError where it cannot."""
        contents = {
            f"{self.kind}.json": (json_text(self.record) + "\n").encode(),
            f"{self.kind}.html": self.page().encode(),
            **self.files,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                write_whole(folder / name, content)
        except OSError as error:
            raise ValueError(
                f"{error.filename or folder} cannot be written: {error.strerror}; "
                "name another folder with --to"
            ) from error
        return [folder / name for name in contents]

    def page(self) -> str:
        """One file of HTML, with Plotly's script (5 MB)."""
        figures = {f"plot-{n}": one.figure for n, one in enumerate(self.sections) if one.figure}
        parts = {
            "title": html.escape(self.title),
            "about": html.escape(self.about),
            "facts": "".join(
                f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
                for name, value in self.facts.items()
            ),
            "sections": "\n".join(_section(f"plot-{n}", s) for n, s in enumerate(self.sections)),
            "footer": html.escape(self.footer),
            "figures": "".join(embedded(f"figure-{name}", one) for name, one in figures.items()),
            "style": asset("style.css") + asset("report.css", HERE),
            "script": asset("figures.js") + asset("report.js", HERE),
            "plotly": plotly() if figures else "",
        }
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("report.html", HERE))


def _section(name: str, section: Section) -> str:
    title = html.escape(section.title)
    parts = [f"<h2>{title}</h2>"]
    if section.figure:
        parts.append(
            f'<div id="{name}" class="plot" style="height:{section.height}px" role="group" '
            f'aria-label="{title}"></div>'
        )
    if section.png:
        source = base64.b64encode(section.png).decode()
        parts.append(f'<img alt="{title}" src="data:image/png;base64,{source}">')
    if section.rows:
        parts.append(f'<div class="scroll">{_table(section.rows)}</div>')
    if section.lines:
        parts.append("".join(f"<p>{html.escape(line)}</p>" for line in section.lines))
    if section.note:
        parts.append(f'<p class="note">{html.escape(section.note)}</p>')
    wide = ' class="full"' if section.wide else ""
    return f"<section{wide}>{''.join(parts)}</section>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in body)
    shown = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{shown}</tbody></table>"
