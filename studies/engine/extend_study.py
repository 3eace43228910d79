"""Compare a study file with the study that was begun, and extend the study where that is sound.

| changed                          | `--extend`                                                    |
|----------------------------------|---------------------------------------------------------------|
| a range, a new parameter, one    | yes; trials outside the new space stay in the study           |
| newly pinned or no longer so     |                                                               |
| other choices under one name,    | no: Optuna forbids it once a trial has drawn the parameter    |
| a range to or from choices, `log`|                                                               |
| a limit                          | yes, if every trained trial keeps it: Optuna does not let a   |
|                                  | finished trial become infeasible                              |
| baselines                        | yes; baselines already enqueued stay                          |
| objectives, images, epochs, seed | no: errors before and after could not be compared             |
| conditions, by another version   | no: its trials have values of parameters without effect       |
"""

import getpass
import hashlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.trial import FrozenTrial

from skipsearch.searchspace.parameters.domains import Choice, Domain, Floats, size_of
from skipsearch.searchspace.parameters.walk import every_stage
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.distributions import distribution
from skipsearch.studies.config.study_config import Change, StudyConfig
from skipsearch.studies.storage.study_record import StudyRecord, write_study
from skipsearch.studies.storage.trial_record import TrialRecord

if TYPE_CHECKING:
    from skipsearch.studies.storage.store import Store

SHOWN = 6  # differences of parameters in one line


@dataclass(frozen=True)
class Difference:
    """A change of the study file; `forbidden` says why `--extend` refuses it, "" if it does not."""

    line: str
    forbidden: str = ""


def table(config: StudyConfig) -> dict[str, str]:
    """Return every parameter's domain and condition as stored with the study; without the epochs,
    which are a key of [study].
    """
    rows = joint_space.domains(config)
    return {name: _row(*row) for name, row in rows.items() if name != "recipe.epochs"}


def _row(domain: Domain, condition: str) -> str:
    log = ", log" if isinstance(domain, Floats) and domain.log and size_of(domain) != 1 else ""
    return f"{domain}{log}" + (f" (if {condition})" if condition else "")


def check_same(config: StudyConfig, opened: optuna.Study, space_hash: str, *, extend: bool) -> None:
    """Raise ValueError if the file differs from the study that was begun; with `extend`, only if
    one of the differences is forbidden.
    """
    found = differences(config, opened, space_hash)
    other = f"give the study another name and start that with --import {config.name}"
    if found and not extend:
        lines = "; ".join(difference.line for difference in found)
        grown = "" if any(one.forbidden for one in found) else "go on with it by --extend, "
        remedy = f"put it back, {grown}or {other}"
        raise ValueError(f"{config.where} is not the study that was begun: {lines}: {remedy}")
    if wrong := [f"{one.line} ({one.forbidden})" for one in found if one.forbidden]:
        raise ValueError(f"{config.where} cannot be extended so: {'; '.join(wrong)}: {other}")


def differences(config: StudyConfig, opened: optuna.Study, space_hash: str) -> list[Difference]:
    """Compare the file with the study that was begun, and its space with this version's."""
    begun, trials = StudyRecord.of(opened), opened.get_trials(deepcopy=False)
    changes = config.changes(begun[StudyRecord.study])
    found = [_of_key(c, trials) for c in changes if c.section not in ("space", "recipe")]
    found += _of_space(config, begun, trials)
    if not found and begun[StudyRecord.space_hash] != space_hash:
        versions = begun.versions or "versions unknown"
        found.append(Difference(f"it was begun with other domains of the parameters ({versions})"))
    return found


def _of_key(change: Change, trials: Sequence[FrozenTrial]) -> Difference:
    match change.section:
        case "baselines":
            return Difference(str(change))
        case "limits":
            return Difference(str(change), _over(change, trials))
    if change.key == "objectives":
        return Difference(str(change), "its trials have values of the old ones")
    return Difference(str(change), "results of before and after could not be compared")


def _over(change: Change, trials: Sequence[FrozenTrial]) -> str:
    """Name a trained trial that exceeds a new limit, as it would stay feasible; "" if none does."""
    if change.after is None:
        return ""
    records = ((t.number, TrialRecord.of(t)) for t in trials)
    costs = {n: record.measured(change.key) for n, record in records if record.charged}
    over = [n for n, cost in costs.items() if cost is None or cost > change.after]
    return f"trial {over[0]} does not keep it" if over else ""


def _of_space(
    config: StudyConfig, begun: StudyRecord, trials: Sequence[FrozenTrial]
) -> Iterator[Difference]:
    now, before = table(config), _before(config, begun)
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    conditions = [name for name in names if _bare(before.get(name)) == _bare(now.get(name))]
    if conditions:
        yield _of_version(conditions, begun)
    names = [name for name in names if name not in conditions]
    refused = _refused(config, trials, names if before else [*now])
    lines: dict[str, Difference] = {}
    for name in names:
        one_sided = name not in before or name not in now
        if one_sided and name not in refused and any(name.startswith(f"{n}.") for n in names):
            continue  # implied: the choice that it belongs to came or went
        was, new = before.get(name, "not there"), now.get(name, "not there")
        whole = every_stage(name)
        stages = {(before.get(n), now.get(n)) for n in {**before, **now} if every_stage(n) == whole}
        shown = whole if len({tuple(map(_bare, pair)) for pair in stages}) == 1 else name
        lines.setdefault(shown, Difference(f"{shown} was {was}, now {new}", refused.get(name, "")))
    found = sorted(lines.values(), key=lambda one: not one.forbidden)
    yield from found[:SHOWN]
    if rest := len(found) - SHOWN if len(found) > SHOWN else 0:
        yield Difference(f"and {rest} more parameters")


def _of_version(names: Sequence[str], begun: StudyRecord) -> Difference:
    """Describe parameters that another version has under other conditions: its trials may have
    values that change nothing here, which a sampler would learn from.
    """
    known = begun.versions or {}
    version = known.get("skipsearch", "unknown")
    named = ", ".join(dict.fromkeys(every_stage(name) for name in names[:SHOWN]))
    more = ", …" if len(names) > SHOWN else ""
    line = f"it was begun when {named}{more} had other conditions (skipsearch {version})"
    return Difference(line, "its trials have values of parameters that have no effect here")


def _bare(row: str | None) -> str:
    """Remove the condition, which differs between stages."""
    return (row or "").partition(" (if ")[0]


def _before(config: StudyConfig, begun: StudyRecord) -> dict[str, str]:
    """Return the stored table, or, for a study of a version without one, that of its file."""
    if begun.space is not None:
        return begun.space
    given = {"study": config.to_dict()["study"]}
    given |= {key: begun[StudyRecord.study].get(key, {}) for key in ("space", "recipe")}
    return table(StudyConfig.from_dict(given, where=f"{config.name}, as it was begun,"))


def _refused(
    config: StudyConfig, trials: Sequence[FrozenTrial], names: Sequence[str]
) -> dict[str, str]:
    """Return why Optuna refuses a new domain, by name: it compares with the trials' draws."""
    now, found = joint_space.domains(config), {}
    varying = [name for name in names if name in now and size_of(now[name][0]) != 1]
    for name in varying:
        for earlier in (t.distributions[name] for t in trials if name in t.distributions):
            try:
                check_distribution_compatibility(earlier, distribution(now[name][0]))
            except ValueError:
                kind = "other choices" if isinstance(now[name][0], Choice) else "another kind"
                found[name] = f"Optuna forbids {kind} under one name"
    return found


def extend(config: StudyConfig, store: "Store", space_hash: str) -> None:
    """Record the changes and then the new study file, in the driver that leads the study.

    The file is written last, so that a driver killed in between finds the differences again.
    """
    found = differences(config, store.study, space_hash)
    if not found:
        return
    lines = [difference.line for difference in found]
    records = list(StudyRecord.of(store.study).extended or ())
    to = hashlib.sha256(json.dumps(config.to_dict()).encode()).hexdigest()[:16]
    if records and records[-1]["to"] == to:  # the driver died while extending
        lines = list(dict.fromkeys([*records.pop()["what"], *lines]))
    record = {
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        "when": time.strftime("%Y-%m-%d %H:%M:%S"),
        "run": store.run,
        "what": lines,
        "to": to,
        "outside": len(_outside(config, store.trials)),
    }
    write_study(
        store.study,
        extended=[*records, record],
        space_hash=space_hash,
        space=table(config),
        study=config.to_dict(),
    )


def _outside(config: StudyConfig, trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the trained trials that lie outside the space by now."""

    def searched(record: TrialRecord) -> bool:
        try:
            arch = joint_space.inside(config.arch_space, record[TrialRecord.arch])
            return arch and joint_space.inside(config.recipe_space, record[TrialRecord.recipe])
        except KeyError:  # a parameter of another version
            return False

    records = ((t.number, TrialRecord.of(t)) for t in trials)
    return [number for number, record in records if record.charged and not searched(record)]
