"""Import trials of an earlier study before this one proposes anything (`--import STUDY`).

| an earlier trial whose network is in this space and within these limits       | becomes         |
|-------------------------------------------------------------------------------|-----------------|
| same images, a recipe of this study, same seed; trained to its end            | told, at no cost|
| the same, but pruned by the same rule, or diverged                            | told, at no cost|
| any other, on the front of the earlier study                                  | trained first   |
| any other                                                                     | skipped         |

Written in this order, so that a driver killed anywhere loses and doubles nothing:

    `imports` of the study, not `done` → each trial, whole, in one transaction → `imports`, `done`

The next driver continues an import that is not done, and skips the trials that are there already:
each records its origin (`imported`, "STUDY#N").
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from urllib.parse import unquote

import optuna
from optuna.trial import FrozenTrial

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode, encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.distributions import distribution
from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.baselines import baseline
from skipsearch.studies.results.front import front_trials
from skipsearch.studies.samplers.proposer import key_of, seen
from skipsearch.studies.storage.find import open_source
from skipsearch.studies.storage.store import Store
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.studies.storage.trial_record import (
    SPREAD,
    TrialRecord,
    is_trained,
    kind_of,
    whole_trial,
)
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.trainers.recipe.recipe import Recipe

RULE = ("pruner", "halving", "eta", "grace", "objectives", "epochs")  # which trials stop, and when
COPIED = ("seed", "max_epochs", "epochs", "fidelity", "seconds", "checkpoint", *SPREAD)


@dataclass(frozen=True)
class Told:
    """The trial is recorded here exactly as it finished in the earlier study."""

    trial: FrozenTrial
    key: Hashable


@dataclass(frozen=True)
class First:
    """The network is trained here as a baseline; `facts` are its waiting trial's attributes."""

    facts: dict[str, Any]
    key: Hashable


@dataclass(frozen=True)
class Skipped:
    """The trial is not imported, for this reason."""

    why: str


Source = tuple[str, str]  # a study's name, the URL of its storage


def import_studies(
    config: StudyConfig, store: Store, networks: Networks, asked: Sequence[Source] = ()
) -> None:
    """Import the studies asked for, and those whose import a dead driver did not finish."""
    records = list(StudyRecord.of(store.study).imports or ())
    for name, url in asked:
        if (name, url) == (config.name, store.url):
            raise ValueError(f"study {name} cannot import itself: name an earlier one")
        same = url, unquote(url)  # older versions wrote a database's path unescaped
        if others := [r["url"] for r in records if r["study"] == name and r["url"] not in same]:
            raise ValueError(
                f"study {name} was imported from {others[0]}: its trials would be taken for those "
                f"of {url}; give one of the two another name"
            )
        records = [r for r in records if r["study"] != name]
        records.append({"study": name, "url": url, "done": False})
    if asked:
        write_study(store.study, imports=records)
    for at, record in enumerate(records):
        if not record["done"]:
            try:
                earlier = open_source(record["study"], record["url"])
            except ValueError as error:
                why = f"the import of study {record['study']} was begun and is not finished"
                raise ValueError(f"{why}: {error}: put it back and run this again") from error
            counts = Import(config, store, networks, earlier).run()
            records[at] = {**record, **counts, "run": store.run, "done": True}
            write_study(store.study, imports=records)


class Import:
    """The import of one earlier study."""

    def __init__(
        self, config: StudyConfig, store: Store, networks: Networks, earlier: optuna.Study
    ) -> None:
        self.config, self.store, self.networks, self.earlier = config, store, networks, earlier
        self.there = {TrialRecord.of(t).imported for t in store.trials}
        self.seen = set(seen(store.trials))
        there = StudyRecord.of(earlier)
        own, other = StudyRecord.of(store.study)[StudyRecord.data], there.data or {}
        self.same_images = all(own[key] == other.get(key) for key in ("fingerprint", "shape"))
        given, begun = config.to_dict()["study"], there.settings
        self.same_rule = all(given.get(key) == begun.get(key) for key in RULE)
        self.same_seeds = given.get("seeds_per_trial", 1) == begun.get("seeds_per_trial", 1)
        self.front = {t.number for t in front_trials(earlier)}

    def run(self) -> dict[str, Any]:
        """Import every trained trial; count those told, trained first, and skipped by reason."""
        told = first = 0
        skipped: Counter[str] = Counter()
        for trial in trained(self.earlier.get_trials(deepcopy=False)):
            fate = self.fate(trial)
            match fate:
                case Told(point, key):
                    self.store.study.add_trial(point)
                    self.seen.add(key)
                    told += 1
                case First(facts, key):
                    self.store.enqueue(facts)
                    self.seen.add(key)
                    first += 1
                case Skipped(why):
                    skipped[why] += 1
                case _:
                    assert_never(fate)
        return {"told": told, "first": first, "skipped": dict(skipped.most_common())}

    def fate(self, trial: FrozenTrial) -> Told | First | Skipped:
        """Decide by the table above what becomes of an earlier trial."""
        record, label = TrialRecord.of(trial), f"{self.earlier.study_name}#{trial.number}"
        if label in self.there:
            return Skipped("imported before")
        if not _inside(self.config.arch_space, record[TrialRecord.arch]):
            return Skipped("not in the space")
        try:
            arch = decode(Arch, record[TrialRecord.arch])
            cost = self.networks.cost(arch)
        except ValueError:
            return Skipped("cannot be built here")
        if self.networks.over(cost):
            return Skipped("over a limit")
        differs = self._differs(trial, cost)
        if differs and trial.number not in self.front:
            return Skipped(differs)
        recipe = joint_space.preset_recipe(self.config, record[TrialRecord.recipe])
        key = key_of(cost.identity, encode(recipe))
        if key in self.seen:
            return Skipped("known here")
        if differs:
            return First(baseline(label, arch, recipe) | {"imported": label}, key)
        return Told(self._told(trial, label, arch, recipe, cost), key)

    def _differs(self, trial: FrozenTrial, cost: Cost) -> str:
        """Say why the earlier result would not be reproduced here; "" where it would."""
        record = TrialRecord.of(trial)
        if not self.same_images:
            return "on other images"
        if record[TrialRecord.identity] != cost.identity:
            return "built otherwise by now"
        if not _inside(self.config.recipe_space, record[TrialRecord.recipe]):
            return "with another recipe"
        seed = joint_space.derived_seed(self.config.seed, cost.identity)
        if record.seed != seed or not self.same_seeds:
            return "with another seed"
        return self._open_end(trial)

    def _open_end(self, trial: FrozenTrial) -> str:
        match kind_of(trial):
            case Kind.COMPLETE | Kind.DIVERGED:
                return ""
            case Kind.PRUNED:
                return "" if self.same_rule else "stopped by another rule"
            case Kind.FAILED | Kind.ABANDONED:
                return "failed"
            case Kind.OVER_LIMIT | Kind.TOO_LONG | Kind.MISFIT | Kind.REPEAT | None:
                return "not trained to the end"

    def _told(
        self, trial: FrozenTrial, label: str, arch: Arch, recipe: Recipe, cost: Cost
    ) -> FrozenTrial:
        record, kind = TrialRecord.of(trial), kind_of(trial)
        assert kind is not None  # it has ended, see `_open_end`
        values, lacking = None, 0.0
        if kind == Kind.COMPLETE:
            values = [trial.values[0], *(float(cost.of(name)) for name in self.config.costs)]
        else:
            lacking = float(record[TrialRecord.verdict]["constraints"][-1])
        limits = self.networks.violations(cost)
        verdict = Verdict(kind, record.why or "", [*limits, lacking], values)
        searched = list(joint_space.known(self.config, arch, recipe))
        there = record.attributes
        facts = {name: there[name] for name in COPIED if name in there}
        facts |= {"arch": encode(arch), "recipe": encode(recipe), "identity": cost.identity}
        facts |= {name: value for name, value in _costs(cost).items() if value is not None}
        return whole_trial(
            verdict,
            facts | {"judged": self.same_rule, "imported": label},
            params={name: value for name, _, value in searched},
            distributions={name: distribution(domain) for name, domain, _ in searched},
            curve=trial.intermediate_values,
        )


def trained(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Keep the trials that were trained, in that study or in one that it imported."""
    return [t for t in trials if is_trained(t)]


def _inside(own: Any, flat: dict[str, Any]) -> bool:
    try:
        return joint_space.inside(own, flat)
    except KeyError:  # a parameter of another version
        return False


def _costs(cost: Cost) -> dict[str, float | None]:
    return {"params": cost.params, "macs": cost.macs, "latency_ms": cost.latency_ms}
