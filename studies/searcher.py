"""Ray Tune asks here for trials and reports here; Optuna's study remembers.

Ray's part is disposable: every start is a new Tune experiment. What was training when the last
driver died is handed out again first, then the sampler is asked.
"""

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from searchspace.arch import Arch
from searchspace.domains import Scalar
from searchspace.walk import decode, encode
from studies import suggest
from studies.asha import fidelity
from studies.limits import Cost, Networks
from studies.store import RETRY, Store, Verdict
from studies.study import Study
from trainers.recipe import Recipe, total_epochs
from trainers.trainable import Job

# Proposals in a row that are not worth training: after the first number the sampler is taken to be
# stuck and networks are drawn at random, after the second one the space to be exhausted.
STUCK, EXHAUSTED = 10, 200
REPEATED = 1e-6  # violation of a repeat: behind every finished trial, before every stopped one
Asked = optuna.Trial | FrozenTrial
Key = tuple[str, str]


@dataclass
class Live:
    """A trial in training."""

    trial: Asked
    job: Job
    cost: Cost
    worker: tuple[Any, Any] | None = None


class StudySearcher(Searcher):  # type: ignore[misc]
    """The bridge. All knowledge is in the store; this holds the trials in flight."""

    def __init__(
        self, study: Study, store: Store, networks: Networks, n_train: int, folder: Path
    ) -> None:
        super().__init__()
        self.setup, self.store, self.networks = study, store, networks
        self.n_train, self.folder = n_train, folder
        self.live: dict[str, Live] = {}
        self.exhausted = ""
        self.waiting = deque(store.interrupted())
        charged = [t for t in store.trials if "charged" in t.user_attrs]
        self.charged = len(charged)
        self.seen = {
            _key(t.user_attrs["identity"], t.user_attrs["recipe"]): t.number for t in charged
        }
        seed = suggest.derived_seed(study.seed, len(store.trials))
        store.study.sampler = suggest.sampler(study.sampler, seed)
        self._enqueue_baselines()

    def _enqueue_baselines(self) -> None:
        """Those that were not told as abandoned, once."""
        there = {
            t.user_attrs["baseline"]
            for t in self.store.trials
            if "baseline" in t.user_attrs and ("charged" in t.user_attrs or _undone(t))
        }
        for name, arch in self.setup.baselines.items():
            if name not in there:
                recipe = suggest.preset_recipe(self.setup)
                params = suggest.known_params(self.setup, arch, recipe)
                self.store.study.enqueue_trial(params, user_attrs={"baseline": name})

    @property
    def finished(self) -> bool:
        """Nothing is left to train."""
        left = self.waiting or self.store.study.get_trials(False, (TrialState.WAITING,))
        return not left and self.charged >= self.setup.trials

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        live = self._again(self.waiting.popleft()) if self.waiting else self._next()
        if live is None:
            return str(Searcher.FINISHED)
        self.live[trial_id] = live
        return {"job": live.job}

    def _again(self, trial: FrozenTrial) -> Live | None:
        """A trial of a dead driver, from its last checkpoint."""
        facts, at = trial.user_attrs, trial.last_step or 0
        attempts = 1 + facts["attempts"] if facts.get("attached_at") == at else 1
        if attempts > RETRY:
            why = f"its driver died {RETRY} times in epoch {at + 1}"
            self.store.conclude(trial, Verdict(TrialState.FAIL, why, []))
            return self._again(self.waiting.popleft()) if self.waiting else self._next()
        self.store.note(trial, attempts=attempts, attached_at=at)
        arch, recipe = decode(Arch, facts["arch"]), decode(Recipe, facts["recipe"])
        latency = facts.get("latency_ms")
        cost = Cost(facts["identity"], facts["params"], facts["macs"], latency)
        return Live(trial, self._job(trial.number, arch, recipe, facts), cost)

    def _next(self) -> Live | None:
        """The next proposal that is worth training; None when the study is done."""
        for unpaid in range(EXHAUSTED):
            if self.charged >= self.setup.trials:
                return None
            if unpaid == STUCK:
                seed = suggest.derived_seed(self.setup.seed, len(self.store.trials))
                self.store.study.sampler = suggest.sampler("random", seed)
            live = self._proposed(self.store.study.ask())
            if live:
                return live
        self.exhausted = f"{EXHAUSTED} proposals in a row were repeats or not within the limits"
        return None

    def _proposed(self, trial: optuna.Trial) -> Live | None:
        """None for a proposal that was answered without training."""
        facts: dict[str, Any] = {}
        try:
            arch, recipe, facts = self._configuration(trial)
            cost = self.networks.cost(arch)
        except ValueError as error:
            self.store.note(trial, **facts)
            worst = [1.0] * (len(self.setup.limits) + 1)
            verdict = Verdict(TrialState.PRUNED, f"does not fit: {error}", worst)
            self.store.conclude(trial, verdict)
            return None
        facts |= {"identity": cost.identity, "params": cost.params, "macs": cost.macs}
        if cost.latency_ms is not None:
            facts["latency_ms"] = cost.latency_ms
        self.store.note(trial, **facts)
        if self._answered(trial, cost, facts):
            return None
        job = self._job(trial.number, arch, recipe, facts)
        self.store.note(trial, seed=job.seed, max_epochs=job.max_epochs, attempts=1, attached_at=0)
        self.store.note(trial, charged=True)
        self.charged += 1
        self.seen[_key(cost.identity, facts["recipe"])] = trial.number
        return Live(trial, job, cost)

    def _configuration(self, trial: optuna.Trial) -> tuple[Arch, Recipe, dict[str, Any]]:
        name = trial.user_attrs.get("baseline")
        if name is None:
            arch, recipe = suggest.draw(self.setup, trial)
        else:
            arch, recipe = self.setup.baselines[name], suggest.preset_recipe(self.setup)
            suggest.suggest_known(self.setup, trial, arch, recipe)
        return arch, recipe, {"arch": encode(arch), "recipe": encode(recipe)}

    def _answered(self, trial: optuna.Trial, cost: Cost, facts: Mapping[str, Any]) -> bool:
        """Over a limit, or trained before with the same recipe: told at once and not charged."""
        limits = self.networks.violations(cost)
        over = self.networks.over(cost)
        if over:
            self.store.conclude(trial, Verdict(TrialState.PRUNED, over, [*limits, 1.0]))
            return True
        earlier = self.seen.get(_key(cost.identity, facts["recipe"]))
        if earlier is None:
            return False
        fidelity = self.store.fidelity_violation(earlier)
        self.store.note(trial, duplicate_of=earlier)
        why = f"repeats trial {earlier}"
        verdict = Verdict(TrialState.PRUNED, why, [*limits, max(REPEATED, fidelity)])
        self.store.conclude(trial, verdict)
        return True

    def _job(self, number: int, arch: Arch, recipe: Recipe, facts: Mapping[str, Any]) -> Job:
        folder = self.folder / "trials" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "arch.json").write_text(json.dumps(encode(arch), indent=1) + "\n")
        return Job(
            number=number,
            arch=encode(arch),
            recipe=encode(recipe),
            seed=suggest.derived_seed(self.setup.seed, facts["identity"]),
            max_epochs=total_epochs(recipe, self.n_train),
            folder=str(folder.resolve()),
            threads=self.setup.cpus_per_trial,
            device="cuda" if self.setup.gpus_per_trial else "cpu",
            baseline="baseline" in facts,
        )

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """A report of a trial that goes on."""
        self._record(self.live[trial_id], result)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """The last report of a trial. An error is told by `failed`, which knows its text."""
        if error:
            return
        live = self.live.pop(trial_id)
        self._record(live, result or {})
        self.store.conclude(live.trial, self._verdict(live, result or {}))

    def failed(self, trial_id: str, why: str) -> None:
        live = self.live.pop(trial_id)
        self.store.conclude(live.trial, Verdict(TrialState.FAIL, why, []))

    def _record(self, live: Live, result: Mapping[str, Any]) -> None:
        worker = result.get("hostname"), result.get("pid")
        if worker != live.worker:
            live.worker = worker
            self.store.note(live.trial, node=worker[0], pid=worker[1])
        if math.isfinite(result.get("val_error", math.nan)):
            epoch = int(result["epoch"])
            self.store.point(live.trial, epoch, float(result["val_error"]))
            self.store.note(live.trial, epochs=epoch, fidelity=fidelity(live.job, result))
            for name in ("seconds", "checkpoint"):
                if name in result:
                    self.store.note(live.trial, **{name: result[name]})

    def _verdict(self, live: Live, result: Mapping[str, Any]) -> Verdict:
        """A pure function of the last report, whoever stopped the trial.

        The value of a complete one is the error of the weights that it keeps (`kept_error`)."""
        limits = self.networks.violations(live.cost)
        if "val_error" not in result:
            return Verdict(TrialState.FAIL, "ended without reporting val_error", [])
        epoch, val_error = int(result["epoch"]), float(result["val_error"])
        if not math.isfinite(val_error):
            why = result.get("diverged") or f"val_error is {val_error} after epoch {epoch}"
            return Verdict(TrialState.PRUNED, f"diverged: {why}", [*limits, 1.0])
        lacking = 1 - fidelity(live.job, result)
        if lacking > 0:
            return Verdict(TrialState.PRUNED, f"asha: epoch {epoch}", [*limits, lacking])
        kept_error = float(result.get("kept_error", val_error))
        values = [kept_error, *(float(live.cost.of(name)) for name in self.setup.costs)]
        return Verdict(TrialState.COMPLETE, "", [*limits, 0.0], values)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is continued from its storage, never from Ray's state")


def _key(identity: str, recipe: Mapping[str, Scalar]) -> Key:
    """What may be trained once."""
    return identity, json.dumps(recipe, sort_keys=True)


def _undone(trial: FrozenTrial) -> bool:
    """Neither trained nor refused yet (an abandoned one is asked for again)."""
    return trial.state in (TrialState.WAITING, TrialState.PRUNED)
