// The route dialect: checks of step routes, above all that loops are bounded.
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Dominance.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

static bool isScalarInteger(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array && array.isScalar() && array.getElementType().isInteger(64);
}

/// True in a block of a step route.
static bool inSteps(Operation *op) {
  auto func = dyn_cast<FuncOp>(op->getParentOp());
  return func && func.getKind() == FuncKind::steps;
}

LogicalResult AskOp::verify() {
  if (!inSteps(*this))
    return emitOpError("stands outside a step route");
  if (static_cast<bool>(getRow()) != getPool().has_value())
    return emitOpError("needs a row exactly when it has a pool");
  if (getNames().size() != getArguments().size())
    return emitOpError("has ") << getNames().size() << " names for "
                               << getArguments().size() << " arguments";
  if (getFields().size() != getValues().size())
    return emitOpError("has ") << getFields().size() << " fields for "
                               << getValues().size() << " values";
  if (getCopies().has_value() != getAxis().has_value())
    return emitOpError("needs an axis exactly when it has copies");
  if (getCopies() && static_cast<int64_t>(*getCopies()) < 1)
    return emitOpError("makes no copies");
  SmallVector<FlatSymbolRefAttr> axes;
  if (getAxis())
    axes.push_back(getAxisAttr());
  auto code = cast<ArrayType>(getCode().getType());
  if (code != ArrayType::get(IntegerType::get(getContext(), 64), axes))
    return emitOpError("gives its code as ") << code;
  for (Value value : getValues()) {
    auto type = cast<ArrayType>(value.getType());
    if (!isa<RangeType>(type.getElementType()) ||
        type.getAxes().take_front(axes.size()) != ArrayRef(axes))
      return emitOpError("gives ") << type << ", which is no range"
                                   << (axes.empty() ? "" : " over its axis");
  }
  return success();
}

LogicalResult AskOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (auto pool = getPoolAttr(); pool && !lookupAxis(*this, pool, tables))
    return emitOpError("asks a row of ") << pool << ", which is no axis";
  if (auto name = getAxisAttr()) {
    AxisOp axis = lookupAxis(*this, name, tables);
    if (!axis || axis.getStaticSize() < 0)
      return emitOpError("fills ") << name << ", which has no fixed size";
    if (axis.getStaticSize() > static_cast<int64_t>(*getCopies()))
      return emitOpError("needs ") << axis.getStaticSize() << " answers of "
                                   << *getCopies() << " copies";
  }
  auto module = (*this)->getParentOfType<ModuleOp>();
  if (auto under = getUnderAttr())
    for (auto name : under.getAsRange<FlatSymbolRefAttr>())
      if (!tables.lookupSymbolIn<BudgetOp>(module, name))
        return emitOpError("names ") << name << ", which is no budget";
  return success();
}

LogicalResult RunSetOp::verify() {
  auto type = cast<ArrayType>(getResult().getType());
  if (type.getElementType() !=
          SetType::get(getContext(),
                       RefType::get(getContext(), getPoolAttr())) ||
      !type.isScalar())
    return emitOpError("gives ") << type << ", not a set of rows of its pool";
  if (!llvm::is_contained({"failed", "chosen"}, getWhich()))
    return emitOpError("has no rows that are \"") << getWhich() << '"';
  return success();
}

LogicalResult RunSetOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!lookupAxis(*this, getPoolAttr(), tables))
    return emitOpError("is of ") << getPoolAttr() << ", which is no axis";
  return success();
}

LogicalResult CondBranchOp::verify() {
  if (!cast<ArrayType>(getCondition().getType()).isScalar())
    return emitOpError("condition has axes");
  return inSteps(*this) ? success()
                        : emitOpError("stands outside a step route");
}

SuccessorOperands CondBranchOp::getSuccessorOperands(unsigned index) {
  return SuccessorOperands(index == 0 ? getTrueOperandsMutable()
                                      : getFalseOperandsMutable());
}

LogicalResult RepeatOp::verify() {
  Block *block = (*this)->getBlock();
  if (!inSteps(*this))
    return emitOpError("stands outside a step route");
  if (&block->front() != getOperation())
    return emitOpError("does not stand alone in its block");
  if (block->getNumArguments() == 0 ||
      !isScalarInteger(block->getArgument(0).getType()))
    return emitOpError("needs a count as its block's first argument");
  if (!isScalarInteger(getBound().getType()) ||
      getBound().getParentBlock() == block)
    return emitOpError("needs a bound from before the loop");
  for (Block *successor : (*this)->getSuccessors())
    if (successor->getNumArguments() != 0)
      return emitOpError("goes to a block that takes arguments");
  return success();
}

SuccessorOperands RepeatOp::getSuccessorOperands(unsigned) {
  return SuccessorOperands(MutableOperandRange(*this, 1, 0));
}

LogicalResult NextOp::verify() {
  if (getHead()->empty() || !isa<RepeatOp>(getHead()->back()))
    return emitOpError("goes back to a block that is no head of a loop");
  return success();
}

SuccessorOperands NextOp::getSuccessorOperands(unsigned) {
  return SuccessorOperands(/*producedOperandCount=*/1, getOperandsMutable());
}

/// A cycle of blocks that no `route.next` counts: its first block, or null.
static Block *findUnboundedCycle(Region &body) {
  enum class State { Fresh, Open, Done };
  llvm::DenseMap<Block *, State> states;
  // Depth first with an explicit stack: a hostile module may be deep.
  SmallVector<std::pair<Block *, unsigned>> stack = {{&body.front(), 0}};
  states[&body.front()] = State::Open;
  while (!stack.empty()) {
    auto &[block, index] = stack.back();
    bool next = isa<NextOp>(block->getTerminator());
    if (next || index == block->getNumSuccessors()) {
      states[block] = State::Done;
      stack.pop_back();
      continue;
    }
    Block *successor = block->getSuccessor(index++);
    State &state = states[successor];
    if (state == State::Open)
      return successor;
    if (state == State::Fresh) {
      state = State::Open;
      stack.push_back({successor, 0});
    }
  }
  return nullptr;
}

LogicalResult FuncOp::verifyRegions() {
  Region &body = getBody();
  if (body.empty())
    return success();
  if (getKind() != FuncKind::steps)
    return body.hasOneBlock()
               ? success()
               : emitOpError("has several blocks and is no step route");
  DominanceInfo dominance(getOperation());
  for (Block &block : body)
    if (auto next = dyn_cast<NextOp>(block.getTerminator());
        next && !dominance.dominates(next.getHead(), &block))
      return next.emitOpError("stands outside the loop that it goes on with");
  if (Block *block = findUnboundedCycle(body))
    return block->getTerminator()->emitOpError(
        "is part of a loop without a bound");
  return success();
}
