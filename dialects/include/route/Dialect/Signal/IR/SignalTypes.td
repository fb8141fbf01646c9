// The text type.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNALTYPES_TD
#define ROUTE_DIALECT_SIGNAL_IR_SIGNALTYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "route/Dialect/Signal/IR/SignalDialect.td"

def Signal_Text : TypeDef<Signal_Dialect, "Text", [MemRefElementTypeInterface]> {
  let mnemonic = "text";
  let summary = "a text: borrowed bytes";
  let description = [{
    Bytes that somebody else owns, read as UTF-8 with replacement. At the LLVM
    level `!llvm.struct<(ptr, i64)>`, pointer and size in bytes; in memory two
    64-bit words, so that a buffer of texts is an array of pairs.
  }];
}

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNALTYPES_TD
