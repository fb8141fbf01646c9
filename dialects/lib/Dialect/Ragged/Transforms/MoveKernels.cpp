// Kernels that bring rows into their expert's group and back.
//
// They move 16 bytes a thread where rows allow it.
#include "KernelBody.h"

using namespace mlir;

namespace route::ragged {

namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// Adds up an item's rows: a thread for a few columns.
class Combination {
public:
  explicit Combination(CombineOp op)
      : op(op), operands(op->getOperands()),
        k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "combine"),
          operands, 256),
        y(k.argument(0)), inv(k.argument(1)),
        scale(op.getScale() ? k.argument(2) : Value()),
        out(k.argument(operands.size() - 1)),
        width(vectorWidth({op.getY(), op.getOut()})) {}

  void lower() {
    forEachThread(k.b, k.kernel, threads(k.b, out), [&](Value flat) {
      Value each = unitsOfRow(k.b, out, width);
      Value item = k.div(flat, each),
            column = k.mul(k.rem(flat, each), k.index(width));
      Values sums = addUp(item, column);
      Value any = sums.pop_back_val();
      for (Value &sum : sums)
        sum = k.select(any, sum, k.real(0));
      storeRounded(k, sums, out, {item, column});
    });
    launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) {
      return gridFor(b, k.kernel, threads(b, operands.back()));
    });
  }

private:
  /// What a rank adds: elements of a row, where there is one.
  struct Term {
    Value has, scale, elements;
  };

  Value threads(ImplicitLocOpBuilder &b, Value out) {
    return arith::MulIOp::create(b, memref::DimOp::create(b, out, 0),
                                 unitsOfRow(b, out, width));
  }

  Term fetch(Value item, Value column, Value rank) {
    Term term;
    Value row = k.load(inv, {item, rank});
    term.has = k.cmp(Predicate::sge, row, k.number(0));
    Value safe = k.toIndex(k.select(term.has, row, k.number(0)));
    if (scale)
      term.scale = k.widen(k.load(scale, {item, rank}));
    term.elements = loadWide(k, y, {safe, column}, width);
    return term;
  }

  void add(const Term &term, Values &sums) {
    for (int64_t i = 0; i < width; ++i) {
      Value x = k.widen(elementOf(k, term.elements, i));
      if (scale)
        x = arith::MulFOp::create(k.b, x, term.scale);
      x = k.select(term.has, x, k.real(-0.0f));
      sums[i] = arith::AddFOp::create(k.b, sums[i], x);
    }
    sums[width] = k.either(sums[width], term.has);
  }

  /// The sum of each column, and last whether there was anything to add.
  Values addUp(Value item, Value column) {
    // A sum starts from its first term: -0 changes none.
    Value none = k.truth(false);
    Values sums(width, k.real(-0.0f));
    sums.push_back(none);
    // Few ranks are fetched all at once.
    int64_t ranks = slotsPerItem(op.getInv());
    if (!ShapedType::isDynamic(ranks) && ranks <= 16) {
      SmallVector<Term> terms;
      for (int64_t rank = 0; rank < ranks; ++rank)
        terms.push_back(fetch(item, column, k.index(rank)));
      for (const Term &term : terms)
        add(term, sums);
      return sums;
    }
    return k.loop(k.index(0), memref::DimOp::create(k.b, inv, 1), k.index(1),
                  sums, [&](Value rank, ValueRange acc) -> Values {
                    Values next(acc);
                    add(fetch(item, column, rank), next);
                    return next;
                  });
  }

  CombineOp op;
  Values operands;
  KernelBody k;
  Value y, inv, scale, out;
  int64_t width;
};
} // namespace

/// A thread for 16 bytes of a row; those of a warp lie side by side.
LogicalResult lowerToKernels(GatherOp op) {
  Values operands(op->getOperands());
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "gather"),
               operands, 256);
  Value x = k.argument(0), perm = k.argument(1), out = k.argument(2);
  bool rows = cast<MemRefType>(x.getType()).getRank() == 2;
  int64_t width = rows ? vectorWidth({op.getX(), op.getOut()}) : 1;
  auto count = [&](ImplicitLocOpBuilder &b, Value x, Value perm) -> Value {
    Value n = memref::DimOp::create(b, perm, 0);
    return rows ? arith::MulIOp::create(b, n, unitsOfRow(b, x, width))
                      .getResult()
                : n;
  };
  forEachThread(k.b, k.kernel, count(k.b, x, perm), [&](Value flat) {
    Value row = flat, column;
    if (rows) {
      Value each = unitsOfRow(k.b, x, width);
      row = k.div(flat, each);
      column = k.mul(k.rem(flat, each), k.index(width));
    }
    Value slot = k.load(perm, row);
    k.when(k.cmp(Predicate::sge, slot, k.number(0)), [&] {
      Value item =
          k.toIndex(k.div(slot, k.number(static_cast<int32_t>(op.getSlots()))));
      Values from{item}, to{row};
      if (rows) {
        from.push_back(column);
        to.push_back(column);
      }
      storeWide(k, loadWide(k, x, from, width), out, to);
    });
  });
  launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) {
    return gridFor(b, k.kernel, count(b, operands[0], operands[1]));
  });
  return success();
}

LogicalResult lowerToKernels(CombineOp op) {
  Combination(op).lower();
  return success();
}

} // namespace route::ragged
