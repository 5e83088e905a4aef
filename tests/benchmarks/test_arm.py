"""What is said about inner loops on other processors."""

from pathlib import Path

import pytest

from benchmarks import arm
from benchmarks.inner_loops import InnerLoop, inner_loops, widest
from benchmarks.sections import read_result

ARM_LOOPS = """
product:
\tstp\tq8, q9, [sp, #16]
.LBB0_1:                                // in Loop: Header=BB0_3
\tldr\tq0, [x0], #16
\tsmull\tv1.8h, v0.8b, v2.8b
\tcbz\tx3, .LBB0_4
\tb.lt\t.LBB0_1
.LBB0_2:
\tldp\ts9, s10, [x8, #8]                // 8-byte Folded Reload
\tfmla\tv2.4s, v11.4s, v9.s[0]
\tfmla\tv3.4s, v13.4s, v9.s[0]
\tldr\tq12, [sp, #16]
\tsubs\tx7, x7, #1
\tb.ne\t.LBB0_2
.LBB0_3:
\tfmla\tv2.4s, v11.4s, v9.s[0]
\tcbnz\tx7, .LBB0_3
.LBB0_4:
\tb\t.LBB0_1
\tret
"""

X86_LOOP = """
.LBB0_7:
\tmovq\t8(%rsp), %rax                   # 8-byte Reload
\tvmovups\t(%rcx,%rdi), %zmm30
\tvfmadd231ps\t(%rax,%r10,4){1to16}, %zmm30, %zmm29 # zmm29 = (zmm30 * mem) + zmm29
\t{vex}\tvpdpbusd\t%ymm0, %ymm1, %ymm2
\tjl\t.LBB0_7
"""


def loop(*lines: str) -> InnerLoop:
    return InnerLoop(tuple(f"\t{line}" for line in lines))


def test_inner_loops_are_blocks_that_branch_to_themselves() -> None:
    wide, narrow = inner_loops(ARM_LOOPS)
    assert wide.lines[0] == "\tldp\ts9, s10, [x8, #8]"
    assert wide.multiplies == ("fmla", "fmla")
    assert wide.stack_accesses == 1
    assert widest(ARM_LOOPS) == wide
    assert narrow == loop("fmla\tv2.4s, v11.4s, v9.s[0]", "cbnz\tx7, .LBB0_3")


def test_a_frame_pointer_set_in_the_loop_is_no_stack() -> None:
    assert loop("add\tx29, x27, x28", "ldp\tq12, q11, [x29, #32]", "ldr\tq1, [sp]").stack_accesses == 1
    assert loop("add\tx2, x27, x29", "ldp\tq12, q11, [x29, #32]").stack_accesses == 1


def test_loops_of_x86_64() -> None:
    (found,) = inner_loops(X86_LOOP)
    assert len(found.lines) == 5
    assert found.multiplies == ("vfmadd231ps", "vpdpbusd")
    assert found.stack_accesses == 1


@pytest.mark.skipif(arm.find_mca() is None, reason="llvm-mca is not installed")
def test_cycles_and_the_ideal_of_a_loop() -> None:
    mca, processor = arm.find_mca(), arm.PROCESSORS[0]
    assert mca is not None
    assert processor.target.cpu == "cortex-a72"
    products = [f"fmla\tv{i}.4s, v30.4s, v31.s[0]" for i in range(16)]
    cycles, ideal = mca.analyse(loop(*products, "add\tx0, x0, #8"), processor)
    assert ideal == 16
    assert cycles == pytest.approx(ideal, rel=0.1)


def test_without_llvm_mca_the_last_numbers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "find_mca", lambda: None)
    file = tmp_path / "arm.json"
    arm.main(["--json", str(file)])
    (section,) = read_result(file)["sections"]
    assert (section.text, section.rows) == (f"{arm.MISSING}.", ())
    numbers = ("float32", "fmla", 24, 36, 0, 24.0, 12.0)
    kept = {"processor": "cortex-a72", **dict(zip(arm.COLUMNS[1:8], numbers, strict=True))}
    arm.write_result(file, "arm", arm.sections_of([kept], "19.1.7", is_old=False), {"llvm": "19.1.7", "loops": [kept]})
    arm.main(["--json", str(file)])
    result = read_result(file)
    (section,) = result["sections"]
    assert section.text.startswith(f"{arm.MISSING}: these are from an earlier run. ")
    assert section.rows == (("cortex-a72", "float32", "fmla", "24", "36", "0", "24.0", "12.0", "0.50"),)
    assert result["data"]["loops"] == [kept]
