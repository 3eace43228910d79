"""Arguments and options that several commands share."""

import json
from pathlib import Path
from typing import Annotated

import typer

# The forms of a target, in the same words as the error messages (studies/config/target.py).
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
Folder = Annotated[Path, typer.Option(help="Folder of studies.", metavar="DIR")]
Storage = Annotated[
    str | None,
    typer.Option(metavar="URL", help="An Optuna storage instead of DIR/NAME/study.db."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of data sets; downloads go there."),
]
MaxParams = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Maximum parameters, such as 300k.")
]
MaxMacs = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Maximum multiply-accumulates, such as 20M.")
]
MaxLatency = Annotated[
    str | None,
    typer.Option("--max-latency-ms", metavar="MS", help="Maximum latency in milliseconds."),
]
Serial = Annotated[
    bool, typer.Option("--serial", help="Train in this process, one by one, without Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(metavar="auto|HOST:PORT", help="Ray cluster to train on (RAY_ADDRESS)."),
]
Retrained = Annotated[
    bool, typer.Option("--retrained", help="Use the weights of the first retrained seed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


def named(**options: object) -> list[str]:
    """Return options that set keys of [study] as changes, in the form of `--set`."""
    given = {key: value for key, value in options.items() if value is not None}
    return [
        f"{key}={json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in given.items()
    ]


def limits(params: str | None, macs: str | None, latency_ms: str | None) -> dict[str, float]:
    """Parse the options `--max-…`. Raises ValueError for one that is not an amount."""
    from skipsearch.studies.humanize import amount

    given = {"params": params, "macs": macs, "latency_ms": latency_ms}
    return {
        name: amount(text, f"--max-{name.replace('_', '-')}")
        for name, text in given.items()
        if text is not None
    }
