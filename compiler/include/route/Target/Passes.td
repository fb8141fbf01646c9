// Passes of the last stage before machine code.
#ifndef ROUTE_TARGET_PASSES_TD
#define ROUTE_TARGET_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteExpandMath : Pass<"route-expand-math"> {
  let summary = "write out functions as the operation sequences of numerics.h";
  let description = [{
    Replaces math.exp, exp2, log, log2, tanh, erf, rsqrt, powf and row.unary on
    f32 scalars and vectors by the sequences of IEEE operations that
    route/numerics_functions.h defines, so that generated code, the interpreter
    and the constant folder give the same bits on every target and no object
    calls a math library. On bf16 and f16 the function is computed in f32 and
    rounded once. arith.truncf from f32 to bf16 becomes integer arithmetic, since
    x86's conversion flushes denormals, unless `rounds-bf16` says that the target
    has an instruction that does not, as NVIDIA's GPUs do; of a NaN only the
    payload differs.

    Fast-math flags on the replaced operation are ignored. math.sqrt, fma,
    roundings and absolute values are exact and stay.
  }];
  let options = [
    Option<"avx512", "avx512", "bool", "false",
      "use AVX-512's scaling by powers of two in vectors of 16; same results">,
    Option<"roundsBf16", "rounds-bf16", "bool", "false",
      "leave rounding of f32 to bf16 to the target's instruction">
  ];
  let dependentDialects = ["mlir::arith::ArithDialect",
                           "mlir::LLVM::LLVMDialect",
                           "mlir::math::MathDialect"];
}

def RouteMoveBf16 : Pass<"route-move-bf16"> {
  let summary = "move and widen bf16 values as 16-bit integers";
  let description = [{
    In the LLVM dialect: loads, stores, gathers, scatters, selects and accesses to
    elements of bf16 vectors work on their bits, and widening to f32 shifts them,
    since LLVM would widen and narrow them with a function of its support library.
    Arithmetic on bf16 has been expanded before.
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

#endif // ROUTE_TARGET_PASSES_TD
