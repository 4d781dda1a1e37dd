"""Address maps: which bits of a byte address become channel, rank, bank, row and column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from archsim.dram.organization import LINE_BYTES, Organization
from archsim.errors import nearest
from archsim.spec import FieldError, Spec

DramField = Literal["column", "channel", "pseudo_channel", "rank", "bank_group", "bank", "row"]
FIELDS: tuple[DramField, ...] = ("column", "channel", "pseudo_channel", "rank", "bank_group", "bank", "row")
#: What a published map may depend on.
NEEDS = (
    "channels",
    "pseudo_channels",
    "ranks",
    "bank_groups",
    "banks_per_group",
    "bursts_per_row",
    "access_bytes",
)
_BIT = re.compile(r"([a-z_]+)\[(0|[1-9][0-9]?)\]")


class AddressMap(Spec):
    """From the bits of a byte address to DRAM coordinates.

    ``layout`` lists fields from the lowest address bit upwards, starting above the bytes of one access.
    ``"bank_group:1"`` takes one bit, ``"bank_group"`` all bits the field has left; the first bits a field takes
    are its lowest. A column is one access. ``"line"`` stands for the lowest column bits, as many as there are
    within a line of 64 bytes: none where one access moves a whole line.

    On top of the layout, bits may be XORed; both forms use bits as the layout placed them, before any XOR:

    * Each field named in ``hash``, in order, is XORed with as many of the lowest bits of ``hash_with`` not used yet.
      Column bits serve as far as they reach, without those of ``line``.
    * ``xor`` lists, per bit of a field, further address bits XORed onto it: ``"a[13]"`` is bit 13 of the byte address,
      ``"row[0]"`` the address bit that the layout gives to bit 0 of the row. A published ``bank 0 = a6 ^ a13`` is a
      layout that gives a6 to ``bank[0]``, and ``xor = { "bank[0]" = ["a[13]"] }``.

    Any such map that is not one-to-one is refused. ``needs`` says for which memory a published map holds.
    """

    preset_kind: ClassVar[str] = "address_map"

    layout: tuple[str, ...] = Field(description="fields from the lowest address bit up")
    hash: tuple[DramField, ...] = Field(description="fields XORed with the next low bits of hash_with")
    hash_with: Literal["row", "column"] = Field(
        default="row", description="field whose bits are used by hash"
    )
    xor: dict[str, tuple[str, ...]] | None = Field(
        default=None, description="per bit of a field: address bits XORed onto it"
    )
    needs: dict[str, tuple[int, ...]] | None = Field(
        default=None, description="values of the organization for which the map holds"
    )

    @field_validator("xor", "needs", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Take TOML arrays inside the table as tuples."""
        if not isinstance(value, dict):
            return value
        return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: list[str] = []
        for part in self.layout:
            name, colon, count = part.partition(":")
            if name not in (*FIELDS, "line"):
                raise FieldError(f"layout: {part!r}", f"unknown field{nearest(name, (*FIELDS, 'line'))}")
            if name == "line" and (colon or "line" in seen or "column" in seen):
                raise FieldError(f"layout: {part!r}", "may stand once, without a count, before any column")
            if colon and not re.fullmatch("[1-9][0-9]?", count):
                raise FieldError(f"layout: {part!r}", "must be FIELD or FIELD:BITS, such as 'bank_group:1'")
            seen.append(name)
        if len(set(self.hash)) < len(self.hash):
            raise FieldError(f"hash = {list(self.hash)}", "must name each field once")
        if self.hash_with in self.hash:
            raise FieldError(f"hash = {list(self.hash)}", f"names {self.hash_with}, which hash_with uses")
        for target, bits in (self.xor or {}).items():
            _parse_bit(target, "xor", FIELDS)
            if len(set(bits)) < len(bits):
                raise FieldError(f"xor.{target}", "must name each bit once; twice cancels out")
            for bit in bits:
                _parse_bit(bit, f"xor.{target}", (*FIELDS, "a"))
        for key in self.needs or {}:
            if key not in NEEDS:
                raise FieldError(f"needs.{key}", f"unknown key{nearest(key, NEEDS)}")
        return self

    def check_against(self, organization: Organization) -> None:
        """Check that the map takes every address of the memory to a place of its own.

        Raises
        ------
        FieldError
            Naming the field and the rule that fails.
        """
        for key, allowed in (self.needs or {}).items():
            if getattr(organization, key) not in allowed:
                values = " or ".join(map(str, allowed))
                raise FieldError(
                    "address_map.needs",
                    f"the map holds for {key} = {values}, not {getattr(organization, key)}",
                )
        masks = self.masks(organization)
        _check_rows(organization, masks["row"], sum(organization.field_bits().values()))
        alias = _alias(masks)
        if alias:
            address = alias * organization.access_bytes
            raise FieldError(
                "address_map", f"addresses 0 and {address:#x} would share one place (not a bijection)"
            )

    def masks(self, organization: Organization) -> dict[str, list[int]]:
        """Return, per field and per bit of it (lowest first), the mask of unit-number bits whose XOR it is.

        A unit is one access: unit number = byte address / ``organization.access_bytes``.

        Raises
        ------
        FieldError
            When the layout or the XOR lists do not fit the organization.
        """
        bits = organization.field_bits()
        places = self._places(organization)
        masks = {str(name): [1 << place for place in places[name]] for name in FIELDS}
        source = places[self.hash_with]
        if self.hash_with == "column" and "line" in self.layout:
            source = source[_line_bits(organization) :]
        hashed = sum(bits[name] for name in self.hash)
        if self.hash_with == "row" and hashed > bits["row"]:
            raise FieldError("address_map.hash", f"needs {hashed} row bits, the row has {bits['row']}")
        targets = [(name, bit) for name in self.hash for bit in range(bits[name])]
        for (name, bit), place in zip(targets, source, strict=False):
            masks[name][bit] ^= 1 << place
        for target, sources in (self.xor or {}).items():
            field, at = self._field_bit(target, bits, f"address_map.xor.{target}")
            for text in sources:
                masks[field][at] ^= 1 << self._place(text, places, organization, target)
        return masks

    def _places(self, organization: Organization) -> dict[str, list[int]]:
        """Return, per field and per bit of it, the unit-number bit that the layout gives to it."""
        bits = organization.field_bits()
        places: dict[str, list[int]] = {name: [] for name in FIELDS}
        position = 0
        for part in self.layout:
            name, _, count = part.partition(":")
            field = "column" if name == "line" else name
            left = bits[field] - len(places[field])
            taken = min(_line_bits(organization), left) if name == "line" else int(count) if count else left
            if taken > left:
                rule = f"takes {taken} bits, {name} has {left} left of {bits[name]}"
                raise FieldError(f"address_map.layout: {part!r}", rule)
            places[field] += range(position, position + taken)
            position += taken
        for field in FIELDS:
            if len(places[field]) < bits[field]:
                raise FieldError(
                    "address_map.layout", f"leaves out {bits[field] - len(places[field])} bits of {field}"
                )
        return places

    def _place(self, text: str, places: dict[str, list[int]], organization: Organization, target: str) -> int:
        """Return the unit-number bit that ``"a[13]"`` or ``"row[0]"`` stands for."""
        bits = organization.field_bits()
        where = f"address_map.xor.{target}: {text!r}"
        if not text.startswith("a["):
            name, bit = self._field_bit(text, bits, where)
            return places[name][bit]
        lowest = organization.access_bytes.bit_length() - 1
        highest = lowest + sum(bits.values()) - 1
        bit = int(text[2:-1])
        if not lowest <= bit <= highest:
            raise FieldError(where, f"must be from a[{lowest}] to a[{highest}], the bits above one access")
        return bit - lowest

    @staticmethod
    def _field_bit(text: str, bits: dict[str, int], where: str) -> tuple[str, int]:
        name, _, index = text.partition("[")
        if int(index[:-1]) >= bits[name]:
            raise FieldError(where, f"{name} has {bits[name]} bits, counted from 0")
        return name, int(index[:-1])


def _parse_bit(text: str, where: str, known: tuple[str, ...]) -> None:
    found = _BIT.fullmatch(text)
    if found is None:
        form = "'a[13]' or 'row[0]'" if "a" in known else "'bank[0]'"
        raise FieldError(f"{where}: {text!r}", f"must be one bit, such as {form}")
    if found[1] not in known:
        raise FieldError(f"{where}: {text!r}", f"unknown field{nearest(found[1], known)}")


def _line_bits(organization: Organization) -> int:
    return (LINE_BYTES // organization.access_bytes).bit_length() - 1


def _check_rows(organization: Organization, rows: list[int], address_bits: int) -> None:
    """Check that a number of rows that is no power of two cuts the address space off at its top.

    With rows = odd * 2**k the bits of the row from k up run to odd - 1 only. If they are the highest address bits,
    unchanged, the addresses below the capacity are exactly those of existing rows, whatever the lower bits do.
    """
    whole = (organization.rows & -organization.rows).bit_length() - 1
    top = rows[whole:]
    if top != [1 << (address_bits - len(top) + i) for i in range(len(top))]:
        rule = (
            f"must be a power of two, or its {len(top)} highest bits the highest of the layout and not hashed"
        )
        raise FieldError(f"organization.rows = {organization.rows}", rule)


def _contributions(masks: dict[str, list[int]]) -> Iterator[int]:
    """Yield, per unit-number bit, the set of field bits that it toggles, as a number."""
    flat = [mask for name in FIELDS for mask in masks[name]]
    for place in range(len(flat)):
        yield sum(1 << i for i, mask in enumerate(flat) if mask >> place & 1)


def _alias(masks: dict[str, list[int]]) -> int:
    """Return a unit number other than 0 that goes where 0 goes, or 0: elimination over GF(2)."""
    basis: dict[int, tuple[int, int]] = {}
    for place, toggled in enumerate(_contributions(masks)):
        units = 1 << place
        while toggled:
            top = toggled.bit_length()
            if top not in basis:
                basis[top] = toggled, units
                break
            toggled, units = toggled ^ basis[top][0], units ^ basis[top][1]
        else:
            return units
    return 0
