"""A small sound file of every trace format, for tests and fuzzers that damage it."""

import io
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from archsim.traces import AddressTrace, EmbeddingTrace, Table, write_native
from archsim.traces.formats.registry import FILE_FORMATS

INDICES, LENGTHS = [4, 0, 7, 7, 1, 3, 9], [2, 0, 3, 1, 0, 1]

CRITEO = "".join(
    "\t".join([label, *map(str, [0, -1, *range(2, 13)]), first, second, *(f"a{n}" for n in range(3, 27))])
    + "\n"
    for label, first, second in (("1", "05db9164", ""), ("0", "68fd1e64", "0"), ("0", "05DB9164", "ffffffff"))
)

TEXT = {
    "dramsim3": b"0x2000D5C0 READ  30\n1ff96fc0 WRITE 160\n40 P_MEM_WR 160\n",
    "ramulator1": b"0x12345680 R\n4cbd56c0 W\n0 R\n",
    "ramulator2": b"LD 0x12340\nST 4096\nLD 0\n",
    "ramulator-cpu": b"3 20734016\n8 20841280 20846400\n0 1\n",
    "recbole": b"item_id:token\tuser_id:token\trating:float\nia\tu-number-1\t3\nib\tu-number-1\t4\nia\tu2\t\n",
    "criteo": CRITEO.encode(),
    "trace-log": b"1, 2, 3, 4, 5, 3, 2000, 77\n",
    "user-items": b"1 7\n1 2 9\n2\n300 4\n",
    "bags": b"3 1 4\n\n15 9\n2653\n",
}

NAMED = {name for name, entry in FILE_FORMATS.items() if entry.matches is None}
"""Formats that content does not tell."""


def lookups():
    """A trace of lookups with every column."""
    return EmbeddingTrace(
        "small",
        (Table("a", 10, 64), Table("b", 2**33, 128, "int8")),
        rows=np.array([4, 0, 7, 2**32, 1]),
        bag_offsets=np.array([0, 2, 2, 3, 5]),
        bag_tables=np.array([0, 1, 0, 1], np.int32),
        order="sample-major",
        time_ps=np.array([0, 0, 5, 5]),
        sample=np.array([0, 0, 1, 1]),
        user=np.array([9, 9, 8, 8]),
        weight=np.array([1, 0.5, -2, 0, 3], np.float32),
        operation=np.array([0, 0, 1, 0, 0], np.uint8),
        generator="by hand",
        seed=7,
        notes=("a note",),
    )


def addresses():
    """A trace of addresses with every column."""
    return AddressTrace(
        "small",
        address=np.array([64, 0, 2**40, 64]),
        operation=np.array([0, 1, 0, 0], np.uint8),
        time=np.array([0, 3, 3, 900]),
        time_unit="ps",
        generator="by hand",
    )


def written(trace, format):
    """Return the bytes of a file that archsim writes."""
    writer = FILE_FORMATS[format].write
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        writer(trace, path, lambda _entries: None)
        return path.read_bytes()


def native(trace):
    """Return the bytes of the files of a native folder, by name."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        write_native(trace, path)
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def npz(compressed=False, **changes):
    """Return the bytes of an archive of two tables, the same on every run; with other arrays where given."""
    arrays = {
        "emb_0_indices": np.array(INDICES, np.int32),
        "emb_0_lengths": np.array(LENGTHS, np.int32),
        "emb_1_indices": np.array([7, 8, 9], np.uint64),
        "emb_1_lengths": np.array([0, 3], np.int8),
        **changes,
    }
    return zipped({f"{name}.npy": npy(array) for name, array in arrays.items()}, compressed)


def npy(array):
    """Return the bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(members, compressed=False):
    """Return the bytes of a zip archive; its times are always the same."""
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


# Files of torch.save, written by hand so that every opcode has its known place.


def _text(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _whole(number):
    return b"J" + struct.pack("<i", number)


STORAGES = {"i8": b"LongStorage", "u1": b"ByteStorage"}


def _tensor(key, elements, shape, legacy, kind="i8"):
    """The instructions for a contiguous tensor of integers that fills its storage."""
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    view = b"N" if legacy else b""
    storage = (
        b"("
        + _text("storage")
        + b"ctorch\n"
        + STORAGES[kind]
        + b"\n"
        + _text(key)
        + _text("cpu")
        + _whole(elements)
    )
    sizes = [b"(" + b"".join(map(_whole, numbers)) + b"t" for numbers in (shape, strides)]
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = b"(" + storage + view + b"tQ" + _whole(0) + sizes[0] + sizes[1] + b"\x89" + hooks + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def tensors(**changes):
    """Return (key, shape, values) of indices, offsets and lengths: two tables of three bags."""
    values = {"indices": INDICES, "offsets": np.append(0, np.cumsum(LENGTHS)), "lengths": LENGTHS, **changes}
    return tuple(zip("012", ((7,), (7,), (2, 3)), values.values(), strict=True))


def pickle_program(legacy=False):
    """Return the pickle of a tuple of three tensors."""
    parts = (_tensor(key, len(values), shape, legacy) for key, shape, values in tensors())
    return b"\x80\x02(" + b"".join(parts) + b"t."


def pt(program=None, **changes):
    """Return the bytes of a zip archive of torch.save, with sound checksums around any pickle and numbers."""
    storages = {f"a/data/{key}": np.array(values, "<i8").tobytes() for key, _, values in tensors(**changes)}
    pickled = pickle_program() if program is None else program
    return zipped({"a/data.pkl": pickled, "a/byteorder": b"little", **storages, "a/version": b"3\n"})


def pt_of(indices, offsets, tables):
    """Return the bytes of an archive of any indices and offsets; the shape of lengths tells the tables."""
    lengths = np.diff(offsets).reshape(tables, -1)
    values = (("0", indices), ("1", offsets), ("2", lengths))
    program = b"".join(
        _tensor(key, array.size, array.shape, False, array.dtype.str[1:]) for key, array in values
    )
    storages = {f"a/data/{key}": array.tobytes() for key, array in values}
    return zipped({"a/data.pkl": b"\x80\x02(" + program + b"t.", "a/byteorder": b"little", **storages})


LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."


def pt_legacy(program=None, keys=None):
    """Return the bytes of the older form of torch.save."""
    system = b"\x80\x02}(" + _text("little_endian") + b"\x88u."
    pickled = pickle_program(legacy=True) if program is None else program
    listed = b"\x80\x02](" + b"".join(_text(key) for key, *_ in tensors()) + b"e." if keys is None else keys
    storages = b"".join(
        struct.pack("<q", len(values)) + np.array(values, "<i8").tobytes() for _, _, values in tensors()
    )
    return LEGACY_MAGIC + b"\x80\x02M\xe9\x03." + system + pickled + listed + storages


def oracle():
    """Return oracleGeneral of a few requests."""
    trace = EmbeddingTrace(
        "small",
        (Table("a", 10, 64),),
        rows=np.array([1, 2, 1, 9], np.int32),
        bag_offsets=np.array([0, 1, 3, 4]),
        bag_tables=np.zeros(3, np.int32),
    )
    return written(trace, "oracleGeneral")


def files():
    """Return the bytes of one sound file or more per format, by a name that begins with the format's."""
    return {
        "pt": pt(),
        "pt, older form": pt_legacy(),
        "parquet": written(lookups(), "parquet"),
        "parquet, addresses": written(addresses(), "parquet"),
        "npz": npz(),
        "npz, deflated": npz(compressed=True),
        **TEXT,
        "oracleGeneral": oracle(),
    }


def format_of(name):
    """Return the format of a key of `files`."""
    return name.partition(",")[0]
