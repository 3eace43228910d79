"""Commands that run a search: run, status, check."""

import sys
from typing import Annotated

import typer

from skipsearch.studies.cli.app import app
from skipsearch.studies.cli.options import (
    RUNS,
    Address,
    AsJson,
    Changes,
    DataDir,
    Folder,
    Serial,
    Storage,
    Study,
    StudyFile,
    named,
)


@app.command()
def run(
    study_file: StudyFile,
    changes: Changes = None,
    data_dir: DataDir = None,
    folder: Folder = RUNS,
    storage: Storage = None,
    max_hours: Annotated[
        float | None, typer.Option(metavar="HOURS", help="End cleanly after this time.")
    ] = None,
    max_trial_minutes: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Stop a trial that takes longer.")
    ] = None,
    imports: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="STUDY", help="Import an earlier study's trials."),
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Go on with a grown space or wider limits.")
    ] = False,
    serial: Serial = False,
    address: Address = None,
    log: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Log to tensorboard, mlflow, wandb.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the result.")] = False,
) -> None:
    """Start a study, or continue it where it stopped."""
    from skipsearch.studies.config.study_config import StudyConfig

    # A mistake in the file is reported before Ray is loaded, which takes seconds.
    keys = named(data_dir=data_dir, max_hours=max_hours, max_trial_minutes=max_trial_minutes)
    config = StudyConfig.from_file(study_file, [*(changes or []), *keys])
    if not quiet:
        typer.echo(
            f"{config.name}: {config.trials} trials of {config.epochs} epochs on {config.dataset}"
        )
    from skipsearch.studies.cli.run_and_show import run_and_show

    raise typer.Exit(
        run_and_show(
            config,
            folder=folder,
            storage=storage,
            serial=serial,
            address=address,
            log=log,
            quiet=quiet,
            command=sys.argv[1:],
            imports=imports or [],
            extend=extend,
        )
    )


@app.command()
def status(
    study: Study, folder: Folder = RUNS, storage: Storage = None, as_json: AsJson = False
) -> None:
    """Show a study's state: trials, best error, driver."""
    from skipsearch.studies.results.summary import status_record
    from skipsearch.studies.storage.find import find
    from skipsearch.studies.terminal.front import status_lines
    from skipsearch.studies.terminal.tables import console, print_json

    found = find(study, folder=folder, storage=storage)
    if as_json:
        print_json(status_record(found))
        return
    for line in status_lines(found):
        console().print(line, soft_wrap=True, markup=False)


@app.command()
def check(study_file: StudyFile, changes: Changes = None, data_dir: DataDir = None) -> None:
    """Check a study file; print size and costs of its space."""
    from skipsearch.studies.config.check import check as check_study
    from skipsearch.studies.config.study_config import StudyConfig

    config = StudyConfig.from_file(study_file, [*(changes or []), *named(data_dir=data_dir)])
    for line in check_study(config).lines():
        typer.echo(line)
