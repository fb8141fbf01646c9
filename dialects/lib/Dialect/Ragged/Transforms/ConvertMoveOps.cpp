// Lowers gather, combine and pack to work bodies over rows, items and panels.
#include "Emit.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {
constexpr int64_t lanes = 16;

/// Emits `block(h, lanes)` for blocks of `step` columns, then of 1, up to
/// `width`.
static void forColumns(Emit &e, Value width, ArrayRef<int64_t> steps,
                       llvm::function_ref<void(Value, int64_t)> block) {
  Value from = e.index(0);
  for (int64_t step : steps) {
    Value to = e.mul(e.div(width, step), step);
    e.loop(from, to, step, [&](Value h) { block(h, step); });
    from = to;
  }
}

/// The smaller of two indices.
static Value least(Emit &e, Value x, Value y) {
  return e.select(e.cmp(arith::CmpIPredicate::ult, x, y), x, y);
}

LogicalResult convert(GatherOp op, RewriterBase &rewriter) {
  auto type = cast<MemRefType>(op.getX().getType());
  int64_t slots = op.getSlots();
  Value items = Emit(rewriter, op.getLoc()).dim(op.getPerm(), 0);
  outlineWork(rewriter, op, items, [&](Emit &e, WorkBody work) {
    Value x = work.operands[0], perm = work.operands[1], out = work.operands[2];
    e.loop(work.begin, work.end, 1, [&](Value m) {
      Value slot = e.load(perm, m);
      e.when(e.cmp(arith::CmpIPredicate::sge, slot, e.i32(0)), [&] {
        Value from = e.div(e.toIndex(slot), slots);
        if (type.getRank() == 1) {
          e.store(e.load(x, from), out, m);
          return;
        }
        // A copy of memory, not of vectors: those of bf16 fall apart into
        // elements where the target has no such type.
        Value width = e.dim(x, 1);
        memref::CopyOp::create(e.b, e.loc, e.row(x, from, width),
                               e.row(out, m, width));
      });
    });
  });
  return success();
}

static Value widen(Emit &e, Value value, Type to) {
  if (value.getType() == to)
    return value;
  return arith::ExtFOp::create(e.b, e.loc, to, value);
}

static void emitCombine(Emit &e, WorkBody work, bool scaled) {
  Value y = work.operands[0], inv = work.operands[1],
        scale = scaled ? work.operands[2] : Value(), out = work.operands.back();
  Type f32 = e.b.getF32Type();
  Type yType = cast<MemRefType>(y.getType()).getElementType();
  Type outType = cast<MemRefType>(out.getType()).getElementType();
  Value zero = e.index(0), ranks = e.dim(inv, 1);
  Value plus = e.zero(f32);
  Value minus =
      arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(-0.0f));
  e.loop(work.begin, work.end, 1, [&](Value t) {
    // -0 + x is x for every x, so a sum from -0 starts from its first term.
    Value start = e.loop(zero, ranks, 1, plus,
                         [&](Value k, ValueRange any) -> SmallVector<Value> {
                           Value chosen = e.cmp(arith::CmpIPredicate::sge,
                                                e.load(inv, {t, k}), e.i32(0));
                           return {e.select(chosen, minus, any[0])};
                         })[0];
    forColumns(e, e.dim(out, 1), {4 * lanes, 1}, [&](Value h, int64_t step) {
      auto vector = [&](Type element) -> Type {
        return step == 1 ? element : VectorType::get({lanes}, element);
      };
      int64_t width = step == 1 ? 1 : lanes, parts = step / width;
      auto wide = [&](Value scalar) {
        return step == 1 ? scalar
                         : e.splat(cast<VectorType>(vector(f32)), scalar);
      };
      SmallVector<Value> sums(parts, wide(start));
      sums = e.loop(
          zero, ranks, 1, sums,
          [&](Value k, ValueRange sum) -> SmallVector<Value> {
            Value row = e.load(inv, {t, k});
            Value chosen = e.cmp(arith::CmpIPredicate::sge, row, e.i32(0));
            auto branch =
                scf::IfOp::create(e.b, e.loc, TypeRange(sum), chosen, true);
            OpBuilder::InsertionGuard guard(e.b);
            e.b.setInsertionPointToStart(branch.elseBlock());
            scf::YieldOp::create(e.b, e.loc, sum);
            e.b.setInsertionPointToStart(branch.thenBlock());
            Value m = e.toIndex(row), factor;
            if (scale)
              factor = wide(widen(e, e.load(scale, {t, k}), f32));
            SmallVector<Value> next;
            for (int64_t i = 0; i < parts; ++i) {
              Value at = e.add(h, i * width);
              Value term = step == 1
                               ? e.load(y, {m, at})
                               : e.loadVector(cast<VectorType>(vector(yType)),
                                              y, {m, at});
              term = widen(e, term, vector(f32));
              if (scale)
                term = arith::MulFOp::create(e.b, e.loc, term, factor);
              next.push_back(arith::AddFOp::create(e.b, e.loc, sum[i], term));
            }
            scf::YieldOp::create(e.b, e.loc, next);
            return llvm::to_vector(ValueRange(branch.getResults()));
          });
      for (int64_t i = 0; i < parts; ++i) {
        Value sum = sums[i], at = e.add(h, i * width);
        if (outType != f32)
          sum = arith::TruncFOp::create(e.b, e.loc, vector(outType), sum);
        if (step == 1)
          e.store(sum, out, {t, at});
        else
          e.storeVector(sum, out, {t, at});
      }
    });
  });
}

LogicalResult convert(CombineOp op, RewriterBase &rewriter) {
  bool scaled = static_cast<bool>(op.getScale());
  Value items = Emit(rewriter, op.getLoc()).dim(op.getInv(), 0);
  outlineWork(rewriter, op, items,
              [&](Emit &e, WorkBody work) { emitCombine(e, work, scaled); });
  return success();
}

/// Columns of a piece of work: slots are gone through once for each.
constexpr int64_t columnsAtOnce = 512;

LogicalResult convert(CombineAtOp op, RewriterBase &rewriter) {
  if (!cast<MemRefType>(op.getOut().getType()).getElementType().isF32())
    return op.emitOpError("sums in place on the CPU, and 'out' has no f32");
  bool scaled = static_cast<bool>(op.getScale());
  Emit at(rewriter, op.getLoc());
  Value pieces = arith::CeilDivUIOp::create(
      rewriter, op.getLoc(), at.dim(op.getOut(), 1), at.index(columnsAtOnce));
  outlineWork(rewriter, op, pieces, [&](Emit &e, WorkBody work) {
    Value y = work.operands[0], inv = work.operands[1], to = work.operands[2],
          scale = scaled ? work.operands[3] : Value(),
          out = work.operands.back();
    Type element = cast<MemRefType>(y.getType()).getElementType(),
         f32 = e.b.getF32Type();
    Value zero = e.index(0), rows = e.dim(out, 0), ranks = e.dim(inv, 1);
    e.loop(work.begin, work.end, 1, [&](Value piece) {
      Value first = e.mul(piece, columnsAtOnce),
            width =
                least(e, e.index(columnsAtOnce), e.sub(e.dim(out, 1), first));
      e.loop(zero, rows, 1, [&](Value d) {
        forColumns(e, width, {lanes, 1}, [&](Value h, int64_t step) {
          Value at = e.add(first, h);
          if (step == 1)
            e.store(e.zero(f32), out, {d, at});
          else
            e.storeVector(e.zero(VectorType::get({lanes}, f32)), out, {d, at});
        });
      });
      e.loop(zero, e.dim(inv, 0), 1, [&](Value n) {
        e.loop(zero, ranks, 1, [&](Value k) {
          Value row = e.load(inv, {n, k}), d = e.toIndex(e.load(to, {n, k}));
          // Unsigned, so that negative places are out of range too.
          Value valid = e.both(e.cmp(arith::CmpIPredicate::sge, row, e.i32(0)),
                               e.cmp(arith::CmpIPredicate::ult, d, rows));
          e.when(valid, [&] {
            Value m = e.toIndex(row), factor;
            if (scale)
              factor = widen(e, e.load(scale, {n, k}), f32);
            forColumns(e, width, {lanes, 1}, [&](Value h, int64_t step) {
              Value at = e.add(first, h);
              auto vector = [&](Type element) -> Type {
                return step == 1 ? element : VectorType::get({lanes}, element);
              };
              auto load = [&](Value buffer, Type element, Value row) {
                return step == 1
                           ? e.load(buffer, {row, at})
                           : e.loadVector(cast<VectorType>(vector(element)),
                                          buffer, {row, at});
              };
              Value term = widen(e, load(y, element, m), vector(f32));
              if (scale)
                term = arith::MulFOp::create(
                    e.b, e.loc, term,
                    step == 1 ? factor
                              : e.splat(cast<VectorType>(vector(f32)), factor));
              Value sum =
                  arith::AddFOp::create(e.b, e.loc, load(out, f32, d), term);
              if (step == 1)
                e.store(sum, out, {d, at});
              else
                e.storeVector(sum, out, {d, at});
            });
          });
        });
      });
    });
  });
  return success();
}

static void emitPack(Emit &e, WorkBody work, bool transposed) {
  Value w = work.operands[0], panels = work.operands[1];
  auto plain = cast<MemRefType>(w.getType());
  auto type = cast<MemRefType>(panels.getType());
  int64_t pair = getPanelPair(type.getElementType());
  int64_t steps = type.getDimSize(2), elements = panelColumns * pair;
  int64_t columns = plain.getDimSize(transposed ? 2 : 1);
  int64_t inner = plain.getDimSize(transposed ? 1 : 2);
  bool cut = columns % panelColumns || inner % pair;
  Value zero = e.index(0), whole = e.index(inner / pair);
  Value line = cut ? e.flatten(panels).line : Value();
  e.loop(work.begin, work.end, 1, [&](Value item) {
    Value expert = e.div(item, type.getDimSize(1));
    Value panel = e.rem(item, type.getDimSize(1));
    Value first = e.mul(panel, panelColumns), lanes = e.index(panelColumns);
    if (cut) {
      auto step = VectorType::get({elements}, type.getElementType());
      Value from = e.mul(item, steps * elements);
      e.loop(from, e.add(from, steps * elements), elements,
             [&](Value at) { e.storeVector(e.zero(step), line, at); });
      lanes = least(e, lanes, e.sub(e.index(columns), first));
    }
    auto copy = [&](Value lane, Value step, int64_t i) {
      Value n = e.add(first, lane), k = e.add(e.mul(step, pair), i);
      SmallVector<Value> at = {expert, panel, step, lane};
      if (pair > 1)
        at.push_back(e.index(i));
      e.store(transposed ? e.load(w, {expert, k, n})
                         : e.load(w, {expert, n, k}),
              panels, at);
    };
    // A few steps of every column at a time, so that lines are read whole.
    e.loop(zero, whole, 16, [&](Value block) {
      Value stop = least(e, e.add(block, 16), whole);
      e.loop(zero, lanes, 1, [&](Value lane) {
        e.loop(block, stop, 1, [&](Value step) {
          for (int64_t i = 0; i < pair; ++i)
            copy(lane, step, i);
        });
      });
    });
    if (inner % pair)
      e.loop(zero, lanes, 1, [&](Value lane) { copy(lane, whole, 0); });
  });
}

LogicalResult convert(PackOp op, RewriterBase &rewriter) {
  auto type = cast<MemRefType>(op.getPanels().getType());
  bool transposed = op.getTransposed();
  Value items = Emit(rewriter, op.getLoc())
                    .index(type.getDimSize(0) * type.getDimSize(1));
  outlineWork(rewriter, op, items,
              [&](Emit &e, WorkBody work) { emitPack(e, work, transposed); });
  return success();
}

} // namespace route::ragged
