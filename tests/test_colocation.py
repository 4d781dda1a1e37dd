"""Co-located models: traces interleaved into one, against a plain merge of lists of bags."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import run, strict_json

from archsim import InputError, load_system, open_trace, simulate
from archsim.traces import EmbeddingTrace, Table, interleave, ordering, write_native

SEEDS = st.integers(0, 2**32)


def model(dice, name, samples=None, **columns):
    """A trace of 1 to 3 tables, every sample with a bag of each, sample by sample."""
    tables = [Table(f"t{t}", 50, dice.choice([64, 128])) for t in range(dice.randint(1, 3))]
    samples = dice.randint(1, 6) if samples is None else samples
    bags = samples * len(tables)
    lengths = [1, *(dice.randrange(4) for _ in range(bags - 1))]
    lookups = sum(lengths)
    optional = {
        "time_ps": np.repeat(np.cumsum([dice.choice([0, 5, 10]) for _ in range(samples)]), len(tables)),
        "user": np.array([dice.randrange(9) for _ in range(bags)]),
        "weight": np.array([dice.random() for _ in range(lookups)], np.float32),
        "operation": np.array([dice.randrange(2) for _ in range(lookups)], np.uint8),
    }
    return EmbeddingTrace(
        name=name,
        tables=tables,
        rows=np.array([dice.randrange(50) for _ in range(lookups)], dice.choice([np.int32, np.int64])),
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]),
        bag_tables=np.tile(np.arange(len(tables), dtype=np.int32), samples),
        order="sample-major",
        sample=np.repeat(np.sort(dice.sample(range(100), samples)), len(tables))
        if dice.random() < 0.5
        else None,
        **{key: optional[key] for key in columns if columns[key]},
    )


def bags_of(trace, model=0, first_table=0):
    """List the bags: (model, table, rows, weights, operations, time)."""
    listed = []
    for b in range(trace.bags):
        part = slice(int(trace.bag_offsets[b]), int(trace.bag_offsets[b + 1]))
        weight = None if trace.weight is None else trace.weight[part].tolist()
        operation = [0] * len(trace.rows[part]) if trace.operation is None else trace.operation[part].tolist()
        time = None if trace.time_ps is None else int(trace.time_ps[b])
        listed.append(
            (
                model,
                first_table + int(trace.bag_tables[b]),
                trace.rows[part].tolist(),
                weight,
                operation,
                time,
            )
        )
    return listed


def merged_by_hand(traces, granularity, arrival):
    """Merge by asking, again and again, whose turn it is."""
    queues, first_table = [], 0
    for number, trace in enumerate(traces):
        bags = bags_of(trace, number, first_table)
        size = len(trace.tables) if granularity == "sample" else 1
        queues.append([bags[i : i + size] for i in range(0, len(bags), size)])
        first_table += len(trace.tables)
    out, taken = [], [0] * len(queues)
    while any(queues):
        waiting = [n for n, queue in enumerate(queues) if queue]
        turn = min(waiting, key=lambda n: (queues[n][0][0][5], n) if arrival else (taken[n], n))
        out += queues[turn].pop(0)
        taken[turn] += 1
    return out


@settings(derandomize=True, deadline=None, max_examples=200)
@given(SEEDS, st.sampled_from(["sample", "bag"]), st.booleans(), st.booleans(), st.sampled_from([1, 5, 1000]))
def test_models_take_turns_as_in_a_merge_by_hand(seed, granularity, timed, weighted, moved):
    dice = random.Random(seed)
    traces = [
        model(dice, f"model {n}", time_ps=timed, weight=weighted, operation=dice.random() < 0.5)
        for n in range(dice.randint(1, 4))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.traces.colocation.MOVED_LOOKUPS", moved)
        merged = interleave(traces, granularity=granularity)
    merged.validate()
    models = np.repeat(np.arange(len(traces)), [len(trace.tables) for trace in traces])
    found = [(int(models[bag[1]]), *bag[1:]) for bag in bags_of(merged)]
    assert found == merged_by_hand(traces, granularity, timed)
    assert [table.name for table in merged.tables] == [
        f"m{n}.{table.name}" for n, trace in enumerate(traces) for table in trace.tables
    ]
    assert merged.rows.dtype == np.result_type(*(trace.rows.dtype for trace in traces))
    assert (merged.time_ps is None) != timed


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from(["sample", "bag"]))
def test_every_sample_of_every_model_is_a_sample_of_its_own(seed, granularity):
    dice = random.Random(seed)
    traces = [model(dice, "same name") for _ in range(3)]
    merged = interleave(traces, granularity=granularity)
    bags = sum(trace.bags for trace in traces)
    samples = sum(trace.bags // len(trace.tables) for trace in traces)
    assert len(np.unique(merged.sample)) == samples
    pairs = {
        (int(s), merged.tables[t].name[:2]) for s, t in zip(merged.sample, merged.bag_tables, strict=True)
    }
    assert len(pairs) == samples
    assert merged.bags == bags
    sorted_again = replace(merged, order="as-recorded").reorder("sample-major")
    if granularity == "sample":
        assert merged.order == "sample-major"
        assert np.array_equal(sorted_again.rows, merged.rows)
    else:
        assert merged.order == "as-recorded"


def test_one_model_alone_stays_as_it_is_but_for_names_and_sample_numbers():
    trace = open_trace("preset:zipf", overrides=["lookups=5000", "rows=1000"])
    alone = interleave([trace])
    assert replace(alone, sample=trace.sample).sha256 == trace.sha256


def test_copies_of_a_model_have_tables_of_their_own():
    trace = open_trace("preset:zipf", overrides=["lookups=4000", "rows=1000"])
    merged = interleave([trace] * 3)
    assert merged.name == "3 x zipf"
    assert len(merged.tables) == 3 * len(trace.tables)
    assert merged.lookups == 12_000
    assert merged.notes[0] == "co-located models: m0 = zipf, m1 = zipf, m2 = zipf"
    assert interleave([trace, replace(trace, name="other"), trace]).name == "zipf + other + zipf"


def test_co_located_models_move_the_data_of_all():
    trace = open_trace("preset:zipf", overrides=["lookups=4000", "rows=1000"])
    for name in ("host-2rank", "recnmp-base-2rank"):
        assert simulate(load_system(name), interleave([trace] * 4)).trace.requests == 4 * 8000


def simple(name="simple", **columns):
    options = {"tables": [Table("a", 9, 64), Table("b", 9, 64)], "rows": np.arange(4), "bag_offsets": np.arange(5),
               "bag_tables": np.array([0, 1, 0, 1], np.int32)}  # fmt: skip
    return EmbeddingTrace(name=name, **(options | columns))


@pytest.mark.parametrize(
    ("traces", "options", "message"),
    [
        ([], {}, "interleave: needs at least one trace"),
        ([simple()], {"granularity": "bags"}, "unknown granularity 'bags' (did you mean 'bag'"),
        ([simple()], {"turns": "random"}, "unknown turns 'random'"),
        ([simple()], {"turns": "arrival"}, "turns = 'arrival' needs arrival times"),
        ([simple("x", time_ps=np.arange(4)), simple("y")], {}, "x has a column 'time_ps' and y has not"),
        ([simple("x"), simple("y", weight=np.ones(4, np.float32))], {}, "y has a column 'weight' and x has not"),
        ([simple("x", time_ps=np.array([3, 5, 4, 6]))], {}, "x: bag 2: time_ps = 4 is before the 5"),
        ([simple("x", bag_tables=np.array([0, 0, 1, 1], np.int32))], {}, "x: interleave: the bags of a sample do not"),
        ([simple("x", bag_tables=np.array([0, 0, 0, 1], np.int32))], {}, "x: table 'a' has 3 bags and table 'b' 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_interleaved_is_refused(traces, options, message):
    with pytest.raises(InputError) as refused:
        interleave(traces, **options)
    assert message in str(refused.value)


def test_bags_can_take_turns_where_samples_cannot_be_told():
    odd = simple("x", bag_tables=np.array([0, 0, 0, 1], np.int32))
    merged = interleave([odd, simple("y")], granularity="bag")
    assert merged.sample is None
    assert merged.bag_tables.tolist() == [0, 2, 0, 3, 0, 2, 1, 3]
    assert merged.rows.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_user_numbers_that_some_models_lack_are_left_out_with_a_note():
    merged = interleave([simple("x", user=np.arange(4)), simple("y")])
    assert merged.user is None
    assert "user numbers left out" in merged.notes[1]
    assert interleave([simple("x", user=np.arange(4))] * 2).user.tolist() == [0, 1, 0, 1, 2, 3, 2, 3]


def test_times_in_order_can_be_ignored_for_round_robin():
    early, late = simple("x", time_ps=np.arange(4)), simple("y", time_ps=np.arange(4) + 100)
    assert interleave([late, early]).bag_tables.tolist() == [2, 3, 2, 3, 0, 1, 0, 1]
    assert interleave([late, early], turns="round-robin").bag_tables.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_empty_tails_and_pieces_of_any_size_are_copied_whole(monkeypatch):
    monkeypatch.setattr(ordering, "MOVED_LOOKUPS", 1)
    tail = simple("x", bag_offsets=np.array([0, 2, 4, 4, 4]))
    assert interleave([tail, tail]).bag_offsets.tolist() == [0, 2, 4, 6, 8, 8, 8, 8, 8]


# On the command line


@pytest.fixture
def native(tmp_path):
    path = tmp_path / "model"
    write_native(open_trace("preset:zipf", overrides=["lookups=3000", "rows=500"]), path)
    return path


def test_the_command_line_co_locates_copies_and_other_models(native, tmp_path):
    (tmp_path / "bags.txt").write_text("1 2 3\n4 5\n")
    host = ["--system", "host-2rank", "--json"]
    status, out, err = run("replay", native, "--with", tmp_path / "bags.txt", "--copies", "2", *host)
    assert (status, err) == (0, "")
    data = strict_json(out)["trace"]
    assert (data["lookups"], data["name"]) == (2 * 3005, "2 x zipf + 2 x bags")
    expected = interleave([open_trace(native)] * 2 + [open_trace(tmp_path / "bags.txt")] * 2)
    assert data["sha256"] == expected.sha256
    status, out, _ = run("replay", native, "--copies", "1", *host)
    assert strict_json(out)["trace"]["sha256"] == open_trace(native).sha256


def test_the_table_says_which_models_share_the_memory(native):
    status, out, _ = run("replay", native, "--copies", "2", "--limit", "1000", "--system", "host-2rank")
    assert status == 0
    assert out.startswith("trace 2 x zipf: 2,000 lookups")
    assert "note: co-located models: m0 = zipf, m1 = zipf" in out


@pytest.mark.parametrize("copies", ["0", "-1", "many"])
def test_a_number_of_copies_that_is_none_is_refused(copies, native):
    status, out, err = run("replay", native, "--copies", copies)
    assert (status, out, err.count("\n")) == (2, "", 1)
