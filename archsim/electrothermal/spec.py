"""Heat maps as data: which block of a stack each row of a ledger heats. See docs/electrothermal.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.errors import nearest
from archsim.spec import FieldError, Spec, quantity
from archsim.spec_errors import short
from archsim.thermal.spec import Stack

#: What a rule calls energy that is turned into heat somewhere else.
OFF = "off"
#: Shares of a rule must add up to 1 this closely.
_CLOSE = 1e-9
Number = Annotated[int, Field(ge=0, le=1 << 16)]
Counts = Literal["activates", "reads", "writes", "accesses", "refreshes", "time", "even"]


def _numbers(what: str) -> tuple[int, ...]:
    field: tuple[int, ...] = Field(default=(), description=f"{what}; default: all")
    return field


class Place(Spec):
    """Where some banks of a memory are, or what works for them: they heat these blocks in equal parts."""

    name: str = Field(min_length=1, description="of the set of places; each bank is in one place of a set")
    blocks: tuple[str, ...] = Field(min_length=1, description="blocks of the stack")
    channel: tuple[Number, ...] = _numbers("channels, counted within the stack")
    pseudo_channel: tuple[Number, ...] = _numbers("pseudo channels")
    rank: tuple[Number, ...] = _numbers("ranks of a pseudo channel, counted within the stack")
    bank_group: tuple[Number, ...] = _numbers("bank groups")
    bank: tuple[Number, ...] = _numbers("banks of a bank group")


class HeatRule(Spec):
    """Where the energy of some rows of the ledger goes."""

    component: str = Field(min_length=1, description="of the ledger")
    events: tuple[str, ...] = Field(
        default=(), description="of the component; default: all that no other rule names"
    )
    to: dict[str, float] = Field(
        min_length=1, description="shares, 1 in all, by set of places, by block, or off: elsewhere"
    )
    by: Counts | None = Field(
        default=None,
        description="what a bank's part goes by; default: what the event counts (reads for read, time in a state for "
        "background), accesses for all else",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, share in self.to.items():
            if not 0 <= share <= 1:
                raise FieldError(f"to.{name} = {share}", "must be from 0 to 1")
        total = sum(self.to.values())
        if abs(total - 1) > _CLOSE:
            raise FieldError(f"to = {short(self.to)}", f"shares must add up to 1, not {total:g}")
        return self


class Sensors(Spec):
    """What refreshes go by."""

    per: Literal["rank", "channel", "stack"] = Field(description="what has a temperature of its own")
    places: str = Field(description="set of places whose hottest block it is")
    most_c: float = quantity(
        "", "case temperature in degC that devices are made for, at most", gt=-40, le=105
    )
    hysteresis_k: float = quantity(
        "", "kelvin below 85 degC at which refreshes go back to the normal rate", default=0.0, ge=0, le=50
    )


class HeatMap(Spec):
    """Which block of a stack each row of a ledger heats."""

    preset_kind: ClassVar[str] = "heat_map"

    name: str = Field(min_length=1, description="name in results")
    stack: Stack
    channels: int | None = quantity(
        "", "channels of one stack; default: all of the memory", default=None, ge=1, le=1024
    )
    ranks: int | None = quantity(
        "", "ranks of a pseudo channel in one stack; default: all", default=None, ge=1, le=1024
    )
    places: tuple[Place, ...] = Field(min_length=1, max_length=1 << 14, description="where banks are")
    energy: tuple[HeatRule, ...] = Field(min_length=1, max_length=1 << 12, description="where energy goes")
    sensors: Sensors

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        blocks, sets = {block.name for block in self.stack.blocks}, self.sets
        for index, place in enumerate(self.places):
            where = f"places[{index}]"
            if place.name in blocks or place.name == OFF:
                what = "a block of the stack" if place.name in blocks else "what is off the stack"
                raise FieldError(f"{where}.name = {short(place.name)}", f"is the name of {what} already")
            for name in place.blocks:
                if name not in blocks:
                    raise FieldError(
                        f"{where}.blocks: {short(name)}", f"no such block{nearest(name, blocks)}"
                    )
        known = [*sets, OFF, *blocks]
        seen: dict[tuple[str, str], int] = {}
        for index, rule in enumerate(self.energy):
            for name in rule.to:
                if name not in known:
                    rule_text = f"no such set of places or block{nearest(name, known)}"
                    raise FieldError(f"energy[{index}].to.{name}", rule_text)
            for event in rule.events or ("",):
                before = seen.setdefault((rule.component, event), index)
                if before != index:
                    which = f"{rule.component} {event}".rstrip()
                    raise FieldError(f"energy[{index}]", f"energy[{before}] has a rule for {which} already")
        if self.sensors.places not in sets:
            rule_text = f"no such set of places{nearest(self.sensors.places, sets)}"
            raise FieldError(f"sensors.places = {short(self.sensors.places)}", rule_text)
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets of places, in order."""
        return tuple(dict.fromkeys(place.name for place in self.places))

    def fed(self) -> Iterator[str]:
        """Yield the blocks that some rule can heat; the others keep the power of the stack."""
        targets = {name for rule in self.energy for name, share in rule.to.items() if share}
        held = {block for place in self.places if place.name in targets for block in place.blocks}
        for block in self.stack.blocks:
            if block.name in targets or block.name in held:
                yield block.name
