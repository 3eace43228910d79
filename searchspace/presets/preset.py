"""Presets: a published system's architecture, its printed figures, its results."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from skipsearch.searchspace.arch.arch import Arch

Shape = tuple[int, int, int]  # channels, height, width
Metric = Literal["test_error", "test_accuracy", "validation_accuracy"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A system's parameters for one data set, counted, and as its paper prints them."""

    dataset: str
    classes: int
    shape: Shape
    params: int  # exact
    printed: str = ""

    @property
    def match(self) -> bool | None:
        """True if the printed figure is met; None if none is printed."""
        return met(self.printed, self.params)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A published error or accuracy, in per cent.

    It is as the paper prints it, or as the authors' logs or notebooks have it if `table` says so.
    """

    dataset: str
    metric: Metric
    mean: float
    sd: float | None = None  # None if it is not given
    n: int | None = None  # runs; None if it is not given
    seeds: tuple[int, ...] = ()
    table: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published system: its architecture, the figures its paper prints, and its results."""

    name: str
    arch: Arch
    source: str
    table: str  # of the paper, "" if not known
    params: int  # exact, for `classes` classes and images of `shape`
    printed: str = ""  # `params` as the paper prints it, "" if it does not, or is not known to
    classes: int = 10
    shape: Shape = (3, 32, 32)
    figures: tuple[Figure, ...] = ()  # for other data sets
    note: str = ""  # what differs from the source, and which reading of it this is
    why: str = ""  # why a printed figure is not met
    alternative: bool = False  # another reading of figures that another preset claims
    recipe: str = ""  # its name in trainers.recipe.presets, "" if the source gives none
    results: tuple[Result, ...] = ()

    @property
    def match(self) -> bool | None:
        """True if the printed figure is met; None if none is printed."""
        return met(self.printed, self.params)


def met(printed: str, params: int) -> bool | None:
    """Compare `params` with a printed figure, such as 11,181,642, or 1.95M, which is rounded.

    Returns None if nothing is printed.
    """
    if not printed:
        return None
    if not printed.endswith("M"):
        return f"{params:,}" == printed
    decimals = len(printed.removesuffix("M").partition(".")[2])
    return f"{Decimal(params) / 10**6:.{decimals}f}M" == printed


def variant(
    base: Preset,
    name: str,
    arch: Arch,
    params: int,
    *printed: str,
    table: str,
    note: str = "",
    why: str = "",
    alternative: bool = False,
    results: tuple[Result, ...] = (),
) -> Preset:
    """Make a system of the same paper, data sets and recipe as `base`.

    `printed` are its figures for the classes and shape of `base`, then for the others in their
    order. Its count changes from data set to data set as that of `base` does.
    """
    first, *others = [*printed, *[""] * (1 + len(base.figures) - len(printed))]
    figures = (
        replace(figure, params=params + figure.params - base.params, printed=text)
        for figure, text in zip(base.figures, others, strict=True)
    )
    return replace(
        base,
        name=name,
        arch=arch,
        params=params,
        printed=first,
        figures=tuple(figures),
        table=table,
        note=note,
        why=why,
        alternative=alternative,
        results=results,
    )
