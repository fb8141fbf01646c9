// Lists and sets that a condition chooses, each asked by itself.
// Compiled code has no values of collections. `x in (if c then a else b)` is
// `if c then x in a else x in b`, and `x in (a ?? b)` goes by whether a is
// known; in an empty list there is nothing.
#include "AskBranches.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Notice.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;

static ArrayType arrayOf(Value value) {
  return cast<ArrayType>(value.getType());
}

static bool isCollection(Value value) {
  auto array = dyn_cast<ArrayType>(value.getType());
  return array && memberTypeOf(array.getElementType());
}

/// What moves a collection along axes and is no collection of its own.
static bool movesCollection(Operation *op) {
  return isa_and_nonnull<BroadcastOp, PickOp>(op);
}

/// What makes `collection`, wherever it was moved.
static Operation *makerOf(Value collection) {
  Operation *op = collection.getDefiningOp();
  while (movesCollection(op))
    op = op->getOperand(0).getDefiningOp();
  return op;
}

/// Whether a condition that may be unknown chose it: what is unknown of two
/// lists is less than of the answers about them.
static bool isDoubtful(Value collection) {
  auto select = dyn_cast_or_null<SelectOp>(makerOf(collection));
  return select &&
         isa<RangeType>(arrayOf(select.getCondition()).getElementType());
}

/// Whether something chose `collection`, or it is the empty one.
static bool isChosen(Value collection) {
  return isa_and_nonnull<SelectOp, CoalesceOp, ConstantOp>(
             makerOf(collection)) &&
         !isDoubtful(collection);
}

namespace {
class Asker {
public:
  explicit Asker(ModuleOp module) : module(module), b(module.getContext()) {}

  LogicalResult run() {
    module.walk([&](Operation *op) {
      if (isa<FindOp, SubsetOp, IsEmptyOp>(op))
        questions.insert(op);
    });
    while (!questions.empty()) {
      Operation *question = questions.pop_back_val();
      for (Value operand : question->getOperands())
        if (isCollection(operand) && isDoubtful(operand))
          return notCovered(question, "lists and sets that are computed");
      askApart(question);
    }
    // Nothing asks what was chosen any more.
    SmallVector<Operation *> chosen;
    module.walk([&](Operation *op) {
      if (op->getNumResults() == 1 && isCollection(op->getResult(0)) &&
          (movesCollection(op) || isa<SelectOp, CoalesceOp, ConstantOp>(op)))
        chosen.push_back(op);
    });
    for (Operation *op : llvm::reverse(chosen))
      if (op->use_empty())
        op->erase();
    return success();
  }

private:
  /// Answers `question` for each branch of the first chosen collection that it
  /// asks. Where all that counts is whether something is there, that is what is
  /// chosen between, and not places.
  void askApart(Operation *question) {
    unsigned operand = 0;
    auto asked = [&] { return question->getOperand(operand); };
    while (operand < question->getNumOperands() &&
           !(isCollection(asked()) && isChosen(asked())))
      ++operand;
    if (operand == question->getNumOperands())
      return;
    // Whether one that may be unknown is empty has no op.
    if (auto subset = dyn_cast<SubsetOp>(question);
        subset && operand == 1 &&
        isa<RangeType>(arrayOf(subset.getLhs()).getElementType()))
      return;
    SmallVector<CompareOp> compares;
    if (isa<FindOp>(question))
      for (Operation *user : question->getUsers()) {
        auto compare = dyn_cast<CompareOp>(user);
        auto zero = compare ? compare.getRhs().getDefiningOp<ConstantOp>()
                            : ConstantOp();
        auto number =
            zero ? dyn_cast<IntegerAttr>(zero.getValue()) : IntegerAttr();
        if (!compare || compare.getKind() != CompareKind::ge || !number ||
            !number.getValue().isZero()) {
          compares.clear();
          break;
        }
        compares.push_back(compare);
      }
    if (compares.empty()) {
      answerApart(question, question, operand, {});
    } else {
      for (CompareOp compare : compares)
        answerApart(compare, question, operand, compare);
      question->erase();
    }
  }

  void answerApart(Operation *replaced, Operation *question, unsigned operand,
                   CompareOp compare) {
    b.setInsertionPoint(replaced);
    auto type = arrayOf(replaced->getResult(0));
    Value found =
        answer(question, operand, question->getOperand(operand), compare);
    replaced->replaceAllUsesWith(ValueRange(asType(found, type)));
    replaced->erase();
  }

  Value answer(Operation *question, unsigned operand, Value collection,
               CompareOp compare) {
    if (!isChosen(collection))
      return leaf(question, operand, collection, compare);
    Operation *op = collection.getDefiningOp();
    SmallVector<Operation *> moves;
    for (; movesCollection(op); op = op->getOperand(0).getDefiningOp())
      moves.push_back(op);
    return choose(question, operand, op, compare, [&](Value value) {
      for (Operation *move : llvm::reverse(moves))
        value = moveAs(move, value);
      return value;
    });
  }

  /// The answers about what `op` chooses between, moved.
  Value choose(Operation *question, unsigned operand, Operation *op,
               CompareOp compare, llvm::function_ref<Value(Value)> moved) {
    Location loc = question->getLoc();
    if (isa<ConstantOp>(op))
      return ofNone(question, operand, compare);
    Value condition, first, second;
    if (auto select = dyn_cast<SelectOp>(op)) {
      condition = select.getCondition();
      first = select.getIfTrue(), second = select.getIfFalse();
    } else {
      first = op->getOperand(0), second = op->getOperand(1);
      condition = KnownOp::create(
          b, loc, arrayOf(first).withElement(b.getI1Type()), first);
    }
    condition = moved(condition);
    Value yes = answer(question, operand, moved(first), compare),
          no = answer(question, operand, moved(second), compare);
    return SelectOp::create(b, loc, condition, yes, no);
  }

  /// `value` where `move` takes a collection; conditions may lack its axes.
  Value moveAs(Operation *move, Value value) {
    auto type = arrayOf(value);
    if (auto broadcast = dyn_cast<BroadcastOp>(move))
      return BroadcastOp::create(
          b, move->getLoc(),
          arrayOf(broadcast.getResult()).withElement(type.getElementType()),
          value, broadcast.getPlan());
    auto pick = cast<PickOp>(move);
    if (!type.hasAxis(pick.getAlongAttr()))
      return value;
    return PickOp::create(b, move->getLoc(), value, pick.getAlongAttr(),
                          pick.getPosition());
  }

  /// The question about `collection` alone.
  Value leaf(Operation *question, unsigned operand, Value collection,
             CompareOp compare) {
    Location loc = question->getLoc();
    Value made;
    if (auto find = dyn_cast<FindOp>(question))
      made = FindOp::create(b, loc, find.getElement(), collection);
    else if (auto subset = dyn_cast<SubsetOp>(question))
      made = operand == 0
                 ? SubsetOp::create(b, loc, collection, subset.getRhs())
                 : SubsetOp::create(b, loc, subset.getLhs(), collection);
    else
      made = IsEmptyOp::create(b, loc, collection);
    questions.insert(made.getDefiningOp());
    return compare ? CompareOp::create(b, loc, CompareKind::ge, made,
                                       compare.getRhs())
                   : made;
  }

  /// The answer about the empty collection.
  Value ofNone(Operation *question, unsigned operand, CompareOp compare) {
    Location loc = question->getLoc();
    if (compare)
      return truth(false, loc);
    if (isa<FindOp>(question))
      return ConstantOp::create(b, loc, ArrayType::get(b.getI64Type()),
                                b.getI64IntegerAttr(-1));
    if (isa<IsEmptyOp>(question) || operand == 0)
      return truth(true, loc);
    auto empty = IsEmptyOp::create(b, loc, cast<SubsetOp>(question).getLhs());
    questions.insert(empty);
    return empty;
  }

  Value truth(bool value, Location loc) {
    return ConstantOp::create(b, loc, ArrayType::get(b.getI1Type()),
                              b.getBoolAttr(value));
  }

  /// `value` as `type`: over its axes, and known where the question's was.
  Value asType(Value value, ArrayType type) {
    Location loc = value.getLoc();
    Type element = type.getElementType();
    bool mayBeUnknown = isa<RangeType>(arrayOf(value).getElementType());
    if (mayBeUnknown && !isa<RangeType>(element)) {
      // Each was asked only where it is known.
      Value none = ConstantOp::create(
          b, loc, ArrayType::get(element),
          b.getIntegerAttr(element, element.isInteger(1) ? 0 : -1));
      value = CoalesceOp::create(b, loc, arrayOf(value).withElement(element),
                                 value, none);
    } else if (!mayBeUnknown && isa<RangeType>(element)) {
      value =
          CastOp::create(b, loc, arrayOf(value).withElement(element), value);
    }
    return value.getType() == type
               ? value
               : Value(BroadcastOp::create(b, loc, type, value, Value()));
  }

  ModuleOp module;
  OpBuilder b;
  llvm::SetVector<Operation *> questions;
};
} // namespace

LogicalResult route::askBranches(ModuleOp module) {
  return Asker(module).run();
}
