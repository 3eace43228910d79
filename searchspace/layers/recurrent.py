"""Recurrent gates, whose state runs from block to block: DIA-LSTM, and the stage that runs them.

A recurrent gate maps (features, state) to (gated features, state). The state is None at the start
of every stage and every forward pass; nothing is kept in a module.

Shapes: B batch, C channels, H, W positions; a cell's h and c are (B, C), one value per channel.
Every step counts its linear layers; the cell's products by i, f, o and h are masks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from skipsearch.searchspace.layers.blocks import Block
from skipsearch.searchspace.layers.channel_gates import masked
from skipsearch.searchspace.layers.pooling import spatial_mean

State = tuple[Tensor, ...] | None

OUTPUTS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class Reduced(nn.Module):
    """expand(relu(reduce(x)))."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, out)

    def forward(self, x_BC: Tensor) -> Tensor:
        y: Tensor = self.expand(functional.relu(self.reduce(x_BC)))
        return y


class Scale(nn.Module):
    """w ⊙ x + b, w from 0 and b from −1, a pair per channel (https://arxiv.org/abs/2210.16101).

    The paper's IE(x). It gives no initial values; these are the authors' in SEM and SPEM.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.full((channels,), -1.0))

    def forward(self, x_BC: Tensor) -> Tensor:
        return x_BC * self.weight + self.bias


class LightTerms(nn.Module):
    """A cell's four terms of one input, in the order i, f, g, o.

    Each is a linear layer on relu(reduce(x)) if `linear` says so, else a scale of x.
    """

    def __init__(self, channels: int, hidden: int, linear: list[bool]) -> None:
        super().__init__()
        self.linear = tuple(linear)
        self.reduce = nn.Linear(channels, hidden) if any(linear) else nn.Identity()
        self.terms = nn.ModuleList(
            nn.Linear(hidden, channels) if one else Scale(channels) for one in linear
        )

    def forward(self, x_BC: Tensor) -> Tensor:
        reduced = functional.relu(self.reduce(x_BC))
        terms = zip(self.linear, self.terms, strict=True)
        return torch.cat([term(reduced if linear else x_BC) for linear, term in terms], dim=1)


class Cell(nn.Module):
    """c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·output(c'), with i, f, g, o = input(x) + hidden(h).

    An LSTM's cell whose maps of x and h to 4·C values are any modules.
    """

    def __init__(self, input: nn.Module, hidden: nn.Module, output: str) -> None:
        super().__init__()
        self.input, self.hidden, self.output = input, hidden, OUTPUTS[output]()

    def forward(self, x_BC: Tensor, h_BC: Tensor, c_BC: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (self.input(x_BC) + self.hidden(h_BC)).chunk(4, dim=1)
        c_BC = torch.sigmoid(f) * c_BC + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * self.output(c_BC), c_BC


class SharedLSTM(nn.Module):
    """a · h_t, h_t of an LSTM over the blocks of a stage that reads the mean of each block's a.

    DIA-LSTM (https://arxiv.org/abs/2210.16101; https://arxiv.org/abs/1905.10671): one instance
    serves all blocks of its stage. As in the authors' code and unlike the papers' 10·N²/r, every
    linear layer has a bias: 10·N·q + 2·q + 8·N parameters. The second and later `cells` are not
    reduced (8·N² + 8·N each); each reads the dropped-out h of the one before, the last one's is
    the mask. State: h and c of the first cell, of the second, …
    """

    def __init__(self, channels: int, hidden: int, output: str, cells: int, dropout: float) -> None:
        super().__init__()
        wide = 4 * channels
        first = Cell(
            Reduced(channels, hidden, wide), Reduced(channels, hidden, wide), output=output
        )
        further = (
            Cell(nn.Linear(channels, wide), nn.Linear(channels, wide), output=output)
            for _ in range(cells - 1)
        )
        self.cells, self.dropout = nn.ModuleList((first, *further)), dropout

    def forward(self, a_BCHW: Tensor, state: State) -> tuple[Tensor, State]:
        x_BC = spatial_mean(a_BCHW)
        old = (torch.zeros_like(x_BC),) * (2 * len(self.cells)) if state is None else state
        new: list[Tensor] = []
        for number, cell in enumerate(self.cells):
            if number:
                x_BC = functional.dropout(new[-2], self.dropout, self.training)
            new.extend(cell(x_BC, old[2 * number], old[2 * number + 1]))
        return masked(a_BCHW, new[-2]), tuple(new)


class LightLSTM(nn.Module):
    """a · h_t as in DIA-LSTM, where a scale per channel replaces some of the eight gate terms.

    DIA-LSTM (Light) (https://arxiv.org/abs/2210.16101). Which terms are linear is only in a figure
    of the paper; [True, True, False, True] for the mean and none for h is one of the readings that
    fit all six printed totals: 4·N·q + q + 13·N parameters. State: h and c.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        linear_input: list[bool],
        linear_hidden: list[bool],
        output: str,
    ) -> None:
        super().__init__()
        self.cell = Cell(
            LightTerms(channels, hidden, linear_input),
            LightTerms(channels, hidden, linear_hidden),
            output=output,
        )

    def forward(self, a_BCHW: Tensor, state: State) -> tuple[Tensor, State]:
        x_BC = spatial_mean(a_BCHW)
        h_BC, c_BC = (torch.zeros_like(x_BC),) * 2 if state is None else state
        h_BC, c_BC = self.cell(x_BC, h_BC, c_BC)
        return masked(a_BCHW, h_BC), (h_BC, c_BC)


class Whole(nn.Module):
    """gate(body(x)) with a whole block as the body: a recurrent gate after the block."""

    def __init__(self, body: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.body, self.gate = body, gate

    def open(self, x: Tensor) -> Tensor:
        return x

    def join(self, x: Tensor, gated: Tensor) -> Tensor:
        return gated


RecurrentBlock = Block | Whole


class Recurrent(nn.Sequential):
    """A stage of blocks whose recurrent gates pass their state from block to block.

    The blocks may share one gate, or have one each.
    """

    def forward(self, x: Tensor) -> Tensor:
        state: State = None
        for block in self:
            assert isinstance(block, RecurrentBlock)
            z = block.open(x)
            gated, state = block.gate(block.body(z), state)
            x = block.join(z, gated)
        return x
