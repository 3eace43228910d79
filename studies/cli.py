"""The command `skipsearch`. Each command imports what it needs when it runs, so that `--help`
answers at once; `main` turns every mistake of the user into one line and exit status 2."""

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

BAD_INPUT, INTERRUPTED = 2, 130  # 0 is done; `run` also ends with 3: no feasible trial
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="skipsearch",
    help="Finds image classifiers whose shortcuts are learned.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file.")]
Target = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name, its folder, or its study file.")
]
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


@app.callback(invoke_without_command=True)
def skipsearch(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"skipsearch {_version()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    study_file: StudyFile,
    changes: Changes = None,
    data_dir: DataDir = None,
    folder: Folder = RUNS,
    storage: Storage = None,
    max_hours: Annotated[
        float | None, typer.Option(metavar="HOURS", help="End cleanly after so long.")
    ] = None,
    max_trial_minutes: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Stop a trial that takes longer.")
    ] = None,
    imports: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="STUDY", help="Begin with the trials of an earlier one."),
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Go on though the space or the limits have grown.")
    ] = False,
    serial: Annotated[
        bool, typer.Option("--serial", help="Train in this process, one by one, without Ray.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT", help="Train on this Ray cluster (RAY_ADDRESS)."),
    ] = None,
    log: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Log to tensorboard, mlflow, wandb.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    """Start a study, or continue it where it stopped."""
    from studies.study import Study

    # before Ray is loaded, which takes seconds
    named = _named(data_dir=data_dir, max_hours=max_hours, max_trial_minutes=max_trial_minutes)
    plan = Study.from_file(study_file, [*(changes or []), *named])
    if not quiet:
        typer.echo(f"{plan.name}: {plan.trials} trials of {plan.epochs} epochs on {plan.dataset}")
    from studies.running import run_and_show

    raise typer.Exit(
        run_and_show(
            plan,
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


def _named(**options: object) -> list[str]:
    """Options that stand for keys of [study], as changes to the study file."""
    given = {key: value for key, value in options.items() if value is not None}
    return [
        f"{key}={json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in given.items()
    ]


@app.command()
def status(
    study: Target, folder: Folder = RUNS, storage: Storage = None, as_json: AsJson = False
) -> None:
    """Where a study stands: trials, the best, who runs it."""
    from studies.find import find
    from studies.show import console, print_json, status_lines
    from studies.summary import status_record

    found = find(study, folder=folder, storage=storage)
    if as_json:
        print_json(status_record(found))
        return
    for line in status_lines(found):
        console().print(line, soft_wrap=True, markup=False)


@app.command()
def front(
    study: Target,
    folder: Folder = RUNS,
    storage: Storage = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """The Pareto front of the fully trained trials."""
    if as_json and as_csv:
        raise ValueError("--json and --csv exclude each other: give one of them")
    from studies.find import find
    from studies.front import front as front_of
    from studies.report import front_document
    from studies.show import console, print_front, print_json

    found = find(study, folder=folder, storage=storage)
    if as_json:
        print_json(front_document(found))
    elif as_csv:
        typer.echo(front_of(found).to_csv(index=False), nl=False)
    else:
        print_front(found, console())


@app.command()
def check(study_file: StudyFile, changes: Changes = None, data_dir: DataDir = None) -> None:
    """Check a study file; size and costs of its space."""
    from studies.check import check as check_study
    from studies.study import Study

    plan = Study.from_file(study_file, [*(changes or []), *_named(data_dir=data_dir)])
    for line in check_study(plan).lines():
        typer.echo(line)


@app.command()
def space(
    study_file: Annotated[
        Path | None,
        typer.Argument(metavar="[STUDY.toml]", help="A study file; without, the whole space."),
    ] = None,
    changes: Changes = None,
    tree: Annotated[bool, typer.Option("--tree", help="As an indented tree.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every parameter: domain, default, condition, meaning."""
    from studies.show import print_json
    from studies.spaces import print_trees, space_lines, tables

    found = tables(study_file, changes or [])
    if as_json:
        print_json(found)
    elif tree:
        print_trees(found)
    else:
        typer.echo("\n".join(space_lines(found)))


@app.command()
def presets(as_json: AsJson = False) -> None:
    """The published networks that are built in."""
    from studies.describe import preset_records
    from studies.show import console, figures_line, preset_tables, print_json

    records = preset_records()
    if as_json:
        print_json(records)
        return
    console().print(*preset_tables(records, console().width))
    console().print(f"\n{figures_line(records)}", soft_wrap=True, markup=False)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """The training recipes that are built in, for `[recipe] preset`."""
    from studies.describe import recipe_lines, recipe_records
    from studies.show import print_json

    if as_json:
        print_json(recipe_records())
    else:
        typer.echo("\n".join(recipe_lines(recipe_records())))


@app.command()
def describe(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A preset, an arch file, or STUDY#NUMBER.")
    ],
    changes: Changes = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 for grey, 3 for colour.")] = None,
    latency: Annotated[bool, typer.Option("--latency", help="Measure a forward pass.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Print the model's code.")] = False,
    as_json: AsJson = False,
    folder: Folder = RUNS,
) -> None:
    """One network: params, macs, latency, configuration, code."""
    from studies.describe import describe_lines, describe_record, resolve, source_of
    from studies.show import print_json

    shape = {"classes": classes, "image_size": image_size, "channels": channels}
    network = resolve(target, changes or [], folder=folder, **shape)
    if source and not as_json:
        typer.echo(source_of(network))
        return
    record = describe_record(network, latency=latency, source=source)
    if as_json:
        print_json(record)
    else:
        typer.echo("\n".join(describe_lines(record)))


@app.command()
def dashboard(
    study: Target,
    folder: Folder = RUNS,
    storage: Storage = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8080,
) -> None:
    """Show a study in optuna-dashboard on this machine."""
    from studies.dashboard import serve

    serve(study, folder=folder, storage=storage, port=port)


def main() -> NoReturn:
    """The entry point: everything wrong is one line on stderr."""
    try:
        status = typer.main.get_command(app).main(prog_name="skipsearch", standalone_mode=False)
    except UsageError as error:
        message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        _fail(f"{message.rstrip('.')}; see skipsearch --help")
    except ValueError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("skipsearch")
    except PackageNotFoundError:
        return "of this folder (not installed)"


if __name__ == "__main__":
    main()
