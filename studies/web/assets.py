"""Embed data, scripts and styles in a page, so that it opens offline."""

import html
import json
from functools import cache
from importlib import resources
from typing import Any


def embedded(name: str, document: Any) -> str:
    """Return a script element with the document as JSON, escaped so that no text can end it."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for opening, escaped in {"</": "<\\/", "<!": "<\\u0021", "<s": "<\\u0073"}.items():
        text = text.replace(opening, escaped)
    return f'<script type="application/json" id="{html.escape(name)}">{text}</script>\n'


@cache
def asset(name: str, package: str = "skipsearch.studies.web") -> str:
    """Return the text of a file of `package`; cached, as a driver writes the page many times."""
    return (resources.files(package) / name).read_text("utf-8")


@cache
def plotly() -> str:
    """Return Plotly's own script (4.5 MB)."""
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
