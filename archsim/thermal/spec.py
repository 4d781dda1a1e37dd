"""Stacks as data: materials, layers with their floorplans, and how heat leaves. See docs/thermal.md.

Layers are listed from the top (the light side of an image sensor) to the bottom (the board). Rectangles are measured
from the lower left corner of the die of their layer.
"""

from __future__ import annotations

from math import pi
from typing import ClassVar, Self

from pydantic import Field, model_validator

from archsim.errors import nearest
from archsim.spec import FieldError, Spec, quantity
from archsim.spec_errors import short
from archsim.thermal.floorplan import Rect, check_cover, check_inside, check_overlap

#: Most blocks of a layer, and most layers of a stack: what HotSpot takes.
MOST_BLOCKS, MOST_LAYERS = 8192, 512


def _si(unit: str, words: str, **limits: object) -> float:
    """Declare a number of the unit in its name."""
    field: float = quantity(unit, words, **limits)
    return field


class Material(Spec):
    """What a layer or a region is made of."""

    name: str = Field(min_length=1, description="by which layers and regions call it")
    conductivity_w_mk: float = _si("W/m/K", "thermal conductivity", ge=1e-6, le=1e5)
    lateral_w_mk: float | None = _si(
        "W/m/K", "the same along the layer, where it differs", default=None, ge=0, le=1e5
    )
    heat_capacity_j_m3k: float = _si("J/m3/K", "heat capacity of a volume", ge=1.0, le=1e9)

    @property
    def along_w_mk(self) -> float:
        """Conductivity along the layer."""
        return self.conductivity_w_mk if self.lateral_w_mk is None else self.lateral_w_mk


class Rectangle(Spec):
    """A part of a layer; without sizes as far as the die reaches."""

    x_mm: float = _si("mm", "left edge", default=0.0, ge=0)
    y_mm: float = _si("mm", "lower edge", default=0.0, ge=0)
    width_mm: float | None = _si("mm", "width; default: to the right edge", default=None, gt=0)
    height_mm: float | None = _si("mm", "height; default: to the upper edge", default=None, gt=0)

    def within(self, width_mm: float, height_mm: float) -> Rect:
        """Return the rectangle on a die of this size, all in mm."""
        width = width_mm - self.x_mm if self.width_mm is None else self.width_mm
        height = height_mm - self.y_mm if self.height_mm is None else self.height_mm
        return Rect(self.x_mm, self.y_mm, width, height)


class Leakage(Spec):
    """Power that grows with temperature: P(T) = power_w exp(beta_per_k (T - at_k))."""

    power_w: float = _si("W", "at the reference temperature", ge=0, le=1e9)
    at_k: float = _si("K", "reference temperature", default=300.0, gt=0, le=1e4)
    beta_per_k: float = _si("1/K", "growth with temperature", default=0.0075, ge=0, le=1)


class Block(Rectangle):
    """A named part of a die whose power is known; it spreads evenly over the area and the thickness of the layer."""

    name: str = Field(min_length=1, description="unique in the stack")
    power_w: float = _si("W", "unless a run says otherwise", default=0.0, ge=0, le=1e9)
    leakage: Leakage | None = Field(default=None, description="what comes on top, by temperature")


class Tsv(Spec):
    """A square array of vias; see `archsim.thermal.materials` for what it conducts."""

    diameter_um: float = _si("um", "of the metal", gt=0)
    pitch_um: float = _si("um", "from via to via", gt=0)
    liner_um: float = _si("um", "insulation around the metal", default=0.0, ge=0)
    material: str = Field(description="of the metal")
    liner: str = Field(default="", description="material of the insulation")

    @model_validator(mode="after")
    def _check_pitch(self) -> Self:
        if self.diameter_um + 2 * self.liner_um > self.pitch_um:
            raise FieldError(f"pitch_um = {self.pitch_um}", "must be at least the diameter with its liner")
        if self.liner_um and not self.liner:
            raise FieldError(f"liner_um = {self.liner_um}", "needs the material of the liner")
        return self

    @property
    def shares(self) -> tuple[float, float]:
        """Area of metal and of liner, as shares of the region."""
        cell = self.pitch_um**2
        metal = pi * self.diameter_um**2 / 4 / cell
        return metal, pi * (self.diameter_um + 2 * self.liner_um) ** 2 / 4 / cell - metal


class Region(Rectangle):
    """A part of a layer of another material, or pierced by vias."""

    name: str = Field(min_length=1, description="unique in the layer")
    material: str = Field(default="", description="instead of that of the layer")
    tsv: Tsv | None = Field(default=None, description="vias in the material")


class Die(Rectangle):
    """Where the die of a layer stands in the stack, when it is smaller; the rest is filled."""

    fill: str = Field(description="material around the die")


class Layer(Spec):
    """One layer of the stack."""

    name: str = Field(min_length=1, description="unique in the stack")
    thickness_um: float = _si("um", "thickness", ge=1e-6, le=1e6)
    material: str = Field(description="one of the stack's materials")
    sublayers: int = quantity("", "nodes over the thickness", default=1, ge=1, le=256)
    die: Die | None = Field(default=None, description="when it does not reach to the edges of the stack")
    blocks: tuple[Block, ...] = Field(default=(), max_length=MOST_BLOCKS, description="floorplan")
    gaps: bool = Field(default=False, description="blocks may leave parts of the die free")
    regions: tuple[Region, ...] = Field(
        default=(), max_length=MOST_BLOCKS, description="parts of other materials"
    )


class Lump(Spec):
    """A part of a package at one temperature, on the way to ambient."""

    capacity_j_k: float = _si("J/K", "heat capacity", ge=1e-15, le=1e12)
    resistance_k_w: float = _si("K/W", "to the next, or to ambient", ge=1e-12, le=1e12)


class Heatsink(Spec):
    """A spreader and a sink wider than the die, as HotSpot has them: lumped around the footprint of the die."""

    spreader_mm: float = _si("mm", "side of the spreader", gt=0, le=1e5)
    spreader_um: float = _si("um", "thickness of the spreader", ge=1e-6, le=1e6)
    spreader_material: str = Field(description="one of the stack's materials")
    sink_mm: float = _si("mm", "side of the sink", gt=0, le=1e5)
    sink_um: float = _si("um", "thickness of the sink", ge=1e-6, le=1e6)
    sink_material: str = Field(description="one of the stack's materials")
    convection_k_w: float = _si("K/W", "from the whole sink to ambient", ge=1e-12, le=1e12)
    convection_j_k: float = _si(
        "J/K", "heat capacity of the convection, at the sink", default=0.0, ge=0, le=1e12
    )


class Face(Spec):
    """How heat leaves through the top or the bottom of the stack; without any of these it does not."""

    resistance_k_w: float | None = _si(
        "K/W", "of the whole face, to ambient or to the package", default=None, ge=0, le=1e12
    )
    coefficient_w_m2k: float | None = _si(
        "W/m2/K", "heat transfer coefficient instead", default=None, ge=1e-9, le=1e12
    )
    package: tuple[Lump, ...] = Field(
        default=(), max_length=64, description="lumps between the face and ambient"
    )
    heatsink: Heatsink | None = Field(default=None, description="spreader and sink instead of all these")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [
            k for k in ("resistance_k_w", "coefficient_w_m2k", "heatsink") if getattr(self, k) is not None
        ]
        if len(given) > 1:
            raise FieldError(given[1], f"has no meaning beside {given[0]}; give one of them")
        if self.package and (not given or self.heatsink):
            raise FieldError(
                "package", "needs resistance_k_w or coefficient_w_m2k, from the face to its first lump"
            )
        return self

    @property
    def closed(self) -> bool:
        """Whether no heat passes."""
        return self.resistance_k_w is None and self.coefficient_w_m2k is None and self.heatsink is None


class Stack(Spec):
    """A stack of dies and what is around it."""

    preset_kind: ClassVar[str] = "stack"

    name: str = Field(min_length=1, description="name in results")
    width_mm: float = _si("mm", "of the stack, from left to right", ge=1e-3, le=1e4)
    height_mm: float = _si("mm", "of the stack, from lower to upper edge", ge=1e-3, le=1e4)
    ambient_k: float = _si("K", "temperature of the surroundings", default=300.0, gt=0, le=1e4)
    limit_k: float = _si(
        "K", "a leaking block this hot has run away (default: where SAC305 solder melts)", default=490.0, gt=0
    )
    materials: tuple[Material, ...] = Field(min_length=1, description="what layers and regions are made of")
    layers: tuple[Layer, ...] = Field(
        min_length=1, max_length=MOST_LAYERS, description="from the top to the bottom"
    )
    top: Face = Field(default=Face(), description="how heat leaves upwards")
    bottom: Face = Field(default=Face(), description="how heat leaves downwards")

    @model_validator(mode="after")
    def _check_stack(self) -> Self:
        _unique("materials", [each.name for each in self.materials])
        _unique("layers", [each.name for each in self.layers])
        if self.top.closed and self.bottom.closed:
            raise FieldError("bottom", "no heat can leave; give top or bottom a resistance_k_w")
        for side in ("top", "bottom"):
            self._check_face(side)
        blocks: dict[str, str] = {}
        for number, layer in enumerate(self.layers):
            place = f"layers[{number}]"
            self._check_material(f"{place}.material", layer.material)
            self._check_layer(place, layer)
            for index, block in enumerate(layer.blocks):
                if block.name in blocks:
                    rule = f"must be unique in the stack; layer {blocks[block.name]} has it too"
                    raise FieldError(f"{place}.blocks[{index}].name = {short(block.name)}", rule)
                blocks[block.name] = layer.name
        return self

    def _check_layer(self, place: str, layer: Layer) -> None:
        """Check the die, the regions and the floorplan of a layer."""
        if layer.die is not None:
            self._check_material(f"{place}.die.fill", layer.die.fill)
            check_inside(
                f"{place}.die", layer.die.within(self.width_mm, self.height_mm), self.outline, "the stack"
            )
        die = self.die_of(layer)
        size = Rect(0.0, 0.0, die.width, die.height)
        regions = [(each.name, each.within(die.width, die.height)) for each in layer.regions]
        _unique(f"{place}.regions", [name for name, _ in regions])
        for index, each in enumerate(layer.regions):
            where = f"{place}.regions[{index}]"
            check_inside(f"{where} ({each.name})", regions[index][1], size, "the die")
            for key, name in (("material", each.material),):
                if name:
                    self._check_material(f"{where}.{key}", name)
            if each.tsv is not None:
                self._check_material(f"{where}.tsv.material", each.tsv.material)
                if each.tsv.liner:
                    self._check_material(f"{where}.tsv.liner", each.tsv.liner)
            elif not each.material:
                raise FieldError(f"{where} ({each.name})", "needs a material or a tsv")
        check_overlap(f"{place}.regions", regions, die)
        blocks = [(each.name, each.within(die.width, die.height)) for each in layer.blocks]
        for index, (name, rect) in enumerate(blocks):
            check_inside(f"{place}.blocks[{index}] ({name})", rect, size, "the die")
        check_overlap(f"{place}.blocks", blocks, die)
        if blocks and not layer.gaps:
            check_cover(f"{place}.blocks", blocks, die)

    def _check_face(self, side: str) -> None:
        face: Face = getattr(self, side)
        if face.heatsink is None:
            return
        sink, longer = face.heatsink, max(self.width_mm, self.height_mm)
        self._check_material(f"{side}.heatsink.spreader_material", sink.spreader_material)
        self._check_material(f"{side}.heatsink.sink_material", sink.sink_material)
        if sink.spreader_mm <= longer:
            rule = f"must be more than the stack, {longer:g} mm; a layer of the stack can be as large as it"
            raise FieldError(f"{side}.heatsink.spreader_mm = {sink.spreader_mm}", rule)
        if sink.sink_mm <= sink.spreader_mm:
            rule = f"must be more than spreader_mm = {sink.spreader_mm}"
            raise FieldError(f"{side}.heatsink.sink_mm = {sink.sink_mm}", rule)

    def _check_material(self, place: str, name: str) -> None:
        known = [each.name for each in self.materials]
        if name not in known:
            raise FieldError(f"{place} = {short(name)}", f"no such material{nearest(name, known)}")

    @property
    def outline(self) -> Rect:
        """The whole stack, in mm."""
        return Rect(0.0, 0.0, self.width_mm, self.height_mm)

    def die_of(self, layer: Layer) -> Rect:
        """Return where the die of a layer stands in the stack, in mm."""
        return self.outline if layer.die is None else layer.die.within(self.width_mm, self.height_mm)

    def material(self, name: str) -> Material:
        """Return a material of the stack."""
        return next(each for each in self.materials if each.name == name)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of all layers, from the top."""
        return tuple(block for layer in self.layers for block in layer.blocks)


def _unique(place: str, names: list[str]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            raise FieldError(
                f"{place}[{index}].name = {short(name)}", f"{place}[{first[name]}] has this name already"
            )
        first[name] = index
