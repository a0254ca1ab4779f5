"""Integer definition of every hardware operator; module, function and gateware share a word."""

from golden.ops.conv import conv
from golden.ops.gelu import activation_table, gelu_table
from golden.ops.isqrt import isqrt
from golden.ops.layernorm import LayerNormConstants, layernorm, layernorm_constants
from golden.ops.linear import linear, linear_bound, linear_range
from golden.ops.linear_attention import (
    divide_exact,
    divide_log2,
    divisor,
    float_round,
    invert,
    key_sum,
    key_value,
    log2_round,
    query_values,
    reciprocals,
)
from golden.ops.log2_matmul import LOG2_ROW_SUM, log2_matmul
from golden.ops.matmul import exact_dtype, matmul
from golden.ops.patches import patches
from golden.ops.pool import pool
from golden.ops.quantize_input import quantize, quantize_input
from golden.ops.reciprocal import reciprocal
from golden.ops.requant import lookup, lookup_slots, requant
from golden.ops.softmax import exp_table, softmax

__all__ = [
    "LOG2_ROW_SUM",
    "LayerNormConstants",
    "activation_table",
    "conv",
    "divide_exact",
    "divide_log2",
    "divisor",
    "exact_dtype",
    "exp_table",
    "float_round",
    "gelu_table",
    "invert",
    "isqrt",
    "key_sum",
    "key_value",
    "layernorm",
    "layernorm_constants",
    "linear",
    "linear_bound",
    "linear_range",
    "log2_matmul",
    "log2_round",
    "lookup",
    "lookup_slots",
    "matmul",
    "patches",
    "pool",
    "quantize",
    "quantize_input",
    "query_values",
    "reciprocal",
    "reciprocals",
    "requant",
    "softmax",
]
