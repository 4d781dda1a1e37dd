"""The generic specification: strictness, composition, overrides, dumps and hashes."""

import json
import pickle
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from archsim import spec as spec_module
from archsim.errors import InputError
from archsim.spec import FieldError, Spec, apply_overrides, preset_names, quantity, read_document


class Port(Spec):
    name: str
    width_bits: int = quantity("bit", "pins", ge=1, default=8)


class Cache(Spec):
    preset_kind: ClassVar[str] = "store"

    size_bytes: int = quantity("B", "capacity", ge=1)
    hit_pj: float = quantity("pJ", "energy of a hit")
    ways: int = quantity("", "ways per set", ge=1, le=16)
    policy: Literal["lru", "fifo"] = Field(description="which entry leaves")
    write_back: bool = Field(default=True, description="writes wait")
    ports: tuple[Port, ...] = ()


class Chip(Spec):
    preset_kind: ClassVar[str] = "chip"

    label: str = Field(min_length=1)
    cache: Cache
    spare: Cache | None = None
    latencies_ns: tuple[float, ...] = quantity("ns", "latencies", default=())

    @model_validator(mode="after")
    def _check(self):
        if self.spare and self.spare.size_bytes > self.cache.size_bytes:
            raise FieldError(
                f"spare.size_bytes = {self.spare.size_bytes}", "must be at most cache.size_bytes"
            )
        if self.label == "bad":
            raise ValueError("no such chip")
        return self


CHIP = """
label = "a"
latencies_ns = [1, "2 us"]
[cache]
size_bytes = "128 KiB"
hit_pj = 50
ways = 4
policy = "lru"
ports = [{ name = "p0" }, { name = "p1", width_bits = 16 }]
"""


def chip(text: str = CHIP) -> Chip:
    return Chip.from_toml(text, "chip.toml")


def refusal(action) -> str:
    with pytest.raises(InputError) as refused:
        action()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_quantities_and_lists_of_a_file_become_numbers_and_tuples():
    assert chip().cache.size_bytes == 131_072
    assert chip().latencies_ns == (1.0, 2000.0)
    assert chip().cache.ports == (Port(name="p0"), Port(name="p1", width_bits=16))
    assert chip().spare is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ways = 4", "wayz = 4", "cache.wayz: unknown key (did you mean 'ways'?) (and 1 more)"),
        ("ways = 4", "", "cache.ways: missing (ways per set)"),
        ("hit_pj = 50", "", "cache.hit_pj: missing (energy of a hit [pJ])"),
        ("ways = 4", "ways = -3", "cache.ways = -3: must be at least 1"),
        ("ways = 4", "ways = 17", "cache.ways = 17: must be at most 16"),
        ("ways = 4", "ways = 4.0", "cache.ways = 4.0: must be a whole number"),
        ("ways = 4", "ways = '4'", "cache.ways = '4': must be a whole number"),
        ("ways = 4", "ways = true", "cache.ways = True: must be a whole number"),
        ("hit_pj = 50", "hit_pj = true", "cache.hit_pj = True: must be a number"),
        ("hit_pj = 50", "hit_pj = nan", "cache.hit_pj = nan: must be a finite number"),
        (
            "hit_pj = 50",
            "hit_pj = '5 ns'",
            "cache.hit_pj: '5 ns': is a time; an energy is needed, such as '14 pJ'",
        ),
        ("hit_pj = 50", "hit_pj = '50'", "cache.hit_pj: '50': must be a number and a unit, such as '14 pJ'"),
        ("'lru'", "'lruu'", "cache.policy = 'lruu': must be 'lru' or 'fifo' (did you mean 'lru'?)"),
        ("'lru'", "3", "cache.policy = 3: must be 'lru' or 'fifo'"),
        ("'lru'", "'lru'\nwrite_back = 1", "cache.write_back = 1: must be true or false"),
        ("label = 'a'", "label = 3", "label = 3: must be text"),
        ("label = 'a'", "label = ''", "label = '': must have a length of at least 1"),
        ("label = 'a'", "label = 'bad'", "no such chip"),
        (
            "label = 'a'",
            "label = 'a'\nspare = 3",
            "spare = 3: must be a table of size_bytes, hit_pj, ways, policy, write_back, ports",
        ),
        (
            "label = 'a'",
            "label = 'a'\nspare = 'x'",
            "spare = 'x': must be a table of size_bytes, hit_pj, ways, policy, write_back, ports",
        ),
        ("[1, '2 us']", "1", "latencies_ns = 1: must be a list"),
        (
            "[1, '2 us']",
            "[1, '2 B']",
            "latencies_ns: '2 B': is a size in bytes; a time is needed, such as '14 ns'",
        ),
        ("width_bits = 16", "width_bits = 0", "cache.ports[1].width_bits = 0: must be at least 1"),
        (
            "width_bits = 16",
            "widht_bits = 0",
            "cache.ports[1].widht_bits: unknown key (did you mean 'width_bits'?)",
        ),
        ("ways = 4", "preset = 'small'", "cache.preset = 'small': unknown store preset"),
    ],
)
def test_a_wrong_file_is_refused_with_file_path_value_and_rule(old, new, message):
    text = CHIP.replace('"', "'")
    assert old in text
    assert refusal(lambda: chip(text.replace(old, new))) == f"chip.toml: {message}"


def test_a_check_across_fields_names_the_field_to_blame():
    spare = CHIP + CHIP[CHIP.index("[cache]") :].replace("[cache]", "[spare]").replace("128", "256")
    assert (
        refusal(lambda: chip(spare))
        == "chip.toml: spare.size_bytes = 262144: must be at most cache.size_bytes"
    )


def test_direct_construction_is_as_strict():
    with pytest.raises(ValidationError):
        Port(name="p", width_bits="8")
    with pytest.raises(ValidationError):
        Port(name="p", wdth=8)
    with pytest.raises(ValidationError):
        Port(name="p").name = "q"


def test_broken_toml_is_refused_with_line_and_column():
    assert refusal(lambda: chip("label = 'a'\nb = = 1")) == "chip.toml: line 2, column 5: Invalid value"


def test_unreadable_files_are_refused(tmp_path):
    missing, binary = tmp_path / "none.toml", tmp_path / "binary.toml"
    binary.write_bytes(b"label = '\xff'")
    assert refusal(lambda: Chip.load(missing)) == f"{missing}: No such file or directory"
    assert refusal(lambda: Chip.load(binary)) == f"{binary}: byte 9: not UTF-8 text"


# ---- presets and sources --------------------------------------------------------------------------

CACHE_FILE = """
size_bytes = 1024
hit_pj = 5
ways = 2
policy = "fifo"
[sources]
size_bytes = "table 1"
ways = "table 2"
ports = "table 3"
"""


@pytest.fixture
def presets(tmp_path, monkeypatch):
    monkeypatch.setattr(spec_module, "PRESETS", tmp_path)
    for kind, name, text in (
        ("store", "small", CACHE_FILE),
        ("store", "big", "preset = 'small'\nsize_bytes = '1 MiB'\nsources.size_bytes = 'table 9'"),
        ("chip", "one", "label = 'one'\ncache.preset = 'small'\ncache.ways = 8"),
        ("chip", "two", "preset = 'one'\nlabel = 'two'\nspare.preset = 'small'"),
    ):
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / f"{name}.toml").write_text(text)
    return tmp_path


def test_a_preset_is_the_start_and_the_rest_of_the_table_is_laid_over_it(presets):
    one = Chip.load("one")
    assert (one.cache.size_bytes, one.cache.ways, one.cache.policy) == (1024, 8, "fifo")
    assert Chip.load("two") == one.model_copy(update={"label": "two", "spare": Cache.load("small")})
    assert Cache.load("big").size_bytes == 1 << 20


def test_a_source_follows_its_value_until_the_value_is_replaced(presets):
    assert read_document(Chip, "two").sources == {
        "cache.size_bytes": "table 1",
        "cache.ports": "table 3",
        "spare.size_bytes": "table 1",
        "spare.ways": "table 2",
        "spare.ports": "table 3",
    }
    assert read_document(Cache, "big").sources["size_bytes"] == "table 9"


def test_an_unknown_preset_is_refused_with_the_nearest(presets):
    assert preset_names("store") == ["big", "small"]
    assert refusal(lambda: Cache.load("smal")) == "store 'smal': unknown store preset (did you mean 'small'?)"
    text = "label = 'x'\ncache.preset = 'smal'"
    expected = "chip.toml: cache.preset = 'smal': unknown store preset (did you mean 'small'?)"
    assert refusal(lambda: chip(text)) == expected
    assert (
        refusal(lambda: chip("preset = 3")) == "chip.toml: preset = 3: unknown chip preset (valid: one, two)"
    )


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("cache.wayz = 'x'", "sources.cache.wayz: unknown key (did you mean 'ways'?)"),
        ("cache = 'x'", "sources.cache = 'x': must be a table of texts, shaped like the data"),
        ("cache.ways = 3", "sources.cache.ways = 3: must be text that says where the value comes from"),
    ],
)
def test_a_source_of_nothing_is_refused(sources, message):
    assert refusal(lambda: chip(f"{CHIP}\n[sources]\n{sources}")) == f"chip.toml: {message}"


def test_a_source_is_no_part_of_the_value():
    assert chip(f"{CHIP}\n[sources]\nlabel = 'x'") == chip()


# ---- overrides ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "old", "new"),
    [
        ("cache.ways=8", "ways = 4", "ways = 8"),
        ("cache.hit_pj=1e1", "hit_pj = 50", "hit_pj = 10.0"),
        ("cache.size_bytes=256 KiB", '"128 KiB"', '"256 KiB"'),
        ('cache.size_bytes="256 KiB"', '"128 KiB"', '"256 KiB"'),
        ("cache.policy=fifo", '"lru"', '"fifo"'),
        ("cache.write_back = false", 'policy = "lru"', 'policy = "lru"\nwrite_back = false'),
        ("label=b = c", 'label = "a"', 'label = "b = c"'),
        ("latencies_ns=[3]", '[1, "2 us"]', "[3]"),
        ("cache={ ways = 8, hit_pj = 1 }", "hit_pj = 50\nways = 4", "hit_pj = 1\nways = 8"),
    ],
)
def test_an_override_equals_editing_the_file(override, old, new):
    assert old in CHIP
    edited = chip(CHIP.replace(old, new))
    assert apply_overrides(chip(), [override]) == edited != chip()
    assert apply_overrides(chip(), [override]).sha256() == edited.sha256()


def test_overrides_are_laid_in_order_and_checked_together(presets):
    assert apply_overrides(chip(), ["cache.ways=8", "cache.ways=2"]).cache.ways == 2
    assert apply_overrides(chip(), []) == chip()
    swapped = apply_overrides(chip(), ["cache.ways=8", "cache.preset=big", "cache.hit_pj=1"])
    assert swapped.cache == Cache(size_bytes=1 << 20, hit_pj=1, ways=2, policy="fifo")
    assert apply_overrides(chip(), ["spare.preset=small"]).spare == Cache.load("small")
    assert Chip.load("one", ["cache.ways=3"]).cache.ways == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cache.wayz=8", "--set: cache.wayz: unknown key (did you mean 'ways'?)"),
        ("cash.ways=8", "--set: cash: unknown key (did you mean 'cache'?)"),
        ("cache.ways=-3", "--set: cache.ways = -3: must be at least 1"),
        ("cache.ways=many", "--set: cache.ways = 'many': must be a whole number"),
        ("cache.ways.x=1", "--set: cache.ways: must be a whole number"),
        ("cache.preset=tiny", "--set: cache.preset = 'tiny': unknown store preset (valid: big, small)"),
        ("cache.ways", "--set 'cache.ways': must be PATH=VALUE, such as dram.timing.tRCD=16"),
        ("cache..ways=1", "--set 'cache..ways=1': must be PATH=VALUE, such as dram.timing.tRCD=16"),
        ("=1", "--set '=1': must be PATH=VALUE, such as dram.timing.tRCD=16"),
        (
            "cache.ports=[{ nam = 'p' }]",
            "--set: cache.ports[0].nam: unknown key (did you mean 'name'?) (and 1 more)",
        ),
    ],
)
def test_a_wrong_override_is_refused(presets, override, message):
    assert refusal(lambda: apply_overrides(chip(), [override])) == message


def test_an_override_cannot_smuggle_in_a_second_key():
    assert apply_overrides(chip(), ["label=1\nother = 2"]).label == "1\nother = 2"


# ---- dumps and hashes -----------------------------------------------------------------------------

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
ports = st.builds(Port, name=text, width_bits=st.integers(1, 2**70))
caches = st.builds(
    Cache,
    size_bytes=st.integers(1, 2**63 - 1),
    hit_pj=st.floats(allow_nan=False, allow_infinity=False),
    ways=st.integers(1, 16),
    policy=st.sampled_from(["lru", "fifo"]),
    write_back=st.booleans(),
    ports=st.lists(ports, max_size=3).map(tuple),
)
chips = st.builds(
    Chip,
    label=text.filter(lambda label: label != "bad"),
    cache=caches.map(lambda cache: cache.model_copy(update={"size_bytes": 2**63})),
    spare=st.none() | caches,
    latencies_ns=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3).map(tuple),
)


@given(chips)
def test_a_dump_reloads_to_the_same_value_and_hash(value):
    for again in (
        Chip.from_toml(value.to_toml(), "dump"),
        Chip.from_dict(value.to_dict(), "dump"),
        Chip.from_dict(json.loads(value.canonical_json()), "dump"),
        pickle.loads(pickle.dumps(value)),
    ):
        assert again == value
        assert again.canonical_json() == value.canonical_json()
        assert again.sha256() == value.sha256()


def test_the_canonical_form_does_not_depend_on_how_a_number_is_written():
    assert chip(CHIP.replace("= 50", "= 50.0")).canonical_json() == chip().canonical_json()
    assert chip(CHIP.replace("= 50", "= 0")).sha256() == chip(CHIP.replace("= 50", "= -0.0")).sha256()
    assert chip(CHIP.replace("128 KiB", "131072 B")).sha256() == chip().sha256()


def test_the_canonical_form_is_sorted_ascii_without_spaces():
    port = Port(name="µ", width_bits=3)
    assert port.canonical_json() == '{"name":"\\u00b5","width_bits":3}'
    assert port.sha256() == "f36222545235d3db13f585506a47dfcaa19320aa649ecdef55acfb91e375ee1d"


def test_toml_text_is_readable():
    assert (
        chip().to_toml()
        == """\
label = "a"
latencies_ns = [1.0, 2000.0]

[cache]
size_bytes = 131072
hit_pj = 50.0
ways = 4
policy = "lru"
write_back = true
ports = [
    { name = "p0", width_bits = 8 },
    { name = "p1", width_bits = 16 },
]
"""
    )
