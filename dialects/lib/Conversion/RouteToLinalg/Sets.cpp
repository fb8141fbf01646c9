// Lists and sets: membership, inclusion, and sets of state.
// A set of state is a table, changed in place; what the caller gives lies along
// an axis of its own.
#include "Lowering.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

static bool isCollection(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array && isa<SetType, ListType>(array.getElementType());
}

/// Whether `op` makes collections: there are no values of these.
bool Lowering::isOfCollections(Operation *op) {
  return isa<GetOp, InsertOp, RemoveOp, SelectOp, PickOp, BroadcastOp,
             CollectOp, ConstantOp>(op) &&
         isCollection(op->getResult(0).getType());
}

/// Whether an element can be a member, which NaN cannot; null: always.
static Value mayBeMember(OpBuilder &b, Location loc, Value element) {
  return element && isa<FloatType>(element.getType())
             ? Value(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD,
                                           element, element))
             : Value();
}

/// Makes ops only where `condition` holds, from here to the end of the guard.
static void onlyWhere(OpBuilder &b, Location loc, Value condition) {
  if (!condition)
    return;
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
}

/// What `value` is read from; what it is made of otherwise is not covered.
FailureOr<Lowering::Collection> Lowering::collectionOf(Value value,
                                                       Operation *user) {
  Collection found;
  for (;;) {
    if (auto pick = value.getDefiningOp<PickOp>()) {
      found.picks.push_back(pick);
      value = pick.getOperand();
    } else if (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
      value = broadcast.getOperand();
    } else {
      break;
    }
  }
  if (auto collect = value.getDefiningOp<CollectOp>()) {
    found.along =
        cast<ArrayType>(collect.getMembers().getType()).getAxes().front();
    found.members = get(collect.getMembers());
    found.member =
        cast<ArrayType>(collect.getMembers().getType()).getElementType();
    if (!found.members)
      return failure();
    return found;
  }
  auto read = value.getDefiningOp<GetOp>();
  if (auto state =
          read ? tables.lookupSymbolIn<StateOp>(module, read.getSymbol())
               : StateOp();
      state && !isa<SetType>(cast<ArrayType>(state.getType()).getElementType()))
    return emitNotice(state.getLoc(), Notice::needsBound)
           << "a library keeps '" << state.getSymName()
           << "' in a piece of memory of fixed size, and a list has no bound: "
              "make it a 'set … max 64k'";
  auto table = read ? keyed.find(b.getStringAttr(nameOf(read.getSymbol())))
                    : keyed.end();
  if (table == keyed.end())
    return notCovered(user, "lists and sets that are computed");
  bool changes = func.walk([&](SetOp set) {
                       return set.getSymbol() == read.getSymbol()
                                  ? WalkResult::interrupt()
                                  : WalkResult::advance();
                     })
                     .wasInterrupted();
  if (changes &&
      (read->getBlock() != user->getBlock() || changesBetween(read, user)))
    return notCovered(user, "a set as it was before it changed");
  found.table = &table->second;
  found.member = memberTypeOf(cast<ArrayType>(read.getType()).getElementType());
  return found;
}

/// The element of an array at a position on `dims`, which it is above; null
/// where it is not. `there`: where the rows of plans on the way are.
Value Lowering::elementAt(Operation *op, Value route, ArrayRef<Axis> dims,
                          ValueRange at, Value &there) {
  Value tensor = get(route);
  if (!tensor)
    return {};
  auto places =
      placesOf(b, op->getLoc(), dimsOf(cast<ArrayType>(route.getType())), dims,
               at, there);
  if (!places) {
    (void)notCovered(op, "a collection over these axes");
    return {};
  }
  return tensor::ExtractOp::create(b, op->getLoc(), tensor, *places);
}

static Value bothOf(OpBuilder &b, Location loc, Value x, Value y) {
  return x && y ? Value(arith::AndIOp::create(b, loc, x, y)) : x ? x : y;
}

std::optional<Lowering::Members>
Lowering::membersAt(Operation *op, const Collection &collection,
                    ArrayRef<Axis> dims, ValueRange at) {
  Location loc = op->getLoc();
  Members found{&collection, {}, {}, {}};
  SmallVector<Axis> over =
      collection.table ? collection.table->over : parentsOf(collection.along);
  SmallVector<Value> which;
  for (Axis dim : over) {
    PickOp pick;
    for (PickOp each : collection.picks)
      if (each.getAlongAttr() == dim)
        pick = each;
    if (!pick) {
      auto place = placeOf(b, loc, dim, dims, at);
      if (!place) {
        (void)notCovered(op, "a collection over these axes");
        return std::nullopt;
      }
      which.push_back(place->position);
      found.there = bothOf(b, loc, found.there, place->there);
      continue;
    }
    Value chosen = elementAt(op, pick.getPosition(), dims, at, found.there);
    if (!chosen)
      return std::nullopt;
    chosen = arith::IndexCastOp::create(b, loc, b.getIndexType(), chosen);
    Value here = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult,
                                       chosen, sizeValue(dim, loc));
    which.push_back(
        arith::SelectOp::create(b, loc, here, chosen, constantIndex(0, loc)));
    found.there = bothOf(b, loc, found.there, here);
  }
  if (collection.table) {
    found.begin = tableAt(*collection.table, which, loc);
  } else if (which.empty()) {
    found.begin = constantIndex(0, loc);
    found.end = sizeValue(collection.along, loc);
  } else {
    Value next =
        arith::AddIOp::create(b, loc, which.front(), constantIndex(1, loc));
    found.begin = firstChild(b, loc, collection.along, which.front());
    found.end = firstChild(b, loc, collection.along, next);
  }
  return found;
}

/// The words of a member as a key.
SmallVector<Value> Lowering::wordsOf(const Member &member, Location loc) {
  if (!member.element)
    return member.words;
  Value element = member.element;
  if (isa<TextType>(member.type)) {
    auto digest = signal::DigestOp::create(b, loc, element);
    return {digest.getLow(), digest.getHigh()};
  }
  return {toKeyWord(element, member.type, loc)};
}

/// Whether two members are equal: by their words where one is in a table.
Value Lowering::areSame(const Member &x, const Member &y, Location loc) {
  if (x.element && y.element) {
    Type type = x.element.getType();
    if (isa<signal::TextType>(type))
      return signal::EqualOp::create(b, loc, b.getI1Type(), x.element,
                                     y.element);
    if (isa<FloatType>(type))
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x.element,
                                   y.element);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x.element,
                                 y.element);
  }
  Value same;
  for (auto [own, other] : llvm::zip(wordsOf(x, loc), wordsOf(y, loc)))
    same = bothOf(
        b, loc, same,
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, own, other));
  return same;
}

/// Runs `step(member, number, carried)` for each member in order; the number is
/// that of the place in what the caller gives.
SmallVector<Value> Lowering::forEachMember(
    const Members &members, ValueRange carried, Location loc,
    llvm::function_ref<SmallVector<Value>(const Member &, Value, ValueRange)>
        step) {
  OpBuilder::InsertionGuard guard(b);
  Type i64 = b.getI64Type();
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  };
  const Table *table = members.of->table;
  if (!table) {
    Value end = members.end;
    if (members.there)
      end = arith::SelectOp::create(b, loc, members.there, end, members.begin);
    auto loop = scf::ForOp::create(b, loc, members.begin, end,
                                   constantIndex(1, loc), carried);
    if (carried.empty()) // then it comes with an end
      loop.getBody()->getTerminator()->erase();
    b.setInsertionPointToStart(loop.getBody());
    Value at = loop.getInductionVar();
    Member member{tensor::ExtractOp::create(b, loc, members.of->members, at),
                  members.of->member,
                  {}};
    Value place = arith::IndexCastOp::create(
        b, loc, i64,
        arith::SubIOp::create(b, loc, at, members.begin).getResult());
    SmallVector<Value> next =
        step(member, place, ValueRange(loop.getRegionIterArgs()));
    scf::YieldOp::create(b, loc, next);
    return llvm::to_vector(ValueRange(loop.getResults()));
  }
  auto entryAfter = [&](Value entry) {
    return signal::TableNextOp::create(
        b, loc, i64, b.getIndexType(), entry, table->buffer, members.begin,
        table->capacity, table->keys, table->values);
  };
  signal::TableNextOp first = entryAfter(number(0));
  Value start = first.getNext();
  if (members.there)
    start = arith::SelectOp::create(b, loc, members.there, start, number(0));
  // No more turns than there can be entries, whatever a host has restored.
  SmallVector<Value> initial = {start, first.getKey(), number(table->capacity)};
  llvm::append_range(initial, carried);
  auto loop =
      scf::WhileOp::create(b, loc, ValueRange(initial).getTypes(), initial);
  SmallVector<Location> places(initial.size(), loc);
  Block *before = b.createBlock(&loop.getBefore(), {},
                                ValueRange(initial).getTypes(), places);
  Value more = arith::AndIOp::create(
      b, loc,
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                            before->getArgument(0), number(0)),
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt,
                            before->getArgument(2), number(0)));
  scf::ConditionOp::create(b, loc, more, before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {},
                               ValueRange(initial).getTypes(), places);
  ValueRange held = after->getArguments();
  Member member{{}, members.of->member, {}};
  for (int64_t i = 0; i < table->keys; ++i)
    member.words.push_back(
        memref::LoadOp::create(b, loc, table->buffer,
                               ValueRange(arith::AddIOp::create(
                                   b, loc, held[1], constantIndex(i, loc)))));
  SmallVector<Value> made = step(member, Value(), held.drop_front(3));
  signal::TableNextOp following = entryAfter(held[0]);
  SmallVector<Value> next = {following.getNext(), following.getKey(),
                             arith::SubIOp::create(b, loc, held[2], number(1))};
  llvm::append_range(next, made);
  scf::YieldOp::create(b, loc, next);
  return llvm::to_vector(ValueRange(loop.getResults()).drop_front(3));
}

/// The first place of a member, or -1: 0 in a table, whose order nobody asks.
Value Lowering::placeIn(const Members &members, const Member &member,
                        Location loc) {
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  };
  if (const Table *table = members.of->table) {
    Value start = signal::TableFindOp::create(
        b, loc, b.getIndexType(), table->buffer, members.begin,
        wordsOf(member, loc), table->capacity, table->values);
    Value there = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, start,
                                        constantIndex(0, loc));
    there = bothOf(b, loc, there, mayBeMember(b, loc, member.element));
    return arith::SelectOp::create(b, loc, bothOf(b, loc, there, members.there),
                                   number(0), number(-1));
  }
  return forEachMember(
             members, number(-1), loc,
             [&](const Member &own, Value place,
                 ValueRange held) -> SmallVector<Value> {
               Value first = arith::AndIOp::create(
                   b, loc, areSame(own, member, loc),
                   arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                         held[0], number(0)));
               return {arith::SelectOp::create(b, loc, first, place, held[0])};
             })
      .front();
}

/// Sets the result of `op` to `answer` at each of its positions, about the
/// collections there.
LogicalResult Lowering::askCollections(
    Operation *op, ValueRange collections,
    llvm::function_ref<Value(ArrayRef<Axis>, ValueRange, ArrayRef<Members>)>
        answer) {
  Location loc = op->getLoc();
  SmallVector<Collection> asked;
  for (Value value : collections) {
    FailureOr<Collection> found = collectionOf(value, op);
    if (failed(found))
      return failure();
    asked.push_back(*found);
  }
  auto type = cast<ArrayType>(op->getResult(0).getType());
  SmallVector<Axis> dims = dimsOf(type);
  bool good = true;
  set(op->getResult(0),
      forEachPosition(
          dims, empty(dims, type.getElementType(), loc), loc,
          [&](ValueRange at, ValueRange made) -> SmallVector<Value> {
            SmallVector<Members> here;
            for (const Collection &collection : asked)
              if (auto members = membersAt(op, collection, dims, at))
                here.push_back(*members);
            Value found =
                here.size() == asked.size() ? answer(dims, at, here) : Value();
            good &= bool(found);
            if (!found)
              return llvm::to_vector(made);
            return {tensor::InsertOp::create(b, loc, found, made.front(), at)};
          })
          .front());
  return success(good);
}

/// Where something is in a list; in a set of state, 0 where it is there.
LogicalResult Lowering::lowerFind(FindOp op) {
  auto asked = cast<ArrayType>(op.getCollection().getType());
  if (isa<SetType>(asked.getElementType()))
    for (Operation *user : op.getResult().getUsers()) {
      auto compare = dyn_cast<CompareOp>(user);
      if (!compare || compare.getKind() != CompareKind::ge ||
          constantOf(compare.getRhs()) != 0)
        return notCovered(op, "the order of a set");
    }
  Type type = cast<ArrayType>(op.getElement().getType()).getElementType();
  return askCollections(
      op, op.getCollection(),
      [&](ArrayRef<Axis> dims, ValueRange at, ArrayRef<Members> in) -> Value {
        Value there, element = elementAt(op, op.getElement(), dims, at, there);
        if (!element)
          return {};
        Members members = in[0];
        members.there = bothOf(b, op.getLoc(), members.there, there);
        return placeIn(members, Member{element, type, {}}, op.getLoc());
      });
}

LogicalResult Lowering::lowerSubset(SubsetOp op) {
  Location loc = op.getLoc();
  return askCollections(
      op, {op.getLhs(), op.getRhs()},
      [&](ArrayRef<Axis>, ValueRange, ArrayRef<Members> both) -> Value {
        Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
        return forEachMember(
                   both[0], yes, loc,
                   [&](const Member &member, Value,
                       ValueRange held) -> SmallVector<Value> {
                     Value there = arith::CmpIOp::create(
                         b, loc, arith::CmpIPredicate::sge,
                         placeIn(both[1], member, loc),
                         arith::ConstantOp::create(b, loc,
                                                   b.getI64IntegerAttr(0)));
                     return {arith::AndIOp::create(b, loc, there, held[0])};
                   })
            .front();
      });
}

LogicalResult Lowering::lowerIsEmpty(IsEmptyOp op) {
  Location loc = op.getLoc();
  return askCollections(
      op, op.getCollection(),
      [&](ArrayRef<Axis>, ValueRange, ArrayRef<Members> in) -> Value {
        const Members &members = in[0];
        Value none;
        if (const Table *table = members.of->table) {
          Value zero =
              arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0));
          auto first = signal::TableNextOp::create(
              b, loc, b.getI64Type(), b.getIndexType(), zero, table->buffer,
              members.begin, table->capacity, table->keys, table->values);
          none = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                       first.getNext(), zero);
        } else {
          none = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                       members.begin, members.end);
        }
        if (!members.there)
          return none;
        Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
        return arith::SelectOp::create(b, loc, members.there, none, yes);
      });
}

/// Makes the set of `table` at `position` the collection `value`.
LogicalResult Lowering::becomes(SetOp op, Value value, const Table &table,
                                ValueRange position) {
  Location loc = op.getLoc();
  Value start = tableAt(table, position, loc),
        changes = arguments.lookup("changes");
  auto clear = [&] {
    signal::TableClearOp::create(b, loc, table.buffer, start, table.capacity,
                                 table.keys, table.values, changes);
  };
  if (value.getDefiningOp<ConstantOp>()) { // that of no members
    clear();
    return success();
  }
  FailureOr<Collection> from = collectionOf(value, op);
  if (failed(from))
    return failure();
  bool own = from->table && from->table->buffer == table.buffer;
  if (own && llvm::any_of(from->picks, [](PickOp pick) {
        return !cast<ArrayType>(pick.getPosition().getType()).isScalar();
      }))
    return notCovered(op, "sets that become one another");
  auto members = membersAt(op, *from, table.over, position);
  if (!members)
    return failure();
  // A set that becomes itself stays.
  OpBuilder::InsertionGuard guard(b);
  if (own)
    onlyWhere(b, loc,
              arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                    members->begin, start));
  clear();
  forEachMember(
      *members, {}, loc,
      [&](const Member &member, Value place, ValueRange) -> SmallVector<Value> {
        OpBuilder::InsertionGuard inner(b);
        if (place) { // a caller may give one twice
          Value first =
              arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                    placeIn(*members, member, loc), place);
          onlyWhere(b, loc, first);
        }
        onlyWhere(b, loc, mayBeMember(b, loc, member.element));
        signal::TablePutOp::create(b, loc, b.getIndexType(), table.buffer,
                                   start, wordsOf(member, loc), table.capacity,
                                   table.values, changes);
        return {};
      });
  return success();
}

/// Makes the set of `table` at `position` what `value` says, from what it was.
LogicalResult Lowering::changeSet(SetOp op, Value value, const Table &table,
                                  ValueRange position) {
  Location loc = op.getLoc();
  while (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getOperand();
  if (auto select = value.getDefiningOp<SelectOp>()) {
    Value there, condition = elementAt(op, select.getCondition(), table.over,
                                       position, there);
    if (!condition)
      return failure();
    auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
    for (auto [side, block] :
         {std::pair(select.getIfTrue(), branch.thenBlock()),
          std::pair(select.getIfFalse(), branch.elseBlock())}) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(block->getTerminator());
      if (failed(changeSet(op, side, table, position)))
        return failure();
    }
    return success();
  }
  auto insert = value.getDefiningOp<InsertOp>();
  auto remove = value.getDefiningOp<RemoveOp>();
  if (insert || remove) {
    Value before = insert ? insert.getCollection() : remove.getCollection(),
          member = insert ? insert.getElement() : remove.getElement(), there;
    if (failed(changeSet(op, before, table, position)))
      return failure();
    Value element = elementAt(op, member, table.over, position, there);
    if (!element)
      return failure();
    Member changed{
        element, cast<ArrayType>(member.getType()).getElementType(), {}};
    OpBuilder::InsertionGuard guard(b);
    onlyWhere(b, loc, mayBeMember(b, loc, element));
    Value start = tableAt(table, position, loc),
          changes = arguments.lookup("changes");
    if (insert)
      signal::TablePutOp::create(b, loc, b.getIndexType(), table.buffer, start,
                                 wordsOf(changed, loc), table.capacity,
                                 table.values, changes);
    else
      signal::TableDropOp::create(b, loc, table.buffer, start,
                                  wordsOf(changed, loc), table.capacity,
                                  table.values, changes);
    return success();
  }
  // The set itself, or that of the row at hand, stays.
  SmallVector<PickOp> picks;
  Value source = value;
  while (auto pick = source.getDefiningOp<PickOp>()) {
    picks.push_back(pick);
    source = pick.getOperand();
  }
  auto read = source.getDefiningOp<GetOp>();
  if (read && read.getSymbol() == op.getSymbol() &&
      llvm::all_of(picks, [&](PickOp pick) { return isRowOf(op, pick); }))
    return success();
  return becomes(op, value, table, position);
}

static Value withoutCasts(Value value) {
  while (auto cast = value.getDefiningOp<CastOp>())
    value = cast.getOperand();
  return value;
}

/// The axis and position of `iota == position`, a scalar one; null otherwise.
static std::pair<Axis, Value> rowOf(Value condition) {
  auto compare = condition.getDefiningOp<CompareOp>();
  auto iota = compare && compare.getKind() == CompareKind::eq
                  ? compare.getLhs().getDefiningOp<IotaOp>()
                  : IotaOp();
  if (!iota || iota.getPlan() ||
      !cast<ArrayType>(compare.getRhs().getType()).isScalar())
    return {};
  return {cast<ArrayType>(iota.getType()).getAxes().front(), compare.getRhs()};
}

/// Whether the value that is set hangs on `pick` only at the position that it
/// picks: a select compares the positions with it.
bool Lowering::isRowOf(SetOp op, PickOp pick) {
  auto select = op.getValue().getDefiningOp<SelectOp>();
  if (!select)
    return false;
  for (Value condition : conjuncts(select.getCondition()))
    if (auto [axis, position] = rowOf(condition);
        axis && axis == pick.getAlongAttr() &&
        withoutCasts(position) == withoutCasts(pick.getPosition()))
      return true;
  return false;
}

/// Changes the sets that the value differs in: of a row where it says which.
LogicalResult Lowering::setOfState(SetOp op) {
  const Table table = *planTable(op.getSymbol(), op);
  Location loc = op.getLoc();
  auto select = op.getValue().getDefiningOp<SelectOp>();
  auto before = select ? select.getIfFalse().getDefiningOp<GetOp>() : GetOp();
  SmallVector<Value> fixed(table.over.size()), conditions;
  if (before && before.getSymbol() == op.getSymbol())
    for (Value condition : conjuncts(select.getCondition())) {
      auto [axis, position] = rowOf(condition);
      auto dim = llvm::find(table.over, axis);
      if (axis && dim != table.over.end() && !fixed[dim - table.over.begin()])
        fixed[dim - table.over.begin()] = position;
      else
        conditions.push_back(condition);
    }
  SmallVector<Axis> rest;
  for (auto [dim, position] : llvm::zip(table.over, fixed))
    if (!position)
      rest.push_back(dim);
  bool one = rest.size() < table.over.size(), good = true;
  forEachPosition(
      rest, {}, loc, [&](ValueRange at, ValueRange) -> SmallVector<Value> {
        SmallVector<Value> where;
        Value holds;
        for (auto [dim, position] : llvm::zip(table.over, fixed)) {
          if (!position) {
            where.push_back(at.front());
            at = at.drop_front();
            continue;
          }
          Value tensor = get(position);
          if (!tensor) {
            good = false;
            return {};
          }
          Value row = arith::IndexCastOp::create(
              b, loc, b.getIndexType(),
              tensor::ExtractOp::create(b, loc, tensor, ValueRange())
                  .getResult());
          holds =
              bothOf(b, loc, holds,
                     arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult,
                                           row, sizeValue(dim, loc)));
          where.push_back(row);
        }
        if (!one) {
          good = good && succeeded(changeSet(op, op.getValue(), table, where));
          return {};
        }
        OpBuilder::InsertionGuard guard(b);
        onlyWhere(b, loc, holds);
        Value all, there;
        for (Value condition : conditions) {
          Value own = elementAt(op, condition, table.over, where, there);
          good &= bool(own);
          all = good ? bothOf(b, loc, all, own) : Value();
        }
        onlyWhere(b, loc, all);
        good =
            good && succeeded(changeSet(op, select.getIfTrue(), table, where));
        return {};
      });
  return success(good);
}
