"""A near-sensor processor: an array of multipliers that a network's layers run through, and what that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from archsim.approx.base import Multiplier
from archsim.approx.costs import Cost
from archsim.approx.layers import Choice, adder_cost, product_cost
from archsim.approx.storage import Storage
from archsim.errors import InputError
from archsim.ledger import LedgerRow, total_nj
from archsim.spec import FieldError, Spec, quantity


class Work(NamedTuple):
    """What one layer of a network computes.

    Attributes
    ----------
    name : str
    products : int
        Multiplications.
    results : int
        Sums; products less results are additions.
    weights : int
        Words of weights, each read from the memory once.
    """

    name: str
    products: int
    results: int
    weights: int


def dense(name: str, inputs: int, outputs: int, images: int = 1) -> Work:
    """Return a fully connected layer; its weights are read once for all images."""
    return _work(Work(name, images * inputs * outputs, images * outputs, inputs * outputs))


def convolution(
    name: str, channels: int, outputs: int, kernel: int, height: int, width: int, images: int = 1
) -> Work:
    """Return a convolution with square kernels, by the height and width of what comes out."""
    places = images * height * width
    size = channels * kernel * kernel
    return _work(Work(name, places * outputs * size, places * outputs, outputs * size))


def _work(work: Work) -> Work:
    for field, value in zip(work._fields[1:], work[1:], strict=True):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(
                f"layer {work.name!r}: {field} = {value!r}: must be a whole number of at least 1"
            )
    if work.results > work.products:
        raise InputError(
            f"layer {work.name!r}: results = {work.results}: more than its {work.products} products"
        )
    return work


class Processor(Spec):
    """An array of multipliers, each with an adder behind it, the memory of the weights, and the sensor above.

    Each multiplier begins a product every ``n`` clocks, the fewest that its delay fits into; the adder works in the
    next ones. All multipliers are busy but for the last round of a layer: a bound, as no mapping is modelled.
    """

    preset_kind: ClassVar[str] = "near_sensor"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    multipliers: int = quantity("", "multipliers side by side", ge=1, le=1 << 20)
    clock_mhz: float = quantity("MHz", "clock of the array", gt=0, le=100_000)
    bits: int = quantity("", "width of operands", ge=4, le=16)
    signed: bool = Field(default=False, description="two's complement operands")
    accumulator_bits: int = quantity("", "width of the adders", ge=4, le=64)
    slow: Literal["clocks", "refuse"] = Field(
        default="clocks", description="a product that does not fit into a clock: takes several, or is refused"
    )
    voltage_v: float = quantity("V", "supply voltage of the memory of the weights", gt=0)
    storage: Storage
    sensing_pj_per_pixel: float = quantity("pJ", "light to digital number, one pixel", ge=0)
    frame_write_pj_per_pixel: float = quantity("pJ", "one pixel into the memory of the stack", ge=0)
    frame_read_pj_per_pixel: float = quantity("pJ", "one pixel out of the memory of the stack", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self.storage.relative(self.voltage_v)
        except InputError as error:
            raise FieldError("voltage_v", str(error)) from None
        return self

    @property
    def clock_ns(self) -> float:
        """Length of a clock."""
        return 1000 / self.clock_mhz

    def clocks(self, delay_ns: float, what: str) -> int:
        """Return the clocks from one product to the next.

        Raises
        ------
        InputError
            If it is more than one and ``slow = "refuse"``.
        """
        # A billionth of a clock: a delay of exactly one clock must not be two by rounding.
        clocks = max(1, -int(-(delay_ns / self.clock_ns) * (1 - 1e-9) // 1))
        if clocks > 1 and self.slow == "refuse":
            raise InputError(
                f"{self.name}: {what}: a delay of {delay_ns:.2f} ns does not fit into a clock of "
                f"{self.clock_ns:.2f} ns; lower clock_mhz to {int(1000 / delay_ns)}, or set slow = 'clocks'"
            )
        return clocks

    def run(self, layers: Sequence[Work], choice: Choice, *, pixels: int = 0, estimates: bool = False) -> Run:
        """Return time, energy and area of a network's layers.

        Parameters
        ----------
        layers : sequence of Work
        choice : Choice
            The multiplier of each layer.
        pixels : int
            Pixels sensed, written to the memory of the stack and read back once.
        estimates : bool
            Take structural estimates where no cost is cited; such rows say so.

        Raises
        ------
        InputError
            For a multiplier of another width or sign, one without a cost, one too slow for ``slow = "refuse"``, two
            layers or two designs of one name.
        """
        if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 0:
            raise InputError(f"pixels = {pixels!r}: must be a whole number of at least 0")
        names = [layer.name for layer in layers]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"layer {name!r}: is there twice; each needs a name of its own")
        add = adder_cost(self.accumulator_bits, estimates=estimates, place=f"{self.name}: ")
        designs: dict[str, Cost] = {}
        known: dict[str, Multiplier] = {}
        clocks: dict[str, int] = {}
        for layer in layers:
            design = choice.of(layer.name)
            self._check_width(layer.name, design)
            cost = product_cost(design, estimates=estimates, place=f"layer {layer.name!r}: ")
            if known.setdefault(design.name, design) != design:
                raise InputError(
                    f"layer {layer.name!r}: {design.label}: two designs of this name; give each its own title"
                )
            designs[design.name] = cost
            each = max(self.clocks(cost.delay_ns, f"layer {layer.name!r}: {design.name}"),
                       self.clocks(add.delay_ns, f"layer {layer.name!r}: add{self.accumulator_bits}"))  # fmt: skip
            clocks[layer.name] = -(-layer.products // self.multipliers) * each
        rows = choice.ledger(
            {layer.name: layer.products for layer in layers}, estimates=estimates,
            sums={layer.name: layer.results for layer in layers}, accumulator_bits=self.accumulator_bits,
        )  # fmt: skip
        rows += [
            self.storage.ledger_row(f"{layer.name} weights", layer.weights, self.bits, self.voltage_v)
            for layer in layers
        ]
        if pixels:
            rows += [
                LedgerRow("sensor", "pixel", pixels, self.sensing_pj_per_pixel),
                LedgerRow("frame_memory", "write", pixels, self.frame_write_pj_per_pixel),
                LedgerRow("frame_memory", "read", pixels, self.frame_read_pj_per_pixel),
            ]
        area = self.multipliers * (sum(cost.area_um2 for cost in designs.values()) + add.area_um2)
        costs = designs | {f"add{self.accumulator_bits}": add}
        return Run(self, clocks, tuple(rows), area, costs)

    def _check_width(self, layer: str, design: Multiplier) -> None:
        if (design.bits, design.signed) != (self.bits, self.signed):
            sign = "signed" if self.signed else "unsigned"
            raise InputError(f"layer {layer!r}: {design.label}: {self.name} has {self.bits} bits, {sign}")


@dataclass(frozen=True)
class Run:
    """What the layers of a network take on a processor.

    Attributes
    ----------
    processor : Processor
    layer_clocks : dict of str to int
        Clocks of each layer.
    ledger : tuple of LedgerRow
        Energy, row by row.
    area_um2 : float
        Of all multipliers, an array of each design that a layer has, and their adders; no memory.
    costs : dict of str to Cost
        Of each circuit, by its name; ``kind`` says what is cited.
    """

    processor: Processor
    layer_clocks: dict[str, int]
    ledger: tuple[LedgerRow, ...]
    area_um2: float
    costs: dict[str, Cost]

    @property
    def clocks(self) -> int:
        """All layers, one after another."""
        return sum(self.layer_clocks.values())

    @property
    def time_ns(self) -> float:
        """All clocks."""
        return self.clocks * self.processor.clock_ns

    @property
    def energy_nj(self) -> float:
        """The sum of the ledger."""
        return total_nj(self.ledger)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, for JSON."""
        return {
            "processor": self.processor.name,
            "clocks": self.clocks,
            "layer_clocks": dict(self.layer_clocks),
            "time_ns": self.time_ns,
            "energy_nj": self.energy_nj,
            "area_um2": self.area_um2,
            "ledger": [row.to_dict() for row in self.ledger],
            "costs": {name: cost.to_dict() for name, cost in self.costs.items()},
        }


def load_processor(name_or_path: str | Path = "stacked-256", overrides: Sequence[str] = ()) -> Processor:
    """Load a near-sensor processor, a preset or a ``.toml`` file, and lay ``overrides`` over it.

    Raises
    ------
    InputError
        For an unknown preset, an unreadable file, or anything the checks refuse.
    """
    return Processor.load(name_or_path, overrides)
