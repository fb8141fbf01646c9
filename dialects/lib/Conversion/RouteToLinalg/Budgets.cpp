// The budgets of one call: a row is admitted while what its keys have reserved
// stays within the limit. Keys are numbered, so that what is reserved is a
// table of a place for each. Amounts count units of 2^-32, rounded up, in 128
// bits of two words, so that sums are exact.
#include "Lowering.h"
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

/// Whether two elements are the same key: floats by their bits, all NaN alike.
static Value sameKey(OpBuilder &b, Location loc, Value x, Value y) {
  if (isa<signal::TextType>(x.getType()))
    return signal::EqualOp::create(b, loc, b.getI1Type(), x, y);
  if (!isa<FloatType>(x.getType()))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
  Type bits = b.getIntegerType(x.getType().getIntOrFloatBitWidth());
  auto isNan = [&](Value v) -> Value {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, v, v);
  };
  Value same = arith::CmpIOp::create(
      b, loc, arith::CmpIPredicate::eq,
      arith::BitcastOp::create(b, loc, bits, x).getResult(),
      arith::BitcastOp::create(b, loc, bits, y).getResult());
  return arith::OrIOp::create(
      b, loc, same, arith::AndIOp::create(b, loc, isNan(x), isNan(y)));
}

/// Numbers what `parts` are together over `dims`: each position has the number
/// of the first that is the same. Null where a part cannot be compared.
Value Lowering::numberKeys(ArrayRef<Value> parts, ArrayRef<Axis> dims,
                           Location loc) {
  struct Part {
    Value tensor;
    SmallVector<unsigned> at;
  };
  SmallVector<Part> read;
  bool distinct = false;
  for (Value part : parts) {
    SmallVector<Axis> own = dimsOf(cast<ArrayType>(part.getType()));
    Part entry{get(part), {}};
    if (!entry.tensor ||
        !isa<IntegerType, FloatType, signal::TextType>(
            cast<RankedTensorType>(entry.tensor.getType()).getElementType()))
      return {};
    for (Axis dim : own)
      entry.at.push_back(llvm::find(dims, dim) - dims.begin());
    // A row's own position is the same nowhere else.
    distinct |= part.getDefiningOp<IotaOp>() && own.size() == dims.size();
    read.push_back(std::move(entry));
  }
  auto elements = [&](OpBuilder &inner, Location at, ValueRange position) {
    return llvm::map_to_vector(read, [&](const Part &part) -> Value {
      auto own = llvm::map_to_vector(
          part.at, [&](unsigned dim) -> Value { return position[dim]; });
      return tensor::ExtractOp::create(inner, at, part.tensor, own);
    });
  };
  return generate(
      sizesOf(dims, loc), b.getI64Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value flat = here.front();
        for (auto [dim, place] : llvm::drop_begin(llvm::zip(dims, here)))
          flat = arith::AddIOp::create(
              inner, at,
              arith::MulIOp::create(inner, at, flat, extentAt(inner, dim, at)),
              place);
        if (!distinct) {
          SmallVector<Value> own = elements(inner, at, here);
          auto search = scf::WhileOp::create(
              inner, at, inner.getIndexType(), constantAt(inner, 0, at),
              [&](OpBuilder &test, Location place, ValueRange args) {
                Value differs = arith::CmpIOp::create(
                    test, place, arith::CmpIPredicate::ne, args[0], flat);
                Value same;
                SmallVector<Value> there = elements(
                    test, place, unflatten(test, place, args[0], dims));
                for (auto [x, y] : llvm::zip(own, there)) {
                  Value one = sameKey(test, place, x, y);
                  same =
                      same
                          ? Value(arith::AndIOp::create(test, place, same, one))
                          : one;
                }
                Value no = arith::ConstantOp::create(test, place,
                                                     test.getBoolAttr(false));
                scf::ConditionOp::create(
                    test, place,
                    arith::SelectOp::create(test, place, same, no, differs),
                    args);
              },
              [&](OpBuilder &step, Location place, ValueRange args) {
                Value next = arith::AddIOp::create(step, place, args[0],
                                                   constantAt(step, 1, place));
                scf::YieldOp::create(step, place, next);
              });
          flat = search.getResult(0);
        }
        return arith::IndexCastOp::create(inner, at, inner.getI64Type(), flat);
      });
}

/// The keys of a budget in groups that share no axis: a key's number has that
/// of each group as a digit.
LogicalResult Lowering::numberGroups(ArrayRef<Value> keys, Ledger &ledger,
                                     Location loc) {
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
    Value number = numberKeys(group.parts, group.dims, loc);
    if (!number)
      return failure();
    Value size = constantIndex(1, loc);
    for (Axis dim : group.dims)
      size = arith::MulIOp::create(b, loc, size, sizeValue(dim, loc));
    places = arith::MulIOp::create(b, loc, places, size);
    ledger.keys.push_back({number, size, group.dims});
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
  Location loc = op.getLoc();
  auto budget = tables.lookupSymbolIn<BudgetOp>(module, name);
  StringRef window = budget.getWindow();
  if (window != "call" && window != "batch") {
    (void)unsupported(budget, "budgets that last beyond the call: '" +
                                  name.getValue() + "'");
    return nullptr;
  }
  if (budget.getWarn()) {
    (void)unsupported(budget, "the alarm of budget '" + name.getValue() + "'");
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
    auto type = cast<ArrayType>(amount.getType());
    if (!type.getElementType().isF64()) {
      (void)unsupported(op, "an amount that may be unknown in budget '" +
                                name.getValue() + "'");
      return nullptr;
    }
    *to = {get(amount), Value(), dimsOf(type)};
    if (!to->tensor)
      return nullptr;
  }
  if (ledger.counts && failed(numberGroups(keys, ledger, loc))) {
    (void)unsupported(op, "this key of budget '" + name.getValue() + "'");
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
      return unsupported(op, "amounts over these axes in budget '" +
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
