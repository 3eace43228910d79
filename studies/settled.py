"""The settings of a study that ran, from its storage."""

from pathlib import Path

import optuna

from skipsearch.studies.config.study_config import Study


def settled(study: optuna.Study, home: Path) -> Study:
    """The study as it was begun, its arch files those that its folder keeps. Raises ValueError
    where it is not one of ours."""
    given = study.user_attrs.get("study")
    if given is None:
        raise ValueError(f"study {study.study_name} is not one of ours: it has no settings")
    baselines = dict(given.get("baselines", {}))
    copies = [home / "baselines" / Path(file).name for file in baselines.get("files", [])]
    if copies and all(copy.is_file() for copy in copies):
        baselines["files"] = [str(copy.resolve()) for copy in copies]
    tables = {**given, "baselines": baselines}
    return Study.from_dict(tables, where=f"study {study.study_name}", stem=study.study_name)
