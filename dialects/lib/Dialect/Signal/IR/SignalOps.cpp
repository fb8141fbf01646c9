// Signal operations: verifiers, and questions to constant texts folded.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Text/Regex.h"
#include "route/philox.h"

using namespace mlir;
using namespace route;
using namespace route::signal;

#define GET_OP_CLASSES
#include "route/Dialect/Signal/IR/SignalOps.cpp.inc"

static IntegerAttr integer(MLIRContext *context, unsigned width,
                           int64_t value) {
  return IntegerAttr::get(IntegerType::get(context, width), value);
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

OpFoldResult MeasureOp::fold(FoldAdaptor adaptor) {
  auto constant = dyn_cast_or_null<StringAttr>(adaptor.getText());
  if (!constant)
    return {};
  return integer(getContext(), 64,
                 text::measure(static_cast<text::Measure>(getWhat()),
                               constant.getValue()));
}

LogicalResult EstimateOp::verify() {
  double ratio = getBytesPerToken().convertToDouble();
  if (!(ratio >= 1.0 / 1024 && ratio <= 1e6)) // E1
    return emitOpError(
               "needs 'bytesPerToken' within 1/1024 and 1000000, found ")
           << ratio;
  return success();
}

OpFoldResult EqualOp::fold(FoldAdaptor adaptor) {
  auto lhs = dyn_cast_or_null<StringAttr>(adaptor.getLhs());
  auto rhs = dyn_cast_or_null<StringAttr>(adaptor.getRhs());
  if (getLhs() == getRhs())
    return integer(getContext(), 1, true);
  if (!lhs || !rhs)
    return {};
  return integer(getContext(), 1, lhs.getValue() == rhs.getValue());
}

OpFoldResult HashOp::fold(FoldAdaptor adaptor) {
  auto text = dyn_cast_or_null<StringAttr>(adaptor.getText());
  if (!text)
    return {};
  return integer(getContext(), 64,
                 static_cast<int64_t>(num::Draw::hashText(
                     text.getValue().data(), text.getValue().size())));
}

template <class OpTy> static LogicalResult verifyTable(OpTy op) {
  if (op.getKey().empty() || op.getCapacity() < 1 ||
      op.getCapacity() >= uint64_t(1) << 31 ||
      static_cast<int64_t>(op.getValues()) < 0) // T1
    return op.emitOpError("is no table of keys: capacity ")
           << op.getCapacity() << ", " << op.getKey().size() << " words a key, "
           << op.getValues() << " a value";
  return success();
}

LogicalResult NoteChangeOp::verify() {
  auto type = cast<MemRefType>(getBuffer().getType());
  if (!getIndex() && !type.hasStaticShape()) // N1
    return emitOpError("notes all of ") << type << ", whose size is open";
  return success();
}

LogicalResult TableFindOp::verify() { return verifyTable(*this); }
LogicalResult TablePutOp::verify() { return verifyTable(*this); }
LogicalResult TableDropOp::verify() { return verifyTable(*this); }

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

LogicalResult MatchOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getPredicate().getResultType()); // M1
  return success();
}

OpFoldResult MatchOp::fold(FoldAdaptor adaptor) {
  auto constant = dyn_cast_or_null<StringAttr>(adaptor.getText());
  if (!constant)
    return {};
  unsigned width = getType().getIntOrFloatBitWidth();
  return integer(
      getContext(), width,
      text::answer(toPredicate(getPredicate()), constant.getValue()));
}

LogicalResult ScanOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  for (auto predicate : adaptor.getPredicates().getAsRange<PredicateAttr>())
    types.push_back(predicate.getResultType()); // S1
  return success();
}

LogicalResult ScanOp::verify() {
  if (getPredicates().empty()) // S1
    return emitOpError("needs a predicate");
  return success();
}

LogicalResult CountOp::verify() {
  PatternAttr pattern = getPattern();
  if (pattern.getKind() != PatternKind::Regex)
    return success();
  std::string error;
  text::RegexPtr tree =
      text::parseRegex(pattern.getText().getValue(), false, error);
  if (tree && text::shortestMatch(*tree) == 0) // C1
    return emitOpError(
               "needs a pattern that does not match the empty text, found '")
           << pattern.getText().getValue() << "'";
  return success();
}

LogicalResult DensityOp::verify() {
  for (auto pattern : getPatterns().getAsRange<PatternAttr>()) { // D1
    if (pattern.getKind() != PatternKind::Keyword)
      return emitOpError("needs keywords, found regular expression '")
             << pattern.getText().getValue() << "'";
    if (pattern.getFold() == FoldKind::Full ||
        pattern.getFold() == FoldKind::Nfkc)
      return emitOpError("needs keywords folded exact or simple, found '")
             << stringifyFoldKind(pattern.getFold()) << "'";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Features
//===----------------------------------------------------------------------===//

LogicalResult NgramsOp::verify() {
  auto type = cast<ShapedType>(getOut().getType());
  if (type.getRank() != 1 || !type.hasStaticShape()) // N1
    return emitOpError("needs one static dimension, found ") << type;
  if (auto memref = dyn_cast<MemRefType>(type);
      memref && !memref.isLastDimUnitStride())
    return emitOpError("needs a contiguous buffer, found ") << type;
  if (isa<TensorType>(type) != static_cast<bool>(getResult()))
    return emitOpError("returns a tensor exactly when it is given one");
  if (getResult() && getResult().getType() != type)
    return emitOpError("returns the type it is given, ") << type;
  std::string problem = text::checkNgrams(toOptions(*this)); // N1, N2
  if (!problem.empty())
    return emitOpError(problem);
  return success();
}

void NgramsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  if (isa<MemRefType>(getOut().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &getOutMutable(),
                         SideEffects::DefaultResource::get());
}
