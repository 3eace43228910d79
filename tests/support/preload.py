"""Import all that a driver loads before its first trial. The fork server of `failure_cases.child`
imports this once, and drivers are forked from it.
"""

import importlib

from skipsearch.searchspace.arch.arch import Arch
from skipsearch.searchspace.assembly.cost import describe

for name in (
    "tests.support.failure_cases",
    "sklearn.datasets",
    "sklearn.model_selection",
    "torchvision",
):
    importlib.import_module(name)
describe(Arch(stages=2, blocks=(1, 1), stem_channels=8), classes=10, shape=(1, 8, 8))
