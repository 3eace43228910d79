"""Commands that select and judge networks of a study: pick, retrain, compare."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from skipsearch.studies.cli.app import app
from skipsearch.studies.cli.options import (
    RUNS,
    TARGET,
    Address,
    AsJson,
    DataDir,
    Folder,
    MaxLatency,
    MaxMacs,
    MaxParams,
    Serial,
    Storage,
    Study,
    limits,
)

if TYPE_CHECKING:
    from skipsearch.studies.results.compare import Errors, Test


@app.command()
def pick(
    study: Study,
    rule: Annotated[
        str | None,
        typer.Option(help="knee, best, one-se; default: knee; best within limits."),
    ] = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency_ms: MaxLatency = None,
    folder: Folder = RUNS,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Pick one network of the front, by a rule and within limits."""
    from skipsearch.studies.storage.find import find
    from skipsearch.studies.terminal.pick import picked, picked_lines
    from skipsearch.studies.terminal.tables import console, print_json

    most = limits(max_params, max_macs, max_latency_ms)
    found = find(study, folder=folder, storage=storage)
    record = picked(found, study, rule or ("best" if most else "knee"), most)
    if as_json:
        print_json(record)
        return
    for line in picked_lines(record):
        console().print(line, soft_wrap=True, markup=False)


Add = Annotated[
    list[str] | None,
    typer.Option(metavar="PRESET|FILE", help="Also a preset or arch file; may be repeated."),
]
Rule = Annotated[
    str | None, typer.Option("--pick", metavar="RULE", help="The picked trial: knee, best, one-se.")
]


@app.command()
def retrain(
    study: Study,
    trials: Annotated[str | None, typer.Option(metavar="3,17,…", help="Trials, by number.")] = None,
    front: Annotated[bool, typer.Option("--front", help="All networks of the front.")] = False,
    rule: Rule = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency_ms: MaxLatency = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="The study's baselines.")] = False,
    add: Add = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per network.")] = 5,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the study's.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Default: the study's.")] = None,
    data_dir: DataDir = None,
    folder: Folder = RUNS,
    storage: Storage = None,
    serial: Serial = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Train networks on all training images; report test errors."""
    from skipsearch.studies.cli.retrain_and_show import Wanted, retrain_and_show

    most = limits(max_params, max_macs, max_latency_ms)
    given = {"concurrency": concurrency, "data_dir": data_dir and str(data_dir)}
    status = retrain_and_show(
        study,
        Wanted(trials, front, rule, most, baselines, tuple(add or ())),
        seeds=seeds,
        epochs=epochs,
        settings={name: value for name, value in given.items() if value is not None},
        folder=folder,
        storage=storage,
        serial=serial,
        address=address,
        as_json=as_json,
        command=sys.argv[1:],
    )
    raise typer.Exit(status)


@app.command()
def compare(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET…", help=f"{TARGET} FOLDER is not possible here."),
    ],
    baseline: Annotated[
        str, typer.Option(metavar="SYSTEM", help="Compare with this; default: the first.")
    ] = "",
    welch: Annotated[
        bool, typer.Option("--welch", help="Welch's t-test instead of Student's.")
    ] = False,
    validation: Annotated[
        bool, typer.Option("--validation", help="Compare validation errors of the search.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Compare retrained systems, with t-tests."""
    formats = {"markdown": as_markdown, "csv": as_csv, "latex": as_latex, "json": as_json}
    chosen = [name for name, given in formats.items() if given]
    if len(chosen) > 1:
        raise ValueError(f"--{' and --'.join(chosen)} exclude each other: give one of them")
    from skipsearch.studies.results.compare import compare as compared
    from skipsearch.studies.terminal.comparison import print_comparison

    test: Test = "welch" if welch else "student"
    on: Errors = "validation" if validation else "test"
    rows = compared(targets, baseline=baseline, test=test, on=on, folder=folder, storage=storage)
    print_comparison(rows, test, on, (chosen or ["table"])[0])
