"""What a driver loads before its first trial, loaded once: imported by the server of `cases.child`,
from which the drivers are forked.
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
