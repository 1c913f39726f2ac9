"""One step of a kernel that has to use the vector registers of the processor."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _column_sums(
    _context: Any, image: Any, row: Any, column: Any, a: Any, b: Any, c: Any, d: Any
) -> Any:
    """Weigh four rows of an image with a, b, c, d and return the sums of four columns.

    Compiled code calls ``column_sums(image, row, column, a, b, c, d)`` with a
    contiguous plane, the first row and column, which are not checked, and weights of
    its type. The sums take four loads instead of sixteen. Plain code cannot have that:
    LLVM looks for vectors in long loops only, as numba sets it up.
    """
    numbers = [types.intp] * 2 + [image.dtype] * 4
    tuple_of: Any = types.UniTuple
    signature = tuple_of(image.dtype, 4)(image, *numbers)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, *_ = signature.args
        array = context.make_array(kind)(context, builder, arguments[0])
        vector = ir.VectorType(context.get_value_type(kind.dtype), 4)
        width = builder.extract_value(array.shape, 1)
        place = builder.add(builder.mul(arguments[1], width), arguments[2])
        same = ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4)
        nothing = ir.Constant(vector, ir.Undefined)
        total = None
        for weight in arguments[3:]:
            start = builder.bitcast(
                builder.gep(array.data, [place]), vector.as_pointer()
            )
            pixels = builder.load(start, align=kind.dtype.bitwidth // 8)
            lane = builder.insert_element(nothing, weight, ir.IntType(32)(0))
            weights = builder.shuffle_vector(lane, nothing, same)
            product = builder.fmul(pixels, weights, flags=("contract",))
            if total is not None:
                product = builder.fadd(total, product, flags=("contract",))
            total, place = product, builder.add(place, width)
        sums = [builder.extract_element(total, ir.IntType(32)(n)) for n in range(4)]
        return context.make_tuple(builder, signature.return_type, sums)

    return signature, generate


column_sums: Callable[..., tuple[Any, Any, Any, Any]] = intrinsic(_column_sums)
