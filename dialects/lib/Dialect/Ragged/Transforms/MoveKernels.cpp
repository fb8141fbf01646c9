// Kernels that bring rows into their expert's group and back.
//
// They move 16 bytes a thread where rows allow it.
#include "KernelBody.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::ragged {

int64_t vectorWidth(ArrayRef<Value> matrices) {
  int64_t width = 16;
  for (Value v : matrices) {
    auto type = cast<MemRefType>(v.getType());
    int64_t bits = type.getElementTypeBitWidth();
    if (type.getRank() != 2 || type.isDynamicDim(1) || bits < 8 ||
        !rowsStartAt16Bytes(v))
      return 1;
    width = std::min(width, 128 / bits);
  }
  for (Value v : matrices)
    if (cast<MemRefType>(v.getType()).getDimSize(1) % width)
      return 1;
  return width;
}

Value loadWide(KernelBody &k, Value memory, ValueRange at, int64_t width) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  auto loaded = vector::LoadOp::create(k.b, VectorType::get({width}, element),
                                       memory, at);
  loaded.setAlignment(width * element.getIntOrFloatBitWidth() / 8);
  return loaded;
}
void storeWide(KernelBody &k, Value x, Value memory, ValueRange at) {
  auto type = cast<VectorType>(x.getType());
  auto stored = vector::StoreOp::create(k.b, x, memory, at);
  stored.setAlignment(type.getNumElements() * type.getElementTypeBitWidth() /
                      8);
}

namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

void launchFor(Operation *op, KernelBody &k, ValueRange operands,
               llvm::function_ref<Value(ImplicitLocOpBuilder &)> count) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  launchKernel(b, k.kernel, gridFor(b, k.kernel, count(b)), operands);
  op->erase();
}
} // namespace

/// A thread for 16 bytes of a row; those of a warp lie side by side.
LogicalResult lowerToKernels(GatherOp op) {
  Values operands(op->getOperands());
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "gather"),
               operands, 256);
  Value x = k.argument(0), perm = k.argument(1), out = k.argument(2);
  bool rows = cast<MemRefType>(x.getType()).getRank() == 2;
  int64_t width = rows ? vectorWidth({op.getX(), op.getOut()}) : 1;
  auto units = [&](ImplicitLocOpBuilder &b, Value x) -> Value {
    return arith::DivUIOp::create(b, memref::DimOp::create(b, x, 1),
                                  arith::ConstantIndexOp::create(b, width));
  };
  auto count = [&](ImplicitLocOpBuilder &b, Value x, Value perm) -> Value {
    Value n = memref::DimOp::create(b, perm, 0);
    return rows ? arith::MulIOp::create(b, n, units(b, x)).getResult() : n;
  };
  forEachThread(k.b, k.kernel, count(k.b, x, perm), [&](Value flat) {
    Value row = flat, column;
    if (rows) {
      Value each = units(k.b, x);
      row = k.div(flat, each);
      column = k.mul(k.rem(flat, each), k.index(width));
    }
    Value slot = k.load(perm, row);
    k.when(k.cmp(Predicate::sge, slot, k.number(0)), [&] {
      Value item =
          k.toIndex(k.div(slot, k.number(static_cast<int32_t>(op.getSlots()))));
      if (width > 1) {
        storeWide(k, loadWide(k, x, {item, column}, width), out, {row, column});
        return;
      }
      Values from{item}, to{row};
      if (rows) {
        from.push_back(column);
        to.push_back(column);
      }
      k.store(k.load(x, from), out, to);
    });
  });
  launchFor(op, k, operands, [&](ImplicitLocOpBuilder &b) {
    return count(b, operands[0], operands[1]);
  });
  return success();
}

/// A thread for a few columns of an item.
LogicalResult lowerToKernels(CombineOp op) {
  Values operands(op->getOperands());
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "combine"),
               operands, 256);
  Value y = k.argument(0), inv = k.argument(1);
  Value scale = op.getScale() ? k.argument(2) : Value();
  Value out = k.argument(operands.size() - 1);
  int64_t width = vectorWidth({op.getY(), op.getOut()});
  Type f32 = k.b.getF32Type();
  Type element = cast<MemRefType>(out.getType()).getElementType();
  auto widen = [&](Value v) -> Value {
    return v.getType() == f32 ? v : arith::ExtFOp::create(k.b, f32, v);
  };
  auto number = [&](float v) -> Value {
    return arith::ConstantOp::create(k.b, k.b.getF32FloatAttr(v));
  };
  auto count = [&](ImplicitLocOpBuilder &b, Value out) -> Value {
    return arith::MulIOp::create(
        b, memref::DimOp::create(b, out, 0),
        arith::DivUIOp::create(b, memref::DimOp::create(b, out, 1),
                               arith::ConstantIndexOp::create(b, width)));
  };
  forEachThread(k.b, k.kernel, count(k.b, out), [&](Value flat) {
    Value each = k.div(memref::DimOp::create(k.b, out, 1), k.index(width));
    Value item = k.div(flat, each),
          column = k.mul(k.rem(flat, each), k.index(width));
    // The sum starts from its first term: -0 changes none.
    Value none = arith::ConstantOp::create(k.b, k.b.getBoolAttr(false));
    Values start(width, number(-0.0f));
    start.push_back(none);
    struct Term {
      Value has, scale;
      Values elements;
    };
    auto fetch = [&](Value rank) {
      Term term;
      Value row = k.load(inv, {item, rank});
      term.has = k.cmp(Predicate::sge, row, k.number(0));
      Value safe = k.toIndex(k.select(term.has, row, k.number(0)));
      if (scale)
        term.scale = widen(k.load(scale, {item, rank}));
      if (width == 1)
        term.elements.push_back(k.load(y, {safe, column}));
      else
        term.elements.push_back(loadWide(k, y, {safe, column}, width));
      return term;
    };
    auto accumulate = [&](const Term &term, Values &sums) {
      for (int64_t i = 0; i < width; ++i) {
        Value x = term.elements[0];
        if (width > 1)
          x = vector::ExtractOp::create(k.b, x, i);
        x = widen(x);
        if (scale)
          x = arith::MulFOp::create(k.b, x, term.scale);
        x = k.select(term.has, x, number(-0.0f));
        sums[i] = arith::AddFOp::create(k.b, sums[i], x);
      }
      sums[width] = arith::OrIOp::create(k.b, sums[width], term.has);
    };
    // Few ranks are fetched all at once.
    int64_t ranks = slotsPerItem(op.getInv());
    Values sums = start;
    if (!ShapedType::isDynamic(ranks) && ranks <= 16) {
      SmallVector<Term> terms;
      for (int64_t rank = 0; rank < ranks; ++rank)
        terms.push_back(fetch(k.index(rank)));
      for (const Term &term : terms)
        accumulate(term, sums);
    } else {
      sums = k.loop(k.index(0), memref::DimOp::create(k.b, inv, 1), k.index(1),
                    start, [&](Value rank, ValueRange acc) -> Values {
                      Values next(acc);
                      accumulate(fetch(rank), next);
                      return next;
                    });
    }
    for (Value &sum : MutableArrayRef(sums).drop_back())
      sum = k.select(sums.back(), sum, number(0));
    Values results(ArrayRef(sums).drop_back());
    if (width == 1) {
      Value x = results[0];
      if (element != f32)
        x = arith::TruncFOp::create(k.b, element, x);
      k.store(x, out, {item, column});
      return;
    }
    Value x = vector::FromElementsOp::create(k.b, VectorType::get({width}, f32),
                                             results);
    if (element != f32) // by the hardware, which rounds as arith.truncf does
      x = LLVM::FPTruncOp::create(k.b, VectorType::get({width}, element), x);
    storeWide(k, x, out, {item, column});
  });
  launchFor(op, k, operands,
            [&](ImplicitLocOpBuilder &b) { return count(b, operands.back()); });
  return success();
}

} // namespace route::ragged
