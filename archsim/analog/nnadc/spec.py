"""A converter as data: its stages, cells, columns, amplifiers, capacitors, calibration, and how it quantises."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.analog.device import Cell
from archsim.analog.nnadc.cost_spec import Cost
from archsim.errors import InputError
from archsim.spec import FieldError, Spec, quantity

MOST_STAGES = 32
_Levels = tuple[tuple[Annotated[int, Field(ge=0, le=255)], ...], ...]


class Training(Spec):
    """How the network of a stage is trained. All are choices of the designer."""

    bits: int = quantity("bits", "decisions: one of 2**bits", ge=1, le=7)
    code: Literal["thermometer", "gray"] = Field(
        "thermometer", description="what the outputs stand for; a digital decoder follows"
    )
    hidden: int = quantity("", "neurons of the hidden layer", ge=1, le=512)
    steps: int = quantity("", "steps of Adam", default=600, ge=1, le=100_000)
    batch: int = quantity("", "inputs per step", default=128, ge=8, le=1024)
    devices: int = quantity("", "fabricated copies per step, each with its variation", default=8, ge=1, le=64)
    rate: float = quantity("", "first step, as a part of the conductance range", default=0.02, gt=0, le=1)
    margin: float = quantity(
        "", "difference at the comparator beyond which no output pulls", default=0.15, gt=0, le=2
    )
    width: float = quantity(
        "", "distance from a threshold over which the margin grows; 0: none", default=0.0, ge=0, le=2
    )
    reach: float = quantity("", "inputs drawn up to this part of the range", default=1.0, gt=0, le=2)
    tuning: int = quantity(
        "", "changes of one level tried on whole pipelines afterwards", default=200, ge=0, le=100_000
    )
    seed: int = quantity("", "of all that is drawn", default=1, ge=0, le=(1 << 63) - 1)


class Network(Spec):
    """A trained network: levels of its cells."""

    preset_kind: ClassVar[str] = "adc_network"

    command: str = Field("", description="what made it")
    training: Training = Field(description="how it was made")
    cell_bits: int = quantity("bits", "of the cells that it was trained for", ge=1, le=8)
    hidden_levels: _Levels | None = Field(
        None,
        description="levels of each hidden neuron's cells: on the input, its complement, the high and the low bias",
    )
    plus_levels: _Levels | None = Field(
        None,
        description="levels of each output's upper path: on every hidden neuron, the high and the low bias",
    )
    minus_levels: _Levels | None = Field(None, description="likewise, the lower path")

    @property
    def outputs(self) -> int:
        """Comparators of the network."""
        bits = self.training.bits
        return bits if self.training.code == "gray" else (1 << bits) - 1

    @model_validator(mode="after")
    def _shapes(self) -> Self:
        tables = (self.hidden_levels, self.plus_levels, self.minus_levels)
        if any(each is None for each in tables):
            if any(each is not None for each in tables):
                raise FieldError("hidden_levels, plus_levels, minus_levels", "must be all there, or none")
            return self
        hidden, outputs = self.training.hidden, self.outputs
        for name, rows, columns in (
            ("hidden_levels", hidden, 4),
            ("plus_levels", outputs, hidden + 2),
            ("minus_levels", outputs, hidden + 2),
        ):
            table = getattr(self, name)
            if len(table) != rows or any(len(row) != columns for row in table):
                raise FieldError(name, f"must be {rows} rows of {columns} levels")
            for at, row in enumerate(table):
                if max(row) >= 1 << self.cell_bits:
                    rule = f"must be at most {(1 << self.cell_bits) - 1}: cell_bits = {self.cell_bits}"
                    raise FieldError(f"{name}[{at}] holds {max(row)}", rule)
        return self


class Column(Spec):
    """The voltage-mode columns of the residues: 2**bits units of parallel cells on the input, one per decision bit."""

    unit_cells: int = quantity(
        "", "cells in parallel per unit, in each half of the first stage", ge=1, le=65_536
    )
    shrink: float = quantity(
        "", "units of each further stage, relative to the one before", default=0.5, gt=0, le=1
    )
    level: int = quantity("", "level of these cells", default=0, ge=0, le=255)


class Circuit(Spec):
    """The transistors of stages, and the range of the signal."""

    node_nm: int = quantity("nm", "technology", ge=1, le=1000)
    supply_v: float = quantity("V", "supply", ge=1e-3, le=10)
    reference_v: float = quantity("V", "full scale is from minus to plus this, differential", ge=1e-3, le=10)
    temperature_k: float = quantity("K", "temperature", default=300.0, gt=0, le=1000)
    inverter_gain: float = quantity("", "slope of a neuron's inverter at its switching point", gt=0, le=1000)
    inverter_offset_v: float = quantity("V", "standard deviation of switching points", ge=0, le=1)
    comparator_offset_v: float = quantity("V", "standard deviation", ge=0, le=1)
    comparator_noise_v: float = quantity("V", "rms, of each decision anew", ge=0, le=1)
    jitter_s: float = quantity("s", "rms error of the sampling instant", ge=0, le=1e-3)


class Amplifier(Spec):
    """The closed-loop amplifier after each column."""

    gain_db: float = quantity("dB", "open-loop gain at the middle of the range", ge=0, le=200)
    fall: float = quantity(
        "",
        "part of the open-loop gain lost at an output of one reference; grows with the square",
        ge=0,
        lt=0.6,
    )
    swing: float = quantity("", "output at which it clips, in references", default=1.25, ge=1e-3, le=1.25)
    offset_v: float = quantity("V", "standard deviation, at the output", ge=0, le=1)
    noise_factor: float = quantity(
        "",
        "thermal noise power that a stage adds at its input, over 2 k T / C; sampling the input is not in it",
        ge=0,
        le=100,
    )
    bandwidth_hz: float = quantity("Hz", "gain-bandwidth product", ge=1, le=1e12)


class Capacitor(Spec):
    """Sampling capacitors, one in each half of a stage."""

    first_f: float = quantity("F", "of the first stage", ge=1e-18, le=1e-6)
    shrink: float = quantity("", "of each further stage, relative to the one before", default=0.5, gt=0, le=1)
    least_f: float = quantity("F", "no smaller than this", ge=1e-18, le=1e-6)


class Front(Spec):
    """Amplifiers before the sampler, each with a sampler of its own beside the direct one; comparators choose."""

    gains: tuple[Annotated[float, Field(gt=1, le=65_536)], ...] = Field(
        (8.0, 64.0, 512.0),
        description="of the amplified paths, rising; none: all goes the direct way",
        max_length=8,
    )
    most: float = quantity(
        "", "part of a path's range up to which its comparator takes it", default=0.9375, gt=0, le=1
    )
    pedestal: float = quantity(
        "",
        "where in its range a path puts an input of 0, above the errors of offsets",
        default=0.03125,
        ge=0,
        lt=0.5,
    )
    bandwidth_hz: float = quantity("Hz", "of every path, closed loop", default=4e6, gt=0, le=1e12)
    gain_db: float = quantity("dB", "open-loop gain at the middle of the range", default=120.0, ge=0, le=200)
    fall: float = quantity(
        "",
        "part of that lost at an output of one reference; grows with the square",
        default=0.5,
        ge=0,
        lt=0.6,
    )
    gain_sigma: float = quantity("", "standard deviation of gains, relative", default=0.002, ge=0, le=0.1)
    offset_v: float = quantity("V", "standard deviation, at the input", default=20e-6, ge=0, le=1)
    noise_factor: float = quantity(
        "", "thermal noise of an amplifier over 2 k T / (gain C), at its input", default=2.0, ge=0, le=100
    )
    amplifier_um2: float = quantity("um2", "area of an amplifier", default=20_000.0, ge=0, le=1e9)

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.most <= self.pedestal:
            raise FieldError(f"most = {self.most:g}", f"must be above pedestal = {self.pedestal:g}")
        for at in range(1, len(self.gains)):
            if self.gains[at] <= self.gains[at - 1]:
                rule = f"must be above gains[{at - 1}] = {self.gains[at - 1]:g}: gains rise"
                raise FieldError(f"gains[{at}] = {self.gains[at]:g}", rule)
        return self


class Calibration(Spec):
    """Foreground calibration: least squares of the digital weights on a known ramp."""

    samples: int = quantity(
        "", "of the ramp; 0: weights of the drawn circuit, no calibration", default=32_768, ge=0, le=1 << 22
    )
    fraction_bits: int = quantity("bits", "of the digital weights, below the LSB", default=6, ge=0, le=20)
    age_s: float = quantity("s", "from programming and calibration to the test", default=0.0, ge=0, le=1e9)
    ramp_bow: float = quantity(
        "", "error of the ramp at its middle, a parabola, in full scales", default=0.0, ge=-0.1, le=0.1
    )


class Scheme(Spec):
    """What the code stands for: floor(2**bits f(x)) of the input x, with f from 0 to 1 over the range."""

    kind: Literal["linear", "log", "sqrt", "table"] = Field(
        "linear",
        description="f: x, ln(1 + mu x) / ln(1 + mu), the square root, or straight lines between points",
    )
    mu: float = quantity(
        "", "of the logarithm: its slope at 0 over that at full scale, less 1", default=255.0, gt=0, le=1e6
    )
    x: tuple[float, ...] | None = Field(
        None, description="inputs of the points, from 0 to 1", max_length=65_536
    )
    y: tuple[float, ...] | None = Field(None, description="f at the points, from 0 to 1", max_length=65_536)

    @model_validator(mode="after")
    def _table(self) -> Self:
        if self.kind != "table":
            if self.x is not None or self.y is not None:
                raise FieldError("x, y", f'only kind = "table" has points, not "{self.kind}"')
            return self
        if self.x is None or self.y is None:
            raise FieldError("x, y", "a table has both")
        if len(self.x) != len(self.y) or len(self.x) < 2:
            raise FieldError(
                "x, y", f"have {len(self.x)} and {len(self.y)} values; must be as many, 2 at least"
            )
        for name, values in (("x", self.x), ("y", self.y)):
            if values[0] != 0.0 or values[-1] != 1.0:
                raise FieldError(name, f"is from {values[0]:g} to {values[-1]:g}; must be from 0 to 1")
            for at in range(1, len(values)):
                if values[at] <= values[at - 1]:
                    rule = f"must be above {name}[{at - 1}] = {values[at - 1]:g}: the table rises everywhere"
                    raise FieldError(f"{name}[{at}] = {values[at]:g}", rule)
        return self


class Adc(Spec):
    """A converter of one or more stages, each with a trained network."""

    preset_kind: ClassVar[str] = "adc"

    bits: int = quantity("bits", "of the code", ge=2, le=16)
    guard_bits: int = quantity(
        "bits",
        "resolved by the stages and rounded away; negative: the code has more than they resolve",
        ge=-14,
        le=16,
    )
    stage_bits: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        description="decisions of each stage: one of 2**bits", min_length=1, max_length=MOST_STAGES
    )
    stage_redundancy: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(
        description="bits of each stage that the next ones can correct; the last has none",
        max_length=MOST_STAGES,
    )
    overrange: Literal["clip", "refuse"] = Field(
        "clip", description="inputs beyond full scale: the outermost codes, counted, or an error"
    )
    scheme: Scheme = Field(default_factory=Scheme, description="linear, or companded")
    front: Front | None = Field(None, description="amplifiers of several gains before the sampler")
    network: Network = Field(description="decides in the stages of its bits")
    cell: Cell = Field(description="all crossbars are of it")
    column: Column = Field(description="residues")
    circuit: Circuit = Field(description="neurons, comparators, range")
    amplifier: Amplifier = Field(description="residues")
    capacitor: Capacitor = Field(description="sampling")
    calibration: Calibration = Field(default_factory=Calibration, description="digital weights")
    cost: Cost = Field(description="energy, area, delay of components")
    seed: int = quantity("", "of all variation and noise", default=7, ge=0, le=(1 << 63) - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values; without a front there is no word of it, and hashes stay what they were."""
        data = super().to_dict()
        if self.front is None:
            del data["front"]
        return data

    @property
    def internal_bits(self) -> int:
        """What the stages resolve together."""
        return sum(self.stage_bits) - sum(self.stage_redundancy)

    @property
    def gains(self) -> list[float]:
        """Nominal gain of each residue; the last stage has none."""
        pairs = zip(self.stage_bits[:-1], self.stage_redundancy[:-1], strict=True)
        return [2.0 ** (bits - redundancy) for bits, redundancy in pairs]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        bits, redundancy = self.stage_bits, self.stage_redundancy
        if len(bits) != len(redundancy):
            raise FieldError("stage_redundancy", f"has {len(redundancy)} stages; stage_bits has {len(bits)}")
        for at, (one, spare) in enumerate(zip(bits, redundancy, strict=True)):
            if spare >= one:
                raise FieldError(
                    f"stage_redundancy[{at}] = {spare}", f"must be below stage_bits[{at}] = {one}"
                )
            if one != self.network.training.bits:
                rule = f"must be those of the network, {self.network.training.bits}"
                raise FieldError(f"stage_bits[{at}] = {one}", rule)
        if redundancy[-1]:
            raise FieldError(
                f"stage_redundancy[{len(bits) - 1}] = {redundancy[-1]}", "must be 0: no stage follows"
            )
        if self.internal_bits != self.bits + self.guard_bits:
            raise FieldError(
                f"stage_bits: add up to {self.internal_bits} without redundancy",
                f"must be bits + guard_bits = {self.bits + self.guard_bits}",
            )
        if self.column.level >= self.cell.levels:
            raise FieldError(f"column.level = {self.column.level}", f"must be at most {self.cell.levels - 1}")
        return self


def check_cells(adc: Adc) -> None:
    """Refuse a network that was trained for other cells, and cells whose current is no product.

    Raises
    ------
    InputError
        With what to do.
    """
    if adc.cell.sinh_v is not None:
        raise InputError(
            f"cell.sinh_v = {adc.cell.sinh_v:g}: converters are modelled with linear cells; leave it out"
        )
    if adc.network.hidden_levels is None:
        raise InputError("network: has no levels yet; train it (archsim adc NAME --train)")
    if adc.network.cell_bits != adc.cell.bits:
        raise InputError(
            f"network: trained for cells of {adc.network.cell_bits} bits, cell.bits = {adc.cell.bits}; "
            "train it again (archsim adc NAME --train)"
        )
