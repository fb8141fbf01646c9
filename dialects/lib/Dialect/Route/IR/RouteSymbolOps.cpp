// The route dialect: verification of symbols, and the syntax of functions.
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace route;

AxisOp route::lookupAxis(Operation *from, FlatSymbolRefAttr name) {
  SymbolTableCollection tables;
  return lookupAxis(from, name, tables);
}

AxisOp route::lookupAxis(Operation *from, FlatSymbolRefAttr name,
                         SymbolTableCollection &tables) {
  auto module = isa<ModuleOp>(from) ? cast<ModuleOp>(from)
                                    : from->getParentOfType<ModuleOp>();
  if (!module)
    return nullptr;
  return tables.lookupSymbolIn<AxisOp>(module, name);
}

bool route::descendsFrom(Operation *from, FlatSymbolRefAttr axis,
                         FlatSymbolRefAttr ancestor,
                         SymbolTableCollection &tables) {
  if (axis == ancestor)
    return true;
  AxisOp op = lookupAxis(from, axis, tables);
  if (!op)
    return false;
  return llvm::any_of(op.getParentAxes(), [&](FlatSymbolRefAttr parent) {
    return descendsFrom(from, parent, ancestor, tables);
  });
}

SmallVector<FlatSymbolRefAttr> AxisOp::getParentAxes() {
  if (!getParents())
    return {};
  return llvm::map_to_vector(*getParents(), [](Attribute parent) {
    return cast<FlatSymbolRefAttr>(parent);
  });
}

static LogicalResult verifyLabels(Operation *op, ArrayAttr labels) {
  llvm::StringSet<> seen;
  for (auto label : labels.getAsRange<StringAttr>())
    if (!seen.insert(label.getValue()).second)
      return op->emitOpError("label ") << label << " appears twice";
  return success();
}

LogicalResult AxisOp::verify() {
  if (getSize() && static_cast<int64_t>(*getSize()) <= 0)
    return emitOpError("size ")
           << static_cast<int64_t>(*getSize()) << " is not positive";
  if (getKind() == AxisKind::plan && getParentAxes().empty())
    return emitOpError("is a plan without parents");
  if (getKind() == AxisKind::plan && getSize())
    return emitOpError("is a plan, whose size a choice decides");
  if ((getKind() == AxisKind::copy) != getOriginal().has_value())
    return emitOpError("needs `of` exactly when it is a copy");
  bool several = getKind() == AxisKind::plan || getKind() == AxisKind::pool;
  if (!several && getParentAxes().size() > 1)
    return emitOpError("has ") << getParentAxes().size()
                               << " parents; only plans and pools have several";
  llvm::SmallPtrSet<Attribute, 4> seen;
  for (FlatSymbolRefAttr parent : getParentAxes())
    if (!seen.insert(parent).second)
      return emitOpError("descends from ") << parent << " twice";
  ArrayAttr parts = getParts(*this);
  bool axes = parts && llvm::all_of(parts, [](Attribute part) {
                return isa<FlatSymbolRefAttr>(part);
              });
  if ((*this)->hasAttr("parts") &&
      (getKind() != AxisKind::pool || !axes || parts.empty()))
    return emitOpError("has parts but is no pool of pools");
  if ((*this)->hasAttr("skipped") &&
      getSkipped(*this).size() != (parts ? parts.size() : 0))
    return emitOpError("says of other parts than it has which are skipped");
  if (auto labels = getLabels()) {
    if (getSize() && labels->size() != *getSize())
      return emitOpError("has ")
             << labels->size() << " labels for " << *getSize() << " positions";
    if (failed(verifyLabels(*this, *labels)))
      return failure();
  }
  return success();
}

LogicalResult AxisOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (auto original = getOriginalAttr();
      original && !lookupAxis(*this, original, tables))
    return emitOpError("copies ") << original << ", which is no axis";
  if (ArrayAttr parts = getParts(*this))
    for (auto part : parts.getAsRange<FlatSymbolRefAttr>())
      if (!lookupAxis(*this, part, tables))
        return emitOpError("has part ") << part << ", which is no axis";
  for (FlatSymbolRefAttr parent : getParentAxes()) {
    AxisOp op = lookupAxis(*this, parent, tables);
    if (!op)
      return emitOpError("descends from ") << parent << ", which is no axis";
    if (getKind() != AxisKind::plan && getSize() && op.getSize() &&
        *getSize() % *op.getSize() != 0)
      return emitOpError("has ")
             << *getSize() << " positions, no multiple of the " << *op.getSize()
             << " of " << parent;
  }
  // Storage goes by its name: two of one name would be one cell.
  for (auto column : getColumns().getOps<ColumnOp>()) {
    auto cell =
        StringAttr::get(getContext(), getSymName() + "." + column.getSymName());
    if (column.getKind() != ColumnKind::constant &&
        tables.lookupNearestSymbolFrom<StateOp>((*this)->getParentOp(), cell))
      return column.emitOpError("and a state are both named '")
             << cell.getValue() << "'";
  }
  // A cycle would make every question about descent run forever, so it is
  // looked for with a visited set and not with descendsFrom.
  SmallVector<AxisOp> work = {*this};
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!work.empty())
    for (FlatSymbolRefAttr parent : work.pop_back_val().getParentAxes()) {
      AxisOp op = lookupAxis(*this, parent, tables);
      if (op == *this)
        return emitOpError("descends from itself");
      if (op && seen.insert(op).second)
        work.push_back(op);
    }
  return success();
}

LogicalResult EnumOp::verify() {
  if (getLabels().empty())
    return emitOpError("has no labels");
  return verifyLabels(*this, getLabels());
}

LogicalResult ColumnOp::verify() {
  auto axis = cast<AxisOp>((*this)->getParentOp());
  auto type = cast<ArrayType>(getType());
  if (type.isScalar() || type.getAxes().front().getValue() != axis.getSymName())
    return emitOpError("has type ")
           << type << ", whose first axis is not @" << axis.getSymName();
  if ((getKind() == ColumnKind::constant) != getValue().has_value())
    return emitOpError("needs a value exactly when it is constant");
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(getValueAttr()))
    if (axis.getSize() && type.getAxes().size() == 1 &&
        dense.getNumElements() != static_cast<int64_t>(*axis.getSize()))
      return emitOpError("has ") << dense.getNumElements() << " values for "
                                 << *axis.getSize() << " positions";
  if (getStaleNs() && getKind() != ColumnKind::live)
    return emitOpError("goes stale but is not live");
  return success();
}

/// The operands of the yield that ends `region`, or nothing.
static OperandRange getYielded(Region &region) {
  return cast<YieldOp>(region.front().getTerminator()).getOperands();
}

static LogicalResult verifyYield(Operation *op, Region &region, Type type) {
  if (region.empty())
    return success();
  if (region.front().empty() || !isa<YieldOp>(region.front().back()))
    return op->emitOpError("body does not end in route.yield");
  OperandRange yielded = getYielded(region);
  if (yielded.size() != 1 || yielded.front().getType() != type)
    return op->emitOpError("body must yield one value of type ") << type;
  return success();
}

LogicalResult SignalOp::verify() {
  auto type = cast<ArrayType>(getType());
  if (!getHost())
    return verifyYield(*this, getBody(), type);
  if (!isa<RangeType>(type.getElementType()))
    return emitOpError("comes from the host, so its elements must be a range, "
                       "found ")
           << type.getElementType();
  return success();
}

LogicalResult StateOp::verify() {
  if (getFrom() && !getInit().empty())
    return emitOpError("has two initial values");
  if (ArrayAttr keys = getKeys(*this)) {
    if (!llvm::all_of(keys, [](Attribute key) { return isa<TypeAttr>(key); }))
      return emitOpError("has keys that are no types");
    if (getFrom())
      return emitOpError("has keys, so it starts as no tensor");
  }
  return verifyYield(*this, getInit(), getType());
}

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                   FuncKind kind, FunctionType type) {
  state.addAttribute(SymbolTable::getSymbolAttrName(),
                     builder.getStringAttr(name));
  state.addAttribute(getKindAttrName(state.name),
                     FuncKindAttr::get(builder.getContext(), kind));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  state.addRegion();
}

/// @name <kind> (args) -> (results) [attributes {...}] { body }
ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  FuncKindAttr kind;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<DictionaryAttr> resultAttrs;
  SmallVector<Type> resultTypes;
  bool isVariadic = false;
  Builder &builder = parser.getBuilder();
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(),
                             result.attributes) ||
      parser.parseCustomAttributeWithFallback(kind, Type{}, "kind",
                                              result.attributes) ||
      function_interface_impl::parseFunctionSignatureWithArguments(
          parser, /*allowVariadic=*/false, arguments, isVariadic, resultTypes,
          resultAttrs))
    return failure();
  SmallVector<Type> argumentTypes;
  for (const OpAsmParser::Argument &argument : arguments)
    argumentTypes.push_back(argument.type);
  result.addAttribute(
      getFunctionTypeAttrName(result.name),
      TypeAttr::get(builder.getFunctionType(argumentTypes, resultTypes)));
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  call_interface_impl::addArgAndResultAttrs(
      builder, result, arguments, resultAttrs, getArgAttrsAttrName(result.name),
      getResAttrsAttrName(result.name));
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FuncOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << ' ';
  printer.printStrippedAttrOrType(getKindAttr());
  printer << ' ';
  function_interface_impl::printFunctionSignature(
      printer, *this, getArgumentTypes(),
      /*isVariadic=*/false, getResultTypes());
  function_interface_impl::printFunctionAttributes(
      printer, *this,
      {getKindAttrName(), getFunctionTypeAttrName(), getArgAttrsAttrName(),
       getResAttrsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult ReturnOp::verify() {
  auto func = cast<FuncOp>((*this)->getParentOp());
  if (TypeRange(getOperandTypes()) != TypeRange(func.getResultTypes()))
    return emitOpError("returns (")
           << getOperandTypes() << "), but @" << func.getSymName()
           << " returns (" << func.getResultTypes() << ")";
  return success();
}
