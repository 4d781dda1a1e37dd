"""The command ``archsim cache``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.cli_options import (
    BytesOption,
    FormatOption,
    JsonOption,
    LimitOption,
    OrderOption,
    RowsOption,
    TablesOption,
    TraceArgument,
    positive,
    progress_bar,
)

CACHE_EXAMPLES = """\b
Examples:
  archsim cache my-trace --entries 1000,64KiB,1MiB
  archsim cache my-trace --policy lru,s3fifo,belady --entries 9000 --per-table
  archsim cache my-trace --policy all --entries 10000 --json
  archsim cache my-trace --policy lru,sieve --line 64 --entries 32KiB --ways 8
  archsim cache my-trace --curve --out curve
      the whole LRU miss-ratio curve, exact, in one pass
  archsim cache my-trace --curve --policy lru,arc,belady --plot curves.png
      other policies: one replay for each of some 25 sizes
  archsim cache my-trace --curve --line 64 --sets 1024 --ways 16
      every associativity of a cache of 1024 sets of lines of 64 bytes
  archsim cache my-trace --curve --interval 1000000 --per-table --json
      over time and by table
  archsim cache long-trace --curve --sample 0.01
"""


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise typer.BadParameter(f"{text[:40]!r} must be a number above 0 and at most 1")
    return number


def cache(
    trace: TraceArgument,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="NAME,...",
            help="lru, fifo, clock, sieve, lfu, slru, arc, 2q, s3fifo, wtinylfu, random, belady (the optimum), or all.",
        ),
    ] = "lru",
    entries: Annotated[
        str | None,
        typer.Option(
            "--entries",
            metavar="N,...",
            help="Sizes of the cache: vectors (or lines) that it holds, or bytes with a unit, such as 1MiB.",
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Miss ratio by size, from one entry to all that the trace uses.")
    ] = False,
    line: Annotated[
        str | None,
        typer.Option(
            "--line",
            metavar="SIZE|vector",
            help="What an entry holds: a line of so many bytes, or a whole vector. Default: vector; for addresses 64.",
        ),
    ] = None,
    per_table: Annotated[
        bool,
        typer.Option("--per-table", help="Also by table; of a curve, in the shared cache and each alone."),
    ] = False,
    interval: Annotated[
        int | None,
        typer.Option(
            "--interval",
            metavar="N",
            parser=positive,
            help="Also the hit ratio, or the curve, of every N accesses, one after another.",
        ),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            "--sample",
            metavar="RATE",
            parser=_rate,
            help="Estimate the LRU curve from this share of the vectors, such as 0.01. Default: exact.",
        ),
    ] = None,
    sets: Annotated[
        int | None,
        typer.Option(
            "--sets", metavar="N", parser=positive, help="The LRU curve over the ways of so many sets."
        ),
    ] = None,
    ways: Annotated[
        int | None,
        typer.Option(
            "--ways",
            metavar="N",
            parser=positive,
            help="Most ways of --sets (default: 16); with --entries, sets of N ways, each under the policy alone.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the policy random.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            parser=positive,
            help="Replays at a time; changes no result. Default: processors.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a parameter of a generated trace, e.g. rows=1e6. Repeatable.",
        ),
    ] = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    rows: RowsOption = None,
    vector_bytes: BytesOption = None,
    tables: TablesOption = None,
    order: OrderOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write pictures, CSV and JSON to a new folder."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the picture (.png, .svg, .pdf); must not exist yet."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hit ratios of cache policies, or the whole miss-ratio curve."""
    from archsim.errors import InputError
    from archsim.files import check_new

    names = _policies(policy)
    _check(names, entries, curve, per_table, interval, sample, sets, ways)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"{plot}: must end in .png, .svg or .pdf")
    for target in (out, plot):
        if target is not None:
            check_new(target)
    line_bytes = _line(line)

    from archsim.cache.accesses import Accesses
    from archsim.cache.documents import head, parse_entries
    from archsim.report.cache_text import answer_lines
    from archsim.report.trace_text import note_lines
    from archsim.traces import open_trace

    opened = open_trace(
        trace,
        format=format_,
        rows=rows,
        vector_bytes=vector_bytes,
        tables=tables,
        order=order,
        limit=limit,
        overrides=[text.removeprefix("workload.") for text in overrides or []],
    )
    opened.validate()
    if line == "vector" and not hasattr(opened, "tables"):
        raise InputError(f"--line vector: {opened.name} is a trace of addresses, which are taken as lines")
    accesses = Accesses.of(opened, line_bytes)
    sizes = None if entries is None else parse_entries(entries, accesses)
    if not curve:
        found, count = _rows(accesses, names, sizes or [], ways, per_table, interval or 0, threads, seed)
    elif sets is not None:
        found, count = _ways(accesses, sets, ways or 16)
    else:
        found, count = _curve(accesses, names, sizes, per_table, interval or 0, sample or 1.0, threads, seed)
    document = {**head(opened, accesses, count), **found}
    try:
        _write(document, out, plot)
    finally:
        # A disk that is full costs the files, not the answer.
        text = json.dumps(document, indent=2) if as_json else ""
        print(text or "\n".join([*answer_lines(document), *note_lines(opened.notes)]))


def _policies(text: str) -> list[str]:
    from archsim.cache.policies import POLICIES, policy_named

    names = [name.strip().lower() for name in text.split(",")]
    if names == ["all"]:
        return list(POLICIES)
    return list(dict.fromkeys(policy_named(name).name for name in names))


def _line(text: str | None) -> int | None:
    from archsim.errors import InputError
    from archsim.units import parse_quantity

    if text is None or text == "vector":
        return None
    try:
        size = int(text) if text.isascii() and text.isdigit() else parse_quantity(text, "B")
    except InputError as error:
        raise InputError(f"--line {error}, 64 or vector") from None
    if not isinstance(size, int) or size < 1:
        raise InputError(f"--line {text}: must be a whole number of bytes, at least 1")
    return size


def _check(
    names: list[str],
    entries: str | None,
    curve: bool,
    per_table: bool,
    interval: int | None,
    sample: float | None,
    sets: int | None,
    ways: int | None,
) -> None:
    """Refuse options that do not go together, before any work is done."""
    from archsim.errors import InputError

    if not curve and entries is None:
        raise InputError(
            "give the sizes of the cache, such as --entries 1000,64KiB, or --curve for all sizes"
        )
    asked = {"--sample": sample, "--sets": sets, "--interval": interval}
    given = [option for option, value in asked.items() if value is not None]
    if not curve and given and given[0] != "--interval":
        raise InputError(f"{given[0]}: is for --curve")
    if curve and names != ["lru"] and (given or per_table):
        raise InputError(
            f"{[*given, '--per-table'][0]}: is for the curve of lru alone, not {', '.join(names)}"
        )
    if ways is not None and curve and sets is None:
        raise InputError("--ways: a curve needs --sets as well")
    if sets is not None and (entries is not None or per_table or len(given) > 1):
        raise InputError("--sets: goes with --ways and --line alone; the sizes are its multiples")


def _rows(
    accesses: Any,
    names: list[str],
    sizes: list[int],
    ways: int | None,
    per_table: bool,
    interval: int,
    threads: int | None,
    seed: int,
) -> tuple[dict[str, Any], int]:
    from archsim.cache.documents import rows
    from archsim.cache.study import compare_policies

    with progress_bar(accesses.count * len(names) * len(sizes), "access") as advance:
        results = compare_policies(
            accesses,
            names,
            sizes,
            ways=ways,
            per_table=per_table,
            interval=interval,
            threads=threads,
            seed=seed,
            progress=advance,
        )
    return {"ways": ways, **rows(results, accesses)}, results[0].accesses


def _ways(accesses: Any, sets: int, ways: int) -> tuple[dict[str, Any], int]:
    from archsim.cache.curves import way_curve
    from archsim.cache.documents import ways as document

    with progress_bar(accesses.count, "access") as advance:
        found = way_curve(accesses, sets, ways, progress=advance)
    return document(found), found.accesses


def _curve(
    accesses: Any,
    names: list[str],
    sizes: list[int] | None,
    per_table: bool,
    interval: int,
    sample: float,
    threads: int | None,
    seed: int,
) -> tuple[dict[str, Any], int]:
    from archsim.cache import documents
    from archsim.cache.curves import lru_curve
    from archsim.cache.study import compare_policies

    replayed = names != ["lru"]
    source = accesses.held() if replayed else accesses
    with progress_bar(source.count, "access") as advance:
        found = lru_curve(
            source, sample=sample, per_table=per_table, interval=interval, entries=sizes, progress=advance
        )
    entries = documents.curve_sizes(found, sizes, replayed)
    if not replayed:
        return documents.curve(found, entries, source), found.accesses
    others = sum(name != "lru" for name in names)
    with progress_bar(source.count * others * len(entries), "access") as advance:
        document = documents.policy_curves(
            found, entries, names, source,
            lambda others, sizes: compare_policies(
                source, others, sizes, threads=threads, seed=seed, progress=advance
            ),
        )  # fmt: skip
    return document, found.accesses


def _write(document: dict[str, Any], out: Path | None, plot: Path | None) -> None:
    if out is not None:
        from archsim.report.cache_plots import write_cache_report

        write_cache_report(document, out)
        print(f"report: {out}", file=sys.stderr)
    if plot is not None:
        from archsim.files import new_file
        from archsim.report.cache_plots import plot_answer

        with new_file(plot) as file:
            plot_answer(document, file, kind=plot.suffix.lower().lstrip("."))
        print(f"plot: {plot}", file=sys.stderr)
