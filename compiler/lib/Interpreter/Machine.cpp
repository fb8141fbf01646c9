// The machine: running blocks and functions, limits, memory and constants.
#include "route/Interpreter/Machine.h"
#include "Scalars.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Notice.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

Machine::Machine(ModuleOp module, Options options)
    : module(module), options(options), symbols(module),
      meter(std::make_shared<MemoryMeter>()) {
  meter->limit = options.maxBytes;
  addElementwiseOps(registry);
  addMovementOps(registry);
  addReductionOps(registry);
  addChoiceOps(registry);
  addPlanOps(registry);
  addControlOps(registry);
  addSymbolOps(registry);
  addCollectionOps(registry);
  addTextOps(registry);
  addArithOps(registry);
  addMathOps(registry);
  addTensorOps(registry);
  addLinalgOps(registry);
  addScfOps(registry);
  addBufferOps(registry);
  addRowOps(registry);
  addRaggedOps(registry);
}

LogicalResult Machine::charge(int64_t elements, Location loc) {
  // A thousand elements cost about as much as dispatching one op.
  if (elements < 0 || elements / 1024 > options.maxSteps - steps)
    return emitError(loc, "the step limit of ")
           << options.maxSteps << " is reached";
  steps += elements / 1024;
  int64_t room = meter->limit - meter->used;
  if (elements > room / static_cast<int64_t>(sizeof(int64_t)))
    return emitNotice(loc, Notice::outOfMemory)
           << "out of memory: " << elements << " elements exceed the limit of "
           << meter->limit << " bytes";
  return success();
}

/// Whether all that `op` reads has a value. Rules do without those that stand
/// behind the one that decides, and a choice without its keys where there is
/// nothing to choose between.
static bool hasOperands(Operation *op, const Frame &frame) {
  auto has = [&](Value value) { return frame.has(value); };
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  if (!llvm::all_of(captured, has) || isa<FirstPlanOp>(op))
    return llvm::all_of(captured, has);
  auto choose = dyn_cast<ChooseOp>(op);
  return llvm::all_of(op->getOperands(), [&](Value value) {
    return has(value) ||
           (choose && llvm::is_contained(choose.getKeys(), value));
  });
}

LogicalResult Machine::runRegion(Region &region, ArrayRef<RuntimeValue> args,
                                 Frame &frame,
                                 SmallVectorImpl<RuntimeValue> &results) {
  if (!region.hasOneBlock())
    return emitError(region.getLoc(),
                     "a region with several blocks cannot be interpreted");
  Block &block = region.front();
  for (auto [argument, value] : llvm::zip(block.getArguments(), args))
    frame.set(argument, value);
  bool mayLack = unbound && depth == 1 && isa<FuncOp>(region.getParentOp());
  for (Operation &op : block) {
    if (++steps > options.maxSteps)
      return op.emitError("the step limit of ")
             << options.maxSteps << " is reached";
    if (mayLack && !unbound->empty() && !hasOperands(&op, frame)) {
      if (!op.hasTrait<OpTrait::IsTerminator>())
        continue;
      ParamOp param = unbound->front();
      return param.emitError("parameter '")
             << param.getSymName() << "' is not bound";
    }
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      for (Value operand : op.getOperands())
        results.push_back(frame.get(operand));
      return success();
    }
    const OpFunction *evaluate = registry.find(&op);
    if (!evaluate)
      return op.emitError("the interpreter does not know '")
             << op.getName() << "'";
    size_t lacked = mayLack ? unbound->size() : 0;
    if (failed((*evaluate)(&op, frame)) &&
        !(mayLack && unbound->size() > lacked))
      return failure();
  }
  return success();
}

/// Whether `value` is of the kind that `type` wants; callers from outside may
/// pass anything.
static bool holds(const RuntimeValue &value, Type type) {
  if (auto plan = dyn_cast<PlanType>(type)) {
    auto *held = std::get_if<Plan>(&value);
    return held && held->axis->isPlan() &&
           held->axis->name == plan.getAxis().getAttr();
  }
  auto *array = std::get_if<Array>(&value);
  if (auto wanted = dyn_cast<ArrayType>(type)) {
    if (!array || array->elementType != wanted.getElementType() ||
        array->axes.size() != wanted.getAxes().size())
      return false;
    for (auto [axis, name] : llvm::zip(array->axes, wanted.getAxes()))
      if (axis->name != name.getAttr())
        return false;
    return true;
  }
  if (auto shaped = dyn_cast<ShapedType>(type))
    return array && array->elementType == shaped.getElementType() &&
           shaped.hasRank() &&
           static_cast<int64_t>(array->axes.size()) == shaped.getRank();
  return std::holds_alternative<Element>(value);
}

FailureOr<SmallVector<RuntimeValue>>
Machine::call(Operation *function, ArrayRef<RuntimeValue> args) {
  auto interface = cast<FunctionOpInterface>(function);
  if (interface.getFunctionBody().empty())
    return function->emitError("'")
           << interface.getName() << "' has no body to interpret";
  if (interface.getNumArguments() != args.size())
    return function->emitError("'")
           << interface.getName() << "' takes " << interface.getNumArguments()
           << " arguments, found " << args.size();
  for (auto [i, type] : llvm::enumerate(interface.getArgumentTypes()))
    if (!holds(args[i], type))
      return function->emitError("argument ")
             << i << " of '" << interface.getName() << "' is no " << type;
  if (depth >= options.maxDepth)
    return function->emitError("calls nest deeper than ") << options.maxDepth;
  ++depth;
  Frame frame(*this);
  SmallVector<RuntimeValue> results;
  LogicalResult done =
      runRegion(interface.getFunctionBody(), args, frame, results);
  --depth;
  if (failed(done))
    return failure();
  return results;
}

FailureOr<Array> Machine::allocate(Type elementType, ArrayRef<AxisRef> axes,
                                   Location loc) {
  FailureOr<Array> array = Array::create(elementType, axes, meter);
  if (succeeded(array)) {
    steps += countPositions(axes) / 1024;
    return array;
  }
  InFlightDiagnostic diag = emitNotice(loc, Notice::outOfMemory)
                            << "out of memory: an array over (";
  for (auto [i, axis] : llvm::enumerate(axes))
    diag << (i ? ", " : "") << axis->label() << " = " << axis->size;
  diag << ") exceeds the limit of " << meter->limit << " bytes";
  return failure();
}

/// The element an attribute stands for; `type` has no range.
static FailureOr<Element> elementOf(Attribute value, Type type, Location loc) {
  if (auto floating = dyn_cast<FloatAttr>(value)) {
    double wide = floating.getValueAsDouble();
    if (storageOf(type) == Storage::Double)
      return Element(wide);
    if (storageOf(type) == Storage::Float)
      return Element(static_cast<float>(wide));
  }
  if (auto integer = dyn_cast<IntegerAttr>(value);
      integer && storageOf(type) == Storage::Int) {
    bool isTruth = isTruthType(type) ||
                   (isa<IntegerType>(type) && type.isUnsignedInteger());
    return Element(isTruth
                       ? static_cast<int64_t>(integer.getValue().getZExtValue())
                       : integer.getValue().getSExtValue());
  }
  if (auto text = dyn_cast<StringAttr>(value); text && isa<TextType>(type))
    return Element(text.getValue().str());
  Type inner;
  if (auto list = dyn_cast<ListType>(type))
    inner = list.getValueType();
  else if (auto set = dyn_cast<SetType>(type))
    inner = set.getValueType();
  if (auto array = dyn_cast<ArrayAttr>(value); array && inner) {
    std::vector<Element> members;
    for (Attribute member : array) {
      FailureOr<Element> element = elementOf(member, inner, loc);
      if (failed(element))
        return failure();
      members.push_back(std::move(*element));
    }
    return Element(
        std::make_shared<const std::vector<Element>>(std::move(members)));
  }
  return emitError(loc, "a constant of type ")
         << type << " cannot be made from " << value;
}

FailureOr<Array> Machine::materialize(Attribute value, Type elementType,
                                      ArrayRef<AxisRef> axes, Location loc) {
  Type plain = getValueType(elementType);
  auto wrap = [&](Element element) {
    return isRangeType(elementType) ? knownRange(std::move(element)) : element;
  };
  bool isListValue = isa<ListType, SetType>(plain);
  auto members = dyn_cast<ArrayAttr>(value);
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense && (!members || isListValue)) { // one value for every position
    FailureOr<Element> element = elementOf(value, plain, loc);
    if (failed(element))
      return failure();
    std::string why;
    return viewOver(Array::scalar(elementType, wrap(*element)), axes, why);
  }
  FailureOr<Array> array = allocate(elementType, axes, loc);
  if (failed(array))
    return failure();
  int64_t size = array->size(),
          given = dense ? dense.getNumElements() : members.size();
  bool splat = dense && dense.isSplat();
  if (given != size)
    return emitError(loc, "a constant of ")
           << given << " elements for " << size << " positions";
  for (int64_t i = 0; i < size; ++i) {
    FailureOr<Element> element = failure();
    if (members)
      element = elementOf(members[i], plain, loc);
    else if (isa<FloatType>(dense.getElementType()))
      element = elementOf(FloatAttr::get(dense.getElementType(),
                                         splat ? dense.getSplatValue<APFloat>()
                                               : dense.getValues<APFloat>()[i]),
                          plain, loc);
    else if (isa<IntegerType>(dense.getElementType()))
      element = elementOf(IntegerAttr::get(dense.getElementType(),
                                           splat ? dense.getSplatValue<APInt>()
                                                 : dense.getValues<APInt>()[i]),
                          plain, loc);
    else if (auto strings = dyn_cast<DenseStringElementsAttr>(value))
      element = elementOf(
          StringAttr::get(loc.getContext(),
                          strings.getValues<StringRef>()[splat ? 0 : i]),
          plain, loc);
    else
      return emitError(loc, "a constant of unknown form: ") << value;
    if (failed(element))
      return failure();
    array->buffer->set(i, wrap(std::move(*element)));
  }
  return array;
}
