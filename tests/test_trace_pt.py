"""Files of ``torch.save`` read without PyTorch: equal to what PyTorch says, and nothing but tensors."""

import gzip
import lzma
import pickle
import struct
import sys
import tracemalloc
import zipfile
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.traces import read_trace
from archsim.traces.formats.pt import read_pt
from archsim.traces.formats.tensors import load_tensors
from archsim.traces.formats.unpickle import MAX_BYTES, Unpickler

OFFSETS = [0, 2, 2, 5, 6, 6, 7]
INDICES = [4, 0, 7, 7, 1, 3, 9]


@pytest.fixture
def torch():
    """PyTorch, which the tests write files with."""
    return pytest.importorskip("torch")


def save(torch, path, *tensors, **options):
    """Write a tuple of tensors."""
    torch.save(tuple(tensors), path, **options)
    return path


def small(torch, dtype=None):
    """Indices, offsets and lengths of two tables with three bags each."""
    dtype = dtype or torch.int64
    lengths = np.diff(OFFSETS).reshape(2, 3)
    return tuple(torch.tensor(values, dtype=dtype) for values in (INDICES, OFFSETS, lengths))


def refusal(path, **options):
    """Return why a file is refused, with its folder left out."""
    with pytest.raises(InputError) as error:
        read_trace(path, format="pt", **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path.parent}/", "")


# equality with PyTorch


def test_tables_follow_one_another(torch, tmp_path):
    trace = read_trace(save(torch, tmp_path / "a.pt", *small(torch)))
    assert trace.rows.tolist() == INDICES
    assert trace.bag_offsets.tolist() == OFFSETS
    assert trace.bag_tables.tolist() == [0, 0, 0, 1, 1, 1]
    assert [table.rows for table in trace.tables] == [8, 10]
    assert (trace.order, trace.name, trace.generator) == ("table-major", "a", "pt")
    assert trace.notes == (
        "2 tables of 3 bags, by lengths of shape (2, 3)",
        "rows per table estimated from the largest index",
    )
    trace.validate()
    assert trace.reorder("sample-major").bag_tables.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_every_form_of_the_file_gives_the_same_trace(torch, tmp_path, legacy, protocol, pack, dtype):
    tensors = small(torch, getattr(torch, dtype))
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": not legacy}
    path = save(torch, tmp_path / "a.pt", *tensors, **options)
    path.write_bytes(pack(path.read_bytes()))
    plain = read_trace(save(torch, tmp_path / "plain.pt", *small(torch)))
    assert read_trace(path).sha256 == plain.sha256


@st.composite
def views(draw):
    """A NumPy array and how to slice it, one or two dimensions."""
    shape = draw(st.sampled_from([(1,), (7,), (3, 4), (5, 1)]))
    base = np.arange(
        np.prod(shape), dtype=draw(st.sampled_from(["i8", "i4", "i2", "i1", "u1", "f4", "f8", "f2"]))
    )
    cut = tuple(
        slice(draw(st.integers(0, n - 1)), draw(st.integers(0, n)), draw(st.integers(1, 3))) for n in shape
    )
    return base.reshape(shape), cut, draw(st.booleans())


@settings(deadline=None)
@given(st.lists(views(), min_size=1, max_size=3), st.booleans())
def test_any_view_equals_what_torch_loads(tmp_path_factory, views, legacy):
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("pt") / "views.pt"
    tensors = [torch.from_numpy(base)[cut] for base, cut, _ in views]
    tensors = [
        tensor.T if turned and tensor.ndim == 2 else tensor
        for tensor, (*_, turned) in zip(tensors, views, strict=True)
    ]
    save(torch, path, *tensors, tensors[0], _use_new_zipfile_serialization=not legacy)
    for ours, theirs in zip(load_tensors(path), torch.load(path), strict=True):
        assert ours.dtype == theirs.numpy().dtype
        if ours.size:
            assert np.array_equal(ours, theirs.numpy())
        else:
            assert theirs.numel() == 0


@settings(deadline=None)
@given(st.data())
def test_pruned_rows_leave_the_bags_shorter(tmp_path_factory, data):
    torch = pytest.importorskip("torch")
    bags = data.draw(
        st.lists(st.lists(st.integers(-1, 4), max_size=4), min_size=6, max_size=6).filter(
            lambda bags: any(row >= 0 for bag in bags for row in bag)
        )
    )
    path = tmp_path_factory.mktemp("pt") / "x_t2_bs3.pt"
    offsets = np.concatenate(([0], np.cumsum([len(bag) for bag in bags])))
    save(torch, path, torch.tensor([row for bag in bags for row in bag]), torch.tensor(offsets))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.formats.pt.CHUNK", data.draw(st.integers(1, 9)))
        trace = read_trace(path)
    kept = [[row for row in bag if row >= 0] for bag in bags]
    found = [trace.rows[a:b].tolist() for a, b in zip(trace.bag_offsets, trace.bag_offsets[1:], strict=False)]
    assert found == kept
    pruned = sum(map(len, bags)) - sum(map(len, kept))
    assert any(note.startswith(f"{pruned} pruned rows") for note in trace.notes) == (pruned > 0)


def test_rows_beyond_32_bits_are_kept(torch, tmp_path):
    path = save(torch, tmp_path / "a_t1_bs1.pt", torch.tensor([2**31, 5]), torch.tensor([0, 2]))
    assert read_trace(path).rows.tolist() == [2**31, 5]
    assert read_trace(path, rows=2**40).tables[0].rows == 2**40


def test_numbers_stay_in_the_file(torch, tmp_path):
    indices, offsets = torch.arange(2**20) % 1000, torch.arange(0, 2**20 + 1, 8)
    trace = read_trace(save(torch, tmp_path / "a_t1_bs131072.pt", indices, offsets))
    assert not trace.bag_offsets.flags.owndata


# what the file does not say


def test_the_number_of_tables_is_told_by_shape_name_or_option(torch, tmp_path):
    indices, offsets, lengths = small(torch)
    named = save(torch, tmp_path / "fbgemm_t3_bs2.pt", indices, offsets)
    assert len(read_trace(named).tables) == 3
    assert len(read_trace(named, tables=6).tables) == 6
    assert len(read_trace(named, rows=[10, 10]).tables) == 2
    flat = save(torch, tmp_path / "fbgemm_t3_bs2_1.pt", indices, offsets, lengths.reshape(-1))
    assert len(read_trace(flat).tables) == 3
    shaped = save(torch, tmp_path / "other_t3_bs2.pt", indices, offsets, lengths)
    assert len(read_trace(shaped).tables) == 2
    untold = save(torch, tmp_path / "untold.pt", indices, offsets)
    assert refusal(untold) == (
        "untold.pt: 6 bags, but of how many tables? The file does not say: declare them "
        "(archsim trace convert --tables N), or name it ..._tTABLES_bsBATCH.pt"
    )
    assert refusal(untold, tables=4).startswith("untold.pt: tables = 4: 6 bags cannot be those of 4 tables")
    wrong = save(torch, tmp_path / "a_t4_bs2.pt", indices, offsets)
    assert refusal(wrong) == "a_t4_bs2.pt: the name's 't4_bs2' means 8 bags, but offsets are of 6"


def test_further_members_are_left_out_with_a_note(torch, tmp_path):
    path = save(torch, tmp_path / "a.pt", *small(torch), torch.ones(7), None)
    assert "2 further members of the file left out" in read_trace(path).notes


@pytest.mark.parametrize(
    ("indices", "offsets", "message"),
    [
        ([1, 2], [0, 1], "offsets[1] = 1 must be 2"),
        ([1, 2], [1, 2], "offsets[0] = 1 must be 0"),
        ([1, 2], [0, 3, 1, 2], "offsets[2] = 1 is below offsets[1] = 3"),
        ([1, -2], [0, 2], "indices[1] = -2 of table 0 must be a row, 0 to "),
        ([1, 2**62], [0, 2], f"indices[1] = {2**62} of table 0 must be a row"),
        ([-1, -1], [0, 2], "no lookups: all 2 indices are -1, pruned rows"),
        ([], [0, 0], "no lookups in any of its 1 tables"),
        ([1.0], [0, 1], "indices holds float32 of shape (1,); it must hold integers"),
        ([[1]], [0, 1], "indices holds int64 of shape (1, 1); it must hold integers"),
        ([1], [0], "offsets has 1 entries"),
    ],
)
def test_wrong_values_are_named(torch, tmp_path, indices, offsets, message):
    kind = torch.float32 if 1.0 in indices and isinstance(indices[0], float) else torch.int64
    path = save(torch, tmp_path / "a.pt", torch.tensor(indices, dtype=kind), torch.tensor(offsets))
    assert message in refusal(path, tables=1)


def test_lengths_must_agree_with_offsets(torch, tmp_path):
    indices, offsets, lengths = small(torch)
    lengths[1, 2] = 2
    assert refusal(save(torch, tmp_path / "a.pt", indices, offsets, lengths)) == (
        "a.pt: bag 5: lengths says 2 lookups, offsets say 1"
    )


def test_an_index_beyond_the_declared_rows_is_named(torch, tmp_path):
    path = save(torch, tmp_path / "a.pt", *small(torch))
    assert refusal(path, rows=[8, 9]) == (
        "a.pt: indices[6] = 9 of table 1 must be a row, 0 to 8, or -1 where it was pruned"
    )


@pytest.mark.parametrize("value", [{"a": 1}, 3, "text", None])
def test_other_things_than_a_tuple_are_refused(torch, tmp_path, value):
    torch.save(value, tmp_path / "a.pt")
    assert refusal(tmp_path / "a.pt") == f"a.pt: holds a {type(value).__name__}; a tuple of tensors is needed"


def test_a_single_tensor_and_other_members_are_refused(torch, tmp_path):
    torch.save(torch.arange(3), tmp_path / "a.pt")
    assert refusal(tmp_path / "a.pt") == "a.pt: holds a single tensor; a tuple of tensors is needed"
    torch.save((torch.arange(3), "x"), tmp_path / "b.pt")
    assert refusal(tmp_path / "b.pt") == "b.pt: offsets is not a tensor"
    torch.save((torch.arange(3),), tmp_path / "c.pt")
    assert refusal(tmp_path / "c.pt") == "c.pt: holds 1 values; (indices, offsets, ...) are needed"


def test_a_model_is_refused_with_the_name_it_asks_for(torch, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    assert "asks for 'torch.nn.modules.linear.Linear', which is not a part" in refusal(tmp_path / "model.pt")
    torch.save((torch.nn.Parameter(torch.ones(2)), torch.ones(2)), tmp_path / "parameter.pt")
    assert "asks for 'torch._utils._rebuild_parameter'" in refusal(tmp_path / "parameter.pt")


# hostile pickles


def archive(path, program, **members):
    """Write a zip archive with a pickle of one's own."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", program)
        for name, content in members.items():
            file.writestr(f"a/data/{name}", content)
    return path


class Call:
    """What a pickle makes of a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nLongStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"


def tensor(offset, shape, strides):
    """The program that makes a tensor of the two elements of storage 0."""
    numbers = [pickle.dumps(value, 2)[2:-1] for value in (offset, shape, strides)]
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"".join(numbers) + b"\x89NtR\x85."


@pytest.mark.parametrize(
    ("program", "place", "message"),
    [
        (pickle.dumps(Call(eval, "1"), 2), 2, "asks for '__builtin__.eval'"),
        (pickle.dumps(Call(eval, "1"), 4), 29, "asks for 'builtins.eval'"),
        (pickle.dumps(Call(sys.exit, 3), 0), 0, "asks for 'sys.exit'"),
        (b"(cos\nsystem\nS'x'\no.", 1, "asks for 'os.system'"),
        (b"(S'x'\nios\nsystem\n.", 1, "STRING is not one of the instructions"),
        (b"(ios\nsystem\n.", 1, "INST is not one of the instructions"),
        (b"ctorch\nLongStorage\n}b.", 20, "BUILD is not one of the instructions"),
        (b"ctorch\nLongStorage\n)\x81.", 20, "NEWOBJ is not one of the instructions"),
        (b"ctorch\nLongStorage\n)R.", 20, "calls 'torch.LongStorage', or with arguments"),
        (b"ccollections\nOrderedDict\n(]tR.", 28, "calls 'collections.OrderedDict', or with arguments"),
        (b"\x8b\xff\xff\xff\x7f.", 0, "LONG4 is not one of the instructions"),
        (b"\x82\x01.", 0, "EXT1 is not one of the instructions"),
        (b"Px\n.", 0, "PERSID is not one of the instructions"),
        (b"\x96\xff\xff\xff\xff\xff\xff\xff\xff.", 0, "BYTEARRAY8 is not one"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", 0, "BINUNICODE8 is not one"),
        (b"X\xff\xff\xff\x7fabc.", 0, "the pickle is cut short"),
        (b"X\x01\x00\x00\x00\xff.", 0, "a string is not UTF-8"),
        (b"\xff.", 0, "byte 0xff is not one of the instructions"),
        (b"\x80\x09N.", 0, "protocol 9; it must be 2 to 5"),
        (b".", None, "STOP with 0 values on the stack"),
        (b"(.", None, "STOP with 1 values on the stack"),
        (b"NN.", 2, "STOP with 2 values on the stack"),
        (b"t.", 0, "no MARK on the stack"),
        (b"R.", 0, "the stack holds too few values"),
        (b"h\x07.", 0, "memo 7 was never set"),
        (b"Nq", 1, "the pickle is cut short"),
        (b"(NNs.", 3, "a dict needs pairs"),
        (b"}NNs.", 3, "a dict needs pairs"),
        (b"NQ.", 1, "a NoneType on the stack where a tuple must be"),
        (b"NtQ.", 1, "no MARK on the stack"),
        (b"(NtQ.", 3, "a reference to something else than a whole storage"),
        (STORAGE[:-2] + b"K\x05tQ.", None, "a reference to something else than a whole storage"),
        (STORAGE[:-4] + b"J\xff\xff\xff\xfftQ.", None, "with less than no elements"),
        (STORAGE + STORAGE.replace(b"K\x02", b"K\x03") + b"\x86.", None, "is described in two ways"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", None, "a tensor needs a storage"),
        (tensor("0", (2,), (1,)), None, "a tensor needs a storage"),
        (tensor(0, (2,), (1, 1)), None, "a tensor needs a storage"),
        (tensor(0, ("2",), (1,)), None, "a tensor needs a storage"),
        (b"c" + b"x" * 200 + b"\n.", 0, "a name does not end within 100 bytes"),
        (b"(" * 5 + b"N" * 5 + b"ttt", None, "the pickle is cut short"),
    ],
)
def test_what_a_tensor_does_not_need_is_refused_with_its_place(tmp_path, program, place, message):
    path = archive(tmp_path / "a.pt", program)
    found = refusal(path)
    assert message in found
    if place is not None:
        assert f"byte {path.read_bytes().index(program) + place}: pickle: " in found


@pytest.mark.parametrize(
    "program",
    [
        b"(" * 60_000 + b"." * 9,  # deep nesting
        b")" + b"\x85" * 60_000 + b".",  # deeper and deeper tuples
        b"N"
        + b"".join(b"r" + struct.pack("<I", 2**32 - 1 - k) for k in range(12_000))
        + b".",  # a sparse memo
        b")q\x00" + b"h\x00h\x00\x86q\x00" * 9_000 + b".",  # a value that doubles each time
        b"]q\x00" + b"(h\x00h\x00e" * 10_000 + b".",  # a list that holds itself
        b"N" * (MAX_BYTES + 9) + b".",  # longer than any that is read
        b"\x8a\xff" + b"\x7f" * 255 + b".",  # a very large number
    ],
)
def test_floods_end_quickly_and_small(tmp_path, program):
    tracemalloc.start()
    try:
        found = refusal(archive(tmp_path / "a.pt", program))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) < 300
    assert peak < 64 << 20


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (3,), (1,)),
        (1, (2,), (1,)),
        (0, (2,), (2,)),
        (0, (2**40,), (0,)),
        (0, (2**40, 2**40), (1, 1)),
        (0, (1, 2, 2), (0, 0, 0)),
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (1, (2,), (-1,)),
        (2**70, (1,), (1,)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path, offset, shape, strides):
    path = archive(tmp_path / "a.pt", tensor(offset, shape, strides), **{"0": bytes(16)})
    assert "storage '0'" in refusal(path)


def test_storages_are_measured(tmp_path):
    program = tensor(0, (2,), (1,))
    assert refusal(archive(tmp_path / "a.pt", program)) == (
        "a.pt: the member 'a/data/0' is missing; a tensor needs it"
    )
    assert refusal(archive(tmp_path / "b.pt", program, **{"0": bytes(15)})) == (
        "b.pt: storage '0' has 15 bytes; 2 elements of int64 are declared"
    )


# archives


def test_only_stored_members_are_read(torch, tmp_path):
    path = save(torch, tmp_path / "a.pt", *small(torch))
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert "is compressed or encrypted" in refusal(tmp_path / "b.pt")


def test_archives_beyond_32_bits_are_read(torch, tmp_path):
    path = save(torch, tmp_path / "a.pt", *small(torch))
    with (
        mock.patch.object(zipfile, "ZIP64_LIMIT", 10),
        mock.patch.object(zipfile, "ZIP_FILECOUNT_LIMIT", 1),
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(tmp_path / "b.pt", "w") as target,
    ):
        for name in source.namelist():
            with target.open(name, "w", force_zip64=True) as member:
                member.write(source.read(name))
    assert b"PK\x06\x06" in (tmp_path / "b.pt").read_bytes()
    assert read_pt(tmp_path / "b.pt").sha256 == read_pt(path).sha256


def test_a_bomb_in_gzip_is_refused(tmp_path):
    path = tmp_path / "bomb.pt.gz"
    path.write_bytes(gzip.compress(bytes(100 << 20), 9))
    tracemalloc.start()
    try:
        assert "expand more than" in refusal(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 160 << 20


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """Bytes of a sound file in each form, and the hash of its trace."""
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("pt") / "a.pt"
    found = {}
    for name in ("zip", "legacy"):
        save(torch, path, *small(torch), _use_new_zipfile_serialization=name == "zip")
        found[name] = path.read_bytes()
    found["gzip"] = gzip.compress(found["zip"])
    return found, read_trace(path).sha256


@pytest.mark.parametrize("form", ["zip", "legacy", "gzip"])
@pytest.mark.parametrize("part", range(50))
def test_a_file_cut_short_is_refused(forms, tmp_path, form, part):
    content = forms[0][form]
    (tmp_path / "a.pt").write_bytes(content[: len(content) * part // 50])
    for options in ({}, {"format": "pt"}):
        with pytest.raises(InputError) as error:
            read_trace(tmp_path / "a.pt", **options)
        assert "\n" not in str(error.value)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_flipped_bytes_are_noticed_or_do_not_matter(forms, tmp_path_factory, data):
    content, sound = forms
    form = data.draw(st.sampled_from(sorted(content)))
    damaged = bytearray(content[form])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("pt") / "a_t2_bs3.pt"
    path.write_bytes(damaged)
    try:
        trace = read_trace(path, format="pt")
        trace.validate()
        outcome = trace.sha256
    except InputError as error:
        outcome = str(error)
    # The older form has no checksum over its numbers.
    assert outcome == sound or outcome.startswith(str(path)) or form == "legacy"


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_as_a_pickle_end_in_a_value_or_a_refusal(program, protocol):
    try:
        Unpickler(memoryview((b"\x80\x02" if protocol else b"") + program), 0, "a.pt").load()
        outcome = "a value"
    except InputError as error:
        outcome = str(error)
    assert outcome == "a value" or outcome.startswith("a.pt: byte ")
