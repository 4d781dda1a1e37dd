"""The commands of ``archsim trace``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli_options import (
    CONTEXT,
    BytesOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RowsOption,
    TablesOption,
    TraceArgument,
    progress_bar,
)

trace_app = typer.Typer(rich_markup_mode=None, context_settings=CONTEXT, help="Make and inspect traces.")


@trace_app.callback(invoke_without_command=True)
def _trace_root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@trace_app.command(
    "generate",
    epilog="""\b
Examples:
  archsim show workload                   the presets
  archsim show workload meta-2021         one's parameters, units and sources
  archsim trace generate preset:zipf --out my-trace
  archsim trace generate preset:zipf --out long-trace \\
      --set lookups=1e9 --set tables=16 --set skew=[1.1] --set seed=2
  archsim trace generate preset:meta-2021 --out timed-trace \\
      --arrivals poisson:20000/s
  archsim trace generate preset:zipf --out bursty-trace \\
      --set arrival.process=bursty --set arrival.samples_per_s=1e6 \\
      --set arrival.burst_factor=4 --set arrival.burst_share=0.1 \\
      --set arrival.burst_ns=50000
  archsim trace generate preset:my-own.toml --out my-trace
""",
)
def trace_generate(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET",
            show_default=False,
            help="preset:NAME of `archsim show workload`, or preset:FILE.toml.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the native trace.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override a parameter of `archsim show workload NAME`, e.g. lookups=1e9. Repeatable.",
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            "--arrivals",
            metavar="PROCESS:N/s",
            help="Samples arrive paced or poisson, N per second; short for the parameters arrival.process "
            "and arrival.samples_per_s.",
        ),
    ] = None,
) -> None:
    """Generate a trace of any length.

    The same preset, parameters and seed give the same trace on every machine, and a longer trace begins with the
    shorter one. It is written in the native format, piece by piece, so that its length is bounded by the disk and
    not by the memory.
    """
    from archsim.files import check_new
    from archsim.traces.generators.arrivals import parse_arrivals
    from archsim.traces.generators.stream import write
    from archsim.traces.workloads import PRESET, load_workload

    check_new(out)
    timed = [] if arrivals is None else parse_arrivals(arrivals)
    name = preset.removeprefix(PRESET)
    spec = load_workload(name, [*timed, *(text.removeprefix("workload.") for text in overrides or [])])
    with progress_bar(spec.lookups) as advance:
        trace = write(spec, out, Path(name).stem, advance)
    print(f"{out}: {trace.lookups:,} lookups in {trace.bags:,} bags, sha256 {trace.sha256[:12]}")


OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Also write pictures and the JSON object to a new folder."),
]


@trace_app.command(
    "info",
    epilog="""\b
Examples:
  archsim trace info my-trace
  archsim trace info preset:zipf --out zipf-figures
  archsim trace info bags.txt --vector-bytes 64 --json
""",
)
def trace_info(
    trace: TraceArgument,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check all of a trace; show how it reuses rows."""
    from archsim.files import check_new
    from archsim.report.trace_text import info_lines
    from archsim.traces import open_trace
    from archsim.traces import trace_info as describe

    if out is not None:
        check_new(out)
    opened = open_trace(
        trace, format=format_, rows=rows, vector_bytes=vector_bytes, order=order, limit=limit, verify=True
    )
    opened.validate()
    with progress_bar(*_length(opened)) as advance:
        info = describe(opened, progress=advance)
    _answer(info, [info], "info.json", info_lines, out, as_json)


@trace_app.command(
    "compare",
    epilog="""\b
Examples:
  archsim trace compare my-trace preset:meta-2021
  archsim trace compare before after --out figures
""",
)
def trace_compare(
    first: TraceArgument,
    second: TraceArgument,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    order: OrderOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show two traces side by side, and how far apart they are."""
    from archsim.files import check_new
    from archsim.report.trace_text import comparison_lines
    from archsim.traces import compare_traces, open_trace

    if out is not None:
        check_new(out)
    sources = (first, second)
    opened = []
    for source in sources:
        # A preset beside a file needs no format; two presets refuse it.
        own = not source.startswith("preset:") or all(name.startswith("preset:") for name in sources)
        one = open_trace(
            source,
            format=format_ if own else None,
            rows=rows if own else None,
            vector_bytes=vector_bytes if own else None,
            order=order,
            limit=limit,
        )
        one.validate()
        opened.append(one)
    with progress_bar(sum(_length(one)[0] for one in opened), _length(opened[0])[1]) as advance:
        found = compare_traces(opened[0], opened[1], progress=advance)
    _answer(found, found["traces"], "comparison.json", comparison_lines, out, as_json)


@trace_app.command(
    "convert",
    epilog="""\b
Examples:
  archsim trace convert fbgemm_t856_bs65536.pt.gz my-trace
      any format to a native folder, which opens at once
  archsim trace convert my-trace my-trace.parquet
      for data frames: columns table, row, bag
  archsim trace convert my-trace my-trace.oracleGeneral.zst
      for libCacheSim: every row an object, next accesses exact
  archsim trace convert my-trace t.trace.gz --to ramulator2 \\
      --system host-2rank
      for memory simulators: lookups placed in the memory of a system
""",
)
def trace_convert(
    trace: TraceArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help="New file or folder.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="native, parquet, oracleGeneral, ramulator2 or dramsim3 (default: by the ending of OUT, which may "
            "go on with .gz, .xz or .zst; a name without ending is a native folder).",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="NAME|FILE",
            help="Turn lookups into addresses: place the tables in the memory of this system.",
        ),
    ] = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    tables: TablesOption = None,
    order: OrderOption = None,
) -> None:
    """Write a trace in another format.

    OUT must not exist, and appears whole or not at all. What a format cannot hold, and what was assumed about the
    tables of a file that does not say, is printed.
    """
    from archsim.report.trace_text import note_lines
    from archsim.traces import EmbeddingTrace, open_trace
    from archsim.traces.formats.convert import left_out, output_format, write_trace

    format_to = output_format(out, to)
    opened = open_trace(
        trace, format=format_, rows=rows, vector_bytes=vector_bytes, tables=tables, order=order, limit=limit
    )
    written = opened if system is None else _addresses(opened, system, format_to)
    done = 0
    with progress_bar(_entries(opened, system is not None)) as advance:

        def count(entries: int) -> None:
            nonlocal done
            done += entries
            advance(entries)

        write_trace(written, out, format_to, count)
    print(f"{out}: {format_to}, {done:,} {'lookups' if isinstance(written, EmbeddingTrace) else 'requests'}")
    print("\n".join(note_lines((*opened.notes, *left_out(opened, format_to)))))


def _entries(trace: Any, as_lines: bool) -> int:
    """Return how many lookups or requests there are to write; lookups as lines of 64 bytes where asked."""
    import numpy as np

    from archsim.traces import AddressTrace

    if isinstance(trace, AddressTrace):
        return trace.requests
    if not as_lines:
        return int(trace.lookups)
    lines = np.array([-(-table.vector_bytes // 64) for table in trace.tables])
    return int((np.diff(trace.bag_offsets) * lines[trace.bag_tables]).sum())


def _addresses(trace: Any, system: str, format_to: str) -> Any:
    """Place the lookups of a trace in the memory of a system; return windows of addresses."""
    from archsim.errors import InputError
    from archsim.peers import load_system
    from archsim.systems.requests import lower_windows
    from archsim.traces import AddressTrace
    from archsim.traces.formats.convert import in_clocks

    if isinstance(trace, AddressTrace):
        raise InputError(
            f"{trace.name}: a trace of raw addresses; --system {system} is for embedding lookups"
        )
    spec = load_system(system)
    windows = lower_windows(spec, trace)
    return in_clocks(windows, spec.dram.timing.tCK_ps) if format_to == "dramsim3" else windows


def _length(trace: Any) -> tuple[int, str]:
    """Entries of a trace, and what they are."""
    from archsim.traces import AddressTrace

    return (trace.requests, "request") if isinstance(trace, AddressTrace) else (trace.lookups, "lookup")


def _answer(
    found: dict[str, Any],
    infos: list[dict[str, Any]],
    name: str,
    lines: Callable[[dict[str, Any]], list[str]],
    out: Path | None,
    as_json: bool,
) -> None:
    """Print what was found, and write it with its pictures."""
    text = json.dumps(found, indent=2)
    try:
        if out is not None:
            from archsim.files import new_folder
            from archsim.report.trace_plots import write_trace_plots

            with new_folder(out) as folder:
                (folder / name).write_text(text + "\n", encoding="utf-8")
                write_trace_plots(infos, folder)
            print(f"report: {out}", file=sys.stderr)
    finally:
        # A disk that is full costs the files, not the answer.
        print(text if as_json else "\n".join(lines(found)))
