"""Commands that use a trained network: export, evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipsearch.studies.cli.app import app
from skipsearch.studies.cli.options import (
    RUNS,
    AsJson,
    DataDir,
    Folder,
    MaxLatency,
    MaxMacs,
    MaxParams,
    Network,
    Retrained,
    Storage,
    limits,
)

if TYPE_CHECKING:
    from skipsearch.studies.models.load import Choice

Trial = Annotated[int | None, typer.Option(metavar="N", help="The trial of a study.")]
Pick = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="Rule for a study: knee (default), best, one-se."),
]


@app.command()
def export(
    target: Network,
    trial: Trial = None,
    pick: Pick = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency_ms: MaxLatency = None,
    retrained: Retrained = False,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: exports/STUDY-NUMBER.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    formats: Annotated[
        str, typer.Option(metavar="NAME,…", help="Further formats: onnx, pt2, or none.")
    ] = "onnx,pt2",
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Export a network: model.py (torch only), weights, card, ONNX."""
    choice = chosen(trial, pick, limits(max_params, max_macs, max_latency_ms))
    from skipsearch.studies.exporting.export import export as write
    from skipsearch.studies.terminal.export import (
        exported_record,
        formats_of,
        print_exported,
        watched,
    )
    from skipsearch.studies.terminal.tables import console, print_json

    with watched(quiet=as_json) as say:
        done = write(
            target,
            to,
            trial=choice,
            retrained=retrained,
            force=force,
            formats=formats_of(formats),
            folder=folder,
            storage=storage,
            say=say,
        )
    if as_json:
        print_json(exported_record(done))
    else:
        print_exported(done, console())


@app.command()
def evaluate(
    target: Network,
    data: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Use another data set than its own.")
    ] = None,
    data_dir: DataDir = None,
    part: Annotated[
        str | None, typer.Option(metavar="PART", help="validation (default) or test.")
    ] = None,
    trial: Trial = None,
    pick: Pick = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency_ms: MaxLatency = None,
    retrained: Retrained = False,
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Evaluate a trained network: accuracy, confusion, calibration."""
    from dataclasses import asdict

    choice = chosen(trial, pick, limits(max_params, max_macs, max_latency_ms))
    from skipsearch.studies.models.evaluate import evaluate as evaluated
    from skipsearch.studies.terminal.evaluation import print_evaluation
    from skipsearch.studies.terminal.tables import console, print_json

    found = evaluated(
        target,
        data=data,
        data_dir=data_dir,
        part=part,
        trial=choice,
        retrained=retrained,
        folder=folder,
        storage=storage,
    )
    if as_json:
        print_json(asdict(found))
    else:
        print_evaluation(found, console())


def chosen(trial: int | None, pick: str | None, most: dict[str, float]) -> "Choice | None":
    """Return the choice of a trial that the options make, None if they make none. Raises ValueError
    for `--trial` together with a rule or limits.
    """
    from skipsearch.studies.models.load import Picked

    if trial is not None and (pick or most):
        raise ValueError("--trial names one trial: leave --pick and --max-… out")
    if trial is not None:
        return trial
    return Picked(pick or ("best" if most else "knee"), most) if pick or most else None
