// Kernels that sum slots' rows where each slot says.
// Slots are listed by the row that they go to: counted, placed behind each
// other in any order, then each finds its place among its row's by counting
// those before it, or, where the row has many, a block goes over all slots and
// numbers the row's. So sums run in the order of the slots, whatever the order
// in which threads came, and each row of the result is written once.
#include "KernelBody.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// Threads of a block that goes over all rows or slots.
constexpr int32_t kBlock = 1024;
/// Slots of a row from which on a block numbers them: a thread each would count
/// through all of them.
constexpr int32_t kManySlots = 1024;

class PlaceSums {
public:
  explicit PlaceSums(CombineAtOp op)
      : op(op), module(op->getParentOfType<ModuleOp>()), host(op.getLoc(), op) {
  }

  void lower() {
    Type i32 = host.getI32Type();
    Value rows = memref::DimOp::create(host, op.getOut(), 0);
    Value slots =
        arith::MulIOp::create(host, memref::DimOp::create(host, op.getInv(), 0),
                              memref::DimOp::create(host, op.getInv(), 1));
    auto line = [&](Value size, Type element) -> Value {
      return memref::AllocOp::create(
          host, MemRefType::get({ShapedType::kDynamic}, element),
          ValueRange{size}, host.getI64IntegerAttr(64));
    };
    // ends: how many slots each row has; then where the next of them goes, at
    // last where they end.
    ends = line(rows, i32);
    list = line(slots, i32);
    ordered = line(slots, i32);
    // How many rows have many slots, and which.
    longRows = line(
        arith::AddIOp::create(
            host, arith::ConstantIndexOp::create(host, 1),
            arith::DivUIOp::create(
                host, slots, arith::ConstantIndexOp::create(host, kManySlots))),
        i32);
    factors = op.getScale() ? line(slots, host.getF32Type()) : Value();
    linalg::FillOp::create(
        host,
        ValueRange{arith::ConstantOp::create(host, host.getI32IntegerAttr(0))},
        ValueRange{ends});
    count(slots);
    scan();
    place(slots);
    order(slots);
    sum();
    op->erase();
  }

private:
  /// Calls `body` with each slot that goes to a row, and that row.
  void forSlots(KernelBody &k, Value inv, Value at,
                llvm::function_ref<void(Value, Value)> body) {
    Value slots = slotsOf(k, inv);
    Value ranks = slotsPerItem(k, inv);
    Value rows = memref::DimOp::create(k.b, k.argument(0), 0);
    forEachThread(k.b, k.kernel, slots, [&](Value slot) {
      Values here{k.div(slot, ranks), k.rem(slot, ranks)};
      Value row = k.toIndex(k.load(at, here));
      Value some = k.both(k.cmp(Predicate::sge, k.load(inv, here), k.number(0)),
                          k.cmp(Predicate::ult, row, rows));
      k.when(some, [&] { body(slot, row); });
    });
  }
  Value increment(KernelBody &k, Value numbers, Value at) {
    return memref::AtomicRMWOp::create(k.b, arith::AtomicRMWKind::addi,
                                       k.number(1), numbers, ValueRange{at});
  }
  void launch(KernelBody &k, Value threads, ValueRange operands) {
    launchKernel(host, k.kernel, gridFor(host, k.kernel, threads), operands);
  }
  /// Rounds of a block over so many.
  Value roundsOf(KernelBody &k, Value count) {
    return k.div(k.add(count, k.index(kBlock - 1)), k.index(kBlock));
  }
  Value hasMany(KernelBody &k, Value slots) {
    return k.cmp(Predicate::uge, slots, k.number(kManySlots));
  }
  /// Where the slots of a row begin.
  Value beginOf(KernelBody &k, Value ends, Value row) {
    Value first = k.cmp(Predicate::eq, row, k.index(0));
    Value before = k.select(first, row, k.sub(row, k.index(1)));
    return k.select(first, k.number(0), k.load(ends, before));
  }

  void count(Value slots) {
    Values operands{ends, op.getInv(), op.getAt()};
    KernelBody k(module, op, kernelStem(op, "places"), operands, 256);
    forSlots(k, k.argument(1), k.argument(2),
             [&](Value, Value row) { increment(k, k.argument(0), row); });
    launch(k, slots, operands);
  }

  /// A block goes over all rows: what those before have.
  void scan() {
    Values operands{ends, longRows};
    KernelBody k(module, op, kernelStem(op, "starts"), operands, kBlock);
    Value numbers = k.argument(0), longRows = k.argument(1),
          thread = k.thread(), sums = memoryOfSums(k), none = k.index(0);
    k.when(k.cmp(Predicate::eq, thread, none),
           [&] { k.store(k.number(0), longRows, none); });
    k.barrier();
    Value rows = memref::DimOp::create(k.b, numbers, 0);
    k.loop(none, roundsOf(k, rows), k.index(1), k.number(0),
           [&](Value round, ValueRange carried) -> Values {
             Value row = k.add(k.mul(round, k.index(kBlock)), thread);
             Value inside = k.cmp(Predicate::ult, row, rows);
             Value own = k.load(numbers, k.select(inside, row, k.index(0)));
             own = k.select(inside, own, k.number(0));
             BlockSum sum = sumBefore(k, own, sums, round);
             k.when(inside, [&] {
               k.store(k.add(carried[0], sum.before), numbers, row);
             });
             k.when(hasMany(k, own), [&] {
               Value at = k.toIndex(increment(k, longRows, none));
               k.store(k.toNumber(row), longRows, k.add(at, k.index(1)));
             });
             return {k.add(carried[0], sum.all)};
           });
    launchKernel(host, k.kernel, arith::ConstantIndexOp::create(host, 1),
                 operands);
  }

  void place(Value slots) {
    Values operands{ends, op.getInv(), op.getAt(), list};
    KernelBody k(module, op, kernelStem(op, "list"), operands, 256);
    forSlots(k, k.argument(1), k.argument(2), [&](Value slot, Value row) {
      Value where = increment(k, k.argument(0), row);
      k.store(k.toNumber(slot), k.argument(3), k.toIndex(where));
    });
    launch(k, slots, operands);
  }

  /// Puts the slots of each row in their order.
  void order(Value slots) {
    Values operands{ends, op.getInv(), op.getAt(), list, ordered, longRows};
    if (factors)
      operands.append({op.getScale(), factors});
    KernelBody k(module, op, kernelStem(op, "order"), operands, kBlock);
    orderShortRows(k);
    orderLongRows(k);
    launch(k, slots, operands);
  }

  /// Tells of the slot at `here` that it is in place `where` of all.
  void put(KernelBody &k, ValueRange here, Value where) {
    k.store(k.load(k.argument(1), here), k.argument(4), where);
    if (factors)
      k.store(k.widen(k.load(k.argument(6), here)), k.argument(7), where);
  }

  /// A thread for each slot of the list.
  void orderShortRows(KernelBody &k) {
    Value ends = k.argument(0), inv = k.argument(1), at = k.argument(2),
          list = k.argument(3);
    Value ranks = slotsPerItem(k, inv);
    Value rows = memref::DimOp::create(k.b, ends, 0);
    Value some = k.cmp(Predicate::ugt, rows, k.index(0));
    Value all =
        k.select(some,
                 k.toIndex(k.load(ends, k.select(some, k.sub(rows, k.index(1)),
                                                 k.index(0)))),
                 k.index(0));
    forEachThread(k.b, k.kernel, all, [&](Value i) {
      Value slot = k.load(list, i);
      Value flat = k.toIndex(slot);
      Values here{k.div(flat, ranks), k.rem(flat, ranks)};
      Value row = k.toIndex(k.load(at, here));
      Value begin = beginOf(k, ends, row), end = k.load(ends, row);
      Value none = k.select(hasMany(k, k.sub(end, begin)), begin, end);
      Value before =
          k.loop(k.toIndex(begin), k.toIndex(none), k.index(1), k.number(0),
                 [&](Value j, ValueRange acc) -> Values {
                   Value earlier = k.cmp(Predicate::ult, k.load(list, j), slot);
                   return {k.add(acc[0], arith::ExtUIOp::create(
                                             k.b, k.b.getI32Type(), earlier))};
                 })[0];
      k.when(k.cmp(Predicate::eq, none, end),
             [&] { put(k, here, k.toIndex(k.add(begin, before))); });
    });
  }

  /// A block for each row with many slots.
  void orderLongRows(KernelBody &k) {
    Value inv = k.argument(1), at = k.argument(2), longRows = k.argument(5);
    Value slots = slotsOf(k, inv), ranks = slotsPerItem(k, inv);
    Value sums = memoryOfSums(k), thread = k.thread(), none = k.index(0);
    Value rows = k.toIndex(k.load(longRows, none));
    k.loop(
        k.blockId(), rows, k.blocks(), {}, [&](Value i, ValueRange) -> Values {
          Value row = k.load(longRows, k.add(i, k.index(1)));
          Value begin = beginOf(k, k.argument(0), k.toIndex(row));
          k.loop(none, roundsOf(k, slots), k.index(1), begin,
                 [&](Value round, ValueRange carried) -> Values {
                   Value slot = k.add(k.mul(round, k.index(kBlock)), thread);
                   Value inside = k.cmp(Predicate::ult, slot, slots);
                   Value safe = k.select(inside, slot, none);
                   Values here{k.div(safe, ranks), k.rem(safe, ranks)};
                   Value mine = k.both(
                       inside,
                       k.both(k.cmp(Predicate::sge, k.load(inv, here),
                                    k.number(0)),
                              k.cmp(Predicate::eq, k.load(at, here), row)));
                   BlockSum sum = sumBefore(
                       k, arith::ExtUIOp::create(k.b, k.b.getI32Type(), mine),
                       sums, round);
                   k.when(mine, [&] {
                     put(k, here, k.toIndex(k.add(carried[0], sum.before)));
                   });
                   return {k.add(carried[0], sum.all)};
                 });
          k.barrier(); // the next row's first round may use the same half
          return {};
        });
  }

  /// A thread for a few columns of a row of the result.
  void sum() {
    Values operands{op.getY(), ends, ordered, op.getOut()};
    if (factors)
      operands.push_back(factors);
    KernelBody k(module, op, kernelStem(op, "combine_at"), operands, 256);
    Value y = k.argument(0), ends = k.argument(1), ordered = k.argument(2),
          out = k.argument(3), scale = factors ? k.argument(4) : Value();
    int64_t width = vectorWidth({op.getY(), op.getOut()});
    auto count = [&](ImplicitLocOpBuilder &b, Value out) -> Value {
      return arith::MulIOp::create(b, memref::DimOp::create(b, out, 0),
                                   unitsOfRow(b, out, width));
    };
    forEachThread(k.b, k.kernel, count(k.b, out), [&](Value flat) {
      Value each = unitsOfRow(k.b, out, width);
      Value row = k.div(flat, each),
            column = k.mul(k.rem(flat, each), k.index(width));
      Value begin = k.toIndex(beginOf(k, ends, row)),
            end = k.toIndex(k.load(ends, row));
      Value zero = k.real(0);
      // Several slots' rows are fetched before they are added.
      constexpr int64_t together = 4;
      Values sums =
          k.loop(begin, end, k.index(together), Values(width, zero),
                 [&](Value first, ValueRange acc) -> Values {
                   struct Term {
                     Value has, scale, elements;
                   };
                   SmallVector<Term> terms;
                   for (int64_t i = 0; i < together; ++i) {
                     Value at = k.add(first, k.index(i));
                     Value has = k.cmp(Predicate::ult, at, end);
                     at = k.select(has, at, first);
                     Value from = k.toIndex(k.load(ordered, at));
                     terms.push_back({has, scale ? k.load(scale, at) : Value(),
                                      loadWide(k, y, {from, column}, width)});
                   }
                   Values next(acc);
                   for (const Term &term : terms)
                     for (int64_t i = 0; i < width; ++i) {
                       Value x = k.widen(elementOf(k, term.elements, i));
                       if (scale)
                         x = arith::MulFOp::create(k.b, x, term.scale);
                       x = arith::AddFOp::create(k.b, next[i], x);
                       next[i] = k.select(term.has, x, next[i]);
                     }
                   return next;
                 });
      storeRounded(k, sums, out, {row, column});
    });
    launch(k, count(host, op.getOut()), operands);
  }

  CombineAtOp op;
  ModuleOp module;
  ImplicitLocOpBuilder host;
  Value ends, list, ordered, longRows, factors;
};
} // namespace

LogicalResult lowerToKernels(CombineAtOp op) {
  PlaceSums(op).lower();
  return success();
}

} // namespace route::ragged
