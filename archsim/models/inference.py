"""Inference of a whole model on the cores of a host, and with the lookups near the memory; ``docs/models.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from archsim.errors import InputError, nearest
from archsim.models.dense import dense_ns, other_ns, residency, ways
from archsim.models.memory import read_load
from archsim.models.replays import Replays
from archsim.models.spec import LARGEST_BATCH, ModelSpec, ProcessorSpec
from archsim.systems.spec import SystemSpec

#: ratio: the host's time over the speedup of the replays. replay: the time of the replay.
Method = Literal["ratio", "replay"]
METHODS = ("ratio", "replay")
_HALVINGS = 60


class Times(NamedTuple):
    """Where the time of a batch goes, in nanoseconds."""

    sls_ns: float
    bottom_ns: float
    top_ns: float
    other_ns: float

    @property
    def fc_ns(self) -> float:
        """Dense layers."""
        return self.bottom_ns + self.top_ns

    @property
    def total_ns(self) -> float:
        """All of it."""
        return self.sls_ns + self.fc_ns + self.other_ns


@dataclass(frozen=True)
class Run:
    """Copies of a model side by side, each on a core, one batch after another.

    Attributes
    ----------
    system : str
        Who sums the vectors.
    models : int
        Co-located copies.
    batch : int
        Samples of an inference.
    times : Times
        Of one batch of one model.
    host_ns : float
        A batch on the host, as many copies co-located.
    """

    system: str
    models: int
    batch: int
    times: Times
    host_ns: float

    @property
    def latency_ns(self) -> float:
        """From the begin to the end of an inference."""
        return self.times.total_ns

    @property
    def samples_per_s(self) -> float:
        """Samples of all copies per second."""
        return self.models * self.batch / self.latency_ns * 1e9

    @property
    def speedup(self) -> float:
        """Against the host with as many copies."""
        return self.host_ns / self.latency_ns

    def to_dict(self) -> dict[str, Any]:
        """Return the RUN object of ``archsim model --json``."""
        return {
            "system": self.system,
            "models": self.models,
            "batch": self.batch,
            "latency_ns": self.latency_ns,
            **self.times._asdict(),
            "fc_ns": self.times.fc_ns,
            "samples_per_s": self.samples_per_s,
            "speedup": self.speedup,
        }


class Inference:
    """A model on a processor.

    Parameters
    ----------
    model : ModelSpec
        What is computed.
    processor : ProcessorSpec
        What computes the dense layers, and on the host the lookups.
    batch : int, optional
        Samples of an inference; by default the model's.
    replays : Replays, optional
        Shared by several, so that nothing is replayed twice.

    Raises
    ------
    InputError
        For an impossible batch.
    """

    def __init__(
        self,
        model: ModelSpec,
        processor: ProcessorSpec,
        *,
        batch: int | None = None,
        replays: Replays | None = None,
    ) -> None:
        self.model, self.processor = model, processor
        self.batch = model.batch if batch is None else batch
        if not 1 <= self.batch <= LARGEST_BATCH:
            raise InputError(f"batch = {self.batch}: must be at least 1 and at most {LARGEST_BATCH}")
        self.replays = Replays() if replays is None else replays

    # ------------------------------------------------------------------------------------------------ the host

    def host(self, models: int = 1) -> Times:
        """Return the times of a batch where cores read the vectors."""
        self._check(models)
        return _settled(models, partial(self._host, models))

    def _host(self, models: int, others: float) -> Times:
        """Return the times while ``others`` models read vectors at any time."""
        model, processor, batch = self.model, self.processor, self.batch
        curve = self.replays.curve(processor, model)
        found = self.replays.hits(processor, model, models)
        reading = read_load(processor, curve, found, 1 + others)
        lookup_bytes = model.lookup_bytes(batch)
        sls = self._calls_ns + lookup_bytes / reading.core_gbps
        idle = read_load(processor, curve, found, others).memory_ns
        passing = model.passing_bytes(batch)
        # Lines that a level has are not brought into it.
        to_l2, to_llc = 1 - found.l1 - found.l2, found.memory
        return self._times(sls, models, idle, passing + to_l2 * lookup_bytes, passing + to_llc * lookup_bytes)

    def bandwidth_gbps(self, threads: int, tables_at_once: int = 1) -> float:
        """Return what ``threads`` cores read that only look up, operator after operator.

        An operator looks up a batch in ``tables_at_once`` tables; while it is called, nothing is read.
        """
        self._check(threads, most=None)
        model, processor = self.model, self.processor
        curve = self.replays.curve(processor, model)
        cores = min(threads, processor.hierarchy.cores)
        found = self.replays.hits(processor, model, cores)
        lookup_bytes = model.lookup_bytes(self.batch) * tables_at_once / model.embedding.tables
        missed = lookup_bytes * found.memory

        def times(others: float) -> Times:
            load = read_load(processor, curve, found, 1 + others)
            return Times(lookup_bytes / load.core_gbps, 0.0, 0.0, processor.operator_ns * cores / threads)

        return cores * missed / _settled(cores, times).total_ns

    # ----------------------------------------------------------------------------------------- near the memory

    def near(self, sls_speedup: float, models: int = 1, *, alone_ns: float | None = None) -> Times:
        """Return the times of a batch where near-memory units sum the vectors.

        Parameters
        ----------
        sls_speedup : float
            The host's time to read the vectors, with as many models, over that of the units.
        models : int
            Co-located copies.
        alone_ns : float, optional
            Time of the units for a batch when no other model asks them; ``sls_speedup`` then does not count, and
            models share the units.
        """
        self._check(models)
        model = self.model
        idle = self.replays.curve(self.processor, model).latency_ns(0)
        passing = model.passing_bytes(self.batch)
        if alone_ns is None:
            reading = self.host(models).sls_ns - self._calls_ns
            return self._times(self._calls_ns + reading / sls_speedup, models, idle, passing, passing)
        alone = alone_ns

        def times(others: float) -> Times:
            return self._times(self._calls_ns + alone * (1 + others), models, idle, passing, passing)

        return _settled(models, times)

    # --------------------------------------------------------------------------------------------- both alike

    @property
    def _calls_ns(self) -> float:
        return self.model.embedding.tables * self.processor.operator_ns

    def _times(
        self, sls_ns: float, models: int, memory_ns: float, passing_l2: float, passing_llc: float
    ) -> Times:
        where = residency(self.processor, self.model.weight_bytes, passing_l2, passing_llc, models)
        gbps = ways(self.processor, memory_ns)
        fc = dense_ns(self.processor, self.model, self.batch, where, gbps)
        return Times(sls_ns, fc["bottom"], fc["top"], other_ns(self.processor, self.model, self.batch, gbps))

    def _check(self, models: int, most: int | None = 0) -> None:
        cores = self.processor.hierarchy.cores
        if models < 1:
            raise InputError(f"{models} models: must be at least 1")
        if most is not None and models > cores:
            raise InputError(f"{models} models: must be at most the {cores} cores of {self.processor.name}")

    def runs(
        self,
        host_system: SystemSpec,
        near_systems: Sequence[SystemSpec],
        counts: Iterable[int] = (1,),
        method: str = "ratio",
    ) -> list[Run]:
        """Return the host and every near-memory system, with every number of co-located models.

        Parameters
        ----------
        host_system : SystemSpec
            One channel that the speedup of lookups is measured against.
        near_systems : sequence of SystemSpec
            What sums the vectors instead.
        counts : iterable of int
            Co-located copies.
        method : {"ratio", "replay"}
            See ``docs/models.md``.
        """
        if method not in METHODS:
            raise InputError(f"method {method!r}: unknown{nearest(method, METHODS)}")
        if host_system.kind != "host":
            raise InputError(f"system {host_system.name!r}: the first system must be of kind 'host'")
        counts = list(counts)
        for models in counts:
            self._check(models)
        base_ns = self.replays.time_ns(host_system, self.model)
        found = []
        for models in counts:
            host = self.host(models)
            found.append(Run(host_system.name, models, self.batch, host, host.total_ns))
            for system in near_systems:
                near_ns = self.replays.time_ns(system, self.model)
                alone = None
                if method == "replay":
                    batches = self.replays.lookups / self.model.lookups(self.batch)
                    alone = near_ns / batches / self.processor.channels
                times = self.near(base_ns / near_ns, models, alone_ns=alone)
                found.append(Run(system.name, models, self.batch, times, host.total_ns))
        return found


def _settled(models: int, times: Callable[[float], Times]) -> Times:
    """Return the times that follow from how many of the other models look up at any time.

    A model finds the others looking up for the share of the time that it looks up itself (Schweitzer's approximation of
    mean value analysis); the share is where both agree.
    """
    if models == 1:
        return times(0.0)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        found = times((models - 1) * share)
        low, high = (share, high) if share < found.sls_ns / found.total_ns else (low, share)
    return times((models - 1) * low)


def end_to_end(
    model: ModelSpec,
    processor: ProcessorSpec,
    host_system: SystemSpec,
    near_systems: Sequence[SystemSpec],
    *,
    batch: int | None = None,
    method: Method = "ratio",
    replays: Replays | None = None,
) -> list[Run]:
    """Return one inference of one model on the host and on every near-memory system; see `Inference.runs`."""
    inference = Inference(model, processor, batch=batch, replays=replays)
    return inference.runs(host_system, near_systems, (1,), method)


def co_located(
    model: ModelSpec,
    processor: ProcessorSpec,
    host_system: SystemSpec,
    near_systems: Sequence[SystemSpec],
    counts: Iterable[int],
    *,
    batch: int | None = None,
    method: Method = "ratio",
    replays: Replays | None = None,
) -> list[Run]:
    """Return latency and throughput of copies of a model side by side; see `Inference.runs`."""
    inference = Inference(model, processor, batch=batch, replays=replays)
    return inference.runs(host_system, near_systems, counts, method)
