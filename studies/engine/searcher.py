"""The job source of a search: choose the trial that trains next, and record how each ends.

Trials that a dead driver left in training are resumed first, then paused trials are promoted, then
the sampler is asked for a proposal.
"""

from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.parameters.walk import decode, encode
from skipsearch.studies.config import joint_space
from skipsearch.studies.config.limits import Cost, Networks
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine import baselines
from skipsearch.studies.engine.checkpoint_retention import Keeping
from skipsearch.studies.engine.jobs import job_of
from skipsearch.studies.engine.tell_order import AsTheyCome, InOrder, Order
from skipsearch.studies.executors.gpu_sharing import Sharing
from skipsearch.studies.executors.protocols import NoJob
from skipsearch.studies.pruning.promotion import Parking
from skipsearch.studies.pruning.pruner import Pruner
from skipsearch.studies.pruning.trial_reports import Asked, Live, record, verdict_of
from skipsearch.studies.samplers import optuna_samplers
from skipsearch.studies.samplers.proposer import Pair, Proposal, key_of, proposer, seen
from skipsearch.studies.samplers.tpe import Past
from skipsearch.studies.storage.artifacts import attach
from skipsearch.studies.storage.store import RETRY, Store
from skipsearch.studies.storage.trial_record import TrialRecord, attempts_at, is_imported
from skipsearch.studies.storage.verdict import Kind, Verdict
from skipsearch.studies.surrogate.believer import Believer
from skipsearch.trainers.recipe.recipe import Recipe, total_epochs
from skipsearch.trainers.trial.job import Job, Report

# Proposals in a row that are repeats or over a limit: after STUCK of them networks are drawn at
# random instead of by the sampler, after EXHAUSTED the space counts as exhausted.
STUCK, EXHAUSTED = 10, 200
REPEATED = 1e-6  # constraint violation of a repeat: above a finished trial's, below a pruned one's


class StudySearcher:
    """The `JobSource` of a search. Its state is in the store; this holds only live trials."""

    def __init__(
        self,
        config: StudyConfig,
        store: Store,
        networks: Networks,
        n_train: int,
        folder: Path,
        believer: Believer[Pair],
        pruner: Pruner | None = None,
    ) -> None:
        self.config, self.store, self.networks = config, store, networks
        self.n_train, self.folder, self.pruner = n_train, folder, pruner
        self.live: dict[int, Live] = {}
        self.parking = Parking(store, pruner)
        self.exhausted, self.failing, self.failures, self.closed = "", "", 0, False
        self.sharing = Sharing(config, store)
        self.waiting: deque[FrozenTrial] = deque()
        charged = [t.number for t in store.trials if TrialRecord.of(t).charged]
        self.charged, self.past = len(charged), Past()
        self.proposer = proposer(config, networks, believer, seen(store.trials))
        self.keeping = Keeping.of(config, folder, store.trials)
        lag = config.concurrency - 1
        self.order: Order = InOrder(lag, charged) if config.deterministic else AsTheyCome()
        self._take_up()
        baselines.enqueue(config, store)

    def _take_up(self) -> None:
        """Take over a dead driver's trials: ended but not told, paused at a rung, in training."""
        for trial in self.store.interrupted():
            self.order.asked(trial.number)
            verdict = TrialRecord.of(trial).verdict
            if verdict is not None:
                tell = partial(self._tell, trial, Verdict.from_dict(verdict))
                self.order.ended(trial.number, tell)
            elif not self.parking.found(trial):
                self.waiting.append(trial)
        if self.charged >= self.config.trials:
            self.closed = True
            self.order.flush()

    @property
    def finished(self) -> bool:
        """True if nothing is left to train."""
        asked_for = self.store.study.get_trials(False, (TrialState.WAITING,))
        open_trials = self.waiting or self.parking or asked_for
        return not open_trials and self.charged >= self.config.trials

    def next_job(self) -> Job | NoJob:
        """Resume, promote or propose a trial; `NoJob` says whether to ask again."""
        if self.failing:
            return NoJob.LEFT
        live = self._resumed()
        if live is None and (promoted := self.parking.promoted()):
            live = self._attached(promoted)
        if live is None:
            if not self.order.may_ask():
                return NoJob.YET
            live = self._next()
        if live is None and self.live and self.parking.open:
            return NoJob.YET  # a running trial may pause, or its result promote a paused one
        if live is None and (last := self.parking.last()):
            live = self._attached(last)
        if live is None:
            self._end()
            return NoJob.LEFT
        self.live[live.job.number] = live
        return live.job

    def _end(self) -> None:
        """Ask for nothing more: paused trials end, and every result is told as it comes."""
        self.closed = True
        for trial, verdict in self.parking.ended(self.networks):
            self._conclude(trial, verdict)
        self.order.flush()

    def _resumed(self) -> Live | None:
        """Resume an interrupted trial from its last checkpoint; fail it after too many attempts."""
        while self.waiting:
            trial = self.waiting.popleft()
            at, attempts = trial.last_step or 0, 1 + attempts_at(trial)
            if attempts <= RETRY:
                self.store.note(trial, attempts=attempts, attached_at=at)
                return self._attached(trial)
            why = f"its driver died {RETRY} times in epoch {at + 1}"
            self._conclude(trial, Verdict(Kind.FAILED, why, []))
        return None

    def _attached(self, trial: FrozenTrial) -> Live:
        record = TrialRecord.of(trial)
        try:
            arch = decode(Arch, record[TrialRecord.arch])
            recipe = decode(Recipe, record[TrialRecord.recipe])
        except ValueError as error:
            raise ValueError(
                f"trial {trial.number} was begun by another version and cannot go on: {error}: "
                "finish it with that version, or --import this study into a new one"
            ) from error
        job = self._job(trial, arch, recipe, record.cost)
        return Live(trial, job, record.cost)

    def _next(self) -> Live | None:
        """Return the next proposal to train; None when the study is done."""
        for unpaid in range(EXHAUSTED):
            if self.charged >= self.config.trials or self._spent() or self.exhausted:
                return None
            name = self.config.sampler if unpaid < STUCK else "random"
            seed = joint_space.derived_seed(self.config.seed, self.store.answered)
            self.store.study.sampler = optuna_samplers.sampler(
                name, seed, study_seed=self.config.seed, past=self.past
            )
            live = self._proposed(self.store.study.ask(), seed)
            if live:
                return live
        self.exhausted = f"{EXHAUSTED} proposals in a row were repeats or not within the limits"
        return None

    def _spent(self) -> bool:
        """Return True if the trials have used up the epoch budget; imported ones do not count."""
        budget, each = self.config.epoch_budget, self.config.seeds_per_trial
        own = (t for t in self.store.trials if not is_imported(t))
        return budget is not None and each * sum(t.last_step or 0 for t in own) >= budget

    def _proposed(self, trial: optuna.Trial, seed: int) -> Live | None:
        """Record a proposal; return None if it was concluded without training."""
        facts: dict[str, Any] = {}
        try:
            proposal = self._configuration(trial, seed)
            arch, recipe = proposal.config
            facts = {"arch": encode(arch), "recipe": encode(recipe)}
            cost = self.networks.cost(arch)
        except ValueError as error:
            self.store.note(trial, **facts)
            worst = [1.0] * (len(self.config.limits) + 1)
            verdict = Verdict(Kind.MISFIT, f"does not fit: {error}", worst)
            self.store.conclude(trial, verdict)
            return None
        facts |= {"identity": cost.identity, "params": cost.params, "macs": cost.macs}
        if cost.latency_ms is not None:
            facts["latency_ms"] = cost.latency_ms
        if proposal.mutated:
            facts["mutated"] = True
        self.store.note(trial, **facts)
        if self._answered(trial, cost, proposal):
            return None
        job = self._job(trial, arch, recipe, cost)
        about = {"seed": job.seed, "max_epochs": job.max_epochs, "attempts": 1, "attached_at": 0}
        self.store.note(trial, **about, charged=True)
        self.charged += 1
        self.order.asked(trial.number)
        self.proposer.seen[proposal.key] = trial.number
        return Live(trial, job, cost)

    def _configuration(self, trial: optuna.Trial, seed: int) -> Proposal[Pair]:
        if TrialRecord.of(trial).baseline is None:
            return self.proposer.propose(trial, seed)
        arch, recipe = baselines.asked(self.config, trial)
        key = key_of(self.networks.identity(arch), encode(recipe))
        return Proposal((arch, recipe), key, self.proposer.seen.get(key))

    def _answered(self, trial: optuna.Trial, cost: Cost, proposal: Proposal[Pair]) -> bool:
        """Conclude, uncharged, a proposal over a limit or trained before with the same recipe."""
        limits, over = self.networks.violations(cost), self.networks.over(cost)
        if over:
            self.store.conclude(trial, Verdict(Kind.OVER_LIMIT, over, [*limits, 1.0]))
            return True
        if proposal.repeats is None:
            return False
        lacking = self.store.fidelity_violation(proposal.repeats)
        self.store.note(trial, duplicate_of=proposal.repeats)
        why = f"repeats trial {proposal.repeats}"
        verdict = Verdict(Kind.REPEAT, why, [*limits, max(REPEATED, lacking)])
        self.store.conclude(trial, verdict)
        if self.proposer.exhausted():
            self.exhausted = "all networks of the space were trained, or are not within the limits"
        return True

    def _job(self, trial: Asked, arch: Arch, recipe: Recipe, cost: Cost) -> Job:
        number, epochs = trial.number, total_epochs(recipe, self.n_train)
        below, baseline = self.order.below(number), TrialRecord.of(trial).baseline is not None
        return job_of(self.config, self.folder, number, arch, recipe, cost, epochs, below, baseline)

    def reported(self, number: int, report: Report) -> None:
        """Store a report of a trial that goes on."""
        record(self.store, self.live[number], report)

    def ended(self, number: int, report: Report) -> None:
        """Store the last report of a trial, then pause the trial or conclude it."""
        live = self.live.pop(number)
        record(self.store, live, report)
        if self.parking.takes(live, report):
            self.failures = 0
        else:
            self._judged(live, verdict_of(live, report, self.networks, self.config.costs))

    def take_back(self, number: int, why: str, *, counted: bool) -> bool:
        """Queue a trial whose worker died as it began; return False after its last attempt."""
        trial = self.store.trials[number]
        attempts = TrialRecord.of(trial)[TrialRecord.attempts] - counted
        self.store.note(trial, attempts=attempts, why=why)
        if attempts_at(trial) >= RETRY:
            return False
        del self.live[number]
        self.waiting.append(trial)
        return True

    def failed(self, number: int, why: str) -> None:
        """Conclude a trial as failed; too many in a row end the run."""
        self._judged(self.live.pop(number), Verdict(Kind.FAILED, why, []))

    def _judged(self, live: Live, verdict: Verdict) -> None:
        self._conclude(live.trial, verdict)
        self.failures = self.failures + 1 if verdict.state == TrialState.FAIL else 0
        if self.failures >= self.config.max_failures:
            self.failing = f"{self.failures} trials in a row failed, the last with: {verdict.why}"

    def _conclude(self, trial: optuna.Trial | FrozenTrial, verdict: Verdict) -> None:
        """Store the verdict of a charged trial at once, and tell Optuna when its turn comes."""
        images = self.networks.classes, self.networks.shape
        attach(self.store, trial.number, self.folder, *images)
        self.store.decide(trial, verdict)
        self.order.ended(trial.number, partial(self._tell, trial, verdict))
        if self.closed:
            self.order.flush()

    def _tell(self, trial: optuna.Trial | FrozenTrial, verdict: Verdict) -> None:
        self.store.tell(trial, verdict)
        if self.keeping:
            self.keeping.told(self.store.trials[trial.number])
