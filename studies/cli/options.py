"""Arguments and options that several commands share."""

import json
from pathlib import Path
from typing import Annotated

import typer

# what a network is named by, in the words of every error (studies/config/target.py)
TARGET = (
    "PRESET, FILE (an architecture as JSON), FOLDER (an export), STUDY, STUDY#17 or STUDY#NAME "
    "(a baseline's trial)."
)
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file.")]
Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name, its folder, or its study file.")
]
Network = Annotated[str, typer.Argument(metavar="TARGET", help=TARGET)]
Networks = Annotated[list[str], typer.Argument(metavar="TARGET…", help=TARGET)]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may be repeated."),
]
Folder = Annotated[Path, typer.Option(help="Where studies are kept.", metavar="DIR")]
Storage = Annotated[
    str | None,
    typer.Option(metavar="URL", help="An Optuna storage instead of DIR/NAME/study.db."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where data sets are, or are downloaded to."),
]
MaxParams = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Parameters at most, such as 300k.")
]
MaxMacs = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Multiply-accumulates at most, such as 20M.")
]
MaxLatency = Annotated[
    str | None, typer.Option("--max-latency-ms", metavar="MS", help="Milliseconds at most.")
]
Serial = Annotated[
    bool, typer.Option("--serial", help="Train in this process, one by one, without Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(metavar="auto|HOST:PORT", help="Train on this Ray cluster (RAY_ADDRESS)."),
]
Retrained = Annotated[
    bool, typer.Option("--retrained", help="The weights of the first retrained seed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


def named(**options: object) -> list[str]:
    """Options that stand for keys of [study], as changes to the study file."""
    given = {key: value for key, value in options.items() if value is not None}
    return [
        f"{key}={json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in given.items()
    ]


def limits(params: str | None, macs: str | None, latency_ms: str | None) -> dict[str, float]:
    """The limits among the options `--max-…`. Raises ValueError for what is no amount."""
    from skipsearch.studies.humanize import amount

    given = {"params": params, "macs": macs, "latency_ms": latency_ms}
    return {
        name: amount(text, f"--max-{name.replace('_', '-')}")
        for name, text in given.items()
        if text is not None
    }
