// The conversion of text questions to loops over constant tables.
#ifndef ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_TD
#define ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertSignalToLLVM : Pass<"convert-signal-to-llvm", "::mlir::ModuleOp"> {
  let summary = "turns questions about texts into walks over automaton tables";
  let description = [{
    A text becomes `!llvm.struct<(ptr, i64)>`, a buffer of texts a buffer of i64
    with a last dimension of 2 (pointer, size); function and loop signatures and
    the operations on such buffers follow.

    A scan becomes a call of an internal function over constant tables; the loops
    come from compiler/lib/Text/Kernels*.c, built to LLVM IR with the compiler and
    cloned into the module once. Nothing is allocated and nothing outside the
    module is called. Equal scans share their tables.

    Run it after bufferization, before the conversions of func, memref and arith.
    Expressions that stay alive through other text ([a-z0-9]{20,}) multiply states
    with the rest. Beyond `max-product` they get a pass that runs only when the
    first one has seen what they require ("sk-"). Patterns whose automaton exceeds `max-states` are divided between passes over
    the text; one that exceeds it alone is an error.
  }];
  let options = [
    Option<"maxStates", "max-states", "uint32_t", /*default=*/"16384",
           "states an automaton may have before its patterns are divided">,
    Option<"maxProduct", "max-product", "uint32_t", /*default=*/"4096",
           "states of lasting expressions times states of the rest above which "
           "the former get a pass on demand">
  ];
  let statistics = [
    Statistic<"passes", "passes", "passes over texts that scans make">,
    Statistic<"tableBytes", "table-bytes", "bytes of constant tables">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect"];
}

#endif // ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_TD
