// Choices under the budgets of one call: rows are admitted item by item, in the
// order of the keys, while what a budget's key has reserved stays within its
// limit. Amounts count units of 2^-32, rounded up, in 128 bits of two words, so
// that sums are exact.
#include "Lowering.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

namespace {
/// Emits arithmetic on amounts.
class Amounts {
public:
  Amounts(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  Value f64(double value) {
    return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
  }
  Value i64(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value truth(bool value) {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }

  /// The high and low word of `value` in units; `ok` is false for NaN and what
  /// exceeds 2^90.
  std::pair<Value, Value> toAmount(Value value, bool whole, Value &ok) {
    ok = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, value,
                               f64(0x1p90));
    Value some =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, value, f64(0));
    Value plain =
        arith::SelectOp::create(b, loc, both(ok, some), value, f64(0));
    if (whole)
      plain = math::CeilOp::create(b, loc, plain);
    Value units = math::CeilOp::create(
        b, loc, arith::MulFOp::create(b, loc, plain, f64(0x1p32)));
    // Word by word, each exactly.
    Value high = math::FloorOp::create(
        b, loc, arith::MulFOp::create(b, loc, units, f64(0x1p-64)));
    Value rest = arith::SubFOp::create(
        b, loc, units, arith::MulFOp::create(b, loc, high, f64(0x1p64)));
    Value middle = math::FloorOp::create(
        b, loc, arith::MulFOp::create(b, loc, rest, f64(0x1p-32)));
    Value low = arith::SubFOp::create(
        b, loc, rest, arith::MulFOp::create(b, loc, middle, f64(0x1p32)));
    auto integer = [&](Value x) -> Value {
      return arith::FPToSIOp::create(b, loc, b.getI64Type(), x);
    };
    Value word = arith::OrIOp::create(
        b, loc, arith::ShLIOp::create(b, loc, integer(middle), i64(32)),
        integer(low));
    return {integer(high), word};
  }

  std::pair<Value, Value> add(std::pair<Value, Value> x,
                              std::pair<Value, Value> y) {
    Value low = arith::AddIOp::create(b, loc, x.second, y.second);
    Value carry = arith::ExtUIOp::create(
        b, loc, b.getI64Type(),
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, low,
                              x.second));
    return {arith::AddIOp::create(
                b, loc, arith::AddIOp::create(b, loc, x.first, y.first), carry),
            low};
  }

  Value atMost(std::pair<Value, Value> x, std::pair<Value, Value> y) {
    Value less = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                       x.first, y.first),
          same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                       x.first, y.first),
          low = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule,
                                      x.second, y.second);
    return arith::OrIOp::create(b, loc, less, both(same, low));
  }

private:
  OpBuilder &b;
  Location loc;
};
} // namespace

/// A key as an i64 that is equal where the key is: floats by their bits, texts
/// by the first position that has the same text.
Value Lowering::ledgerKey(Value route) {
  Location loc = route.getLoc();
  auto type = cast<ArrayType>(route.getType());
  Value tensor = get(route);
  if (!tensor)
    return {};
  SmallVector<Axis> dims = dimsOf(type);
  Type i64 = b.getI64Type(),
       held = cast<RankedTensorType>(tensor.getType()).getElementType();
  if (isa<signal::TextType>(held)) {
    if (dims.size() != 1)
      return {};
    Value none = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(-1));
    return generate(
        sizesOf(dims, loc), i64, loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          Value own = tensor::ExtractOp::create(inner, at, tensor, here);
          auto loop = scf::ForOp::create(
              inner, at, constantAt(inner, 0, at),
              extentAt(inner, dims.front(), at), constantAt(inner, 1, at), none,
              [&](OpBuilder &step, Location place, Value other,
                  ValueRange found) {
                Value text =
                    tensor::ExtractOp::create(step, place, tensor, other);
                Value same = signal::EqualOp::create(
                    step, place, step.getI1Type(), own, text);
                Value open = arith::CmpIOp::create(
                    step, place, arith::CmpIPredicate::slt, found[0],
                    arith::ConstantOp::create(step, place,
                                              step.getI64IntegerAttr(0)));
                Value first = arith::SelectOp::create(
                    step, place, arith::AndIOp::create(step, place, same, open),
                    arith::IndexCastOp::create(step, place, i64, other),
                    found[0]);
                scf::YieldOp::create(step, place, first);
              });
          return loop.getResult(0);
        });
  }
  if (!isa<IntegerType, FloatType>(held))
    return {};
  return map(
      dims, i64, Operand{tensor, type}, loc,
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Value x = args[0];
        if (isa<IntegerType>(held))
          return held.isInteger(64)
                     ? x
                     : Value(arith::ExtSIOp::create(inner, at, i64, x));
        if (!held.isF64())
          x = arith::ExtFOp::create(inner, at, inner.getF64Type(), x);
        Value nan =
            arith::CmpFOp::create(inner, at, arith::CmpFPredicate::UNO, x, x);
        return arith::SelectOp::create(
            inner, at, nan,
            arith::ConstantOp::create(inner, at, inner.getI64IntegerAttr(-1)),
            arith::BitcastOp::create(inner, at, i64, x));
      });
}

/// The ledger of a budget in this call, made where the budget is first used.
/// Null, with a diagnostic, where the budget lasts beyond it.
Lowering::Ledger *Lowering::ledgerOf(ChooseOp op, Axis name) {
  auto found = ledgers.find(name.getValue());
  if (found != ledgers.end())
    return &found->second;
  auto budget = tables.lookupSymbolIn<BudgetOp>(module, name);
  StringRef window = budget.getWindow();
  if (window != "call" && window != "batch") {
    (void)unsupported(budget, "budgets that last beyond the call: '" +
                                  name.getValue() + "'");
    return nullptr;
  }
  Ledger ledger;
  ledger.whole = budget.getUnit() == "p$";
  ledger.counts = window == "batch";
  auto values = [&](Region &region, SmallVectorImpl<Value> &out) {
    if (region.empty())
      return success();
    for (Operation &inner : region.front().without_terminator())
      if (failed(lower(&inner)))
        return failure();
    llvm::append_range(
        out, cast<YieldOp>(region.front().getTerminator()).getOperands());
    return success();
  };
  SmallVector<Value> reserve, limit;
  if (failed(values(budget.getReserve(), reserve)) ||
      failed(values(budget.getLimit(), limit)) ||
      failed(values(budget.getPer(), ledger.keyRoutes)))
    return nullptr;
  ledger.reserve = reserve.front();
  ledger.limit = limit.front();
  for (Value part : {ledger.reserve, ledger.limit})
    if (!cast<ArrayType>(part.getType()).getElementType().isF64()) {
      (void)unsupported(op, "an amount that may be unknown in budget '" +
                                name.getValue() + "'");
      return nullptr;
    }
  for (Value key : ledger.keyRoutes) {
    ledger.keys.push_back(ledgerKey(key));
    if (!ledger.keys.back()) {
      (void)unsupported(op, "this key of budget '" + name.getValue() + "'");
      return nullptr;
    }
  }
  return &ledgers.insert({name.getValue(), std::move(ledger)}).first->second;
}

LogicalResult Lowering::lowerUnderBudgets(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  if (op->getParentOp() != func)
    return unsupported(op, "budgets of a choice inside a loop or a condition");
  if (!op.getBody().empty() || op.getKind() == ChoiceKind::path)
    return unsupported(op, "budgets of a choice whose keys or end hang on the "
                           "rows kept so far");
  ChoiceSpace space = choiceSpace(rows, loc);
  Value limits;
  if (failed(itemLimits(op, space, limits)))
    return failure();
  // All candidates in order; those that do not fit are passed over.
  Plan order = rows;
  if (op.getKind() == ChoiceKind::listed) {
    if (failed(lowerListedColumns(op, order)))
      return failure();
    order = plans[rows.axis.getValue()];
    rows.rank = order.rank;
    rows.extent = order.extent;
  } else {
    setCapacity(op, rows, space);
    order.extent = {};
    order.rank = 1;
    for (Axis dim : space.slots)
      order.rank = ShapedType::isDynamic(order.rank) ||
                           ShapedType::isDynamic(staticSize(dim))
                       ? ShapedType::kDynamic
                       : order.rank * staticSize(dim);
    if (ShapedType::isDynamic(order.rank))
      order.extent = space.candidates;
    if (failed(makeColumnChoice(op, order, space, op.getKeys(), op.getUp(), {},
                                Value())))
      return failure();
  }
  struct Read {
    Ledger *ledger;
    Mapped reserve, limit;
    SmallVector<Mapped> keys;
    unsigned state = 0;
  };
  SmallVector<Read> budgets;
  Value most = constantIndex(1, loc);
  for (Axis dim : space.batch)
    most = arith::MulIOp::create(b, loc, most, sizeValue(dim, loc));
  most = arith::MulIOp::create(
      b, loc, most, getValueOrCreateConstantIndexOp(b, loc, capacity(rows)));
  auto number = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto filled = [&](ArrayRef<OpFoldResult> shape, Value value) -> Value {
    return linalg::FillOp::create(
               b, loc, value,
               tensor::EmptyOp::create(b, loc, shape, value.getType())
                   .getResult())
        .getResult(0);
  };
  Amounts amounts(b, loc);
  SmallVector<OpFoldResult> items = sizesOf(space.batch, loc), padded(items);
  padded.push_back(capacity(rows));
  SmallVector<Value> state = {filled(padded, number(-1)),
                              filled(items, number(0))};
  for (auto name : op.getUnder()->getAsRange<Axis>()) {
    Ledger *ledger = ledgerOf(op, name);
    if (!ledger)
      return failure();
    Read read;
    read.ledger = ledger;
    auto over = [&](Value route, Value tensor, Mapped &mapped) {
      std::optional<Mapped> found =
          tensor ? overSpace(tensor, dimsOf(cast<ArrayType>(route.getType())),
                             space, loc)
                 : std::nullopt;
      if (found)
        mapped = *found;
      return found.has_value();
    };
    bool ok = over(ledger->reserve, get(ledger->reserve), read.reserve) &&
              over(ledger->limit, get(ledger->limit), read.limit);
    for (auto [route, tensor] : llvm::zip(ledger->keyRoutes, ledger->keys)) {
      read.keys.emplace_back();
      ok = ok && over(route, tensor, read.keys.back());
    }
    if (!ok)
      return unsupported(op, "amounts over these axes in budget '" +
                                 name.getValue() + "'");
    if (ledger->counts) {
      read.state = state.size();
      // Earlier choices of the call have entries already: room for both.
      Value room = most;
      if (!ledger->state.empty())
        room = arith::AddIOp::create(b, loc, most, ledger->room);
      SmallVector<Value> fresh;
      for (unsigned i = 0; i < ledger->keys.size() + 2; ++i)
        fresh.push_back(filled(OpFoldResult(room), amounts.i64(0)));
      fresh.push_back(constantIndex(0, loc));
      if (!ledger->state.empty()) {
        for (unsigned i = 0; i + 1 < fresh.size(); ++i)
          fresh[i] = tensor::InsertSliceOp::create(
              b, loc, ledger->state[i], fresh[i],
              ArrayRef<OpFoldResult>{b.getIndexAttr(0)},
              ArrayRef<OpFoldResult>{OpFoldResult(ledger->room)},
              ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
        fresh.back() = ledger->state.back();
      }
      ledger->room = room;
      llvm::append_range(state, fresh);
    }
    budgets.push_back(std::move(read));
  }
  SmallVector<Value> made = forEachPosition(
      space.batch, state, loc,
      [&](ValueRange at, ValueRange outer) -> SmallVector<Value> {
        Value count = arith::IndexCastOp::create(
            b, loc, b.getIndexType(),
            tensor::ExtractOp::create(b, loc, order.counts, at));
        Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
        auto loop = scf::ForOp::create(b, loc, zero, count, one, outer);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        SmallVector<Value> held(loop.getRegionIterArgs());
        SmallVector<Value> from(at);
        from.push_back(loop.getInductionVar());
        Value candidate =
            tensor::ExtractOp::create(b, loc, order.indices, from);
        Value kept = tensor::ExtractOp::create(b, loc, held[1], at);
        Value fits = arith::CmpIOp::create(
            b, loc, arith::CmpIPredicate::slt, kept,
            limits ? Value(tensor::ExtractOp::create(b, loc, limits, at))
                   : number(INT32_MAX));
        // Slots are as many as the capacity; a count beyond it is no row more.
        fits = amounts.both(
            fits,
            arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::slt,
                arith::IndexCastOp::create(b, loc, b.getIndexType(), kept),
                getValueOrCreateConstantIndexOp(b, loc, capacity(rows))));
        Value place =
            arith::IndexCastOp::create(b, loc, b.getIndexType(), candidate);
        auto readAt = [&](const Mapped &mapped) -> Value {
          SmallVector<Value> where;
          for (unsigned i = 0; i < mapped.map.getNumResults(); ++i) {
            unsigned d = mapped.map.getDimPosition(i);
            where.push_back(d < at.size() ? Value(at[d]) : place);
          }
          return tensor::ExtractOp::create(b, loc, mapped.tensor, where);
        };
        // What each budget says; where its key's entry is.
        SmallVector<std::pair<Value, Value>> totals;
        SmallVector<Value> entries;
        SmallVector<SmallVector<Value>> keyValues;
        for (Read &read : budgets) {
          Value known, bounded;
          Value limit = readAt(read.limit);
          auto amount =
              amounts.toAmount(readAt(read.reserve), read.ledger->whole, known);
          auto bound = amounts.toAmount(limit, false, bounded);
          Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                              limit, amounts.f64(0));
          Value number = arith::CmpFOp::create(
              b, loc, arith::CmpFPredicate::ORD, limit, limit);
          fits = amounts.both(fits, amounts.both(known, number));
          auto total = amount;
          Value entry;
          SmallVector<Value> keys;
          if (read.ledger->counts) {
            for (const Mapped &key : read.keys)
              keys.push_back(readAt(key));
            ValueRange mine =
                ValueRange(held).slice(read.state, keys.size() + 3);
            auto search = scf::ForOp::create(
                b, loc, zero, mine.back(), one, mine.back(),
                [&](OpBuilder &step, Location where, Value e,
                    ValueRange found) {
                  Value same = arith::ConstantOp::create(
                      step, where, step.getBoolAttr(true));
                  for (auto [i, key] : llvm::enumerate(keys))
                    same = arith::AndIOp::create(
                        step, where, same,
                        arith::CmpIOp::create(
                            step, where, arith::CmpIPredicate::eq,
                            tensor::ExtractOp::create(step, where, mine[i], e),
                            key));
                  scf::YieldOp::create(
                      step, where,
                      arith::SelectOp::create(step, where, same, e, found[0])
                          .getResult());
                });
            entry = search.getResult(0);
            Value isNew = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::eq, entry, mine.back());
            SmallVector<Value> used =
                when(arith::XOrIOp::create(b, loc, isNew, amounts.truth(true)),
                     ValueRange{amounts.i64(0), amounts.i64(0)}, loc,
                     [&]() -> SmallVector<Value> {
                       return {tensor::ExtractOp::create(
                                   b, loc, mine[keys.size()], entry),
                               tensor::ExtractOp::create(
                                   b, loc, mine[keys.size() + 1], entry)};
                     });
            total = amounts.add({used[0], used[1]}, amount);
          }
          // A limit beyond all amounts is none, one below zero fits nothing.
          Value within = arith::OrIOp::create(
              b, loc, amounts.atMost(total, bound),
              arith::XOrIOp::create(b, loc, bounded, amounts.truth(true)));
          within =
              amounts.both(within, arith::XOrIOp::create(b, loc, below,
                                                         amounts.truth(true)));
          fits = amounts.both(fits, within);
          totals.push_back(total);
          entries.push_back(entry);
          keyValues.push_back(keys);
        }
        SmallVector<Value> next =
            when(fits, held, loc, [&]() -> SmallVector<Value> {
              SmallVector<Value> after(held), slot(at);
              slot.push_back(
                  arith::IndexCastOp::create(b, loc, b.getIndexType(), kept));
              after[0] =
                  tensor::InsertOp::create(b, loc, candidate, held[0], slot);
              after[1] = tensor::InsertOp::create(
                  b, loc, arith::AddIOp::create(b, loc, kept, number(1)),
                  held[1], at);
              for (auto [read, total, entry, keys] :
                   llvm::zip(budgets, totals, entries, keyValues)) {
                if (!read.ledger->counts)
                  continue;
                unsigned first = read.state;
                SmallVector<Value> words(keys);
                words.append({total.first, total.second});
                for (auto [i, word] : llvm::enumerate(words))
                  after[first + i] = tensor::InsertOp::create(
                      b, loc, word, held[first + i], entry);
                Value &size = after[first + words.size()];
                Value isNew = arith::CmpIOp::create(
                    b, loc, arith::CmpIPredicate::eq, entry, size);
                size = arith::SelectOp::create(
                    b, loc, isNew, arith::AddIOp::create(b, loc, size, one),
                    size);
              }
              return after;
            });
        scf::YieldOp::create(b, loc, next);
        return llvm::to_vector(ValueRange(loop.getResults()));
      });
  for (Read &read : budgets)
    if (read.ledger->counts)
      read.ledger->state = llvm::to_vector(
          ValueRange(made).slice(read.state, read.keys.size() + 3));
  rows.indices = made[0];
  rows.counts = made[1];
  plans[rows.axis.getValue()] = rows;
  return success();
}
