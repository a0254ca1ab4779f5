"""Verilog models of the ECP5's blocks, of which Yosys has none: block RAM and multiplier.

Source: Lattice FPGA-TN-02204 (ECP5 memory), tables of the true dual port mode, and FPGA-TN-02205
(sysDSP); only the modes that Yosys or `vitaccel.hw` ask for.
"""

__all__ = ["blocks"]

_RAM = """
module DP16KD({header});
  input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2;
  input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2;
  input {inputs};
  output {outputs};
{parameters}
  parameter [20479:0] INIT = {{{init}}};
  reg [17:0] words [0:1023];  // two bytes of 9 bits each
  reg [35:0] qa, qb;
  integer n;
  initial begin
    for (n = 0; n < 1024; n = n + 1) words[n] = INIT[n * 20 +: 18];
    qa = 0;
    qb = 0;
  end
  wire [13:0] ada = {{{ada}}}, adb = {{{adb}}};
  wire [35:0] dia = {{{dib}, {dia}}};
  wire [17:0] dib = {{{dib}}};
  assign {{{doa}}} = DATA_WIDTH_B == 36 ? qb[17:0] : qa[17:0];
  assign {{{dob}}} = DATA_WIDTH_B == 36 ? qb[35:18] : qb[17:0];
  initial
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
      $fatal(1, "DP16KD: this mode has no model");

  function [35:0] read(input integer width, input [13:0] at);
    case (width)
      36: read = {{words[{{at[13:5], 1'b1}}], words[{{at[13:5], 1'b0}}]}};
      18: read = {{18'b0, words[at[13:4]]}};
      9: read = {{27'b0, words[at[13:4]][9 * at[3] +: 9]}};
      4: read = {{32'b0, words[at[13:4]][9 * at[3] + 4 * at[2] +: 4]}};
      2: read = {{34'b0, words[at[13:4]][9 * at[3] + 2 * at[2:1] +: 2]}};
      default: read = {{35'b0, words[at[13:4]][9 * at[3] + at[2:0]]}};
    endcase
  endfunction
{ports}
endmodule
"""

_PORT = """
  wire write{x} = WE{X};
  always @(posedge CLK{X}) begin
    if (CE{X}) begin
      if (!write{x} || WRITEMODE_{X} == "READBEFOREWRITE") q{x} <= read(DATA_WIDTH_{X}, ad{x});
      if (write{x}) case (DATA_WIDTH_{X})
        36: for (n = 0; n < 4; n = n + 1)
          if (ad{x}[n]) words[{{ad{x}[13:5], n > 1}}][9 * (n % 2) +: 9] <= {wide};
        18: for (n = 0; n < 2; n = n + 1)
          if (ad{x}[n]) words[ad{x}[13:4]][9 * n +: 9] <= di{x}[9 * n +: 9];
        9: words[ad{x}[13:4]][9 * ad{x}[3] +: 9] <= di{x}[8:0];
        4: words[ad{x}[13:4]][9 * ad{x}[3] + 4 * ad{x}[2] +: 4] <= di{x}[3:0];
        2: words[ad{x}[13:4]][9 * ad{x}[3] + 2 * ad{x}[2:1] +: 2] <= di{x}[1:0];
        default: words[ad{x}[13:4]][9 * ad{x}[3] + ad{x}[2:0]] <= di{x}[0];
      endcase
    end
    if (RST{X}) q{x} <= 0;
  end
  initial if (WRITEMODE_{X} == "WRITETHROUGH") $fatal(1, "DP16KD: this mode has no model");
"""

_MULTIPLIER = """
module MULT18X18D({header});
  input CLK0, CE0, RST0, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB;
  input {inputs};
  output {outputs};
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
  wire signed [17:0] a = {{{a}}}, b = {{{b}}};
  reg signed [17:0] a_register, b_register;
  reg signed [35:0] p_register;
  wire signed [17:0] a_used = REG_INPUTA_CLK == "NONE" ? a : a_register;
  wire signed [17:0] b_used = REG_INPUTB_CLK == "NONE" ? b : b_register;
  wire signed [35:0] product = a_used * b_used;
  always @(posedge CLK0) if (CE0) begin
    a_register <= a;
    b_register <= b;
    p_register <= product;
  end
  assign {{{p}}} = REG_OUTPUT_CLK == "NONE" ? product : p_register;
  always @(posedge CLK0) if (!SIGNEDA || !SIGNEDB || SOURCEA || SOURCEB || RST0)
    $fatal(1, "MULT18X18D: this mode has no model");
endmodule
"""


def _bits(name: str, n: int) -> str:
    return ", ".join(f"{name}{bit}" for bit in reversed(range(n)))


def _ram() -> str:
    inputs = ", ".join(_bits(f"{kind}{x}", n) for x in "AB" for kind, n in (("DI", 18), ("AD", 14)))
    outputs = ", ".join(_bits(f"DO{x}", 18) for x in "AB")
    controls = ("CLK", "CE", "OCE", "WE", "RST", "CS0", "CS1", "CS2")
    control = ", ".join(
        f"{c[:2]}{x}{c[2]}" if c[-1].isdigit() else c + x for x in "AB" for c in controls
    )
    names = [f"INITVAL_{n:02X}" for n in range(64)]
    defaults = [f"  parameter [319:0] {name} = 0;" for name in names]
    for x in "AB":
        defaults += [f"  parameter DATA_WIDTH_{x} = 18;"]
        defaults += [
            f'  parameter {name} = "{value}";'
            for name, value in (
                (f"REGMODE_{x}", "NOREG"),
                (f"WRITEMODE_{x}", "NORMAL"),
                (f"CSDECODE_{x}", "0b000"),
                (f"CLK{x}MUX", f"CLK{x}"),
            )
        ]
    defaults += [
        f'  parameter {name} = "{value}";'
        for name, value in (("RESETMODE", "SYNC"), ("ASYNC_RESET_RELEASE", "SYNC"), ("GSR", "AUTO"))
    ]
    wide = {"a": "dia[9 * n +: 9]", "b": "9'b0"}
    ports = [_PORT.format(x=x, X=x.upper(), wide=wide[x]) for x in ("a", "b")]
    return _RAM.format(
        header=f"{control}, {inputs}, {outputs}",
        inputs=inputs,
        outputs=outputs,
        parameters="\n".join(defaults),
        init=", ".join(reversed(names)),
        ada=_bits("ADA", 14),
        adb=_bits("ADB", 14),
        dia=_bits("DIA", 18),
        dib=_bits("DIB", 18),
        doa=_bits("DOA", 18),
        dob=_bits("DOB", 18),
        ports="".join(ports),
    )


def _multiplier() -> str:
    inputs, outputs = f"{_bits('A', 18)}, {_bits('B', 18)}", _bits("P", 36)
    controls = "CLK0, CE0, RST0, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB"
    return _MULTIPLIER.format(
        header=f"{controls}, {inputs}, {outputs}",
        inputs=inputs,
        outputs=outputs,
        a=_bits("A", 18),
        b=_bits("B", 18),
        p=outputs,
    )


def blocks() -> str:
    """Modules `DP16KD` and `MULT18X18D`."""
    return _ram() + _multiplier()
