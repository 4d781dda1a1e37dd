"""Whole models: specifications, dense layers, the host's lookups, co-location; formulas of docs/models.md."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models_stand_in import FLAT, StandIn

from archsim.errors import InputError
from archsim.models.dense import Residency, Ways, dense_ns, layer_ns, other_ns, residency, ways
from archsim.models.inference import Inference, co_located, end_to_end
from archsim.models.memory import Hits, load_curve, read_load
from archsim.models.replays import Replays
from archsim.models.spec import Layer, load_model, load_processor
from archsim.models.sweep import CHANGES, sweep
from archsim.spec import apply_overrides
from archsim.systems.spec import load_system

MODELS = ("rmc1-small", "rmc1-large", "rmc2-small", "rmc2-large")
SKYLAKE = load_processor("skylake-18core-1.6ghz")
HOST, NEAR = load_system("host-8rank"), load_system("recnmp-base-8rank")
TIMES = {"host-8rank": 800.0, "recnmp-base-8rank": 100.0}


def quick(processor=SKYLAKE, model="rmc2-large", batch=64, **stand_in):
    return Inference(load_model(model), processor, batch=batch, replays=StandIn(times=TIMES, **stand_in))


# ------------------------------------------------------------------------------------------------ specifications


@pytest.mark.parametrize(
    ("name", "tables", "joined"),
    [(MODELS[0], 8, 288), (MODELS[1], 12, 416), (MODELS[2], 24, 1600), (MODELS[3], 64, 4160)],
)
def test_the_models_of_the_paper_have_its_tables_and_join_vectors_with_the_bottom_stack(name, tables, joined):
    model = load_model(name)
    assert model.embedding.tables == tables
    assert model.embedding.rows == 1_000_000
    assert model.joined == joined
    assert model.layers()[2] == Layer("top", joined, model.top[0])


def test_dot_products_join_all_pairs():
    model = load_model("rmc1-small", ["interaction=dot"])
    assert model.joined == 9 * 8 // 2 + 32


def test_work_of_a_layer_by_hand():
    layer = Layer("top", 100, 10)
    assert layer.weight_bytes == 4000
    assert layer.flops(8) == 16_000
    assert layer.activation_bytes(8) == 8 * 110 * 4


def test_bytes_of_a_batch_by_hand():
    model = load_model("rmc1-small")
    assert model.lookups(2) == 2 * 8 * 80
    assert model.lookup_bytes(2) == 2 * 8 * 80 * 128
    assert load_model("rmc1-small", ["embedding.vector_bytes=96"]).lookup_bytes(2) == model.lookup_bytes(2)
    activations = 4 * 2 * (128 + 64 + 64 + 32 + 288 + 256 + 256 + 64 + 64 + 1)
    assert model.passing_bytes(2) == 1280 * 8 + 2 * 8 * 128 + activations


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("bottom=[128]", "a layer at least"),
        ("top=[]", "top"),
        ("top=[256, 0]", "top"),
        ("batch=0", "batch"),
        ("interaction=sum", "interaction"),
        ("tops=[1]", "did you mean 'top'"),
        ("embedding.tables=0", "tables"),
    ],
)
def test_an_impossible_model_is_refused_in_one_line(override, rule):
    with pytest.raises(InputError) as refusal:
        load_model("rmc1-small", [override])
    assert rule in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_dot_products_need_vectors_as_long_as_the_bottom_stack_is_wide():
    with pytest.raises(InputError, match="must end in the 32 elements"):
        load_model("rmc1-small", ["interaction=dot", "bottom=[128, 64]"])


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'rmc2-large'"):
        load_model("rmc2-larg")


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("efficiency=1.5", "efficiency"),
        ("peak_gflops=0", "peak_gflops"),
        ("memory.preset=host-2rank", "must have l2 and llc"),
        ("memory.dram.organization.channels=2", "channels counts them"),
    ],
)
def test_an_impossible_processor_is_refused_in_one_line(override, rule):
    with pytest.raises(InputError, match=rule):
        load_processor("skylake-18core-1.6ghz", [override])


@pytest.mark.parametrize("batch", [0, -1, 1 << 21])
def test_an_impossible_batch_is_refused(batch):
    with pytest.raises(InputError, match=f"batch = {batch}"):
        quick(batch=batch)


@pytest.mark.parametrize("models", [0, 19])
def test_more_models_than_cores_and_none_are_refused(models):
    with pytest.raises(InputError, match=f"{models} models"):
        quick().host(models)


def test_a_first_system_that_is_no_host_and_an_unknown_method_are_refused():
    with pytest.raises(InputError, match="must be of kind 'host'"):
        quick().runs(NEAR, [])
    with pytest.raises(InputError, match="did you mean 'replay'"):
        quick().runs(HOST, [], method="reply")


@pytest.mark.parametrize("lookups", [0, 10**9])
def test_no_lookups_and_too_many_are_refused(lookups):
    with pytest.raises(InputError, match=f"lookups = {lookups}"):
        Replays(lookups)


# ------------------------------------------------------------------------------------------------------ roofline

RESIDENT, ABSENT = Residency(1.0, 0.0), Residency(0.0, 0.0)
LAYER = Layer("top", 4160, 128)


def test_a_layer_with_endless_bandwidth_takes_the_time_of_its_operations():
    endless = Ways(1e30, 1e30, 1e30)
    expected = SKYLAKE.operator_ns + 2 * 64 * 4160 * 128 / (980 / 18)
    assert layer_ns(SKYLAKE, LAYER, 64, ABSENT, endless) == pytest.approx(expected, rel=1e-12)


def test_a_layer_of_endless_operations_takes_the_time_of_its_bytes():
    fast = apply_overrides(SKYLAKE, ["peak_gflops=1e9", "operator_ns=0"])
    weights, activations = 4 * 4160 * 128, 4 * 64 * (4160 + 128)
    # The activations do not fit into L2.
    expected = weights / 5 + activations / 20
    assert layer_ns(fast, LAYER, 64, ABSENT, Ways(80, 20, 5)) == pytest.approx(expected, rel=1e-4)
    expected = weights / 80 + activations / 20
    assert layer_ns(fast, LAYER, 64, RESIDENT, Ways(80, 20, 5)) == pytest.approx(expected, rel=1e-4)


@given(st.floats(1, 1e6), st.floats(0.1, 100), st.integers(1, 512))
def test_overlap_takes_the_longer_of_both_and_no_overlap_their_sum(peak, gbps, batch):
    base = [f"peak_gflops={peak!r}", "operator_ns=0"]
    apart = apply_overrides(SKYLAKE, base)
    together = apply_overrides(SKYLAKE, [*base, "overlap=true"])
    compute = LAYER.flops(batch) / apart.core_gflops
    total = layer_ns(apart, LAYER, batch, ABSENT, Ways(80, 20, gbps))
    assert layer_ns(together, LAYER, batch, ABSENT, Ways(80, 20, gbps)) == pytest.approx(
        max(compute, total - compute), rel=1e-6, abs=total * 1e-9
    )


def test_weights_are_read_once_per_pass():
    fast = apply_overrides(SKYLAKE, ["rows_per_pass=16"])
    once = layer_ns(SKYLAKE, LAYER, 64, ABSENT, Ways(80, 20, 5))
    assert layer_ns(fast, LAYER, 64, ABSENT, Ways(80, 20, 5)) == pytest.approx(
        once + 3 * LAYER.weight_bytes / 5
    )


def test_half_the_efficiency_doubles_the_operations_alone():
    half = apply_overrides(SKYLAKE, ["efficiency=0.5"])
    where = Ways(80, 20, 5)
    more = layer_ns(half, LAYER, 64, ABSENT, where) - layer_ns(SKYLAKE, LAYER, 64, ABSENT, where)
    assert more == pytest.approx(LAYER.flops(64) / SKYLAKE.core_gflops)


def test_a_model_without_other_operators_spends_no_time_on_them():
    model = load_model("rmc1-small", ["other_operators=0"])
    assert other_ns(SKYLAKE, model, 64, Ways(80, 20, 5)) == 0
    one = load_model("rmc1-small", ["other_operators=1"])
    assert other_ns(SKYLAKE, one, 64, Ways(80, 20, 5)) == 5000 + 2 * 4 * 64 * 288 / 80


def test_a_core_streams_by_littles_law_below_the_width_of_its_port():
    found = ways(SKYLAKE, 100.0)
    assert found.l2 == min(64 * 1.6, 16 * 64 / 8.125)
    assert found.llc == pytest.approx(16 * 64 / 48.125)
    assert found.memory == pytest.approx(10.24)
    wide = apply_overrides(SKYLAKE, ["stream_misses=4096", "l2_bytes_per_clk=1e6"])
    assert ways(wide, 1.0).memory == pytest.approx(4 * 64 / (4 * 0.833), rel=1e-3)  # the four channels


# --------------------------------------------------------------------------------------------- the host's lookups


def test_a_curve_is_interpolated_and_ends_flat():
    assert FLAT.bandwidth(0.5) == pytest.approx(0.32)
    assert FLAT.bandwidth(10) == pytest.approx(6.4)
    assert FLAT.bandwidth(99) == 12.8
    assert FLAT.latency_ns(0) == 100
    assert FLAT.latency_ns(7) == pytest.approx(100)
    assert FLAT.latency_ns(40) == pytest.approx(200)


def test_a_core_without_hits_reads_a_line_per_latency_over_fill_buffers():
    load = read_load(SKYLAKE, FLAT, Hits(0, 0, 0), 1)
    assert load.line_ns == pytest.approx(100 / 10)
    assert load.misses == pytest.approx(10 / 4)
    assert load.core_gbps == pytest.approx(6.4)


def test_a_core_that_finds_all_lines_in_one_level_is_bound_by_that_level():
    assert read_load(SKYLAKE, FLAT, Hits(0, 0, 1), 18).line_ns == pytest.approx(4.8125)
    assert read_load(SKYLAKE, FLAT, Hits(1, 0, 0), 18).line_ns == pytest.approx(1 / (2 * 1.6))


def test_many_cores_share_what_the_channels_move():
    load = read_load(SKYLAKE, FLAT, Hits(0, 0, 0), 18)
    assert 18 * load.core_gbps == pytest.approx(4 * 12.8)
    assert read_load(SKYLAKE, FLAT, Hits(0, 0, 0), 40) == load


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 17))
def test_more_readers_never_read_faster_each_nor_slower_together(l2, llc, readers):
    found = Hits(0.0, l2 / 2, llc / 2)
    one, more = (read_load(SKYLAKE, FLAT, found, count) for count in (1 + readers, 1.5 + readers))
    assert more.core_gbps <= one.core_gbps * (1 + 1e-9)
    assert more.core_gbps * min(1.5 + readers, 18) >= one.core_gbps * (1 + readers) * (1 - 1e-9)


def test_the_engine_moves_more_with_more_misses_in_flight_and_less_than_its_peak():
    trace = Replays(3000).trace(load_model("rmc1-small"))
    curve = load_curve(SKYLAKE, trace)
    assert list(curve.bytes_per_ns) == sorted(curve.bytes_per_ns)
    assert curve.bytes_per_ns[-1] < 19.21
    assert curve.latency_ns(1) > 48.125  # a miss has looked into the last level


# ---------------------------------------------------------------------------------------------------- co-location


def test_one_co_located_model_is_the_single_model():
    arguments = load_model("rmc2-small"), SKYLAKE, HOST, [NEAR]
    replays = StandIn(times=TIMES)
    single = end_to_end(*arguments, replays=replays)
    assert co_located(*arguments, (1, 4), replays=replays)[:2] == single
    assert single[0].speedup == 1


def test_lookups_of_the_host_take_their_calls_and_their_bytes():
    times = quick().host()
    assert times.sls_ns == pytest.approx(64 * 5000 + 64 * 64 * 80 * 256 / 6.4)
    assert times.total_ns == pytest.approx(sum(times))


def test_the_ratio_of_the_replays_divides_the_host_s_reading_and_not_its_calls():
    host, near = quick().runs(HOST, [NEAR])
    calls = 64 * 5000
    assert near.times.sls_ns == pytest.approx(calls + (host.times.sls_ns - calls) / 8)
    assert near.speedup == host.latency_ns / near.latency_ns


def test_a_replay_s_own_time_is_scaled_to_the_batch_and_the_channels():
    near = quick().runs(HOST, [NEAR], method="replay")[1]
    batches = 1000 / (64 * 64 * 80)
    assert near.times.sls_ns == pytest.approx(64 * 5000 + 100 / batches / 4)


def test_throughput_is_what_all_copies_finish():
    run = quick().runs(HOST, [], (6,))[0]
    assert run.samples_per_s == pytest.approx(6 * 64 / (run.latency_ns * 1e-9))


@pytest.mark.parametrize("method", ["ratio", "replay"])
def test_with_more_models_nobody_gets_faster_and_throughput_does_not_fall(method):
    runs = quick().runs(HOST, [NEAR], range(1, 19), method)
    for own in (runs[::2], runs[1::2]):
        for fewer, more in pairwise(own):
            assert more.latency_ns >= fewer.latency_ns
            assert more.samples_per_s >= fewer.samples_per_s * (1 - 1e-9)


def test_the_memory_never_moves_more_than_its_channels():
    run = quick().runs(HOST, [], (18,))[0]
    moved = 18 * load_model("rmc2-large").lookup_bytes(64) / run.latency_ns
    assert moved < 4 * 12.8


def test_models_that_only_look_up_share_the_bandwidth_evenly():
    bare = apply_overrides(SKYLAKE, ["operator_ns=0"])
    inference = quick(bare)
    assert inference.bandwidth_gbps(1) == pytest.approx(6.4)
    assert inference.bandwidth_gbps(18) == pytest.approx(4 * 12.8)
    assert inference.bandwidth_gbps(36) == inference.bandwidth_gbps(18)


def test_calls_of_operators_cost_one_thread_their_share_of_the_bandwidth():
    inference = quick()
    read_ns = 64 * 80 * 256 / 6.4
    assert inference.bandwidth_gbps(1) == pytest.approx(6.4 * read_ns / (read_ns + 5000))


def test_dense_layers_do_not_care_for_neighbours_where_the_caches_hold_everything():
    everything = Residency(1.0, 0.0)
    slow, fast = (
        dense_ns(SKYLAKE, load_model("rmc2-large"), 64, everything, Ways(80, 20, gbps)) for gbps in (1, 9)
    )
    assert slow == fast


def test_an_endless_last_level_keeps_all_weights():
    huge = ["memory.hierarchy.llc.size=1013760 MiB", "memory.hierarchy.llc.access_pj=1"]
    found = residency(apply_overrides(SKYLAKE, huge), 2e6, 1e6, 1e6, 18)
    assert found.memory == pytest.approx(0, abs=1e-12)


def test_lookups_through_the_caches_slow_the_dense_layers_down_and_more_with_every_neighbour():
    inference = quick()
    gaps = [inference.host(models).top_ns / inference.near(8, models).top_ns for models in (1, 2, 6, 18)]
    assert gaps[0] > 1
    assert gaps[-1] > gaps[1]
    longer = quick(model="rmc2-small").host(18).top_ns
    fewer = Inference(
        load_model("rmc2-small", ["embedding.pooling=40"]), SKYLAKE, batch=64, replays=StandIn()
    )
    assert fewer.host(18).top_ns < longer


def test_hits_of_lookups_do_not_drive_weights_out():
    missed, found = quick().host(18), quick(hits=Hits(0.9, 0.05, 0.0)).host(18)
    assert found.top_ns < missed.top_ns


def test_the_same_inputs_give_the_same_bits():
    model = load_model("rmc1-small")
    runs = [
        [run.to_dict() for run in end_to_end(model, SKYLAKE, HOST, [NEAR], replays=Replays(4000))]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert math.isfinite(runs[0][1]["speedup"])


def test_a_replay_is_made_once(monkeypatch):
    replays, model = Replays(2000), load_model("rmc1-small")
    first = replays.time_ns(HOST, model), replays.curve(SKYLAKE, model), replays.hits(SKYLAKE, model, 2)
    monkeypatch.setattr(replays, "trace", None)
    assert (
        replays.time_ns(HOST, model),
        replays.curve(SKYLAKE, model),
        replays.hits(SKYLAKE, model, 2),
    ) == first


# ---------------------------------------------------------------------------------------------------------- sweep


def test_a_sweep_begins_with_the_defaults_and_changes_one_thing_at_a_time():
    changes = [
        change for change in CHANGES if change.path in ("overlap", "batch", "method", "embedding.pooling")
    ]
    found = list(sweep(load_model("rmc2-small"), SKYLAKE, HOST, NEAR, changes, StandIn(times=TIMES)))
    assert found[0]["parameter"] == "none"
    by_name = {(row["parameter"], row["value"]): row for row in found}
    assert by_name["processor.overlap", "true"]["latency_ms"] < found[0]["latency_ms"]
    assert by_name["run.method", "replay"]["latency_ms"] == found[0]["latency_ms"]
    assert by_name["run.method", "replay"]["speedup"] != found[0]["speedup"]
    assert by_name["run.batch", "8"]["sls_pct"] != found[0]["sls_pct"]
    assert (
        by_name["model.embedding.pooling", "120"]["sls_pct"]
        > by_name["model.embedding.pooling", "20"]["sls_pct"]
    )


@pytest.mark.parametrize("change", [change for change in CHANGES if change.part != "run"], ids=str)
def test_every_change_of_the_sweep_changes_the_specification(change):
    for name in MODELS:
        spec = load_model(name) if change.part == "model" else SKYLAKE
        changed = apply_overrides(spec, change.overrides)
        if change.part == "processor":
            assert changed != spec
