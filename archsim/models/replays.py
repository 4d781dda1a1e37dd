"""Replays of a model's lookups, each made once."""

from __future__ import annotations

from archsim.errors import InputError
from archsim.models import memory
from archsim.models.memory import Hits, LoadCurve
from archsim.models.spec import ModelSpec, ProcessorSpec
from archsim.simulation import simulate
from archsim.systems.spec import SystemSpec
from archsim.traces import EmbeddingTrace
from archsim.traces.generators.stream import generate

#: Lookups that are replayed; times are in proportion.
DEFAULT_LOOKUPS = 200_000
#: The trace is held in memory.
MOST_LOOKUPS = 50_000_000


class Replays:
    """What the memory model says about models, remembered.

    Parameters
    ----------
    lookups : int
        Length of the traces that are replayed.

    Raises
    ------
    InputError
        For no lookups, or more than are kept in memory.
    """

    def __init__(self, lookups: int = DEFAULT_LOOKUPS) -> None:
        if not 1 <= lookups <= MOST_LOOKUPS:
            raise InputError(f"lookups = {lookups}: must be at least 1 and at most {MOST_LOOKUPS}")
        self.lookups = lookups
        self._trace: tuple[str, EmbeddingTrace] | None = None
        self._times: dict[tuple[str, str], float] = {}
        self._curves: dict[tuple[str, str], LoadCurve] = {}
        self._hits: dict[tuple[str, str, int], Hits] = {}

    def time_ns(self, system: SystemSpec, model: ModelSpec) -> float:
        """Return the time of all lookups of the trace of a model on a system."""
        key = system.sha256(), model.embedding.sha256()
        if key not in self._times:
            self._times[key] = simulate(system, self.trace(model)).time_ns
        return self._times[key]

    def curve(self, processor: ProcessorSpec, model: ModelSpec) -> LoadCurve:
        """Return `archsim.models.memory.load_curve`."""
        key = processor.memory.sha256(), model.embedding.sha256()
        if key not in self._curves:
            self._curves[key] = memory.load_curve(processor, self.trace(model))
        return self._curves[key]

    def hits(self, processor: ProcessorSpec, model: ModelSpec, models: int) -> Hits:
        """Return `archsim.models.memory.hits`."""
        key = processor.memory.sha256(), model.embedding.sha256(), models
        if key not in self._hits:
            self._hits[key] = memory.hits(processor, self.trace(model), models)
        return self._hits[key]

    def trace(self, model: ModelSpec) -> EmbeddingTrace:
        """Return the trace of a model's lookups; the last one asked for is kept."""
        key = model.embedding.sha256()
        if self._trace is None or self._trace[0] != key:
            spec = model.embedding.model_copy(update={"lookups": self.lookups})
            self._trace = key, generate(spec, model.name)
        return self._trace[1]
