"""When requests are sent: the arrival processes, and the seeds of their streams. Pure mathematics.

>>> Poisson(rate=20).mean
0.05
>>> Normal(mu=0.2, sigma=0.1)
Normal(mu=0.2 s, sigma=0.1 s)
>>> gaps = Poisson(rate=20).gaps(stream_rng(seed=1, stream=0))
>>> [round(next(gaps), 4) for _ in range(3)]
[0.0802, 0.0199, 0.0053]
>>> VaryingPoisson(parse_profile("10@60s,10..50@2m")).rate_at(120)
30.0
"""

from __future__ import annotations

import hashlib
import math
import random
from itertools import islice
from typing import TYPE_CHECKING

from swarm_ext.arrivals.process import ArrivalProcess, PointProcess, not_negative, positive
from swarm_ext.arrivals.profile_text import parse_profile
from swarm_ext.arrivals.rate_profile import RateProfile
from swarm_ext.arrivals.thinning import VaryingPoisson
from swarm_ext.arrivals.truncated_normal import TruncatedNormal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ArrivalProcess",
    "Constant",
    "Normal",
    "PointProcess",
    "Poisson",
    "RateProfile",
    "VaryingPoisson",
    "parse_profile",
    "schedule_hash",
    "stream_rng",
]

_HASHED_ARRIVALS = 1000
_RATE_REMEDY = "give the arrivals per second of one stream, such as 20"


class _ByRate(ArrivalProcess):
    """A law whose one parameter is its rate."""

    __slots__ = ("_rate",)

    def __init__(self, rate: float) -> None:
        self._rate = positive("rate", rate, _RATE_REMEDY)

    @property
    def rate(self) -> float:
        """Arrivals per second, λ."""
        return self._rate

    @property
    def mean(self) -> float:
        """Mean gap in seconds, 1/λ."""
        return 1 / self._rate


class Poisson(_ByRate):
    """Independent visitors: exponential gaps, `rate` arrivals per second. n such streams make one of n times the rate.

    Raise ValueError unless the rate is a finite number above 0.
    """

    __slots__ = ()

    kind = "poisson"

    def __repr__(self) -> str:
        return f"Poisson(rate={self._rate!r} /s)"

    @property
    def std(self) -> float:
        """Standard deviation of the gap in seconds, 1/λ as well."""
        return 1 / self._rate

    def hazard(self, gap: float) -> float:
        """Return the cumulative hazard of a gap in seconds, λ·gap."""
        return self._rate * gap if gap > 0 else 0.0

    def residual_hazard(self, gap: float) -> float:
        """Return the cumulative hazard of the wait from an arbitrary instant: a Poisson process has no memory."""
        return self.hazard(gap)

    def draw(self, rng: random.Random) -> float:
        """Return one gap in seconds."""
        return -math.log(1.0 - rng.random()) / self._rate

    def draw_residual(self, rng: random.Random) -> float:
        """Return one wait in seconds from an arbitrary instant to the next arrival."""
        return self.draw(rng)


class Constant(_ByRate):
    """A metronome: every gap is 1/`rate` seconds; only the first, at most that long, is random.

    Raise ValueError unless the rate is a finite number above 0.
    """

    __slots__ = ()

    kind = "constant"

    def __repr__(self) -> str:
        return f"Constant(rate={self._rate!r} /s)"

    @property
    def std(self) -> float:
        """Zero: gaps do not vary."""
        return 0.0

    @property
    def has_density(self) -> bool:
        """False: gaps do not vary."""
        return False

    def hazard(self, gap: float) -> float:
        """Return 0 for a gap in seconds below the constant one, and math.inf from there on."""
        return math.inf if gap >= self.mean else 0.0

    def residual_hazard(self, gap: float) -> float:
        """Return the cumulative hazard of the wait from an arbitrary instant, which is uniform on [0, 1/rate]."""
        if gap <= 0:
            return 0.0
        return -math.log1p(-gap / self.mean) if gap < self.mean else math.inf

    def draw(self, rng: random.Random) -> float:  # noqa: ARG002
        """Return the gap in seconds."""
        return 1 / self._rate

    def draw_residual(self, rng: random.Random) -> float:
        """Return one wait in seconds from an arbitrary instant to the next arrival."""
        return rng.random() / self._rate


class Normal(ArrivalProcess):
    """A client with a habit: gaps whose mean is `mu` and whose standard deviation is `sigma` seconds, never negative.

    The law is the normal cut off at 0 whose moments after the cut are `mu` and `sigma`. A `sigma` of 0, or one that is
    lost in the rounding of `mu`, makes every gap `mu`; `sigma` = `mu` makes them exponential, the limit of the family.

    Raise ValueError unless `mu` is a finite number above 0 and 0 ≤ `sigma` ≤ `mu`.
    """

    __slots__ = ("_law", "_mu", "_sigma")

    kind = "normal"

    def __init__(self, mu: float, sigma: float) -> None:
        self._mu = positive("mu", mu, "give the mean gap in seconds, such as 0.2")
        self._sigma = not_negative(
            "sigma", sigma, "give the standard deviation of the gap in seconds, such as 0.1"
        )
        if self._sigma > self._mu:
            raise ValueError(
                f"sigma is {sigma!r} s, above mu, {mu!r} s; gaps cannot be negative, and a normal law cut off at 0 never varies"
                " by more than its mean: give a sigma from 0 to mu (at mu the gaps are exponential)"
            )
        self._law = _normal_law(self._mu, self._sigma)

    def __repr__(self) -> str:
        return f"Normal(mu={self._mu!r} s, sigma={self._sigma!r} s)"

    @property
    def mean(self) -> float:
        """Mean gap in seconds, μ."""
        return self._mu

    @property
    def std(self) -> float:
        """Standard deviation of the gap in seconds, σ."""
        return self._sigma

    @property
    def has_density(self) -> bool:
        """False for a sigma of 0: then gaps do not vary."""
        return self._law.has_density

    def hazard(self, gap: float) -> float:
        """Return the cumulative hazard of a gap in seconds."""
        return self._law.hazard(gap)

    def residual_hazard(self, gap: float) -> float:
        """Return the cumulative hazard of the wait in seconds from an arbitrary instant to the next arrival."""
        return self._law.residual_hazard(gap)

    def draw(self, rng: random.Random) -> float:
        """Return one gap in seconds."""
        return self._law.draw(rng)

    def draw_residual(self, rng: random.Random) -> float:
        """Return one wait in seconds from an arbitrary instant to the next arrival."""
        return self._law.draw_residual(rng)

    def gaps(self, rng: random.Random) -> Iterator[float]:
        """Yield gaps in seconds without end, in constant memory; the first one is drawn from the residual law."""
        return self._law.gaps(rng)


def _normal_law(mu: float, sigma: float) -> ArrivalProcess:
    """Return the law that carries out Normal(mu, sigma), which has a limit at each end."""
    if mu + sigma == mu:
        return Constant(1 / mu)
    if sigma == mu:
        return Poisson(1 / mu)
    return TruncatedNormal(mu, sigma)


def stream_rng(seed: int, stream: int) -> random.Random:
    """Return the random generator of one stream of a run.

    Neighbouring seeds and streams get unrelated generators: each starts from the SHA-256 digest of both numbers.
    """
    digest = hashlib.sha256(f"arrival stream {stream} of seed {seed}".encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))


def schedule_hash(process: PointProcess, seed: int) -> str:
    """Return the SHA-256 digest, in hex, of a process and of the first 1,000 instants of stream 0 under a seed.

    Two runs with the same digest were asked for the same arrivals. Instants count to nine significant digits, since the last
    bits of a logarithm differ between machines.
    """
    digest = hashlib.sha256(repr(process).encode())
    for instant in islice(process.instants(stream_rng(seed, 0), 0.0), _HASHED_ARRIVALS):
        digest.update(f" {instant:.9g}".encode())
    return digest.hexdigest()
