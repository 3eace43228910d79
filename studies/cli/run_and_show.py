"""`skipsearch run`: train a study with its progress shown, then print its front."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from skipsearch.studies.config.limits import Infeasible
from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.engine.driver import run
from skipsearch.studies.page.files import Report
from skipsearch.studies.run_study import Together
from skipsearch.studies.storage.find import source_of
from skipsearch.studies.storage.study_record import StudyRecord
from skipsearch.studies.terminal.front import print_front
from skipsearch.studies.terminal.progress import Progress
from skipsearch.studies.terminal.tables import console

NOTHING_FEASIBLE, INTERRUPTED = 3, 130


def run_and_show(
    config: StudyConfig,
    *,
    folder: Path,
    storage: str | None,
    serial: bool,
    address: str | None,
    log: str | None,
    quiet: bool,
    command: Sequence[str],
    imports: Sequence[str] = (),
    extend: bool = False,
) -> int:
    """Run the study, print its front and the path of its page, and return the exit status."""
    home = folder / config.name
    terminal, files = console(), (Report(home), Board())
    observer = Together(*files) if quiet else Together(Progress(terminal), *files)
    try:
        study = run(
            config,
            storage=storage,
            folder=home,
            observer=observer,
            in_process=serial,
            address=address,
            log=log,
            imports=[source_of(name, folder=folder, storage=storage) for name in imports],
            extend=extend,
        )
    except Infeasible as reason:
        print(f"error: {reason}", file=sys.stderr)
        return NOTHING_FEASIBLE
    except KeyboardInterrupt:
        again = shlex.join(["skipsearch", *command])
        print(f"stopped; nothing is lost. Go on with: {again}", file=sys.stderr)
        return INTERRUPTED
    record = StudyRecord.of(study)
    if record.exhausted:
        print(f"note: ended early: {record.exhausted}", file=sys.stderr)
    if said := (record.trials_per_gpu or {}).get("said"):
        print(f"note: {said}", file=sys.stderr)
    members = print_front(study, terminal)
    terminal.print(f"page: {(home / 'front.html').resolve()}", soft_wrap=True, markup=False)
    return 0 if members else NOTHING_FEASIBLE
