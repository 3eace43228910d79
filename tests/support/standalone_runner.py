"""Run exported files in an interpreter that has torch but nothing of this project:

    python -I standalone_runner.py FOLDER      prints the results of each FOLDER/*.py as JSON

`measured` runs on both sides. Weights are drawn by torch, or, for large networks, which would spend
most of the time on that, taken as slices from one row of random numbers: the same draws in the same
order still give the same weights, and other draws do not.
"""

import gc
import importlib.util
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PROJECT = ("skipsearch",)
ROW = 200_003  # stays in the cache


class Row(TorchFunctionMode):
    """Makes `normal_` and `uniform_` copy the next numbers of one row, again from its start at the
    end.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.row, self.at = torch.rand(ROW, generator=generator).mul_(2).sub_(1), 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is nn.init.kaiming_uniform_:  # torch's own start of a layer
            assert kwargs.pop("a") == math.sqrt(5)
            x = kwargs.pop("tensor", *args)
            bound = x[0].numel() ** -0.5
            return self.fill(False, x, -bound, bound)
        if function in (Tensor.normal_, Tensor.uniform_):
            return self.fill(function is Tensor.normal_, *args, **kwargs)
        return function(*args, **kwargs)

    def fill(
        self, normal: bool, x: Tensor, first: float = 0.0, second: float = 1.0, **_named: Any
    ) -> Tensor:
        """Fill with numbers around 0 of the requested width, for both distributions."""
        assert first == (0.0 if normal else -second)
        flat, done = x.data.view(-1), 0
        while done < flat.numel():
            count = min(flat.numel() - done, ROW - self.at)
            torch.mul(self.row[self.at : self.at + count], second, out=flat[done : done + count])
            done, self.at = done + count, (self.at + count) % ROW
        return x


def measured(build: Callable[[], nn.Module], about: dict[str, Any]) -> dict[str, Any]:
    """Return, of a network built with seed 1, the names of its weights in order, and checksums of
    the weights (unless `large`) and of the logits of an image of `shape`.
    """
    torch.manual_seed(1)
    drawing: AbstractContextManager[object] = Row() if about["large"] else nullcontext()
    with drawing:
        network = build()
    state, weights = network.state_dict(), 0
    for tensor in () if about["large"] else state.values():
        weights = zlib.crc32(tensor.contiguous().view(-1).numpy().data, weights)
    images = torch.linspace(-2, 2, math.prod(about["shape"])).cos().view(1, *about["shape"])
    with torch.no_grad():
        logits = network.eval()(images)
    return {"names": list(state), "weights": weights, "logits": zlib.crc32(logits.numpy().data)}


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable garbage collection: there are millions of modules and no cycles, and the search for
    cycles took a fifth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Refused:
    """Import hook that refuses every module of this project."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in PROJECT:
            raise ModuleNotFoundError(f"No module named {name!r}")


def imported(folder: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: Path) -> None:
    sys.meta_path.insert(0, Refused())  # type: ignore[arg-type]
    torch.set_num_threads(1)
    with uncollected():
        cases = json.loads((folder / "about.json").read_text()).items()
        found = {name: measured(imported(folder, name).build, about) for name, about in cases}
    assert not any(name.partition(".")[0] in PROJECT for name in sys.modules)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
