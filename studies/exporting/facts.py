"""Facts about an exported network, and the docstring of `model.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from skipsearch.searchspace.assembly.cost import Description
from skipsearch.searchspace.presets import PRESETS
from skipsearch.studies.exporting.formats import Outcome
from skipsearch.studies.humanize import percent_sd
from skipsearch.studies.models.model import Model, Trained, Untrained


@dataclass(frozen=True)
class Facts:
    """Facts about a network for its model card and the docstring of `model.py`."""

    model: Model
    cost: Description
    outcomes: Sequence[Outcome] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Phrase that names the network: its trial and study, or its preset."""
        match self.model.origin:
            case Trained(study=study, trial=trial, retrained=retrained):
                again = ", retrained on the images of training and validation" if retrained else ""
                return f"trial {trial} of the study {study}{again}"
            case Untrained(source=source):
                name = self.model.target
                return f"untrained, {f'the preset {name}' if name in PRESETS else source}"


def about(facts: Facts) -> str:
    """Write the docstring of `model.py`, paragraphs separated by empty lines."""
    model, cost, inputs = facts.model, facts.cost, facts.model.inputs
    images = f"Images (B, {listed(inputs.shape)})"
    match model.origin:
        case Trained() as origin:
            data = (
                f"{images} of {origin.data['dataset']} in {len(inputs.classes)} classes: pixels "
                f"from 0 to 1, less the mean {numbers(inputs.mean)}, over the deviation "
                f"{numbers(inputs.std)}."
            )
            known = [*errors(origin), ("these weights", weights(origin))]
            results = " ".join(f"{name.capitalize()}: {text}." for name, text in known)
        case Untrained() as origin:
            data = f"{images} in {len(inputs.classes)} classes. Source: {origin.source}."
            results = origin.note
    size = f"{cost.params:,} parameters, {cost.macs:,} multiply-accumulates per image."
    parts = [
        f"{model.name}: an image classifier, {facts.title}.",
        data,
        results,
        f"{size} Written by skipsearch.",
        "    network = build()\n"
        '    network.load_state_dict(safetensors.torch.load_file("model.safetensors"))',
    ]
    return "\n\n".join(part for part in parts if part)


def errors(origin: Trained) -> list[tuple[str, str]]:
    """Return validation and test error as rows (label, text), with training and number of seeds."""
    found = []
    if origin.val_errors:
        trained = "" if origin.retrained else f", after {epochs(origin)}"
        found.append(("validation error of the search", f"{spread(origin.val_errors)}{trained}"))
    tested = "not measured: a search does not look at the test images"
    if origin.test_errors:
        count = origin.test_epochs
        tested = f"{spread(origin.test_errors)}, retrained for {count} epoch{'s' * (count != 1)}"
        tested += " on the images of training and validation"
    return [*found, ("test error", tested)]


def weights(origin: Trained) -> str:
    """Describe the exported weights: their seed and epochs."""
    several = "of the first seed, " if len(origin.val_errors) > 1 or origin.retrained else "seed "
    return f"{several}{origin.seed}, {epochs(origin)}"


def epochs(origin: Trained) -> str:
    """Format as `12 of 50 epochs`."""
    return f"{origin.epochs} of {origin.max_epochs} epoch{'s' * (origin.max_epochs != 1)}"


def spread(errors: Sequence[float]) -> str:
    """Format as `5.90 ± 0.31 % (n = 5)`."""
    sd = stdev(errors) if len(errors) > 1 else None
    return f"{percent_sd(fmean(errors), sd)} (n = {len(errors)})"


def numbers(values: Sequence[float]) -> str:
    """Join numbers with commas, six significant digits each."""
    return listed(f"{value:.6g}" for value in values)


def listed(values: Iterable[object]) -> str:
    """Join values with commas."""
    return ", ".join(map(str, values))
