"""`hw.post.requant` against `golden.ops.requant` and plain Python."""

import random
from typing import Any

import pytest
import torch
from amaranth.sim import Simulator
from amaranth.sim._async import TestbenchContext

from golden import ops
from hdl_tests.harness.pysim import CLOCK_PERIOD, assert_same
from vitaccel.config import AcceleratorConfig
from vitaccel.hw.post.requant import Requant, requant_latency
from vitaccel.isa import Division
from vitaccel.presets import PRESETS

TINY = PRESETS["tiny"]
SHIFT = TINY.replace(requant="shift")
Word = dict[str, Any]

CORNERS_18 = [-(1 << 17), (1 << 17) - 1, -1, 0, 1]
CORNERS_8 = [-128, -1, 0, 1, 127]


def random_lane(rng: random.Random, config: AcceleratorConfig, pre_shift: int) -> dict[str, int]:
    """Accumulator and bias whose sum fits 18 bits after the shift, corners often."""
    t = rng.choice([*CORNERS_18, rng.randrange(-(1 << 17), 1 << 17), rng.randrange(-999, 1000)])
    total = (t << pre_shift) + rng.choice([0, (1 << pre_shift) - 1, rng.randrange(1 << pre_shift)])
    bound = 1 << config.accumulator_bits - 1
    least, most = max(-bound, total - (1 << 31) + 1), min(bound - 1, total + (1 << 31))
    total = min(max(total, -bound - (1 << 31)), bound + (1 << 31) - 2)
    least, most = min(least, most), max(least, most)
    acc = min(max(rng.choice([least, most, rng.randint(least, most)]), -bound), bound - 1)
    if config.requant == "shift":
        factor = [*range(16), 255]
    else:
        factor = [0, 1, 255, 32768, 65535, rng.randrange(65536)]
    return {
        "acc": acc,
        "bias": min(max(total - acc, -(1 << 31)), (1 << 31) - 1),
        "mul": rng.choice(factor),
        "residual": rng.choice([*CORNERS_8, rng.randrange(-128, 128)]),
        "residual_mul": rng.choice(factor),
    }


def random_word(rng: random.Random, config: AcceleratorConfig) -> Word:
    pre_shift = rng.randrange(16)
    low = rng.choice([-256, -128, 0, rng.randrange(-256, 256)])
    return {
        "lanes": [random_lane(rng, config, pre_shift) for _ in range(config.rows)],
        "pre_shift": pre_shift,
        "post_shift": rng.choice([1, 8, 9, 16, 17, 32, rng.randrange(1, 33)]),
        "zero_point": rng.choice([*CORNERS_8, rng.randrange(-128, 128)]),
        "low": low,
        "high": rng.choice([low, 255, max(low, 127), rng.randint(low, 255)]),
    }


def factor(config: AcceleratorConfig, mul: int) -> int:
    if config.requant == "shift":
        return 0 if mul == 255 else 1 << mul
    return mul


def want(config: AcceleratorConfig, word: Word) -> list[int]:
    """The formula of docs/architecture.md in Python's integers."""
    found = []
    for lane in word["lanes"]:
        t = (lane["acc"] + lane["bias"]) >> word["pre_shift"]
        assert -(1 << 17) <= t < 1 << 17
        u = t * factor(config, lane["mul"])
        u += lane["residual"] * factor(config, lane["residual_mul"])
        y = ((u + (1 << word["post_shift"] - 1)) >> word["post_shift"]) + word["zero_point"]
        found.append(min(max(y, word["low"]), word["high"]) % 256)
    return found


def golden(config: AcceleratorConfig, word: Word) -> list[int]:
    column = {
        name: torch.tensor([lane[name] for lane in word["lanes"]], dtype=torch.int64)
        for name in ("acc", "bias", "residual")
    }
    scale = {
        name: torch.tensor([factor(config, lane[name]) for lane in word["lanes"]])
        for name in ("mul", "residual_mul")
    }
    shared = {n: word[n] for n in ("pre_shift", "post_shift", "zero_point", "low", "high")}
    y = ops.requant(
        column["acc"], column["bias"], scale["mul"], residual=column["residual"],
        residual_mul=scale["residual_mul"], **shared,
    )  # fmt: skip
    return [int(v) % 256 for v in y]


def divided(rng: random.Random, config: AcceleratorConfig) -> tuple[Word, list[int]]:
    """A word of divisors, of quotients, or of neither; and what comes of it."""
    word = random_word(rng, config)
    word["division"] = division = rng.choice(list(Division))
    if division == Division.NONE:
        return word, want(config, word)
    for lane in word["lanes"]:
        t = rng.choice([0, 1, rng.randrange(1 << rng.randrange(1, 18))])
        lane |= {"acc": t << word["pre_shift"], "bias": 0, "residual_mul": 0}
        lane["residual"] = rng.randrange(16)
        if config.requant == "shift":
            lane["residual_mul"] = 255
    columns = {
        name: torch.tensor([[[lane[name] for lane in word["lanes"]]]])
        for name in ("acc", "residual")
    }
    if division == Division.CODE:
        codes = ops.log2_round(columns["acc"] >> word["pre_shift"])
        return word, codes.flatten().tolist()
    word |= {"post_shift": rng.randrange(1, 18), "zero_point": 0}
    mul = torch.tensor([factor(config, lane["mul"]) for lane in word["lanes"]]).double()
    y = [
        ops.divide_log2(
            columns["acc"][..., n : n + 1], columns["residual"][..., n : n + 1], mul=int(mul[n]),
            **{f: word[f] for f in ("pre_shift", "post_shift", "low", "high")},
        )
        for n in range(config.rows)
    ]  # fmt: skip
    return word, [int(v) % 256 for v in y]


def inverted(rng: random.Random, config: AcceleratorConfig) -> tuple[Word, list[int]]:
    """The same with reciprocals: four lanes have one divisor."""
    word, found = random_word(rng, config), list[int]()
    word["division"] = division = rng.choice(list(Division))
    if division == Division.NONE:
        return word, want(config, word)
    word |= {"pre_shift": rng.randrange(15), "post_shift": rng.randint(1, 16), "zero_point": 0}
    if division == Division.CODE:
        word |= {"post_shift": 1, "low": 0, "high": 255}
    for first in range(0, config.rows, 4):
        quad = word["lanes"][first : first + 4]
        below = torch.tensor([rng.choice([0, 1, 131071, rng.randrange(1 << rng.randrange(1, 18))])])
        codes = [*ops.invert(below, ops.reciprocals(rng.uniform(1, 1 << 23))).tolist(), 99]
        for lane, code in zip(quad, codes, strict=True):
            t = rng.choice([*CORNERS_18, rng.randrange(-(1 << 17), 1 << 17)])
            t = int(below) if division == Division.CODE else t
            lane |= {"acc": t << word["pre_shift"], "bias": 0, "residual_mul": 0}
            lane["residual"] = code - 256 * (code > 127)
        if division == Division.CODE:
            for lane in quad:
                lane["mul"] = 256
            mantissa, exponent = (int(part) for part in ops.float_round(below))
            found += [mantissa, mantissa, exponent, mantissa]
            continue
        acc = torch.tensor([[[lane["acc"] for lane in quad]]])
        fields = {f: word[f] for f in ("pre_shift", "post_shift", "low", "high")}
        found += ops.divide_exact(acc, torch.tensor([[codes[:3]]]), **fields).flatten().tolist()
    return word, [y % 256 for y in found]


def test_divisors_and_quotients_by_reciprocals() -> None:
    config = TINY.replace(hybrid=True, rows=8, columns=8, division="reciprocal")
    rng = random.Random(4)
    words, results = zip(*(inverted(rng, config) for _ in range(300)), strict=True)
    assert_same(run(config, list(words)), results, words)


@pytest.mark.parametrize("config", [TINY, SHIFT], ids=["multiplier", "shift"])
def test_divisors_and_quotients(config: AcceleratorConfig) -> None:
    config, rng = config.replace(hybrid=True), random.Random(4)
    words, results = zip(*(divided(rng, config) for _ in range(300)), strict=True)
    got = run(config, list(words))
    assert_same(got, results, words)


def run(config: AcceleratorConfig, words: list[Word]) -> list[list[int]]:
    """One word per cycle; what comes out `requant_latency` cycles after each."""
    dut = Requant(config)
    latency = requant_latency(config)
    got: list[list[int]] = []

    async def drive(ctx: TestbenchContext) -> None:
        for n in range(len(words) + latency):
            if n < len(words):
                ctx.set(dut.i, words[n])
            _, _, y = await ctx.tick().sample(dut.o)
            got.append(list(y))

    sim = Simulator(dut)
    sim.add_clock(CLOCK_PERIOD)
    sim.add_testbench(drive)
    sim.run()
    return got[latency:]


def check(config: AcceleratorConfig, words: list[Word]) -> None:
    assert_same(run(config, words), [want(config, word) for word in words], words)


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        SHIFT,
        PRESETS["demo"],
        TINY.replace(post_products="mixed"),
        TINY.replace(post_products="luts"),
    ],
    ids=["tiny", "shift", "demo", "mixed", "luts"],
)
@pytest.mark.parametrize("seed", range(3))
def test_random_words(seed: int, config: AcceleratorConfig) -> None:
    rng = random.Random(seed)
    check(config, [random_word(rng, config) for _ in range(400)])


@pytest.mark.parametrize("bits", [20, 24])
def test_narrow_accumulators(bits: int) -> None:
    config = TINY.replace(accumulator_bits=bits)
    rng = random.Random(bits)
    check(config, [random_word(rng, config) for _ in range(200)])


@pytest.mark.parametrize("config", [TINY, SHIFT], ids=["multiplier", "shift"])
def test_python_formula_is_golden(config: AcceleratorConfig) -> None:
    rng = random.Random(5)
    for _ in range(200):
        word = random_word(rng, config)
        # The golden output is int8 or uint8 by the sign of `low`; the hardware keeps 8 bits.
        word["low"] = rng.choice([-128, 0])
        word["high"] = rng.randint(0, 127) if word["low"] else rng.randint(0, 255)
        assert golden(config, word) == want(config, word)


def lane(acc: int, mul: int = 1, residual: int = 0, residual_mul: int = 0, bias: int = 0) -> dict:
    return {
        "acc": acc, "bias": bias, "mul": mul, "residual": residual, "residual_mul": residual_mul,
    }  # fmt: skip


def word(lanes: list[dict], **fields: int) -> Word:
    shared = {"pre_shift": 0, "post_shift": 1, "zero_point": 0, "low": -128, "high": 127}
    return {"lanes": lanes} | shared | fields


def test_every_shift_floors_and_rounds_half_up() -> None:
    words = []
    for post_shift in range(1, 33):
        for base in (0, 1, -1, 5, -5, 127, -128, 128, -129, 1023, -1024):
            half = 1 << post_shift - 1
            # t * mul around the tie between two results, in so far as 18 bits reach it
            for u in (base * 2 * half + d for d in (half - 1, half, half + 1, -1, 0, 1)):
                lanes = [lane(u >> k, mul=1 << k) for k in range(16) if u % (1 << k) == 0]
                fit = [x for x in lanes if -(1 << 17) <= x["acc"] < 1 << 17][: TINY.rows]
                if fit:
                    fit += [fit[0]] * (TINY.rows - len(fit))
                    words.append(word(fit, post_shift=post_shift))
    check(TINY, words)


def test_pre_shift_floors_negatives() -> None:
    words = [
        word([lane(acc, bias=-acc // 2 if acc % 3 else 0) for acc in (-n, n, -n - 1, n - 1)],
             pre_shift=shift)
        for shift in range(16)
        for n in (1, (1 << shift) - 1, 1 << shift, (1 << shift) + 1, 3 << shift)
    ]  # fmt: skip
    check(TINY, words)


def test_saturates_once_and_last() -> None:
    """Scaled value and residual are each far out of range, their sum is not."""
    big = 65535
    lanes = [
        lane(100 * 128, mul=big, residual=-100, residual_mul=big),
        lane(-100, mul=big, residual=100, residual_mul=big),
        lane(127, mul=big, residual=-128, residual_mul=big),
        lane(-127, mul=big, residual=127, residual_mul=big),
    ]
    check(TINY, [word(lanes, post_shift=s, zero_point=z) for s in (1, 16) for z in (-128, 0, 127)])


@pytest.mark.parametrize("acc", [-(1 << 31), (1 << 31) - 1])
@pytest.mark.parametrize("bias", [-(1 << 31), (1 << 31) - 1])
def test_corners_of_accumulator_and_bias(acc: int, bias: int) -> None:
    check(TINY, [word([lane(acc, bias=bias, mul=7)] * TINY.rows, pre_shift=15, post_shift=13)])
