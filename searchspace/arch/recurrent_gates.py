"""Recurrent gates: a state runs from block to block within a stage."""

from dataclasses import dataclass
from typing import ClassVar

from skipsearch.searchspace.arch.effects import BARE_BRANCH, STACKED, WIDTH_OF_8
from skipsearch.searchspace.arch.gate_places import Recurrent
from skipsearch.searchspace.parameters.domains import choice, integer


@dataclass(frozen=True, kw_only=True)
class SharedCell(Recurrent):
    """Parameters of both forms of DIA: a cell that all blocks of a stage use."""

    output: str = choice("sigmoid", "tanh", "relu", doc="activation of the cell's output")
    tail_norm: bool = choice(
        True,
        False,
        needs=BARE_BRANCH,
        doc="BatchNorm of the branch of a pre-activation block before the gate",
    )


@dataclass(frozen=True, kw_only=True)
class DIA(SharedCell):
    """DIA-LSTM: an LSTM over the blocks of a stage makes their channel masks."""

    label: ClassVar[str] = "dia"
    reduction: int = choice(4, 1, 2, 8, 16, 20, doc="squeeze ratio, of the output width")
    cells: int = integer(1, 1, 4, doc="stacked cells; those after the first are not reduced")
    dropout: float = choice(0.1, 0.0, 0.2, 0.5, needs=STACKED, doc="dropout between stacked cells")


def _term(default: str, other: str, gate: str, reads: str) -> str:
    """Declare one of the eight terms of the light cell's gates."""
    term: str = choice(
        default, other, doc=f"the {gate} gate's term of {reads}: after the squeeze, or w·x + b"
    )
    return term


@dataclass(frozen=True, kw_only=True)
class DIALight(SharedCell):
    """DIA-LSTM (Light): most of the eight gate terms are w·x + b, a pair per channel ("IE").

    Only a figure of the paper shows which; the default is one of the readings that meet all six
    printed parameter counts.
    """

    label: ClassVar[str] = "dia_light"
    reduction: int = choice(16, 4, 8, needs=WIDTH_OF_8, doc="squeeze ratio, of the output width")
    input_i: str = _term("linear", "ie", "input", "the pooled map")
    input_f: str = _term("linear", "ie", "forget", "the pooled map")
    input_g: str = _term("ie", "linear", "candidate", "the pooled map")
    input_o: str = _term("linear", "ie", "output", "the pooled map")
    hidden_i: str = _term("ie", "linear", "input", "the last mask")
    hidden_f: str = _term("ie", "linear", "forget", "the last mask")
    hidden_g: str = _term("ie", "linear", "candidate", "the last mask")
    hidden_o: str = _term("ie", "linear", "output", "the last mask")


@dataclass(frozen=True, kw_only=True)
class MRLA(Recurrent):
    """MRLA-light: attention across the blocks of a stage (https://arxiv.org/abs/2302.03985).

    A block's map attends to itself and keeps a part of the previous block's attention output.
    """

    label: ClassVar[str] = "mrla"
    heads: int = choice(8, 1, 2, 4, doc="attention heads, as many as divide the channels")
    kernel: int = choice(3, 5, 7, doc="channels that a query and a key see")
