"""Networks that look at images, layer by layer: products, weights, features. Processors that run them."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from archsim.approx.processor import Work
from archsim.spec import FieldError, Spec, quantity
from archsim.spec_errors import short

#: Most layers of a network, and most rows, columns or channels of anything.
MOST_LAYERS, MOST_SIZE = 4096, 1 << 16


class Layer(Spec):
    """A convolution, by the size of what comes out of it; one of a single place is a fully connected layer."""

    name: str = Field(min_length=1, description="label in results")
    inputs: int = quantity("", "channels that go in", ge=1, le=1 << 24)
    outputs: int = quantity("", "channels that come out", ge=1, le=1 << 24)
    kernel: int = quantity("", "rows and columns of a kernel", default=1, ge=1, le=MOST_SIZE)
    rows: int = quantity("", "rows that come out", default=1, ge=1, le=MOST_SIZE)
    columns: int = quantity("", "columns that come out", default=1, ge=1, le=MOST_SIZE)
    groups: int = quantity(
        "", "groups of channels; as many as inputs: depthwise", default=1, ge=1, le=1 << 24
    )
    times: int = quantity("", "how many such layers follow one another", default=1, ge=1, le=4096)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.inputs % self.groups or self.outputs % self.groups:
            rule = f"must divide inputs = {self.inputs} and outputs = {self.outputs}"
            raise FieldError(f"groups = {self.groups}", rule)
        return self

    @property
    def weights(self) -> int:
        """Weights of all of them, without biases."""
        return self.times * self.outputs * (self.inputs // self.groups) * self.kernel**2

    @property
    def results(self) -> int:
        """Features that come out of all of them."""
        return self.times * self.outputs * self.rows * self.columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all of them."""
        return self.weights * self.rows * self.columns

    def work(self) -> Work:
        """Return what `archsim.approx.Processor` computes."""
        return Work(self.name, self.macs, self.results, self.weights)


class VisionNetwork(Spec):
    """A network that a frame is scaled to and runs through. Pooling and activations are not counted."""

    preset_kind: ClassVar[str] = "vision_network"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    input_rows: int = quantity("", "rows that a frame is scaled to", ge=1, le=MOST_SIZE)
    input_columns: int = quantity("", "columns that a frame is scaled to", ge=1, le=MOST_SIZE)
    layers: tuple[Layer, ...] = Field(
        min_length=1, max_length=MOST_LAYERS, description="layers that have weights, in their order"
    )
    result_bytes: int = quantity("B", "what the application gets of a frame", default=8, ge=0, le=1 << 32)

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: set[str] = set()
        for layer in self.layers:
            if layer.name in seen:
                raise FieldError(
                    "layers", f"{short(layer.name)} is there twice; each needs a name of its own"
                )
            seen.add(layer.name)
        return self

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a frame."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights, without biases."""
        return sum(layer.weights for layer in self.layers)

    @property
    def features(self) -> int:
        """Results of all layers of a frame."""
        return sum(layer.results for layer in self.layers)

    def works(self) -> list[Work]:
        """Return the layers as `archsim.approx.Processor` takes them."""
        return [layer.work() for layer in self.layers]


class VisionProcessor(Spec):
    """What runs a network, by the energy and the rate of its multiply-accumulates."""

    preset_kind: ClassVar[str] = "vision_processor"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    pj_per_mac: float = quantity(
        "pJ", "one multiply-accumulate, with all that the processor does for it", ge=0, le=1e6
    )
    macs_per_s: float = quantity("1/s", "multiply-accumulates per second at most", gt=0, le=1e18)

    def fps_of(self, network: VisionNetwork) -> float:
        """Return the frames per second at most."""
        return self.macs_per_s / network.macs
