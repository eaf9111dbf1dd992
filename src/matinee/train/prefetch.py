# mypy: disable-error-code="no-untyped-def"
"""Tables whose rows are read in random order: where they begin, and a hint that a row is going to be read.

A row that is not in the cache takes as long as a hundred additions. A row that is asked for a few ratings ahead arrives
meanwhile, and a table that begins at a cache line has rows with fewer lines. Results depend on neither.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from matinee.release.arrays import Floats

LINE = 16  # values of four bytes in a cache line
_BYTES, _FLAG = ir.IntType(8).as_pointer(), ir.IntType(32)
_TO_READ, _IN_ALL_CACHES, _DATA = _FLAG(0), _FLAG(3), _FLAG(1)


def aligned_zeros(rows: int, columns: int) -> Floats:
    """Zeros [rows, columns] of float32 that begin at a cache line."""
    size, line = 4 * rows * columns, 4 * LINE
    memory = np.zeros(size + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + size].view(np.float32).reshape(rows, columns)


@intrinsic
def prefetch(typing_context, values, place):
    """Ask for the cache line of `values[place]`, without reading it; `place` may be outside of the array.

    `values` is contiguous and has one dimension.
    """
    if values.ndim != 1 or values.layout != "C":
        return None

    def emit(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), _BYTES)
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _FLAG, _FLAG, _FLAG])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], kind)
        builder.call(hint, [address, _TO_READ, _IN_ALL_CACHES, _DATA])
        return context.get_dummy_value()

    return types.void(values, types.intp), emit
