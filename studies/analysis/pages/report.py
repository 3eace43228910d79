"""Write the report of an analysis: a JSON file, and an HTML page that opens offline."""

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
    """A titled part of the page: a figure (Plotly's JSON, colours as in `web.axes`), a table, lines
    of text or a picture, with a note below it.
    """

    title: str
    note: str = ""
    figure: Figure | None = None
    height: int = 420  # of the figure, in pixels
    rows: Sequence[Sequence[str]] = ()  # of the table; the first row is its header
    lines: Sequence[str] = ()
    png: bytes = b""
    wide: bool = True  # over both columns of the page


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an analysis, ready to be written.

    `record` is the content of `KIND.json`; `files` are further files to write, by name; the other
    fields make up the page, `KIND.html`.
    """

    kind: str  # such as gradient-flow
    title: str
    about: str
    facts: Mapping[str, str]
    sections: Sequence[Section]
    record: Mapping[str, Any]
    footer: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Write all files into `folder`, each atomically, and return their paths. Raises ValueError
        if one cannot be written.
        """
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
        """Return the page as HTML, Plotly's script included (5 MB) if there is a figure."""
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
