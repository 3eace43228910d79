"""Which networks to try, and what was learned: the only place that knows Optuna and Ray Tune.

    import studies
    study = studies.run(studies.Study.from_file("digits.toml"))
    studies.front(study)         # the Pareto front as a pandas DataFrame
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
    from studies.analysis.ablations.ablation import ablation as ablation
    from studies.analysis.cam.grad_cam import grad_cam as grad_cam
    from studies.analysis.depth.attention import depth_attention as depth_attention
    from studies.analysis.gates.integration import integration as integration
    from studies.analysis.gradients.flow import gradient_flow as gradient_flow
    from studies.analysis.subject import look as look
    from studies.comparing import compare as compare
    from studies.evaluating import evaluate as evaluate
    from studies.exporting.export import export as export
    from studies.find import find as load
    from studies.front import front as front
    from studies.picking import pick as pick
    from studies.report import Report as Report
    from studies.retraining.retrain import retrain as retrain
    from studies.running import run_study as run
    from studies.study import Study as Study
    from studies.trials import trials as trials

_HOMES = {
    "Report": ("studies.report", "Report"),
    "Study": ("studies.study", "Study"),
    "ablation": ("studies.analysis.ablations.ablation", "ablation"),
    "compare": ("studies.comparing", "compare"),
    "depth_attention": ("studies.analysis.depth.attention", "depth_attention"),
    "evaluate": ("studies.evaluating", "evaluate"),
    "export": ("studies.exporting.export", "export"),
    "front": ("studies.front", "front"),
    "grad_cam": ("studies.analysis.cam.grad_cam", "grad_cam"),
    "gradient_flow": ("studies.analysis.gradients.flow", "gradient_flow"),
    "integration": ("studies.analysis.gates.integration", "integration"),
    "load": ("studies.find", "find"),
    "look": ("studies.analysis.subject", "look"),
    "pick": ("studies.picking", "pick"),
    "retrain": ("studies.retraining.retrain", "retrain"),
    "run": ("studies.running", "run_study"),
    "trials": ("studies.trials", "trials"),
}
__all__ = [
    "Report",
    "Study",
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
