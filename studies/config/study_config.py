"""The study file: images, search space, search settings, limits and baselines.

    config = StudyConfig.from_file("digits.toml", ["trials=50", "space.shortcut=attention"])

Every mistake in it is a ValueError of one line: file and place, rule, value, nearest names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.domains import Choice, Scalar
from skipsearch.searchspace.parameters.space import Space, parse_space
from skipsearch.searchspace.parameters.walk import document, encode
from skipsearch.searchspace.parameters.walk import override as changed_arch
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.config.arch_file import read_arch
from skipsearch.studies.config.schema import (
    MAY_CHANGE,
    SECTIONS,
    STUDY_DEFAULTS,
    STUDY_KEYS,
    checked_baselines,
    checked_limits,
    checked_study,
    known,
    plain,
    shown,
)
from skipsearch.studies.config.toml_file import override, read
from skipsearch.trainers.recipe.presets import RECIPES
from skipsearch.trainers.recipe.recipe import Recipe


@dataclass(frozen=True)
class Change:
    """A key of a study file whose value changed; None stands for a key that is not given."""

    section: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"[{self.section}] {self.key} was {shown(self.before)}, now {shown(self.after)}"


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A checked study file, with every default filled in.

    `epochs` are full fidelity: only trials that trained for all of them, or whose recipe ended
    early, are compared.

    Examples
    --------
    >>> config = StudyConfig.from_file("examples/digits.toml", ["trials=50"])  # doctest: +SKIP
    >>> config = StudyConfig.from_dict({"study": {"dataset": "digits"}}, where="study")
    >>> config.objectives, config.trials
    (('val_error', 'params'), 50)
    """

    name: str
    dataset: str
    data_dir: str | None = None
    checkpoints: str | None = None  # a URI; by default they are in the trials' folders
    image_size: int | None = None
    channels: int | None = None
    train_subset: int | None = None
    validation: float | None = None
    epoch_budget: int | None = None  # limit on the sum over all trials
    max_hours: float | None = None  # limit on one call of `run`
    max_trial_minutes: float | None = None
    objectives: tuple[str, ...]
    trials: int
    epochs: int
    seeds_per_trial: int  # trainings of a trial's network; the trial's error is their mean
    sampler: str
    pruner: str
    halving: str  # at a rung, a trial not among the best ends, or pauses to be promoted
    eta: int  # one trial in eta goes on at a rung
    grace: int  # epochs before the first rung
    repeats: str  # a proposal that was trained before is mutated, or answered from record
    deterministic: bool  # proposals do not depend on how fast the workers are
    seed: int
    concurrency: int
    cpus_per_trial: int
    gpus_per_trial: float
    trials_per_gpu: int | str | None = None  # sharing one GPU; "auto": as memory allows
    max_failures: int  # failed trials in a row that end the run
    keep: str  # retention: checkpoints of the front, or of all finished trials
    watchdog: float  # silence that ends a trial, × its slowest epoch; 0: none does
    limits: Mapping[str, float] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    where: str = field(default="study", compare=False)  # the file's name, for messages

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> "StudyConfig":
        """Read and check a study file.

        Parameters
        ----------
        path
            A TOML file; its stem is the study's name where [study] has none.
        overrides
            Changes, `"trials=50"` (of [study]) or `"space.shortcut=attention"`.

        Raises
        ------
        ValueError
            In one line: file and place, rule, value, nearest names.
        """
        path = Path(path)
        given = read(path)
        for change in overrides:
            override(given, change, SECTIONS)
        return cls.from_dict(given, where=path.name, stem=path.stem, folder=path.parent)

    @classmethod
    def from_dict(
        cls, given: Mapping[str, Any], *, where: str, stem: str = "study", folder: Path = Path()
    ) -> "StudyConfig":
        """Check the tables of a study file.

        Parameters
        ----------
        given
            The tables by section: `{"study": {"dataset": "digits"}, "space": {...}}`.
        where
            The file's name, for error messages.
        stem
            The study's name where [study] has none.
        folder
            Relative paths in the tables start here.

        Raises
        ------
        ValueError
            In one line: place, rule, value, nearest names.
        """
        for section, table in given.items():
            known(where, section, SECTIONS, "a section")
            if not isinstance(table, Mapping):
                raise ValueError(f"{where} {section} must be a table: write [{section}]")
        study = cls(
            **checked_study(f"{where} [study]", given.get("study", {}), stem),
            limits=checked_limits(f"{where} [limits]", given.get("limits", {})),
            recipe=given.get("recipe", {}),
            space=given.get("space", {}),
            **checked_baselines(f"{where} [baselines]", given.get("baselines", {}), folder),
            where=where,
        )
        _ = study.arch_space, study.recipe_space, study.baselines  # each refuses what is wrong
        return study

    def to_dict(self) -> dict[str, Any]:
        """Return the tables with every default written out; `from_dict` gives the study back."""
        flat = asdict(self)
        study = {key: plain(flat[key]) for key in STUDY_KEYS if flat[key] is not None}
        tables = {
            "study": study,
            "limits": dict(self.limits),
            "recipe": {"preset": "short", **self.recipe},
            "space": dict(self.space),
            "baselines": {k: plain(flat[k]) for k in ("presets", "files", "variants") if flat[k]},
        }
        return {name: table for name, table in tables.items() if table}

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives after `val_error`."""
        return self.objectives[1:]

    @cached_property
    def arch_space(self) -> Space[Arch]:
        """The architectures that [space] leaves; without it the default space."""
        return parse_space(Arch, self.space, where=f"{self.where} [space]")

    @cached_property
    def recipe_space(self) -> Space[Recipe]:
        """The recipes: parameters in [recipe] may vary, all others are pinned to the preset."""
        given = {name: value for name, value in self.recipe.items() if name != "preset"}
        where = f"{self.where} [recipe]"
        preset = known(where, self.recipe.get("preset", "short"), RECIPES, "a recipe preset")
        if "epochs" in given:
            raise ValueError(f"{where} epochs is set in [study]: epochs = {given['epochs']}")
        searched = parse_space(Recipe, given, where=where).narrowed
        fixed: dict[str, Scalar] = {p.name: p.default for p in document(Recipe)}
        fixed |= encode(RECIPES[preset]) | {"epochs": self.epochs}
        pinned = {name: Choice((value,)) for name, value in fixed.items()}
        return Space(Recipe, {**pinned, **searched})

    @cached_property
    def baselines(self) -> dict[str, Arch]:
        """The networks that are trained first, by name."""
        where = f"{self.where} [baselines]"
        named = {name: PRESETS[name].arch for name in self.presets}
        named |= {Path(file).stem: read_arch(Path(file), where) for file in self.files}
        return named | {name: self._variant(name) for name in self.variants}

    def _variant(self, name: str) -> Arch:
        changes = {key: value for key, value in self.variants[name].items() if key != "of"}
        try:
            return changed_arch(Arch, changes, PRESETS[self.variants[name]["of"]].arch)
        except ValueError as error:
            raise ValueError(f"{self.where} [baselines] variants {name}: {error}") from error

    def changed(self, earlier: Mapping[str, Any]) -> list[str]:
        """List forbidden changes since an earlier run's `to_dict()`, in one line each."""
        return [str(change) for change in self.changes(earlier)]

    def changes(self, earlier: Mapping[str, Any]) -> list[Change]:
        """Return forbidden changes since an earlier run; a key missing there has its default."""
        now, found = self.to_dict(), []
        for section in SECTIONS:
            before, after = earlier.get(section, {}), now.get(section, {})
            if section == "study":
                before = {**STUDY_DEFAULTS, **before}  # an earlier version may lack keys
            for key in sorted({*before, *after}):
                free = section == "study" and key in MAY_CHANGE
                same = before.get(key) == after.get(key)
                if key == "files":  # paths may change: a frozen study has copies of the files
                    same = _stems(before.get(key)) == _stems(after.get(key))
                if not (same or free):
                    found.append(Change(section, key, before.get(key), after.get(key)))
        return found


def _stems(files: Iterable[str] | None) -> list[str]:
    return [Path(file).stem for file in files or ()]


assert {*STUDY_KEYS} < {f.name for f in fields(StudyConfig)}


def checkpoint_home(config: StudyConfig, folder: Path) -> str:
    """Return the folder or URI that holds one folder of checkpoints per trial."""
    if config.checkpoints:
        return f"{config.checkpoints}/{config.name}"
    return str((folder / "trials").resolve())
