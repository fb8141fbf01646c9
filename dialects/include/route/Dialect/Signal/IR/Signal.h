// The signal dialect: declarations, and patterns as compiler/lib/Text has them.
#ifndef ROUTE_DIALECT_SIGNAL_IR_SIGNAL_H
#define ROUTE_DIALECT_SIGNAL_IR_SIGNAL_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "route/Dialect/Signal/IR/SignalDialect.h.inc"
#include "route/Dialect/Signal/IR/SignalEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "route/Dialect/Signal/IR/SignalTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Signal/IR/SignalAttributes.h.inc"
#define GET_OP_CLASSES
#include "route/Dialect/Signal/IR/SignalOps.h.inc"

#include "route/Text/Functions.h"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace route::signal {

/// An attribute as the text library has it, and back.
text::Pattern toPattern(PatternAttr attr);
text::Predicate toPredicate(PredicateAttr attr);
PatternAttr fromPattern(mlir::MLIRContext *context, const text::Pattern &);
PredicateAttr fromPredicate(mlir::MLIRContext *context,
                            const text::Predicate &);
/// The options of an n-gram operation.
text::NgramOptions toOptions(NgramsOp op);

/// The options of a text function call as the text library reads them:
/// booleans, integers, floats, strings and arrays of strings. Fails on anything
/// else.
mlir::FailureOr<text::TextAttrs> toTextAttrs(mlir::DictionaryAttr arguments);

/// Emits the text function `name` of docs/text.md on scalar texts. The result
/// is i1, i64, f32 or a tensor of f32. Reports why it cannot at `loc`.
mlir::FailureOr<mlir::Value> buildTextFunction(mlir::OpBuilder &builder,
                                               mlir::Location loc,
                                               llvm::StringRef name,
                                               mlir::DictionaryAttr arguments,
                                               mlir::ValueRange texts);

/// Lets one-shot bufferization turn signal.ngrams on tensors into buffers.
void registerBufferizableOpInterfaceExternalModels(mlir::DialectRegistry &);

} // namespace route::signal

#endif // ROUTE_DIALECT_SIGNAL_IR_SIGNAL_H
