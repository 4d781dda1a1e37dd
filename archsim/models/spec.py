"""What a recommendation model computes, and the processor that runs it. Numbers are in the presets, with sources."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from archsim.cache.spec import LINE_BYTES, CacheLevel, Hierarchy
from archsim.spec import FieldError, Spec, quantity
from archsim.systems.spec import SystemSpec
from archsim.traces.columns import ELEMENT_BYTES
from archsim.traces.generators.zipf import ZipfSpec

#: Bytes of an element of weights and activations: float32.
ELEMENT = 4
LARGEST_BATCH = 1 << 20
Widths = tuple[Annotated[int, Field(ge=1, le=1 << 20)], ...]


class Layer(NamedTuple):
    """A fully connected layer: ``inputs`` x ``outputs`` weights."""

    stack: str
    inputs: int
    outputs: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights."""
        return ELEMENT * self.inputs * self.outputs

    def flops(self, batch: int) -> int:
        """Multiplications and additions of a batch."""
        return 2 * batch * self.inputs * self.outputs

    def activation_bytes(self, batch: int) -> int:
        """Bytes of inputs and outputs of a batch."""
        return ELEMENT * batch * (self.inputs + self.outputs)


class ModelSpec(Spec):
    """A model of the DLRM kind: embedding tables and a bottom stack, joined, then a top stack."""

    preset_kind: ClassVar[str] = "model"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    batch: int = quantity("", "samples of one inference", ge=1, le=LARGEST_BATCH)
    bottom: Widths = Field(description="dense features, then the outputs of each bottom layer")
    top: Widths = Field(description="outputs of each top layer", min_length=1)
    interaction: Literal["cat", "dot"] = Field(
        description="what joins vectors and bottom: cat one after another, dot products of all pairs"
    )
    index_bytes: int = quantity("B", "one index of a lookup", ge=1, le=64)
    other_operators: int = quantity(
        "", "operators beside lookups and dense layers; one copies the joined inputs", ge=0, le=10_000
    )
    embedding: ZipfSpec

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        if len(self.bottom) < 2:
            raise FieldError(
                f"bottom = {list(self.bottom)}", "must have the dense features and a layer at least"
            )
        if self.interaction == "dot" and self.bottom[-1] != self.elements:
            raise FieldError(
                f"bottom = {list(self.bottom)}",
                f"must end in the {self.elements} elements of a vector where interaction = 'dot'",
            )
        return self

    @property
    def elements(self) -> int:
        """Elements of an embedding vector."""
        return self.embedding.vector_bytes // ELEMENT_BYTES[self.embedding.dtype]

    @property
    def joined(self) -> int:
        """Inputs of the top stack."""
        if self.interaction == "cat":
            return self.embedding.tables * self.elements + self.bottom[-1]
        return (self.embedding.tables + 1) * self.embedding.tables // 2 + self.bottom[-1]

    def layers(self) -> list[Layer]:
        """Return the dense layers, bottom first."""
        top = (self.joined, *self.top)
        return [
            Layer(name, inputs, outputs)
            for name, widths in (("bottom", self.bottom), ("top", top))
            for inputs, outputs in pairwise(widths)
        ]

    @property
    def weight_bytes(self) -> int:
        """Weights of all dense layers."""
        return sum(layer.weight_bytes for layer in self.layers())

    def lookups(self, batch: int) -> int:
        """Lookups of a batch, on average."""
        return batch * self.embedding.tables * self.embedding.pooling

    def lookup_bytes(self, batch: int) -> int:
        """Bytes of the lines that a batch looks up, on average; a vector begins with a line."""
        return self.lookups(batch) * -(-self.embedding.vector_bytes // LINE_BYTES) * LINE_BYTES

    def passing_bytes(self, batch: int) -> int:
        """Bytes of a batch that pass the caches wherever vectors are summed: indices, sums, activations."""
        sums = batch * self.embedding.tables * self.embedding.vector_bytes
        activations = sum(layer.activation_bytes(batch) for layer in self.layers())
        return self.lookups(batch) * self.index_bytes + sums + activations


class ProcessorSpec(Spec):
    """A processor, one model on each core, and its memory channels, which are alike."""

    preset_kind: ClassVar[str] = "processor"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    clock_ghz: float = quantity("", "clock of the cores, GHz", gt=0, le=100)
    peak_gflops: float = quantity("", "peak of all cores, 1e9 float32 operations per second", gt=0, le=1e9)
    efficiency: float = quantity("", "share of the peak that a dense layer reaches", gt=0, le=1)
    overlap: bool = Field(
        description="whether a dense layer reads while it computes; if not, it packs its operands first"
    )
    rows_per_pass: int = quantity("", "samples for which weights are read once", ge=1, le=LARGEST_BATCH)
    stream_misses: int = quantity("", "lines of weights that a core has in flight", ge=1, le=4096)
    l2_bytes_per_clk: float = quantity("B", "most that a core gets from L2 in one of its clocks", gt=0)
    operator_ns: float = quantity("ns", "time to call an operator", ge=0, le=1e9)
    channels: int = quantity("", "memory channels, each as memory", ge=1, le=64)
    memory: SystemSpec

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        hierarchy = self.memory.hierarchy
        if hierarchy is None or hierarchy.l2 is None or hierarchy.llc is None:
            raise FieldError("memory.hierarchy", "must have l2 and llc")
        if self.memory.dram.organization.channels != 1:
            raise FieldError(
                f"memory.dram.organization.channels = {self.memory.dram.organization.channels}",
                "must be 1: channels counts them",
            )
        return self

    @property
    def hierarchy(self) -> Hierarchy:
        """Cores and caches."""
        assert self.memory.hierarchy is not None  # held by _check_parts
        return self.memory.hierarchy

    @property
    def l2(self) -> CacheLevel:
        """The second level."""
        assert self.hierarchy.l2 is not None  # held by _check_parts
        return self.hierarchy.l2

    @property
    def llc(self) -> CacheLevel:
        """The shared level."""
        assert self.hierarchy.llc is not None  # held by _check_parts
        return self.hierarchy.llc

    @property
    def core_gflops(self) -> float:
        """What a core reaches in a dense layer, operations per nanosecond."""
        return self.peak_gflops * self.efficiency / self.hierarchy.cores


def level_ns(level: CacheLevel, tCK_ps: int) -> float:
    """Return the latency of a level, from the lookup in the first one to the data."""
    if level.latency_ns is not None:
        return level.latency_ns
    return level.clocks(tCK_ps) * tCK_ps / 1000


def load_model(name_or_path: str | Path, overrides: Iterable[str] = ()) -> ModelSpec:
    """Load a model preset by name, or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        For an unknown preset (with the nearest name), an unreadable file, or anything the checks refuse.
    """
    return ModelSpec.load(name_or_path, overrides)


def load_processor(name_or_path: str | Path, overrides: Iterable[str] = ()) -> ProcessorSpec:
    """Load a processor preset by name, or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        As `load_model`.
    """
    return ProcessorSpec.load(name_or_path, overrides)
