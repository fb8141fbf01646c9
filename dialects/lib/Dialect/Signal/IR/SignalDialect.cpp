// The signal dialect: registration, and attributes of the text library.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;
using namespace route::signal;

#include "route/Dialect/Signal/IR/SignalDialect.cpp.inc"
#include "route/Dialect/Signal/IR/SignalEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "route/Dialect/Signal/IR/SignalTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Signal/IR/SignalAttributes.cpp.inc"

void SignalDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "route/Dialect/Signal/IR/SignalTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "route/Dialect/Signal/IR/SignalAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "route/Dialect/Signal/IR/SignalOps.cpp.inc"
      >();
}

Operation *SignalDialect::materializeConstant(OpBuilder &builder,
                                              Attribute value, Type type,
                                              Location loc) {
  if (auto text = dyn_cast<StringAttr>(value); text && isa<TextType>(type))
    return ConstantOp::create(builder, loc, type, text);
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

LogicalResult PatternAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  PatternKind kind, StringAttr text,
                                  FoldKind fold, BoundaryKind boundary,
                                  AnchorKind anchor) {
  bool regex = kind == PatternKind::Regex;
  if (regex && boundary != BoundaryKind::None) // P2
    return emitError() << "a regular expression takes no boundary, found '"
                       << stringifyBoundaryKind(boundary) << "'";
  if (regex && anchor != AnchorKind::None) // P2
    return emitError() << "a regular expression takes no anchor, found '"
                       << stringifyAnchorKind(anchor) << "'";
  text::Pattern pattern{static_cast<text::Pattern::Kind>(kind), text.str(),
                        static_cast<text::Fold>(fold),
                        static_cast<text::Boundary>(boundary),
                        static_cast<text::Anchor>(anchor)};
  std::string problem = text::checkPattern(pattern); // P1, P2
  if (!problem.empty())
    return emitError() << "'" << text.getValue() << "': " << problem;
  return success();
}

Attribute PredicateAttr::parse(AsmParser &parser, Type) {
  FailureOr<ModeKind> mode;
  SmallVector<PatternAttr> patterns;
  auto parsePattern = [&]() -> ParseResult {
    return parser.parseCustomAttributeWithFallback(patterns.emplace_back());
  };
  if (parser.parseLess() ||
      failed(mode = FieldParser<ModeKind>::parse(parser)) ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     parsePattern) ||
      parser.parseGreater())
    return {};
  return get(parser.getContext(), *mode, patterns);
}

void PredicateAttr::print(AsmPrinter &printer) const {
  printer << '<' << stringifyModeKind(getMode()) << " [";
  llvm::interleaveComma(getPatterns(), printer, [&](PatternAttr pattern) {
    printer.printStrippedAttrOrType(pattern);
  });
  printer << "]>";
}

Type PredicateAttr::getResultType() {
  return IntegerType::get(getContext(), getMode() == ModeKind::Count ? 64 : 1);
}

text::Pattern route::signal::toPattern(PatternAttr attr) {
  return {static_cast<text::Pattern::Kind>(attr.getKind()),
          attr.getText().str(), static_cast<text::Fold>(attr.getFold()),
          static_cast<text::Boundary>(attr.getBoundary()),
          static_cast<text::Anchor>(attr.getAnchor())};
}

text::Predicate route::signal::toPredicate(PredicateAttr attr) {
  text::Predicate result;
  result.mode = static_cast<text::Mode>(attr.getMode());
  for (PatternAttr pattern : attr.getPatterns())
    result.patterns.push_back(toPattern(pattern));
  return result;
}

PatternAttr route::signal::fromPattern(MLIRContext *context,
                                       const text::Pattern &pattern) {
  return PatternAttr::get(context, static_cast<PatternKind>(pattern.kind),
                          StringAttr::get(context, pattern.text),
                          static_cast<FoldKind>(pattern.fold),
                          static_cast<BoundaryKind>(pattern.boundary),
                          static_cast<AnchorKind>(pattern.anchor));
}

PredicateAttr route::signal::fromPredicate(MLIRContext *context,
                                           const text::Predicate &predicate) {
  SmallVector<PatternAttr> patterns;
  for (const text::Pattern &pattern : predicate.patterns)
    patterns.push_back(fromPattern(context, pattern));
  return PredicateAttr::get(context, static_cast<ModeKind>(predicate.mode),
                            patterns);
}

text::NgramOptions route::signal::toOptions(NgramsOp op) {
  text::NgramOptions options;
  options.lo = op.getLo();
  options.hi = op.getHi();
  options.unit = static_cast<text::Unit>(op.getUnit());
  options.dim = cast<ShapedType>(op.getOut().getType()).getDimSize(0);
  options.hash = static_cast<text::Hash>(op.getHash());
  options.seed = op.getSeed();
  options.weighting = static_cast<text::Weighting>(op.getWeighting());
  options.norm = static_cast<text::Norm>(op.getNorm());
  return options;
}
