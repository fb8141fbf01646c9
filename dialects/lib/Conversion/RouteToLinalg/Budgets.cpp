// Budgets of one call: a row is admitted while its keys have room.
// Keys are numbered, so that what is reserved is a table of a place for each.
// Amounts count units of 2^-32, rounded up, in 128 bits of two words, so that
// sums are exact.
#include "Lowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

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
  Value negated(Value x) {
    return arith::XOrIOp::create(b, loc, x, truth(true));
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

/// Spreads the words of a key over the upper half of 64 bits, as tables do.
static Value hashOf(OpBuilder &b, Location loc, ValueRange words) {
  auto number = [&](uint64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  };
  auto mixed = [&](Value x, uint64_t factor) -> Value {
    return arith::MulIOp::create(b, loc, x, number(factor));
  };
  Value hash = number(0);
  for (Value word : words) {
    hash = mixed(arith::XOrIOp::create(b, loc, hash, word), 0x9e3779b97f4a7c15);
    hash = arith::XOrIOp::create(
        b, loc, hash, arith::ShRUIOp::create(b, loc, hash, number(32)));
  }
  return arith::ShRUIOp::create(b, loc, mixed(hash, 0xbf58476d1ce4e5b9),
                                number(32));
}

/// Numbers what `keys` are together over `dims`: each position has the number
/// of the first that is the same, found in a hash table of positions with open
/// addresses, at most half full.
LogicalResult Lowering::numberKeys(ChooseOp op, ArrayRef<Value> keys,
                                   ArrayRef<Axis> dims, Share &numbers) {
  Location loc = op.getLoc();
  numbers.dims.assign(dims.begin(), dims.end());
  numbers.size = constantIndex(1, loc);
  for (Axis dim : dims)
    numbers.size =
        arith::MulIOp::create(b, loc, numbers.size, sizeValue(dim, loc));
  // A row's own position is the same nowhere else.
  if (llvm::any_of(keys, [&](Value key) {
        return key.getDefiningOp<IotaOp>() &&
               dimsOf(cast<ArrayType>(key.getType())).size() == dims.size();
      })) {
    numbers.tensor = generate(
        sizesOf(dims, loc), b.getI64Type(), loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          Value flat = here.front();
          for (auto [dim, place] : llvm::drop_begin(llvm::zip(dims, here)))
            flat = arith::AddIOp::create(
                inner, at,
                arith::MulIOp::create(inner, at, flat,
                                      extentAt(inner, dim, at)),
                place);
          return arith::IndexCastOp::create(inner, at, inner.getI64Type(),
                                            flat);
        });
    return success();
  }
  int64_t width = 0;
  for (Value key : keys) {
    int64_t words = keyWords(cast<ArrayType>(key.getType()).getElementType());
    if (words == 0)
      return failure();
    width += words;
  }
  Value zero = constantIndex(0, loc), one = constantIndex(1, loc),
        none = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(-1)),
        places =
            arith::MulIOp::create(b, loc, numbers.size, constantIndex(2, loc));
  auto made = [&](ArrayRef<OpFoldResult> shape) -> Value {
    return tensor::EmptyOp::create(b, loc, shape, b.getI64Type());
  };
  Value first =
      linalg::FillOp::create(b, loc, none, made({OpFoldResult(places)}))
          .getResult(0);
  auto asIndex = [&](Value value) -> Value {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
  };
  bool good = true;
  // What is carried: the numbers, the first position of each key at the place
  // of the key, and the words of the keys, by their first position.
  numbers.tensor =
      forEachPosition(
          dims,
          {made(sizesOf(dims, loc)), first,
           made({OpFoldResult(numbers.size), b.getIndexAttr(width)})},
          loc,
          [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
            SmallVector<Value> words;
            for (Value key : keys)
              good = good && succeeded(addKey(op, key, dims, at, words));
            if (!good)
              return llvm::to_vector(held);
            auto wordAt = [&](Value flat, int64_t i) {
              return SmallVector<Value>{flat, constantIndex(i, loc)};
            };
            Value start = arith::ShRUIOp::create(
                b, loc,
                arith::MulIOp::create(
                    b, loc, hashOf(b, loc, words),
                    arith::IndexCastOp::create(b, loc, b.getI64Type(), places)),
                arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32)));
            auto search = scf::WhileOp::create(
                b, loc, TypeRange{b.getIndexType(), b.getI64Type()},
                ValueRange{asIndex(start)},
                [&](OpBuilder &, Location, ValueRange) {},
                [&](OpBuilder &, Location, ValueRange) {});
            {
              OpBuilder::InsertionGuard guard(b);
              b.setInsertionPointToStart(search.getBeforeBody());
              Value place = search.getBeforeArguments().front(),
                    there = tensor::ExtractOp::create(b, loc, held[1], place),
                    other = arith::CmpIOp::create(
                        b, loc, arith::CmpIPredicate::sge, there,
                        arith::ConstantOp::create(b, loc,
                                                  b.getI64IntegerAttr(0)));
              other = when(other, other, loc, [&]() -> SmallVector<Value> {
                        Value same;
                        for (auto [i, word] : llvm::enumerate(words)) {
                          Value equal = arith::CmpIOp::create(
                              b, loc, arith::CmpIPredicate::eq, word,
                              tensor::ExtractOp::create(
                                  b, loc, held[2], wordAt(asIndex(there), i)));
                          same = same ? Value(arith::AndIOp::create(
                                            b, loc, same, equal))
                                      : equal;
                        }
                        return {arith::XOrIOp::create(
                            b, loc, same,
                            arith::ConstantOp::create(b, loc,
                                                      b.getBoolAttr(true)))};
                      }).front();
              scf::ConditionOp::create(b, loc, other, ValueRange{place, there});
              b.setInsertionPointToStart(search.getAfterBody());
              Value next = arith::AddIOp::create(
                  b, loc, search.getAfterArguments().front(), one);
              Value end = arith::CmpIOp::create(
                  b, loc, arith::CmpIPredicate::eq, next, places);
              scf::YieldOp::create(
                  b, loc,
                  arith::SelectOp::create(b, loc, end, zero, next).getResult());
            }
            Value place = search.getResult(0), there = search.getResult(1),
                  flat = linear(dims, at, loc);
            Value fresh = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::eq, there, none);
            Value number = arith::SelectOp::create(
                b, loc, fresh,
                arith::IndexCastOp::create(b, loc, b.getI64Type(), flat),
                there);
            Value kept = held[2];
            for (auto [i, word] : llvm::enumerate(words))
              kept = tensor::InsertOp::create(b, loc, word, kept,
                                              wordAt(asIndex(number), i));
            return {tensor::InsertOp::create(b, loc, number, held[0], at),
                    tensor::InsertOp::create(b, loc, number, held[1], place),
                    kept};
          })
          .front();
  return success(good);
}

/// The keys of a budget in groups that share no axis: a key's number has that
/// of each group as a digit.
LogicalResult Lowering::numberGroups(ChooseOp op, ArrayRef<Value> keys,
                                     Ledger &ledger) {
  Location loc = op.getLoc();
  struct Group {
    SmallVector<Axis> dims;
    SmallVector<Value> parts;
  };
  SmallVector<Group> groups;
  for (Value key : keys) {
    Group joined{dimsOf(cast<ArrayType>(key.getType())), {key}};
    if (joined.dims.empty())
      continue; // the same for all
    for (auto *group = groups.begin(); group != groups.end();) {
      if (llvm::none_of(group->dims, [&](Axis dim) {
            return llvm::is_contained(joined.dims, dim);
          })) {
        ++group;
        continue;
      }
      for (Axis dim : group->dims)
        if (!llvm::is_contained(joined.dims, dim))
          joined.dims.push_back(dim);
      llvm::append_range(joined.parts, group->parts);
      group = groups.erase(group);
    }
    groups.push_back(std::move(joined));
  }
  Value places = constantIndex(1, loc);
  for (Group &group : groups) {
    Share &numbers = ledger.keys.emplace_back();
    if (failed(numberKeys(op, group.parts, group.dims, numbers)))
      return failure();
    places = arith::MulIOp::create(b, loc, places, numbers.size);
  }
  Value none = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0));
  for (Value &word : ledger.reserved)
    word =
        linalg::FillOp::create(b, loc, none,
                               tensor::EmptyOp::create(
                                   b, loc, OpFoldResult(places), b.getI64Type())
                                   .getResult())
            .getResult(0);
  return success();
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
    (void)notCovered(budget, "budgets that last beyond the call: '" +
                                 name.getValue() + "'");
    return nullptr;
  }
  if (budget.getWarn()) {
    (void)notCovered(budget, "the alarm of budget '" + name.getValue() + "'");
    return nullptr;
  }
  Ledger ledger;
  ledger.whole = budget.getUnit() == "p$";
  ledger.counts = window == "batch";
  auto yielded = [&](Region &region, SmallVectorImpl<Value> &out) {
    if (region.empty())
      return success();
    for (Operation &inner : region.front().without_terminator())
      if (failed(lower(&inner)))
        return failure();
    llvm::append_range(
        out, cast<YieldOp>(region.front().getTerminator()).getOperands());
    return success();
  };
  SmallVector<Value> amounts, keys;
  if (failed(yielded(budget.getReserve(), amounts)) ||
      failed(yielded(budget.getLimit(), amounts)) ||
      failed(yielded(budget.getPer(), keys)))
    return nullptr;
  Share *parts[] = {&ledger.reserve, &ledger.limit};
  for (auto [amount, to] : llvm::zip(amounts, parts)) {
    *to = {get(amount), Value(), dimsOf(cast<ArrayType>(amount.getType()))};
    if (!to->tensor)
      return nullptr;
  }
  if (ledger.counts && failed(numberGroups(op, keys, ledger))) {
    (void)notCovered(op, "this key of budget '" + name.getValue() + "'");
    return nullptr;
  }
  return &ledgers.insert({name.getValue(), std::move(ledger)}).first->second;
}

/// Reads the budgets of `op` over its items and candidates.
LogicalResult Lowering::prepareAdmission(ChooseOp op, const ChoiceSpace &space,
                                         Admission &admission) {
  if (!op.getUnder())
    return success();
  Location loc = op.getLoc();
  for (auto name : op.getUnder()->getAsRange<Axis>()) {
    Ledger *ledger = ledgerOf(op, name);
    if (!ledger)
      return failure();
    Admission::Read read{ledger, {}, {}, {}};
    auto over = [&](const Share &share, Mapped &mapped) {
      std::optional<Mapped> found =
          overSpace(share.tensor, share.dims, space, loc);
      if (found)
        mapped = *found;
      return found.has_value();
    };
    bool ok =
        over(ledger->reserve, read.reserve) && over(ledger->limit, read.limit);
    for (const Share &key : ledger->keys)
      ok = ok && over(key, read.keys.emplace_back());
    if (!ok)
      return notCovered(op, "amounts over these axes in budget '" +
                                name.getValue() + "'");
    if (ledger->counts)
      llvm::append_range(admission.reserved, ledger->reserved);
    admission.budgets.push_back(std::move(read));
  }
  return success();
}

/// Whether `candidate` has room at item `at` under all budgets, of which
/// `reserved` is taken; `after` is what is reserved with it.
Value Lowering::admit(const Admission &admission, ValueRange at,
                      Value candidate, ValueRange reserved, Location loc,
                      SmallVectorImpl<Value> &places,
                      SmallVectorImpl<Value> &words) {
  Amounts amounts(b, loc);
  auto readAt = [&](const Mapped &mapped) -> Value {
    SmallVector<Value> where;
    for (unsigned i = 0; i < mapped.map.getNumResults(); ++i) {
      unsigned d = mapped.map.getDimPosition(i);
      where.push_back(d < at.size() ? Value(at[d]) : candidate);
    }
    return tensor::ExtractOp::create(b, loc, mapped.tensor, where);
  };
  Value fits = amounts.truth(true);
  for (const Admission::Read &read : admission.budgets) {
    Value known, bounded, limit = readAt(read.limit);
    auto total =
        amounts.toAmount(readAt(read.reserve), read.ledger->whole, known);
    auto bound = amounts.toAmount(limit, false, bounded);
    Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                        limit, amounts.f64(0));
    Value number =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, limit, limit);
    if (read.ledger->counts) {
      Value place = constantIndex(0, loc);
      for (auto [key, mapped] : llvm::zip(read.ledger->keys, read.keys))
        place = arith::AddIOp::create(
            b, loc, arith::MulIOp::create(b, loc, place, key.size),
            arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                       readAt(mapped)));
      Value high = tensor::ExtractOp::create(
                b, loc, reserved[places.size() * 2], place),
            low = tensor::ExtractOp::create(
                b, loc, reserved[places.size() * 2 + 1], place);
      total = amounts.add({high, low}, total);
      places.push_back(place);
      words.append({total.first, total.second});
    }
    // A limit beyond all amounts is none, one below zero fits nothing.
    Value within = arith::OrIOp::create(b, loc, amounts.atMost(total, bound),
                                        amounts.negated(bounded));
    for (Value also : {known, number, within, amounts.negated(below)})
      fits = amounts.both(fits, also);
  }
  return fits;
}

/// What is reserved behind a choice.
void Lowering::finishAdmission(const Admission &admission,
                               ValueRange reserved) {
  for (const Admission::Read &read : admission.budgets)
    if (read.ledger->counts) {
      llvm::copy(reserved.take_front(2), read.ledger->reserved.begin());
      reserved = reserved.drop_front(2);
    }
}
