"""One axis of the Gibbs sampler in torch, for a GPU: the conditionals of `Axis`, for many rows at once.

What is drawn depends on (seed, sweep, purpose, chunk) and on the device alone: all sums have a fixed order (`Segments`;
cuBLAS keeps its own on one stream), and nothing is added from several threads to one place.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matinee.release.arrays import Codes, Counts, Doubles, Floats
from matinee.train.device_rows import gather_rows
from matinee.train.engine import Arrays
from matinee.train.gibbs.axis import first_vectors, group_ratings, purpose_of, shares
from matinee.train.gibbs.conjugate import solve_columns
from matinee.train.gibbs.device_random import draw_normal, generator
from matinee.train.gibbs.device_table import DeviceTable
from matinee.train.gibbs.prior import Moments, Prior
from matinee.train.gibbs.segments import LENGTH, Segments

# Segments of a chunk: a million ratings, whose vectors, products and matrices take less than 2 GB at 32 numbers each. A
# chunk is never less than a row: one of 10 million ratings alone takes 7 GB.
_CHUNK_SEGMENTS = 1 << 15
_PAIRS = 1 << 20


@dataclass(frozen=True)
class GatheredRatings:
    """The ratings of some rows by segments; places behind the end of a row have weight and error 0."""

    rows: Tensor  # of each segment
    design: Tensor  # segments x LENGTH x size: the other axis's vectors with their bias replaced by 1
    weight: Tensor  # segments x LENGTH: the other axis's
    error: Tensor  # segments x LENGTH


@dataclass
class DeviceAxis:
    """Ratings grouped by this axis's codes, and its part of the chain's state, on a device."""

    name: str
    purpose: int
    device: str
    starts: Counts
    codes: Tensor  # of the other axis, by rating
    ratings: Tensor
    segments: Segments
    rows: Tensor  # of each segment
    bounds: Counts  # of the chunks that are drawn at once
    counts: Tensor  # ratings of each code, in float64
    share: Tensor  # n^-1/2, as a column
    size: int
    X: Tensor
    E: Tensor
    omega: Tensor
    pull: Tensor
    pull_mass: Tensor
    prior: Prior

    @classmethod
    def of(
        cls, name: str, keys: Codes, others: Codes, ratings: Floats,
        *, count: int, other_count: int, size: int, device: str,
    ) -> "DeviceAxis":  # fmt: skip
        """Group ratings by `keys`; the state is blank until a chain begins."""
        starts, codes, grouped = group_ratings(keys, others, ratings, count=count)
        segments = Segments(starts, device)
        each = np.diff(segments.bounds)
        # A row without ratings has a matrix as well, if it is between others.
        costs = np.cumsum(np.maximum(each, 1))
        cuts = np.searchsorted(costs, np.arange(0, costs[-1], _CHUNK_SEGMENTS), side="left")
        vectors = torch.zeros((count, size), device=device)
        return cls(
            name=name,
            purpose=purpose_of(name),
            device=device,
            starts=starts,
            codes=torch.from_numpy(codes).to(device),
            ratings=torch.from_numpy(grouped).to(device),
            segments=segments,
            rows=torch.from_numpy(np.repeat(np.arange(count, dtype=np.int32), each)).to(device),
            bounds=np.unique(np.concatenate([[0], cuts, [count]])),
            counts=torch.from_numpy(np.diff(starts).astype(np.float64)).to(device),
            share=torch.from_numpy(shares(starts)[:, None]).to(device),
            size=size,
            X=vectors,
            E=vectors.clone(),
            omega=torch.ones(count, device=device),
            pull=torch.zeros((other_count, size), device=device),
            pull_mass=torch.zeros((other_count, 1), device=device),
            prior=Prior.of(size, centred=name == "user"),
        )

    def begin(self, draw: np.random.Generator) -> None:
        """Start a chain: small random vectors for the codes that have ratings, and nothing learned yet."""
        self.X.copy_(torch.from_numpy(first_vectors(draw, self.known, size=self.size)))
        self.E.copy_(self.X)
        self.omega.fill_(1)
        self.pull.fill_(0)
        self.prior.begin()

    def state(self) -> Arrays:
        """All that the next draw needs, on the host."""
        return {name: tensor.cpu().numpy() for name, tensor in self._drawn().items()} | self.prior.state()

    def restore(self, state: Arrays) -> None:
        """Resume from a state."""
        for name, tensor in self._drawn().items():
            tensor.copy_(torch.from_numpy(state[name]))
        for name, array in self.prior.state().items():
            array[...] = state[name]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """The codes that have a rating."""
        return np.diff(self.starts) > 0

    @property
    def present(self) -> Tensor:
        """The same on the device, as a column."""
        return self.counts[:, None] > 0

    def weigh(self, other: "DeviceAxis") -> None:
        """Sum the constant divisor of each pull of the other axis; a repeated pair only costs the solver a step."""
        self.pull_mass = other.sums(self.share.square())

    def sums(self, table: Tensor) -> Tensor:
        """For each code the sum of the rows of the other axis's table that it has a rating with."""
        return self.segments.sums(table, self.codes)

    def batches(self) -> Iterator[Counts]:
        """All chunks that have ratings, one at a time: the host waits for the device once a chunk."""
        chunks = (np.array([chunk]) for chunk in range(len(self.bounds) - 1))
        return (chunk for chunk in chunks if self.rows_of(chunk))

    def rows_of(self, chunks: Counts) -> int:
        """Ratings in some chunks."""
        return int((self.starts[self.bounds[chunks + 1]] - self.starts[self.bounds[chunks]]).sum())

    def draw_prior(self, draw: np.random.Generator, other: "DeviceAxis") -> None:
        """Draw mean and precision of each column, and the precision of its pull, given the vectors."""
        known, count = self.present, int(self.known.sum())
        middle = self.E.sum(0, dtype=torch.float64) / count  # E and pulls of codes without ratings are 0
        scatter = ((self.E - middle.float()) * known).square().sum(0, dtype=torch.float64)
        squares = self.pull.square().sum(0, dtype=torch.float64)
        average, around, pulled = torch.stack([middle, scatter, squares]).cpu().numpy()
        before = self.prior.mean.copy()
        moments = Moments(
            count=count,
            average=average + before,
            scatter=around,
            pulls=int(other.known.sum()),
            pull_squares=pulled,
        )
        self.prior.draw(draw, moments)
        self.E += known * self._line(before - self.prior.mean)
        # A code without ratings gets the prior mean.
        self.X = torch.where(known, self.X, self._line(self.prior.mean))

    def draw_chunks(
        self, chunks: Counts, other: "DeviceAxis", *, mean: float, alpha: float, seed: int, sweep: int
    ) -> float:
        """Draw weights and vectors of some chunks; returns the sum of squared errors before."""
        squared_error = 0.0
        for chunk in chunks.tolist():
            draw = generator(self.device, seed, sweep, self.purpose, chunk)
            squared_error += self._draw_rows(self._rows(chunk), other, mean=mean, alpha=alpha, draw=draw)
        return squared_error

    def _draw_rows(
        self, rows: slice, other: "DeviceAxis", *, mean: float, alpha: float, draw: torch.Generator
    ) -> float:
        """Draw some rows; returns the sum of squared errors before.

        A vector moves by a draw from N(P^-1 g, P^-1), P = diag(lambda) + alpha omega sum w d d' and
        g = alpha omega sum w e d - lambda E. Its old place is in no sum, so that float32 is good enough for them.
        """
        gathered = self._gather(rows, other, mean=mean)
        known = self.present[rows]
        matrix, gradient, squares = self._products(gathered, rows)
        half_nu = float(self.prior.nu[0]) / 2
        shape, rate = half_nu + self.counts[rows] / 2, half_nu + alpha / 2 * squares
        omega = torch._standard_gamma(shape, generator=draw) / rate
        self.omega[rows] = torch.where(known[:, 0], omega.float(), self.omega[rows])
        strength = alpha * omega[:, None]
        precision = torch.from_numpy(self.prior.precision).to(self.device)
        matrix.mul_(strength[..., None]).add_(precision.diag())
        change = known * draw_normal(matrix, gradient * strength - precision * self.E[rows], draw).float()
        self.X[rows] += change
        self.E[rows] += change
        return float(gathered.error.square().sum(dtype=torch.float64))

    def draw_pulls(self, other: "DeviceAxis", *, seed: int, sweep: int) -> None:
        """Draw what all codes of the other axis add to the prior means of this one, jointly.

        E = X - mean - S y is normal given the pulls y, by column; S holds the shares. A draw solves a system with
        noise on its right-hand side (Papandreou and Yuille 2010; for side information Simm et al. 2017). The compiled
        kernel draws the pulls one by one, which would leave a GPU idle.
        """
        draw = generator(self.device, seed, sweep, self.purpose + 2)
        precision, pull_precision = self.prior.precision, self.prior.pull_precision
        ridge = self._line(pull_precision / precision)
        noise = self._normal(self.E, draw) * self._line(precision**-0.5)
        own = self._normal(self.pull, draw) * self._line(pull_precision**0.5 / precision)
        right = other.sums(self.share * (self.E + noise)) + other.present * (own - ridge * self.pull)

        def multiply(pulls: Tensor) -> Tensor:
            """S'S and the ridge, which is the system divided by the precision."""
            return other.sums(self.share.square() * self.sums(pulls)) + ridge * pulls

        change = solve_columns(multiply, right, diagonal=self.pull_mass + ridge)
        self.pull += change
        self.E -= self.share * self.sums(change)

    def draw_nu(self, draw: np.random.Generator) -> None:
        """Draw the degrees of freedom of the weights."""
        omega = self.omega.double()
        log_weights = ((omega.log() - omega) * self.present[:, 0]).sum().item()
        self.prior.draw_nu(draw, count=int(self.known.sum()), log_weights=log_weights)

    def residual_sums(self, other: "DeviceAxis", *, mean: float) -> Doubles:
        """Sums of w, w e and w e^2 over all ratings, where w is the product of both axes' weights."""
        total = torch.zeros(3, dtype=torch.float64, device=self.device)
        for chunks in self.batches():
            gathered = self._gather(self._rows(int(chunks[0])), other, mean=mean)
            weight = gathered.weight * self.omega[gathered.rows][:, None]
            terms = (weight, weight * gathered.error, weight * gathered.error.square())
            total += torch.stack([term.sum(dtype=torch.float64) for term in terms])
        return total.cpu().numpy()

    def predict(self, other: "DeviceAxis", keys: Codes, others: Codes, *, mean: float, into: Doubles) -> None:
        """Write the predictions of this draw for some pairs."""
        for start in range(0, len(keys), _PAIRS):
            here = slice(start, start + _PAIRS)
            x, q = (
                gather_rows(axis.X, torch.from_numpy(codes[here]).to(self.device))
                for axis, codes in ((self, keys), (other, others))
            )
            dots = (x[:, :-1] * q[:, :-1]).sum(1)
            into[here] = (mean + dots + x[:, -1] + q[:, -1]).cpu().numpy()

    @property
    def biases(self) -> Floats:
        """The last numbers of the vectors."""
        return self.X[:, -1].cpu().numpy()

    @property
    def factors(self) -> Tensor:
        """The other numbers, zero for codes without ratings: truncation must not spend columns on them."""
        return self.X[:, :-1] * self.present

    def table(self, width: int) -> DeviceTable:
        """Room for the vectors of many draws."""
        return DeviceTable(len(self.X), width, device=self.device)

    def _rows(self, chunk: int) -> slice:
        return slice(*map(int, self.bounds[chunk : chunk + 2]))

    def _gather(self, rows: slice, other: "DeviceAxis", *, mean: float) -> GatheredRatings:
        """Gather the ratings of some rows with what the other axis knows of them."""
        bounds = self.segments.bounds
        here = slice(int(bounds[rows.start]), int(bounds[rows.stop]))
        starts = self.segments.levels[0].starts[here.start : here.stop + 1, None]
        places = starts[:-1] + torch.arange(LENGTH, dtype=torch.int32, device=self.device)
        there = places < starts[1:]
        places = torch.where(there, places, starts[:-1])
        codes, of = self.codes[places], self.rows[here]
        design = gather_rows(other.X, codes.flatten()).view(*codes.shape, -1)
        weight = other.omega[codes] * there
        target = self.ratings[places] - mean - design[..., -1]
        design[..., -1] = 1
        guess = torch.bmm(design, gather_rows(self.X, of)[..., None])[..., 0]
        return GatheredRatings(of, design, weight, (target - guess) * there)

    def _products(self, gathered: GatheredRatings, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """For each row sum w d d', w e d and w e^2, in float64: its matrix, its gradient and its squared errors."""
        design, error, size = gathered.design, gathered.error, self.size
        weighted = (design * gathered.weight[..., None]).mT
        each = torch.bmm(weighted, design).flatten(1)
        ends = (
            torch.bmm(weighted, error[..., None])[..., 0],
            (gathered.weight * error.square()).sum(1)[:, None],
        )
        matrix = self.segments.fold(each, rows=rows).double().view(-1, size, size)
        more = self.segments.fold(torch.cat(ends, 1), rows=rows).double()
        return matrix, more[:, :size], more[:, size]

    def _drawn(self) -> dict[str, Tensor]:
        return {"X": self.X, "E": self.E, "omega": self.omega, "pull": self.pull}

    def _line(self, values: Doubles) -> Tensor:
        """One number per column, as float32 on the device."""
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def _normal(self, like: Tensor, draw: torch.Generator) -> Tensor:
        return torch.randn(like.shape, generator=draw, device=self.device)
