"""Find image classifiers whose shortcuts are learned.

    import skipsearch as sk

    digits = sk.run("examples/digits.toml")  # search; the same call resumes it
    digits.front()  # the Pareto front as a pandas DataFrame
    digits.retrain(["knee"], seeds=5)  # the test error, mean ± sd
    digits.export("knee", to="exports/knee")  # model.py, weights, card

    digits = sk.load("digits")  # a study that ran before
    model = sk.build(sk.PRESETS["as/out"].arch, classes=10)  # an nn.Module

`dir(skipsearch)` lists everything; each name is loaded when it is first used, so that
`skipsearch.__version__` loads neither torch nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipsearch.handle import Handle as Handle
    from skipsearch.handle import front as front
    from skipsearch.handle import load as load
    from skipsearch.handle import pick as pick
    from skipsearch.handle import run as run
    from skipsearch.handle import trials as trials
    from skipsearch.searchspace import build as build
    from skipsearch.searchspace import describe as describe
    from skipsearch.searchspace import source as source
    from skipsearch.searchspace.arch.arch import Arch as Arch
    from skipsearch.searchspace.parameters.space import Space as Space
    from skipsearch.searchspace.parameters.space import parse_space as parse_space
    from skipsearch.searchspace.parameters.walk import decode as decode
    from skipsearch.searchspace.parameters.walk import encode as encode
    from skipsearch.searchspace.parameters.walk import override as override
    from skipsearch.searchspace.presets import PRESETS as PRESETS
    from skipsearch.studies.analysis.ablations.ablation import ablation as ablation
    from skipsearch.studies.analysis.cam.grad_cam import grad_cam as grad_cam
    from skipsearch.studies.analysis.depth.attention import depth_attention as depth_attention
    from skipsearch.studies.analysis.gates.integration import integration as integration
    from skipsearch.studies.analysis.gradients.flow import gradient_flow as gradient_flow
    from skipsearch.studies.analysis.subject import look as look
    from skipsearch.studies.config.study_config import StudyConfig as StudyConfig
    from skipsearch.studies.exporting.export import export as export
    from skipsearch.studies.models.evaluate import evaluate as evaluate
    from skipsearch.studies.results.compare import compare as compare
    from skipsearch.studies.retraining.retrain import retrain as retrain
    from skipsearch.trainers.recipe.presets import RECIPES as RECIPES
    from skipsearch.trainers.recipe.recipe import Recipe as Recipe

_HOMES = {
    "Arch": "searchspace.arch.arch",
    "Handle": "handle",
    "PRESETS": "searchspace.presets",
    "RECIPES": "trainers.recipe.presets",
    "Recipe": "trainers.recipe.recipe",
    "Space": "searchspace.parameters.space",
    "StudyConfig": "studies.config.study_config",
    "ablation": "studies.analysis.ablations.ablation",
    "build": "searchspace",
    "compare": "studies.results.compare",
    "decode": "searchspace.parameters.walk",
    "depth_attention": "studies.analysis.depth.attention",
    "describe": "searchspace",
    "encode": "searchspace.parameters.walk",
    "evaluate": "studies.models.evaluate",
    "export": "studies.exporting.export",
    "front": "handle",
    "grad_cam": "studies.analysis.cam.grad_cam",
    "gradient_flow": "studies.analysis.gradients.flow",
    "integration": "studies.analysis.gates.integration",
    "load": "handle",
    "look": "studies.analysis.subject",
    "override": "searchspace.parameters.walk",
    "parse_space": "searchspace.parameters.space",
    "pick": "handle",
    "retrain": "studies.retraining.retrain",
    "run": "handle",
    "source": "searchspace",
    "trials": "handle",
}
__all__ = [
    "PRESETS",
    "RECIPES",
    "Arch",
    "Handle",
    "Recipe",
    "Space",
    "StudyConfig",
    "ablation",
    "build",
    "compare",
    "decode",
    "depth_attention",
    "describe",
    "encode",
    "evaluate",
    "export",
    "front",
    "grad_cam",
    "gradient_flow",
    "integration",
    "load",
    "look",
    "override",
    "parse_space",
    "pick",
    "retrain",
    "run",
    "source",
    "trials",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("skipsearch")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
