"""Approximate layers: the forward pass of the slow definition, and the gradients of the exact quantised product."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

# ruff: noqa: E402
import axtrain_twins as twins

from archsim.approx import StorageFaults, from_table, multiplier, relative_error, sign_magnitude
from archsim.axtrain import ApproxConv2d, ApproxLinear, Arithmetic, computing, convert, draw_faults, seeded
from archsim.axtrain.layers import error_of
from archsim.axtrain.quantise import quantise
from archsim.errors import InputError
from archsim.traces.counter import stream_key


def _inputs(*shape, seed=0, kind=torch.float32):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(kind)


def _linear(arithmetic, inputs=7, outputs=4, seed=1, **options):
    with seeded(seed):
        return ApproxLinear(inputs, outputs, arithmetic=arithmetic, **options)


DRUM = multiplier("drum4", 8, True)


def _exact(a, b):
    return a * b


# Quantisation.


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=30), st.integers(4, 16), st.booleans())
def test_numbers_are_rounded_as_the_slow_definition_says(values, bits, signed):
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    low = -top if signed else 0
    scale = twins.scale_of(100.0, top)
    found = quantise(torch.tensor(values), torch.tensor(scale), low, top)
    assert found.tolist() == twins.quantise(values, scale, low, top).tolist()


def test_gradients_pass_inside_the_range_and_stop_outside():
    values = torch.tensor([-9.0, -4.4, -3.0, 0.2, 3.9, 4.6], requires_grad=True)
    quantise(values, torch.tensor(0.5), -8, 8).sum().backward()
    # 8.5 steps of 0.5 are 4.25.
    assert values.grad.tolist() == [0.0, 0.0, 2.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize("bits", range(4, 17))
def test_the_greatest_weight_is_the_greatest_number_and_learns(bits):
    layer = _linear(Arithmetic(None, bits, bits), inputs=50, outputs=3)
    words, _ = layer._words()
    assert int(words.detach().abs().max()) == 2 ** (bits - 1) - 1
    layer(torch.ones(1, 50)).sum().backward()
    assert bool((layer.weight.grad != 0).all())


# Forward.


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_linear_layer_is_the_sum_of_its_products(data):
    name = data.draw(st.sampled_from([None, "exact", "drum3", "mitchell", "ppt_5", "udm"]))
    bits = data.draw(st.sampled_from([4, 8, 12]))
    kind = data.draw(st.sampled_from([torch.float32, torch.float64]))
    activations = data.draw(st.sampled_from(["signed", "unsigned", "auto"]))
    per_channel = data.draw(st.booleans())
    each = multiplier(name, bits, True) if name else None
    how = Arithmetic(
        each, bits, max(bits - (activations != "signed"), 4) if bits > 4 else 4, "signed" if bits == 4 else activations,
        per_channel=per_channel,
    )  # fmt: skip
    layer = _linear(how, bias=data.draw(st.booleans()), dtype=kind)
    x = _inputs(5, 7, seed=data.draw(st.integers(0, 99)), kind=kind)
    if data.draw(st.booleans()):
        x = x.abs()
    found = layer(x).detach()
    real = np.float32 if kind == torch.float32 else np.float64
    unsigned = how.activations == "unsigned" or (how.activations == "auto" and float(x.min()) >= 0)
    top = 2**how.activation_bits - 1 if unsigned else 2 ** (how.activation_bits - 1) - 1
    greatest = max(float(x.max()), 0.0) if unsigned else float(x.abs().max())
    step = twins.scale_of(greatest, top, real)
    a = twins.quantise(x.numpy(), step, 0 if unsigned else -top, top, real)
    b, scales = twins.words_of(layer.weight.detach().numpy(), bits, per_channel, real)
    sums = twins.linear_sums(a, b, each.multiply if each else _exact)
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    np.testing.assert_array_equal(found.numpy(), twins.finish(sums, step, scales, bias, real))
    layer.eval()
    with torch.no_grad():
        np.testing.assert_array_equal(layer(x).numpy(), found.numpy())
        np.testing.assert_array_equal(layer(x[0]).numpy(), found.numpy()[0])
        np.testing.assert_array_equal(layer(x.reshape(1, 5, 7)).numpy()[0], found.numpy())


@pytest.mark.parametrize("name", [None, "drum3", "mitchell", "ppt_5"])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1, "stride": 2, "bias": False},
        {"kernel_size": (3, 2), "padding": (2, 1), "stride": (1, 2), "dilation": (2, 1), "groups": 2},
        {"kernel_size": (2, 3), "padding": "same"},
        {"kernel_size": 1, "groups": 4},
        {"kernel_size": 3, "padding": (1, 2), "padding_mode": "reflect"},
    ],
)
def test_a_convolution_is_the_sum_of_its_products(name, options):
    each = multiplier(name, 8, True) if name else None
    how = Arithmetic(each, per_channel="groups" in options)
    with seeded(2):
        layer = ApproxConv2d(4, 4, arithmetic=how, **options)
        plain = torch.nn.Conv2d(4, 4, **options)
    x = _inputs(2, 4, 6, 7)
    found = layer(x).detach().numpy()
    assert found.shape == tuple(plain(x).shape)
    step = twins.scale_of(float(x.abs().max()), 127)
    a = twins.quantise(x.numpy(), step, -127, 127)
    if options.get("padding") == "same":
        edges = ((0, 1), (1, 1))  # torch puts the odd one below and to the right
    else:
        pads = options.get("padding", 0)
        pads = (pads, pads) if isinstance(pads, int) else pads
        edges = tuple((pad, pad) for pad in pads)
    a = np.pad(a, ((0, 0), (0, 0), *edges), mode=options.get("padding_mode", "constant"))
    b, scales = twins.words_of(layer.weight.detach().numpy(), 8, how.per_channel)
    sums = twins.conv_sums(
        a, b, each.multiply if each else _exact, layer.stride, layer.dilation, layer.groups
    )
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), twins.finish(sums, step, scales, bias))
    layer.eval()
    with torch.no_grad():
        np.testing.assert_array_equal(layer(x[0]).numpy(), found[0])


def test_faulty_words_are_multiplied_as_they_are_read():
    faults = StorageFaults.flips(8, 0.05)
    each = multiplier("drum4", 8, True)
    layer = _linear(Arithmetic(each, faults=faults), inputs=30)
    draw_faults(layer, 5, chip=2)
    x = _inputs(3, 30)
    layer(x)
    layer.eval()
    found = layer(x).detach().numpy()
    step = twins.scale_of(float(x.abs().max()), 127)
    words, scales = twins.words_of(layer.weight.detach().numpy(), 8)
    read = faults.apply(words, int(stream_key(int(stream_key(5, 2, 0)), 2)))
    assert (read != words).any()
    sums = twins.linear_sums(twins.quantise(x.numpy(), step, -127, 127), read, each.multiply)
    expected = twins.finish(sums, step, scales, layer.bias.detach().numpy())
    np.testing.assert_array_equal(found, expected)
    with computing(layer, "exact"):
        whole = twins.linear_sums(twins.quantise(x.numpy(), step, -127, 127), words, _exact)
        expected = twins.finish(whole, step, scales, layer.bias.detach().numpy())
        np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


def test_each_training_pass_draws_faults_and_a_chip_keeps_its_own():
    layer = _linear(Arithmetic(faults=StorageFaults.flips(8, 0.05)), inputs=30)
    x = _inputs(3, 30)

    def passes(count):
        return [layer(x).detach() for _ in range(count)]

    draw_faults(layer, 1)
    first = passes(3)
    assert not torch.equal(first[0], first[1])
    draw_faults(layer, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, passes(3), strict=True))
    layer.eval()
    chip = passes(2)
    assert torch.equal(*chip)
    draw_faults(layer, 1, chip=1)
    assert not torch.equal(layer(x), chip[0])
    layer.train()
    draw_faults(layer, 1, fresh=False)
    assert torch.equal(layer(x), chip[0])  # trains for the chip


# Gradients.


@pytest.mark.parametrize("name", [None, "drum3", "mitchell"])
@pytest.mark.parametrize("faults", [None, StorageFaults.flips(8, 0.05)])
@pytest.mark.parametrize("conv", [False, True])
def test_gradients_are_those_of_the_exact_quantised_product(name, faults, conv):
    each = multiplier(name, 8, True) if name else None
    how = Arithmetic(each, faults=faults)
    kind = torch.float64
    with seeded(4):
        if conv:
            layer = ApproxConv2d(2, 3, 3, padding=1, stride=2, arithmetic=how, dtype=kind)
        else:
            layer = ApproxLinear(6, 3, arithmetic=how, dtype=kind)
    x = _inputs(4, 2, 5, 6, kind=kind) if conv else _inputs(4, 6, kind=kind)
    layer(x)  # learns the range
    layer.eval()
    draw_faults(layer, 3)
    x = (1.2 * x).requires_grad_()  # some numbers are outside of it
    pull = _inputs(*layer(x).shape, seed=9, kind=kind)
    (layer(x) * pull).sum().backward()
    # The same by autograd of the product of dequantised numbers, which are leaves here.
    step = torch.tensor(float(twins.scale_of(max(-layer.low, layer.high), 127, np.float64)), dtype=kind)
    words, scales = twins.words_of(layer.weight.detach().numpy(), 8, kind=np.float64)
    read = faults.apply(words, int(stream_key(layer.stream, 2))) if faults else words
    weight = (torch.from_numpy(read).double() * float(scales[0])).requires_grad_()
    whole = twins.quantise(x.detach().numpy(), float(step), -127, 127, np.float64)
    dequantised = (torch.from_numpy(whole).double() * float(step)).requires_grad_()
    bias = layer.bias.detach().clone().requires_grad_()
    if conv:
        out = torch.nn.functional.conv2d(dequantised, weight, bias, 2, 1)
    else:
        out = torch.nn.functional.linear(dequantised, weight, bias)
    (out * pull).sum().backward()
    inside = (x.detach() / step).abs() <= 127.5
    assert 0 < int((~inside).sum()) < x.numel()
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.bias.grad, bias.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(x.grad, dequantised.grad * inside, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("conv", [False, True])
def test_the_exact_multiplier_changes_no_bit_of_values_and_gradients(conv):
    found = []
    for each in (None, multiplier("exact", 8, True)):
        with seeded(4):
            how = Arithmetic(each, per_channel=True)
            layer = ApproxConv2d(3, 8, 3, arithmetic=how) if conv else ApproxLinear(90, 8, arithmetic=how)
        x = (_inputs(16, 3, 9, 9) if conv else _inputs(16, 90)).requires_grad_()
        out = layer(x)
        out.square().sum().backward()
        found.append([out.detach(), x.grad, layer.weight.grad, layer.bias.grad])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("conv", [False, True])
def test_exact_sums_are_exact_where_32_bits_round(conv):
    # 16 x 16 bits over 600 products pass 2**39; 8 x 8 bits over 600 stay below 2**24.
    for bits in (8, 16):
        how = Arithmetic(None, bits, bits)
        with seeded(3):
            layer = ApproxConv2d(600, 2, 1, arithmetic=how) if conv else ApproxLinear(600, 2, arithmetic=how)
        rng = np.random.default_rng(bits)
        top = 2 ** (bits - 1) - 1
        a, b = rng.integers(-top, top + 1, (3, 600)), rng.integers(-top, top + 1, (2, 600))
        shape = (1, 1) if conv else ()
        kept = [torch.from_numpy(each).float().reshape(*each.shape, *shape) for each in (a, b)]
        sums = layer._exact(*kept).reshape(3, 2)
        np.testing.assert_array_equal(sums.double().numpy(), a @ b.T)
        assert sums.dtype == (torch.float64 if bits == 16 else torch.float32)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")  # allows factors of 8 bits
        try:
            assert layer._exact(*kept).dtype == torch.float64
        finally:
            torch.set_float32_matmul_precision(before)


# Noise.


def test_noise_has_the_mean_and_variance_of_independent_relative_errors():
    each = multiplier("drum3", 8, True)
    layer = _linear(Arithmetic(each), inputs=40, outputs=1, bias=False)
    x = _inputs(1, 40)
    layer(x)
    step = twins.scale_of(float(x.abs().max()), 127)
    words, scales = twins.words_of(layer.weight.detach().numpy(), 8)
    products = (twins.quantise(x.numpy(), step, -127, 127) * words)[0] * float(step) * float(scales[0])
    error = error_of(each)
    count = 4000
    with torch.no_grad(), computing(layer, "noise"):
        many = layer(x.expand(count, 40)).double().numpy()[:, 0]
    mean = products.sum() * (1 + error.mean)
    deviation = np.sqrt((products**2).sum() * error.variance)
    assert abs(many.mean() - mean) < 4.5 * deviation / np.sqrt(count)
    assert many.std() == pytest.approx(deviation, rel=4.5 / np.sqrt(2 * count))


# Refusals.


def _calibrated(how, **options):
    layer = _linear(how, **options)
    layer(_inputs(3, 7))
    return layer


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"multiplier": multiplier("drum4")}, "drum4, 8 bits, unsigned: weights have signs, so the multiplier must be"),
        ({"multiplier": DRUM, "weight_bits": 9}, "weight_bits = 9: drum4, 8 bits, signed takes at most 8"),
        ({"multiplier": DRUM, "activation_bits": 10}, "activation_bits = 10: drum4, 8 bits, signed takes at most 8"),
        (
            {"multiplier": DRUM, "activations": "unsigned"},
            "activation_bits = 8: drum4, 8 bits, signed takes at most 7 of activations = 'unsigned'",
        ),
        ({"weight_bits": 3}, "weight_bits = 3: must be a whole number from 4 to 16"),
        ({"activation_bits": 17}, "activation_bits = 17: must be a whole number from 4 to 16"),
        ({"faults": StorageFaults.flips(6, 0.1)}, "faults of words of 6 bits: weights have 8"),
        ({"observer": "emma"}, "observer = 'emma': unknown (did you mean 'ema'?)"),
        ({"activations": "sign"}, "activations = 'sign': unknown (did you mean 'signed'?)"),
        ({"momentum": 0.0}, "momentum = 0.0: must be above 0 and at most 1"),
        ({"accumulator_bits": 65}, "accumulator_bits = 65: must be from 8 to 64"),
    ],
)  # fmt: skip
def test_impossible_arithmetic_is_refused(options, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        Arithmetic(**options)


OVERFLOW = r"^ApproxLinear: sum \[0, \d\]: -?\d{4,}: does not fit in an accumulator of 12 bits$"


@pytest.mark.parametrize("name", [None, "exact", "mitchell"])
def test_sums_that_do_not_fit_are_refused(name):
    each = multiplier(name, 8, True) if name else None
    layer = convert(_calibrated(Arithmetic(each)), Arithmetic(each, accumulator_bits=12))
    with pytest.raises(InputError, match=OVERFLOW):
        layer(torch.where(layer.weight[1:2] > 0, -2.0, 2.0))
    for deep in (Arithmetic(each, accumulator_bits=24), Arithmetic(each)):
        assert torch.isfinite(_calibrated(deep)(torch.full((1, 7), 2.0))).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(bad):
    net = convert(torch.nn.Sequential(torch.nn.Linear(7, 3)), Arithmetic())
    x = _inputs(3, 7)
    x[1, 4] = bad
    with pytest.raises(InputError, match=rf"^0: input \[1, 4\]: {bad}: must be a finite number$"):
        net(x)
    with torch.no_grad():
        net[0].weight[2, 1] = bad
    with pytest.raises(InputError, match=rf"^0: weight \[2, 1\]: {bad}: must be a finite number$"):
        net(_inputs(3, 7))


def test_a_layer_that_saw_no_inputs_cannot_be_evaluated():
    layer = _linear(Arithmetic()).eval()
    with pytest.raises(
        InputError, match="the range of its inputs is unknown; calibrate the network or train it"
    ):
        layer(_inputs(3, 7))
    fixed = _linear(Arithmetic(observer="fixed"))
    with pytest.raises(InputError, match="the range of its inputs is unknown"):
        fixed(_inputs(3, 7))


def test_inputs_and_weights_of_zero_are_fine():
    layer = _linear(Arithmetic(multiplier("drum4", 8, True)))
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(0.5)
    assert layer(torch.zeros(2, 7)).tolist() == [[0.5] * 4] * 2
    assert layer(torch.zeros(0, 7)).shape == (0, 4)
    image = ApproxConv2d(2, 4, 3, arithmetic=Arithmetic())
    assert image(torch.zeros(1, 2, 5, 6)).shape == (1, 4, 3, 4)
    assert image(torch.zeros(0, 2, 5, 6)).shape == (0, 4, 3, 4)


def test_the_noise_of_each_table_is_its_own():
    for name in ("exact", "drum4", "mitchell"):
        table = sign_magnitude(from_table(multiplier(name).table()))
        assert error_of(table) == relative_error(multiplier(name, 8, True))
