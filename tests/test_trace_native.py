"""The native trace folder: what is written is what is read, and damage is named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.errors import InputError
from archsim.traces import EmbeddingTrace, Table, read_native, read_trace, write_native

TABLES = (Table("users", 100, 128), Table("items", 1000, 64, "float16"))
TRACE = EmbeddingTrace(
    name="small",
    tables=TABLES,
    rows=np.array([5, 6, 7, 8, 9], np.int32),
    bag_offsets=np.array([0, 2, 2, 5]),
    bag_tables=np.array([0, 1, 1], np.int32),
    order="sample-major",
    sample=np.array([0, 0, 1]),
    generator="by hand",
    seed=7,
    notes=("first", "second"),
)


@pytest.fixture
def folder(tmp_path):
    """A sound native trace to damage."""
    write_native(TRACE, tmp_path / "small")
    return tmp_path / "small"


def edit(folder, change):
    """Change the sidecar of a trace."""
    sidecar = json.loads((folder / "trace.json").read_text())
    change(sidecar)
    (folder / "trace.json").write_text(json.dumps(sidecar))


def refusal(folder, **options):
    """Return why a trace is refused, with the folder written as DIR."""
    with pytest.raises(InputError) as error:
        read_native(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(folder), "DIR")


def same(a, b):
    """Whether two traces agree in everything."""
    labels = ("name", "tables", "order", "generator", "seed", "notes", "sha256")
    return all(getattr(a, label) == getattr(b, label) for label in labels) and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes()
        for x, y in zip(a.columns.values(), b.columns.values(), strict=True)
    )


@st.composite
def traces(draw):
    """Any sound trace, with any of the optional columns."""
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=8).filter(any))
    lookups, bags = sum(lengths), len(lengths)
    optional = {
        "time_ps": arrays.arrays(np.int64, bags),
        "sample": arrays.arrays(np.int64, bags),
        "user": arrays.arrays(np.int64, bags),
        "weight": arrays.arrays(np.float32, lookups, elements=st.floats(-9, 9, width=32)),
        "operation": arrays.arrays(np.uint8, lookups, elements=st.integers(0, 1)),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    return EmbeddingTrace(
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
        tables=TABLES,
        rows=draw(arrays.arrays(st.sampled_from([np.int32, np.int64]), lookups, elements=st.integers(0, 99))),
        bag_offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        bag_tables=draw(arrays.arrays(np.int32, bags, elements=st.integers(0, 1))),
        order=draw(st.sampled_from(["sample-major", "table-major", "as-recorded"])),
        seed=draw(st.none() | st.integers(0, 2**63)),
        notes=tuple(
            draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=2))
        ),
        **{name: draw(optional[name]) for name in sorted(chosen)},
    )


@settings(deadline=None)
@given(traces())
def test_what_is_written_is_read(tmp_path_factory, trace):
    path = tmp_path_factory.mktemp("native") / "trace"
    write_native(trace, path)
    assert same(read_native(path), trace)
    assert same(read_trace(path), trace)
    assert [file.name for file in path.parent.iterdir()] == ["trace"], "no temporary folder is left"


def test_columns_stay_on_disk(folder):
    rows = read_native(folder).rows
    while not isinstance(rows, np.memmap):
        rows = rows.base
    assert Path(rows.filename) == folder / "rows.npy"


def test_an_existing_path_is_never_replaced(folder):
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(InputError) as error:
        write_native(TRACE, folder)
    assert str(error.value) == f"{folder}: exists already; choose a new name or remove it first"
    (folder.parent / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError, match="exists already"):
        write_native(TRACE, folder.parent / "dangling")
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none/trace: cannot be written: there is no folder .*none"):
        write_native(TRACE, tmp_path / "none" / "trace")


def test_nothing_is_left_of_a_write_that_failed(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_native(TRACE, tmp_path / "trace")
    assert list(tmp_path.iterdir()) == []


def test_large_data_are_verified_only_when_asked(folder, monkeypatch):
    content = bytearray((folder / "rows.npy").read_bytes())
    content[-4] = 77
    (folder / "rows.npy").write_bytes(content)
    damaged = replace(TRACE, rows=np.array([5, 6, 7, 8, 77], np.int32)).sha256
    message = f"DIR/trace.json: sha256 = '{TRACE.sha256}', but the columns hash to {damaged}: damaged"
    assert refusal(folder) == message
    monkeypatch.setattr("archsim.traces.formats.native.VERIFY_BYTES", 10)
    assert read_native(folder).sha256 == read_trace(folder).sha256 == TRACE.sha256
    assert refusal(folder, verify=True) == message
    with pytest.raises(InputError, match=f"hash to {damaged}"):
        read_trace(folder, verify=True)


def test_a_row_outside_its_table_is_named_on_opening(folder):
    np.save(folder / "rows.npy", np.array([5, 6, 7, 8, 1000], np.int32))
    assert refusal(folder) == (
        "DIR: lookup 4 (bag 2, table 1 'items'): row 1000 is outside the table's 1000 rows (0 to 999)"
    )
    assert read_native(folder, verify=False).lookups == 5


def test_a_file_cut_short_or_too_long_is_measured(folder):
    content = (folder / "bag_offsets.npy").read_bytes()
    (folder / "bag_offsets.npy").write_bytes(content[:-3])
    assert refusal(folder) == "DIR/bag_offsets.npy: 157 bytes, but 160 expected for 4 entries of int64"
    (folder / "bag_offsets.npy").write_bytes(content + b"x")
    assert refusal(folder) == "DIR/bag_offsets.npy: 161 bytes, but 160 expected for 4 entries of int64"
    (folder / "bag_offsets.npy").write_bytes(content[:40])
    assert refusal(folder).startswith("DIR/bag_offsets.npy: not a .npy file: EOF: ")
    (folder / "bag_offsets.npy").write_bytes(b"PK" + content)
    assert refusal(folder).startswith("DIR/bag_offsets.npy: not a .npy file: the magic string is not correct")


def test_files_and_declarations_must_agree(folder):
    np.save(folder / "user.npy", np.arange(3))
    assert refusal(folder) == (
        "DIR/user.npy: not one of the columns that trace.json declares"
        " (valid: bag_offsets, bag_tables, rows, sample)"
    )
    edit(folder, lambda s: s["columns"].update(user={"dtype": "int64", "length": 4}))
    assert refusal(folder) == "DIR/user.npy: has shape (3,); trace.json declares 4 entries"
    np.save(folder / "user.npy", np.arange(4))
    assert refusal(folder) == "DIR: small: column 'user' has shape (4,); 5 lookups in 3 bags need (3,)"
    (folder / "user.npy").unlink()
    assert refusal(folder) == "DIR/user.npy: missing; trace.json declares the column 'user'"


def test_types_are_checked_in_file_and_sidecar(folder):
    np.save(folder / "rows.npy", np.arange(5.0))
    assert refusal(folder) == "DIR/rows.npy: holds <f8; trace.json declares little-endian int32"
    np.save(folder / "rows.npy", np.arange(5, dtype=">i4"))
    assert refusal(folder) == "DIR/rows.npy: holds >i4; trace.json declares little-endian int32"
    edit(folder, lambda s: s["columns"]["rows"].update(dtype="float64"))
    assert refusal(folder) == "DIR/trace.json: columns.rows.dtype = 'float64' must be int64 or int32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(format="numpy"), ": format = 'numpy' must be 'archsim-trace'"),
        (lambda s: s.update(version=3), ": version = 3 is unknown; this archsim reads versions 1 to 2"),
        (lambda s: s.update(version=True), ": version = True is unknown; this archsim reads versions 1 to 2"),
        (
            lambda s: s.update(version=1),
            ": unknown key 'kind' (valid: bags, columns, format, generator, lookups, name, notes, order, seed, "
            "sha256, tables, version)",
        ),
        (lambda s: s.pop("kind"), ": kind = None must be 'lookups' or 'addresses'"),
        (
            lambda s: s.update(kind="addresses"),
            ": unknown key 'order' (valid: columns, format, generator, kind, name, notes, requests, seed, "
            "sha256, time_unit, version)",
        ),
        (lambda s: s.update(lookup=1), ": unknown key 'lookup' (did you mean 'lookups'?)"),
        (lambda s: s.pop("seed"), ": key 'seed' is missing"),
        (lambda s: s.update(seed="7"), ": seed = '7' must be int or null"),
        (lambda s: s.update(bags=True), ": bags = True must be int"),
        (lambda s: s.update(lookups=6), ": lookups = 6, but rows.npy holds 5 entries"),
        (lambda s: s.update(bags=2), ": bags = 2, but bag_tables.npy holds 3 entries"),
        (lambda s: s.update(sha256="12ab"), ": sha256 = '12ab' must be 64 hexadecimal digits"),
        (lambda s: s.update(notes=[1]), ": notes[0] = 1 must be str"),
        (lambda s: s["tables"].append(3), ": tables[2] = 3 must be an object"),
        (lambda s: s["tables"][1].update(row=3), ": tables[1]: unknown key 'row' (did you mean 'rows'?)"),
        (lambda s: s["tables"][1].update(rows="3"), ": tables[1]: rows = '3' must be int"),
        (
            lambda s: s["tables"][1].update(rows=0),
            ": tables[1]: table 'items': rows = 0 must be an integer of at least 1",
        ),
        (lambda s: s["columns"].pop("rows"), ": column 'rows' is missing; every trace has it"),
        (
            lambda s: s["columns"].update(weigth={}),
            ": unknown column 'weigth' (did you mean 'weight'?)",
        ),
        (lambda s: s["columns"].update(user=3), ": columns.user = 3 must be an object"),
        (lambda s: s["columns"]["rows"].pop("length"), ": columns.rows: key 'length' is missing"),
        (lambda s: s["columns"]["rows"].update(length=-5), None),
    ],
)
def test_a_wrong_sidecar_is_refused_with_the_path_inside_it(folder, change, message):
    edit(folder, change)
    expected = (
        f"DIR/trace.json{message}"
        if message
        else "DIR/rows.npy: has shape (5,); trace.json declares -5 entries"
    )
    assert refusal(folder) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.update(order="sample"),
            "DIR: small: unknown order 'sample' (did you mean 'sample-major'?)",
        ),
        (lambda s: s.update(tables=[]), "DIR: small: tables must be one Table or more"),
    ],
)
def test_a_sidecar_that_makes_no_trace_is_refused(folder, change, message):
    edit(folder, change)
    assert refusal(folder) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n "format": archsim', "line 2, column 12: not JSON: Expecting value"),
        (b'{"format": "\xff"}', "byte 12: not UTF-8 text"),
        (b"[1]", "holds a list; an object with the key 'format' is needed"),
        (b"{}", "format = None must be 'archsim-trace'"),
        (b"", "line 1, column 1: not JSON: Expecting value"),
    ],
)
def test_a_sidecar_that_is_no_json_object_is_placed(folder, content, message):
    (folder / "trace.json").write_bytes(content)
    assert refusal(folder) == f"DIR/trace.json: {message}"


def test_a_folder_without_sidecar_is_refused(folder):
    (folder / "trace.json").unlink()
    assert refusal(folder) == "DIR/trace.json: cannot be read: No such file or directory"


@settings(deadline=None)
@given(data=st.data())
def test_any_damaged_byte_is_noticed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("native") / "trace"
    write_native(TRACE, folder)
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    try:
        outcome = read_native(folder).sha256
    except InputError as error:
        outcome = str(error)
    # What survives is a changed label, or a blank in a header or in the JSON text.
    assert outcome == TRACE.sha256 or (outcome.startswith(str(folder)) and "\n" not in outcome)
