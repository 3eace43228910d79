"""Which networks to try, and what was learned: the only place that knows Optuna and Ray Tune.

    import studies
    study = studies.engine.driver(studies.StudyConfig.from_file("digits.toml"))
    studies.results.front(study)         # the Pareto front as a pandas DataFrame
    studies.load("digits")       # a study that ran before
    studies.pick(study, "best")  # a trial of the front
    studies.retrain("digits", [3, "cnntention/resnet20"], seeds=5)    # for the test error
    studies.compare(["digits"])  # what was retrained, with t-tests
    studies.gradient_flow(studies.look("digits#3"))    # and the other analyses

Nothing heavy is imported before it is used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipsearch.studies.analysis.ablations.ablation import ablation as ablation
    from skipsearch.studies.analysis.cam.grad_cam import grad_cam as grad_cam
    from skipsearch.studies.analysis.depth.attention import depth_attention as depth_attention
    from skipsearch.studies.analysis.gates.integration import integration as integration
    from skipsearch.studies.analysis.gradients.flow import gradient_flow as gradient_flow
    from skipsearch.studies.analysis.subject import look as look
    from skipsearch.studies.config.study_config import StudyConfig as StudyConfig
    from skipsearch.studies.exporting.export import export as export
    from skipsearch.studies.models.evaluate import evaluate as evaluate
    from skipsearch.studies.page.files import Report as Report
    from skipsearch.studies.results.compare import compare as compare
    from skipsearch.studies.results.front import front as front
    from skipsearch.studies.results.pick import pick as pick
    from skipsearch.studies.results.trial_table import trials as trials
    from skipsearch.studies.retraining.retrain import retrain as retrain
    from skipsearch.studies.run_study import run_study as run
    from skipsearch.studies.storage.find import find as load

_HOMES = {
    "Report": ("skipsearch.studies.page.files", "Report"),
    "StudyConfig": ("skipsearch.studies.config.study_config", "StudyConfig"),
    "ablation": ("skipsearch.studies.analysis.ablations.ablation", "ablation"),
    "compare": ("skipsearch.studies.results.compare", "compare"),
    "depth_attention": ("skipsearch.studies.analysis.depth.attention", "depth_attention"),
    "evaluate": ("skipsearch.studies.models.evaluate", "evaluate"),
    "export": ("skipsearch.studies.exporting.export", "export"),
    "front": ("skipsearch.studies.results.front", "front"),
    "grad_cam": ("skipsearch.studies.analysis.cam.grad_cam", "grad_cam"),
    "gradient_flow": ("skipsearch.studies.analysis.gradients.flow", "gradient_flow"),
    "integration": ("skipsearch.studies.analysis.gates.integration", "integration"),
    "load": ("skipsearch.studies.storage.find", "find"),
    "look": ("skipsearch.studies.analysis.subject", "look"),
    "pick": ("skipsearch.studies.results.pick", "pick"),
    "retrain": ("skipsearch.studies.retraining.retrain", "retrain"),
    "run": ("skipsearch.studies.run_study", "run_study"),
    "trials": ("skipsearch.studies.results.trial_table", "trials"),
}
__all__ = [
    "Report",
    "StudyConfig",
    "ablation",
    "compare",
    "depth_attention",
    "evaluate",
    "export",
    "front",
    "grad_cam",
    "gradient_flow",
    "integration",
    "load",
    "look",
    "pick",
    "retrain",
    "run",
    "trials",
]


class _Package(ModuleType):
    """`studies.front` is the function though a file of that name exists: importing the file would
    otherwise put the module in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, attribute = _HOMES[name]
    return getattr(import_module(home), attribute)
