"""Write `model.pt2` (torch.export) and `model.onnx` (torch's exporter), each checked against torch.

If a format cannot express a network, or gives other logits, the outcome has the reason, and the
other files are written all the same.
"""

import contextlib
import importlib.util
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, assert_never

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

Format = Literal["onnx", "pt2"]
FORMATS: tuple[Format, ...] = ("onnx", "pt2")
BATCHES = (1, 3)  # batch sizes of the check; the trace has 2
TOLERANCE = 1e-4  # largest difference of a logit, relative to the largest logit if that is above 1
NEEDED = ("onnx", "onnxscript", "onnxruntime")
OPERATION = re.compile(r"\b(?:aten|prims|torchvision|torch_library)[.:]+\w+(?:\.\w+)?")


@dataclass(frozen=True)
class Written:
    """A format that was written and checked.

    `difference` is the largest of a logit from torch's at the batch sizes `BATCHES`, divided by the
    largest logit if that is above 1.
    """

    file: str
    difference: float
    by: str  # the runtime of the check

    def __str__(self) -> str:
        if self.difference == 0:
            return f"{self.by}: torch's logits"
        return f"{self.by}: logits within {self.difference:.0e} of torch's"


@dataclass(frozen=True)
class Refused:
    """A format that was not written; the reason is one line and names the missing operation."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"not written: {self.reason}"


Outcome = Written | Refused


class Exporter:
    """Write a network in evaluation mode, for images of `shape`, into a folder."""

    def __init__(self, network: nn.Module, shape: tuple[int, int, int], folder: Path) -> None:
        self.network, self.shape, self.folder = network.eval(), shape, folder
        self._program = cache(self._traced)  # one trace for both formats

    def write(self, format_: Format) -> Outcome:
        """Write one format and compare its logits with torch's; a failure leaves no file."""
        file = f"model.{format_}"
        if format_ == "onnx" and (absent := [n for n in NEEDED if not _is_there(n)]):
            return Refused(file, f"needs {', '.join(absent)}: pip install 'skipsearch[export]'")
        try:
            with _quiet():
                match format_:
                    case "pt2":
                        run, by = self._write_pt2(self.folder / file), "torch.export.load"
                    case "onnx":
                        run, by = self._write_onnx(self.folder / file), "ONNX Runtime"
                    case _:
                        assert_never(format_)
                difference = self._difference(run)
        except OSError:  # the disk, not the network
            raise
        except Exception as error:  # exporters raise any type for an operation they do not have
            (self.folder / file).unlink(missing_ok=True)
            return Refused(file, _reason(error))
        if not difference <= TOLERANCE:  # nan too
            (self.folder / file).unlink()
            return Refused(file, f"{by} gives other logits, {difference:.1e} from torch's")
        return Written(file, difference, by)

    def _traced(self) -> ExportedProgram:
        images = torch.zeros(2, *self.shape)
        batch = {0: Dim("batch", min=1)}
        return torch.export.export(self.network, (images,), dynamic_shapes=(batch,))

    def _write_pt2(self, path: Path) -> Callable[[Tensor], Tensor]:
        torch.export.save(self._program(), path)
        loaded: Callable[[Tensor], Tensor] = torch.export.load(path).module()
        return loaded

    def _write_onnx(self, path: Path) -> Callable[[Tensor], Tensor]:
        import onnxruntime

        # Not optimised: ONNX Runtime optimises as it loads, and torch's rewriting took 7 of 8
        # minutes for the 5,000 operations of as/out.
        program = torch.onnx.export(
            self._program(),
            dynamo=True,
            optimize=False,
            input_names=["images"],
            output_names=["logits"],
        )
        assert program is not None
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # stack traces, with the paths of this machine
        program.save(path, external_data=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda x: torch.from_numpy(session.run(None, {"images": x.numpy()})[0])

    def _difference(self, run: Callable[[Tensor], Tensor]) -> float:
        generator = torch.Generator().manual_seed(0)
        found = []
        with torch.no_grad():
            for batch in BATCHES:
                images = torch.randn(batch, *self.shape, generator=generator)
                ours, theirs = self.network(images), run(images)
                found.append(float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1)))
        return max(found)


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _reason(error: BaseException) -> str:
    """Return the first line of the error, after the operation if the exporter names one."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = "\n".join(str(one) for one in chain)
    operation = OPERATION.search(text)
    lines = [line.strip() for one in reversed(chain) for line in str(one).splitlines()]
    first = next((line for line in lines if line), type(error).__name__)
    return f"operation {operation[0]}: {first}"[:300] if operation else first[:300]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence exporters, which print their steps and warn of deprecations."""
    logger, silence = logging.getLogger("torch.onnx"), io.StringIO()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(silence),
            contextlib.redirect_stderr(silence),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
