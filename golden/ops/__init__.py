"""Integer definition of every hardware operator; module, function and gateware share a word."""

from golden.ops.gelu import activation_table, gelu_table
from golden.ops.isqrt import isqrt
from golden.ops.layernorm import LayerNormConstants, layernorm, layernorm_constants
from golden.ops.linear import linear, linear_bound, linear_range
from golden.ops.log2_matmul import LOG2_ROW_SUM, log2_matmul
from golden.ops.matmul import exact_dtype, matmul
from golden.ops.patches import patches
from golden.ops.quantize_input import quantize, quantize_input
from golden.ops.reciprocal import reciprocal
from golden.ops.requant import lookup, requant
from golden.ops.softmax import exp_table, softmax

__all__ = [
    "LOG2_ROW_SUM",
    "LayerNormConstants",
    "activation_table",
    "exact_dtype",
    "exp_table",
    "gelu_table",
    "isqrt",
    "layernorm",
    "layernorm_constants",
    "linear",
    "linear_bound",
    "linear_range",
    "log2_matmul",
    "lookup",
    "matmul",
    "patches",
    "quantize",
    "quantize_input",
    "reciprocal",
    "requant",
    "softmax",
]
