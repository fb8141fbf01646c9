// The signal dialect: questions about texts.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALDIALECT_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALDIALECT_TD

include "mlir/IR/OpBase.td"

def Signal_Dialect : Dialect {
  let name = "signal";
  let cppNamespace = "::route::signal";
  let summary = "questions about texts, made so that they fuse into one scan";
  let description = [{
    Each operation asks one text (`!signal.text`) for a scalar or a few features.
    What the answers are is docs/text.md; the reference is
    compiler/include/route/Text/Functions.h. Operations are scalar, so that they
    serve in the body of a linalg.generic over requests and in plain loops alike.

    `signal.match` asks about patterns. `route-fuse-text` gathers all that a block
    asks of one text into a `signal.scan`, which reads the text once whatever the
    number of patterns; `convert-signal-to-llvm` makes an automaton of it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALDIALECT_TD
