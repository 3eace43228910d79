"""Run or load a study, and hold it with its results as methods.

>>> digits = run("examples/digits.toml")  # doctest: +SKIP
>>> digits.front()  # doctest: +SKIP
>>> digits.study  # Optuna's own study  # doctest: +SKIP
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipsearch.studies.config.study_config import StudyConfig

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from optuna.trial import FrozenTrial

    from skipsearch.studies.exporting.export import Exported
    from skipsearch.studies.results.retrained import Retrained

RUNS = Path("runs")
NO_LIMITS: Mapping[str, float] = {}


@dataclass(frozen=True)
class Handle:
    """A study that was run or loaded.

    Attributes
    ----------
    study
        Optuna's study: `optuna.visualization`, `study.trials` and so on work on it.
    home
        The study's folder, with its page `front.html`, tables and checkpoints.
    storage
        The Optuna storage's URL where it is not `home/study.db`.

    Examples
    --------
    >>> digits = sk.load("digits")  # doctest: +SKIP
    >>> digits.front()[["trial", "accuracy", "params"]]  # doctest: +SKIP
    """

    study: "optuna.Study" = field(repr=False)
    home: Path
    storage: str | None = None

    @property
    def name(self) -> str:
        """The study's name in its storage."""
        return self.study.study_name

    @property
    def config(self) -> StudyConfig:
        """The checked study file as the study was begun (or last extended)."""
        from skipsearch.studies.storage.find import settled

        return settled(self.study, self.home)

    def front(self) -> "pd.DataFrame":
        """Return the Pareto front with one row per network, lowest error first.

        The columns are those of `trials`, and `knee`: True for the best trade-off.
        """
        return front(self)

    def trials(self) -> "pd.DataFrame":
        """Return all trials with one row per trial: results, costs and configuration."""
        return trials(self)

    def pick(self, rule: str = "knee", limits: Mapping[str, float] = NO_LIMITS) -> "FrozenTrial":
        """Return the trial that `rule` (knee, best, one-se) picks within `limits`."""
        return pick(self, rule, limits)

    def retrain(
        self,
        networks: Sequence[int | str] = ("knee",),
        *,
        seeds: int = 5,
        epochs: int | None = None,
        serial: bool = False,
        address: str | None = None,
    ) -> "dict[int, Retrained]":
        """Train networks again with several seeds, for the test error.

        Parameters
        ----------
        networks
            Numbers of trials, presets, arch files, or rules of `pick`.
        seeds
            Number of trainings of each network; the first has the seed of the search.
        epochs
            Epochs of each training; by default the study's.
        serial, address
            As in `run`.

        Returns
        -------
        dict
            By trial number: mean and standard deviation of the test error over the seeds.
        """
        from skipsearch.studies.results.pick import RULES
        from skipsearch.studies.retraining.retrain import retrain

        chosen = [self.pick(str(n)).number if n in RULES else n for n in networks]
        return retrain(
            str(self.home),
            chosen,
            seeds=seeds,
            epochs=epochs,
            storage=self.storage,
            serial=serial,
            address=address,
        )

    def export(
        self,
        trial: int | str = "knee",
        to: str | Path | None = None,
        *,
        retrained: bool = False,
        force: bool = False,
    ) -> "Exported":
        """Write a network as files that work without this project.

        Parameters
        ----------
        trial
            A trial's number or a rule of `pick`.
        to
            The folder, by default `exports/NAME-NUMBER`.
        retrained
            Take the weights of the first retrained seed.
        force
            Replace an earlier export.
        """
        from skipsearch.studies.exporting.export import export

        number = trial if isinstance(trial, int) else self.pick(trial).number
        return export(
            str(self.home),
            to,
            trial=number,
            retrained=retrained,
            force=force,
            storage=self.storage,
        )

    def _repr_html_(self) -> str:
        """Render the front for a notebook."""
        from html import escape

        return f"<b>{escape(self.name)}</b>{self.front().to_html(index=False)}"


StudyLike = Handle | str | Path  # or Optuna's own study


def run(
    config: StudyConfig | Mapping[str, Any] | str | Path,
    changes: Iterable[str] = (),
    *,
    folder: str | Path = RUNS,
    storage: str | None = None,
    serial: bool = False,
    address: str | None = None,
    log: str | None = None,
    imports: Sequence[str] = (),
    extend: bool = False,
) -> Handle:
    """Run a study, or resume it; nothing is printed.

    Parameters
    ----------
    config
        A study file, its tables as a mapping, or a `StudyConfig`.
    changes
        Changes to a study file, such as `"trials=50"` or `"space.shortcut=attention"`.
    folder
        The folder of all studies; this one's files are in `folder/NAME`.
    storage
        URL of an Optuna storage, instead of `folder/NAME/study.db`.
    serial
        Train in this process, one trial after the other, without Ray.
    address
        The address of a Ray cluster to train on, or "auto".
    log
        Experiment loggers: `tensorboard`, `mlflow`, `wandb`, separated by commas.
    imports
        Earlier studies whose trained networks become trials of this one.
    extend
        Accept a space or limits that have grown since the study was begun.

    Raises
    ------
    ValueError, Infeasible
        For bad input, in one line; if no network of the space is within the limits.
    KeyboardInterrupt
        After Ctrl-C; the same call resumes the study.

    Examples
    --------
    >>> sk.run("examples/digits.toml", ["trials=20"], serial=True)  # doctest: +SKIP
    """
    from skipsearch.studies.run_study import run_study

    checked = _checked(config, changes)
    study = run_study(
        checked,
        folder=Path(folder),
        storage=storage,
        serial=serial,
        address=address,
        log=log,
        imports=imports,
        extend=extend,
    )
    return Handle(study, Path(folder) / checked.name, storage)


def load(study: str | Path, *, folder: str | Path = RUNS, storage: str | None = None) -> Handle:
    """Load a study that ran before, by its name, its folder, or its study file.

    Raises ValueError if there is none, with the names of those in `folder`.

    Examples
    --------
    >>> sk.load("digits").front()  # doctest: +SKIP
    """
    from skipsearch.studies.config.target import parse_study
    from skipsearch.studies.storage.find import open_study

    target = parse_study(str(study), folder=Path(folder), storage=storage)
    return Handle(open_study(target, storage), target.home, storage)


def front(study: "StudyLike | optuna.Study") -> "pd.DataFrame":
    """Return the Pareto front of a study (a handle, Optuna's study, or a name) as a DataFrame.

    One row per network that no other dominates, lowest error first.
    """
    from skipsearch.studies.results.front import front as front_of

    return front_of(_study(study))


def trials(study: "StudyLike | optuna.Study") -> "pd.DataFrame":
    """Return all trials of a study as a DataFrame with one row per trial: results, costs and
    configuration.
    """
    from skipsearch.studies.results.trial_table import trials as trials_of

    return trials_of(_study(study))


def pick(
    study: "StudyLike | optuna.Study",
    rule: str = "knee",
    limits: Mapping[str, float] = NO_LIMITS,
) -> "FrozenTrial":
    """Return the trial that a rule picks among the networks trained to their end.

    Parameters
    ----------
    study
        A handle, Optuna's study, or a name.
    rule
        `knee` (the best trade-off), `best` (the lowest error), or `one-se` (the smallest within one
        standard error of the best).
    limits
        Upper bounds, such as `{"params": 300_000, "macs": 20e6}`.

    Raises
    ------
    ValueError
        For an unknown rule or limit, and if no network qualifies.
    """
    from skipsearch.studies.results.pick import pick as pick_of

    return pick_of(_study(study), rule, limits)


def _study(study: "StudyLike | optuna.Study") -> "optuna.Study":
    if isinstance(study, str | Path):
        return load(study).study
    return study.study if isinstance(study, Handle) else study


def _checked(
    config: StudyConfig | Mapping[str, Any] | str | Path, changes: Iterable[str]
) -> StudyConfig:
    if isinstance(config, str | Path):
        return StudyConfig.from_file(config, changes)
    if [*changes]:
        raise ValueError("changes are for a study file: edit the mapping or StudyConfig instead")
    return config if isinstance(config, StudyConfig) else StudyConfig.from_dict(config, where="run")
