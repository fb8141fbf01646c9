// What leaves a converted entry: its results, its metrics and its new state.
#include "Lowering.h"
#include "OtherItems.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "route/Conversion/RouteToLinalg/Passes.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// A plan's column as it leaves: zero where there is no row.
Value Lowering::zeroPastCount(Value tensor, ArrayType type, Location loc) {
  Type to = cast<RankedTensorType>(tensor.getType()).getElementType();
  if (!isa<IntegerType, FloatType>(to))
    return tensor;
  Plan &rows = plans[type.getAxes().front().getValue()];
  auto rowType = ArrayType::get(b.getI32Type(), ArrayRef(rows.axis));
  return map(dimsOf(type), type.getElementType(),
             {Operand{tensor, type}, Operand{rows.indices, rowType}}, loc,
             [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
               Value none = arith::ConstantOp::create(
                   inner, at, inner.getI32IntegerAttr(0));
               Value there = arith::CmpIOp::create(
                   inner, at, arith::CmpIPredicate::sge, args[1], none);
               Value zero =
                   arith::ConstantOp::create(inner, at, inner.getZeroAttr(to));
               return arith::SelectOp::create(inner, at, there, args[0], zero);
             });
}

/// A metric is an output of its name. An entry has one set of outputs a call,
/// so it is given once.
LogicalResult Lowering::lowerEmit(EmitOp op) {
  auto type = dyn_cast<ArrayType>(op.getValue().getType());
  if (!type)
    return notCovered(op, "an emitted plan");
  if (op->getBlock() != &func.getBody().front())
    return notCovered(op, "emitting from a loop or a condition");
  Value value = get(op.getValue());
  if (!value)
    return failure();
  if (!emitted.insert({op.getNameAttr(), {value, type, op.getUnitAttr()}})
           .second)
    return op.emitOpError("emits '") << op.getName() << "' a second time";
  return success();
}

/// What the rows are along `axis`: where they were chosen from a plan, what the
/// rows of that are.
Value Lowering::indicesInto(const Plan &rows, Axis axis, Location loc) {
  Value indices = rows.indices;
  auto type = ArrayType::get(b.getI32Type(), ArrayRef(rows.axis));
  for (Axis from = rows.candidates; from != axis;) {
    Plan &above = plans[from.getValue()];
    Value flat = flattened(above.indices, 0, loc);
    indices = map(dimsOf(type), b.getI32Type(), Operand{indices, type}, loc,
                  [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                    Value zero = arith::ConstantOp::create(
                        inner, at, inner.getI32IntegerAttr(0));
                    Value there = arith::CmpIOp::create(
                        inner, at, arith::CmpIPredicate::sge, args[0], zero);
                    // Of no items there is no row, not even a first one.
                    return onlyIf(inner, at, there, args[0],
                                  [&](OpBuilder &here) -> SmallVector<Value> {
                                    Value place = arith::IndexCastOp::create(
                                        here, at, here.getIndexType(), args[0]);
                                    return {tensor::ExtractOp::create(
                                        here, at, flat, place)};
                                  })
                        .front();
                  });
    from = above.candidates;
  }
  return indices;
}

LogicalResult Lowering::lowerReturn(ReturnOp op) {
  Location loc = op.getLoc();
  // A plan may leave twice: as rows for the caller, and for handlers as places
  // in the plan that it was chosen from.
  llvm::StringMap<int64_t> planNumber, placesNumber;
  int64_t numPlans = 0;
  for (auto [i, value] : llvm::enumerate(op.getOperands()))
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      StringRef axis = type.getAxis().getValue();
      bool places =
          planNumber.contains(axis) && !func.getResultAttr(i, kRowsAttr);
      if ((places ? placesNumber : planNumber)
              .try_emplace(axis, numPlans)
              .second)
        ++numPlans;
    }
  auto output = [&](Value tensor, StringRef name, ArrayRef<Axis> axes,
                    SmallVector<NamedAttribute> extra) {
    tensor = asStored(tensor, loc);
    auto type = cast<RankedTensorType>(tensor.getType());
    unsigned index = entry.getNumArguments();
    SmallVector<NamedAttribute> attrs = {
        b.getNamedAttr(kRoleAttr, b.getStringAttr("output")),
        b.getNamedAttr(kNameAttr, b.getStringAttr(name)),
        b.getNamedAttr(kAxesAttr, b.getArrayAttr(llvm::map_to_vector(
                                      axes, [](Axis axis) -> Attribute {
                                        return axis;
                                      })))};
    llvm::append_range(attrs, extra);
    (void)entry.insertArgument(
        index, MemRefType::get(type.getShape(), type.getElementType()),
        b.getDictionaryAttr(attrs), loc);
    bufferization::MaterializeInDestinationOp::create(
        b, loc, TypeRange(), tensor, entry.getArgument(index),
        /*restrict=*/true, /*writable=*/true);
  };
  auto planAttrs = [&](Axis axis,
                       StringRef part) -> SmallVector<NamedAttribute> {
    return {b.getNamedAttr(kPlanAttr, b.getI64IntegerAttr(
                                          planNumber.lookup(axis.getValue()))),
            b.getNamedAttr(kPartAttr, b.getStringAttr(part))};
  };
  auto addOtherItems = [&](Value value, SmallVector<NamedAttribute> &attrs) {
    if (hangsOnOtherItems(value))
      attrs.push_back(b.getNamedAttr(kOtherItemsAttr, b.getUnitAttr()));
  };
  Axis decided; // of the last plan that leaves
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto given = func.getResultAttrOfType<StringAttr>(i, "route.name");
    std::string name =
        given ? given.getValue().str() : "result" + std::to_string(i);
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      Plan &rows = plan(value);
      decided = type.getAxis();
      planRanks[type.getAxis().getValue()] = rows.rank;
      if (rows.extent)
        deriveSize((type.getAxis().getValue() + ".rank").str(), rows.extent);
      if (plans.contains(rows.candidates.getValue()) &&
          !func.getResultAttr(i, kRowsAttr)) {
        // How many places the index has that these rows were chosen from.
        Value places = constantIndex(1, loc);
        for (Axis dim : dimsOf(ArrayRef<Axis>(rows.candidates)))
          places = arith::MulIOp::create(b, loc, places, sizeValue(dim, loc));
        deriveSize(rows.candidates.getValue(), places);
      }
      auto given = func.getResultAttrOfType<FlatSymbolRefAttr>(i, kRowsAttr);
      auto index = planAttrs(type.getAxis(), "index"),
           count = planAttrs(type.getAxis(), "count");
      addOtherItems(value, index);
      addOtherItems(value, count);
      if (given)
        index.push_back(b.getNamedAttr(kRowsAttr, given));
      else if (auto found = placesNumber.find(type.getAxis().getValue());
               found != placesNumber.end())
        index.front() = count.front() =
            b.getNamedAttr(kPlanAttr, b.getI64IntegerAttr(found->second));
      output(given ? indicesInto(rows, given, loc) : rows.indices, name,
             type.getAxis(), index);
      output(rows.counts, name + ".count", type.getAxis(), count);
      continue;
    }
    auto type = cast<ArrayType>(value.getType());
    Value tensor = get(value);
    if (!tensor)
      return failure();
    if (!type.isScalar() && !zeroed.contains(value) &&
        plans.contains(type.getAxes().front().getValue()))
      tensor = zeroPastCount(tensor, type, loc);
    SmallVector<NamedAttribute> extra = {
        b.getNamedAttr("route.type", TypeAttr::get(type))};
    addOtherItems(value, extra);
    for (Axis axis : type.getAxes())
      if (planNumber.contains(axis.getValue()))
        llvm::append_range(extra, planAttrs(axis, "column"));
    if (auto role = func.getResultAttrOfType<StringAttr>(i, kRoleAttr);
        decided && role && role.getValue() == "status")
      llvm::append_range(extra, planAttrs(decided, "status"));
    if (auto unit = func.getResultAttr(i, kUnitAttr))
      extra.push_back(b.getNamedAttr(kUnitAttr, unit));
    output(tensor, name, type.getAxes(), extra);
  }
  for (auto &[name, value] : derivedSizes)
    deriveSize(name, value);
  llvm::StringMap<Value> noted;
  func.walk([&](EmitOp emit) { noted[emit.getName()] = emit.getValue(); });
  for (auto &[name, metric] : emitted) {
    SmallVector<NamedAttribute> extra = {
        b.getNamedAttr("route.type", TypeAttr::get(metric.type))};
    if (Value value = noted.lookup(name))
      addOtherItems(value, extra);
    if (metric.unit)
      extra.push_back(b.getNamedAttr(kUnitAttr, metric.unit));
    output(metric.value, name, metric.type.getAxes(), extra);
  }
  writeState(loc);
  func::ReturnOp::create(b, loc);
  return success();
}
