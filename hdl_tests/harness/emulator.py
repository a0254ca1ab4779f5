"""Instruction-level model of the accelerator: what a program computes, one instruction at a time.

Written from docs/architecture.md, independent of golden and gateware: tells whose mistake it is.
"""

from dataclasses import dataclass, field

import numpy as np

from hdl_tests.harness.emulated_depthwise import convolve
from hdl_tests.harness.emulated_division import leading_one, log2_code, reciprocal
from vitaccel import isa
from vitaccel.compile.instruction import decode
from vitaccel.compile.program import Program, Routine
from vitaccel.config import AcceleratorConfig


def isqrt(value: int) -> int:
    return int(np.floor(np.sqrt(np.float64(value)))) if value < 2**50 else 0


def signed4(nibble: np.ndarray) -> np.ndarray:
    return (nibble.astype(np.int64) & 15 ^ 8) - 8


@dataclass
class Emulator:
    config: AcceleratorConfig
    memory: bytearray
    spaces: dict[isa.Space, np.ndarray] = field(default_factory=dict)
    tiles: list[np.ndarray] = field(default_factory=list)  # accumulators of the last GEMM

    def __post_init__(self) -> None:
        c = self.config
        depth = dict(zip(isa.Space, (
            c.activation_words, c.weight_words, c.post_words * 16, c.table_slots * 256,
            c.vector_words * 8, c.table_slots * 512, c.depthwise_steps * 8, c.depthwise_words * 8,
        ), strict=True))  # fmt: skip
        random = np.random.default_rng(1)  # memories hold anything before they are written
        self.spaces = {
            space: random.integers(0, 256, (words, c.rows), dtype=np.uint8)
            for space, words in depth.items()
        }

    @property
    def activation(self) -> np.ndarray:
        return self.spaces[isa.Space.ACTIVATION]

    def run(self, program: Program, routine: Routine) -> None:
        for pc in range(len(routine.labels)):
            at = routine.address + pc * isa.BYTES
            op, f = decode(bytes(self.memory[at : at + isa.BYTES]))
            if op != isa.Op.HALT:
                getattr(self, op.name.lower())(f)

    def load(self, f: dict[str, int]) -> None:
        space = self.spaces[isa.Space(f["space"])]
        for row in range(f["n_rows"]):
            at = f["external"] + row * f["external_stride"]
            raw = np.frombuffer(self.memory[at : at + f["n_words"] * self.config.rows], np.uint8)
            to = f["local"] + row * f["local_stride"]
            assert to + f["n_words"] <= len(space)
            space[to : to + f["n_words"]] = raw.reshape(f["n_words"], self.config.rows)

    def store(self, f: dict[str, int]) -> None:
        for row in range(f["n_rows"]):
            at = f["external"] + row * f["external_stride"]
            start = f["local"] + row * f["local_stride"]
            raw = self.activation[start : start + f["n_words"]].tobytes()
            self.memory[at : at + len(raw)] = raw

    def _weight_tile(self, words: np.ndarray, columns: int) -> np.ndarray:
        """int64 [columns, rows] of one tile, by logical column."""
        c, rows = self.config, self.config.rows
        tile = np.zeros((c.columns, rows), dtype=np.int64)
        if columns == isa.Columns.UNIFORM:
            return self._wide_tile(words)

        for p in range(c.wide_groups * rows):
            group, lane = divmod(p, rows)
            if c.packed:
                tile[2 * group * rows + lane] = signed4(words[p])
                tile[(2 * group + 1) * rows + lane] = signed4(words[p] >> 4)
            else:
                tile[p] = words[p].view(np.int8)
        for j in range(c.pot_columns):
            word = words[c.wide_groups * rows + (j if c.pot_bits > 4 else j // 2)]
            code = (word if c.pot_bits > 4 else word >> 4 * (j % 2)).astype(np.int64)
            code &= (1 << c.pot_bits) - 1
            sign, e = code >> c.pot_bits - 1, code & (1 << c.pot_bits - 1) - 1
            tile[c.uniform_groups * rows + j] = np.where(
                e == 0, 0, (1 << np.maximum(e - 1, 0)) * (1 - 2 * sign)
            )
        return tile

    def _wide_tile(self, words: np.ndarray) -> np.ndarray:
        c, rows = self.config, self.config.rows
        tile = np.zeros((c.columns, rows), dtype=np.int64)
        for p in range(len(words)):
            group, lane = divmod(p, rows)
            if c.packed:
                value = words[p].view(np.int8).astype(np.int64)
                tile[2 * group * rows + lane] = value & 15
                tile[(2 * group + 1) * rows + lane] = value >> 4
            else:
                tile[p] = words[p].view(np.int8)
        return tile

    def _dynamic_tile(self, f: dict[str, int], n_tile: int, k_tile: int) -> np.ndarray:
        c, rows = self.config, self.config.rows
        pot, packed = f["columns"] == isa.Columns.POT, f["columns"] == isa.Columns.PACKED
        groups = c.pot_groups if pot else c.uniform_groups if packed else c.wide_groups
        base = f["stationary"] + n_tile * f["tile_stride"]
        stride = f["stationary_stride"]
        if f["source"] == isa.Stationary.ROWS:
            words = self.activation[[base + n * stride + k_tile for n in range(groups * rows)]]
            if k_tile == 0:
                words[:, : f["lanes_before"]] = 0
            if k_tile == f["k_tiles"] - 1:
                words[:, rows - f["lanes_after"] :] = 0
        else:
            blocks = [
                self.activation[[base + j + (k_tile * rows + r) * stride for r in range(rows)]].T
                for j in range(groups)
            ]
            words = np.concatenate(blocks)
        words = np.ascontiguousarray(words)
        if f["relu_stationary"]:
            words = words.view(np.int8).clip(0).view(np.uint8)
        if not pot and not packed:
            return self._wide_tile(words)
        tile = np.zeros((c.columns, rows), dtype=np.int64)
        if packed:
            tile[: len(words)] = signed4(words)
            return tile
        tile[c.uniform_groups * rows :] = words.view(np.int8)
        return tile

    def _streamed(self, f: dict[str, int], k_tile: int) -> np.ndarray:
        """Addresses of the words of all rows."""
        row = np.arange(f["n_rows"])
        if not f["kernel"]:
            return f["stream"] + row * f["stream_stride"] + k_tile
        tap, word = divmod(k_tile, f["tap_words"])
        i, j = divmod(tap, f["kernel"])
        y, x = divmod(row, f["row_pixels"])
        step = f["step"]
        image_row, column = f["first_row"] + (y << step) + i, f["first_column"] + (x << step) + j
        inside = (image_row >= 0) & (image_row < f["height"])
        inside &= (column >= 0) & (column < f["width"])
        at = f["stream"] + (i + (y << step)) * f["image_stride"] + x * f["stream_stride"]
        at += j * (f["stream_stride"] >> step) + word
        return np.where(inside, at % (1 << 16), f["pad"] + word)

    def gemm(self, f: dict[str, int]) -> None:
        c = self.config
        wide = f["columns"] == isa.Columns.UNIFORM
        size = c.wide_groups * c.rows if wide else c.weight_tile_words
        for n_tile in range(f["n_tiles"]):
            acc = np.zeros((f["n_rows"], c.columns), dtype=np.int64)
            for k_tile in range(f["k_tiles"]):
                if f["source"] == isa.Stationary.WEIGHT:
                    at = f["stationary"] + (n_tile * f["k_tiles"] + k_tile) * size
                    words = self.spaces[isa.Space.WEIGHT][at : at + size]
                    tile = self._weight_tile(words, f["columns"])
                else:
                    tile = self._dynamic_tile(f, n_tile, k_tile)
                x = self.activation[self._streamed(f, k_tile)]
                if f["relu_stream"]:
                    x = x.view(np.int8).clip(0).view(np.uint8)
                x = x.astype(np.int64) if f["unsigned"] else x.view(np.int8).astype(np.int64)
                if f["columns"] == isa.Columns.POT:
                    q = x & 15
                    x = np.where(q == 15, 0, 1 << np.minimum(14 - q, 14).clip(0))
                acc += x @ tile.T
            self.tiles.append(acc)

    def post(self, f: dict[str, int]) -> None:
        c, rows = self.config, self.config.rows
        n_tiles = -(-f["n_words"] // f["tile_words"])
        tiles, self.tiles = self.tiles[:n_tiles], self.tiles[n_tiles:]
        lanes = np.arange(rows)
        for word in range(f["n_words"]):
            planes = self.spaces[isa.Space.POST_PARAM][(f["param"] + word) * 16 :][:9]
            raw = planes.astype(np.int64)
            bias = raw[0] | raw[1] << 8 | raw[2] << 16 | (raw[3] ^ 128) - 128 << 24
            mul, residual_mul = raw[4] | raw[5] << 8, raw[6] | raw[7] << 8
            if c.requant == "shift":
                mul = np.where(mul == 255, 0, 1 << mul.clip(0, 15))
                residual_mul = np.where(residual_mul == 255, 0, 1 << residual_mul.clip(0, 15))
            tile = tiles[word // f["tile_words"]]
            column = (raw[8] & 15) * rows + lanes
            acc = tile[:, column] + (16 * tile[:, column + rows] if f["wide"] else 0)
            t = (acc + bias) >> f["pre_shift"]
            assert np.abs(t).max() < 1 << 17
            row = np.arange(f["n_rows"])
            shift = np.full_like(t, f["post_shift"])
            code = c.division == "log2"
            u = t * mul
            if f["use_residual"]:
                at = f["residual"] + row * f["residual_stride"] + word
                residual = self.activation[at].view(np.int8)
                u += residual * residual_mul
                if f["division"] == isa.Division.DIVIDE:
                    factor, more = (mul, residual & 15) if code else reciprocal(residual)
                    u, shift = t * factor, shift + more
            coded = t
            if f["division"] == isa.Division.CODE:
                coded = np.vectorize(log2_code if code else leading_one)(t)
                shift += 0 if code else coded
            u += np.int64(1) << shift - 1
            y = ((u >> shift) + f["zero_point"]).clip(f["low"], f["high"])
            if f["division"] == isa.Division.CODE:
                y = np.where(code | (lanes % 4 == 2), coded, y)
            if f["use_table"]:
                slot = f["table"] + (raw[8] >> 4)
                y = self.spaces[isa.Space.TABLE][(slot << 8) + (y & 255), lanes]
            start = f["lanes_before"] if word == 0 else 0
            stop = rows - (f["lanes_after"] if word == f["n_words"] - 1 else 0)
            at = f["dst"] + row * f["dst_stride"] + word
            self.activation[at, start:stop] = (y & 255).astype(np.uint8)[:, start:stop]

    def _rows(self, f: dict[str, int]) -> np.ndarray:
        index = f["src"] + np.arange(f["n_rows"])[:, None] * f["src_stride"]
        words = self.activation[index + np.arange(f["n_words"])]
        return words.view(np.int8).reshape(f["n_rows"], -1).astype(np.int64)

    def _write_rows(self, f: dict[str, int], y: np.ndarray) -> None:
        index = f["dst"] + np.arange(f["n_rows"])[:, None] * f["dst_stride"]
        words = (y & 255).astype(np.uint8).reshape(f["n_rows"], f["n_words"], -1)
        self.activation[index + np.arange(f["n_words"])] = words

    def norm(self, f: dict[str, int]) -> None:
        n = f["n_words"]
        planes = self.spaces[isa.Space.VECTOR_PARAM][f["param"] * 8 : (f["param"] + n) * 8]
        raw = planes.reshape(n, 8, -1).astype(np.int64).transpose(1, 0, 2).reshape(8, -1)
        gain = raw[0] | (raw[1] ^ 128) - 128 << 8
        offset = raw[2] | raw[3] << 8 | raw[4] << 16 | (raw[5] ^ 128) - 128 << 24
        x = self._rows(f) << (raw[6] & 3)
        out = np.zeros_like(x)
        for row, values in enumerate(x):
            valid = values[: f["length"]]
            s1, s2 = int(valid.sum()), int((valid * valid).sum())
            v = f["length"] * s2 - s1 * s1
            mu = (s1 * f["mean_mul"] + (1 << f["mean_shift"] - 1)) >> f["mean_shift"]
            t, vn = 0, v
            while vn and vn < 1 << 30:
                t, vn = t - 1, vn << 2
            while vn >= 1 << 32:
                t, vn = t + 1, vn >> 2
            t = 0 if v == 0 else t
            vn = v << -2 * t if t < 0 else v >> 2 * t
            inv = min(65535, (1 << 31) // isqrt(vn)) if v else 0
            s = f["scale_shift"] + t
            u = (((values << 4) - mu) * inv + (1 << s - 1)) >> s
            u = u.clip(-(1 << 17), (1 << 17) - 1)
            y = (u * gain + offset + (1 << f["post_shift"] - 1)) >> f["post_shift"]
            out[row] = y.clip(f["low"], f["high"])
        self._write_rows(f, out)

    def softmax(self, f: dict[str, int]) -> None:
        table = self.spaces[isa.Space.EXP][f["param"] * 512 : (f["param"] + 1) * 512, 0]
        exp = table[::2].astype(np.int64) | table[1::2].astype(np.int64) << 8
        x = self._rows(f)
        out = np.full_like(x, 15 if f["log2"] else 0)
        for row, values in enumerate(x):
            valid = values[: f["length"]]
            e = exp[valid.max() - valid]
            total = int(e.sum())
            t = total.bit_length() - 16
            n = total >> t
            if f["log2"]:
                out[row, : f["length"]] = [self._log2(int(v), n, t) for v in e]
            else:
                inv, h = min(65535, (1 << 31) // n), 31 + t - f["bits"]
                p = (e * inv + (1 << h - 1)) >> h
                out[row, : f["length"]] = np.minimum(p, (1 << f["bits"]) - 1)
        self._write_rows(f, out)

    def depthwise(self, f: dict[str, int]) -> None:
        convolve(self.config, self.spaces, f)

    @staticmethod
    def _log2(e: int, n: int, t: int) -> int:
        if e == 0:
            return 15
        z = 16 - e.bit_length()
        me = e << z
        return min(15, t + z + (2 * n >= 3 * me) - (4 * n < 3 * me))


def infer(program: Program, config: AcceleratorConfig, patches: np.ndarray) -> Emulator:
    """Run setup and one image (integer patches ``[n, k]``); results are in ``.memory``."""
    emulator = Emulator(config, bytearray(program.size))
    emulator.memory[: len(program.image)] = program.image
    if program.setup is not None:
        emulator.run(program, program.setup)
    program.input.write(emulator.memory, patches)
    emulator.run(program, program.main)
    return emulator
