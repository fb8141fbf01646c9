// Where positions descend from, along any chain of nested axes and plans.
// Gathers go down such chains and reductions up them. What is here works
// outside row programs, on axes and plans of any size.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

AxisOp Lowering::sourceAxis(Axis axis) {
  AxisOp op = lookupAxis(func, axis, tables);
  return op.getOriginalAttr() ? lookupAxis(func, op.getOriginalAttr(), tables)
                              : op;
}

SmallVector<Axis> Lowering::parentsOf(Axis axis) {
  // A copy lies in copies.
  AxisOp op = lookupAxis(func, axis, tables);
  if (op.getParentAxes().empty())
    op = sourceAxis(axis);
  return op.getKind() == AxisKind::plan ? SmallVector<Axis>()
                                        : op.getParentAxes();
}

Axis Lowering::parentOf(Axis axis) {
  SmallVector<Axis> parents = parentsOf(axis);
  return parents.size() == 1 ? parents.front() : Axis();
}

Axis Lowering::parentTowards(Axis axis, Axis ancestor) {
  for (Axis parent : parentsOf(axis))
    if (descends(parent, ancestor))
      return parent;
  return {};
}

bool Lowering::isRagged(Axis axis) {
  AxisOp op = sourceAxis(axis);
  return parentOf(axis) && !op.getSize() && !op->hasAttr("per_parent");
}

/// How many children each parent has, where all have as many.
Value Lowering::childrenEach(Axis axis, Location loc) {
  AxisOp op = sourceAxis(axis);
  if (auto each = op->getAttrOfType<IntegerAttr>("per_parent"))
    return constantIndex(each.getInt(), loc);
  int64_t parents = staticSize(parentOf(axis)), all = staticSize(axis);
  if (!ShapedType::isDynamic(parents) && !ShapedType::isDynamic(all))
    return constantIndex(all / parents, loc);
  Value above = arith::MaxUIOp::create(b, loc, sizeValue(parentOf(axis), loc),
                                       constantIndex(1, loc));
  return arith::DivUIOp::create(b, loc, sizeValue(axis, loc), above);
}

Value Lowering::parentPosition(OpBuilder &inner, Location loc, Axis axis,
                               Axis parent, Value position) {
  // The rows of a product: one for each combination, the last pool fastest.
  if (SmallVector<Axis> factors = parentsOf(axis); factors.size() > 1) {
    SmallVector<Value> at = unflatten(inner, loc, position, factors);
    return at[llvm::find(factors, parent) - factors.begin()];
  }
  if (isRagged(axis)) {
    Value table = parentTables.lookup(sourceAxis(axis).getSymName().str());
    return arith::IndexCastOp::create(
        inner, loc, inner.getIndexType(),
        tensor::ExtractOp::create(inner, loc, table, position));
  }
  return arith::DivUIOp::create(inner, loc, position, eachOf(axis));
}

Value Lowering::firstChild(OpBuilder &inner, Location loc, Axis axis,
                           Value parent) {
  if (isRagged(axis))
    return arith::IndexCastOp::create(
        inner, loc, inner.getIndexType(),
        tensor::ExtractOp::create(
            inner, loc,
            arguments.lookup("offsets:" + sourceAxis(axis).getSymName().str()),
            parent));
  return arith::MulIOp::create(inner, loc, parent, eachOf(axis));
}

Value Lowering::eachOf(Axis axis) {
  return childCounts.lookup(sourceAxis(axis).getSymName().str());
}

/// Makes what descent reads, at the start of the entry: the number of children
/// or, where parents differ in it, the parent of every child.
void Lowering::prepareDescent(ArrayRef<Axis> used, Location loc) {
  // What inputs tell first: it may say how many ancestors there are.
  for (bool told : {true, false})
    for (Axis axis : used)
      if (sizes.contains(sourceAxis(axis).getSymName()) == told)
        sizeFromParent(axis, loc);
  for (Axis axis : used) {
    std::string name = sourceAxis(axis).getSymName().str();
    if (!parentOf(axis) || parentTables.contains(name) ||
        childCounts.contains(name))
      continue;
    if (!isRagged(axis)) {
      if (size(parentOf(axis), loc))
        childCounts[name] = childrenEach(axis, loc);
      continue;
    }
    Value offsets = arguments.lookup("offsets:" + name);
    if (!offsets)
      continue;
    Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
    Value table = empty(axis, b.getI32Type(), loc);
    auto parents = scf::ForOp::create(
        b, loc, zero, sizeValue(parentOf(axis), loc), one, table);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(parents.getBody());
    Value parent = parents.getInductionVar();
    Value begin = firstChild(b, loc, axis, parent),
          end = firstChild(b, loc, axis,
                           arith::AddIOp::create(b, loc, parent, one));
    Value number = arith::IndexCastOp::create(b, loc, b.getI32Type(), parent);
    auto children = scf::ForOp::create(b, loc, begin, end, one,
                                       parents.getRegionIterArg(0));
    b.setInsertionPointToStart(children.getBody());
    scf::YieldOp::create(b, loc,
                         tensor::InsertOp::create(b, loc, number,
                                                  children.getRegionIterArg(0),
                                                  children.getInductionVar())
                             .getResult());
    b.setInsertionPointAfter(children);
    scf::YieldOp::create(b, loc, children.getResult(0));
    parentTables[name] = parents.getResult(0);
  }
}

SmallVector<Value>
lowering::onlyIf(OpBuilder &b, Location loc, Value there, ValueRange none,
                 llvm::function_ref<SmallVector<Value>(OpBuilder &)> make) {
  if (!there)
    return make(b);
  auto branch = scf::IfOp::create(
      b, loc, there,
      [&](OpBuilder &inner, Location at) {
        scf::YieldOp::create(inner, at, make(inner));
      },
      [&](OpBuilder &inner, Location at) {
        scf::YieldOp::create(inner, at, none);
      });
  return llvm::to_vector(ValueRange(branch.getResults()));
}

std::optional<Lowering::Place> Lowering::placeOf(OpBuilder &inner, Location loc,
                                                 Axis target,
                                                 ArrayRef<Axis> dims,
                                                 ValueRange at) {
  for (auto [dim, position] : llvm::zip(dims, at))
    if (dim == target)
      return Place{position, {}};
  auto climb = [&](OpBuilder &here, Axis from, Value position) {
    while (from != target)
      if (Axis parent = parentTowards(from, target)) {
        position = parentPosition(here, loc, from, parent, position);
        from = parent;
      } else {
        break;
      }
    return position;
  };
  for (auto [dim, position] : llvm::zip(dims, at))
    if (kindOf(dim) != AxisKind::plan && descends(dim, target))
      return Place{climb(inner, dim, position), {}};
  for (Axis dim : llvm::reverse(dims)) {
    if (kindOf(dim) != AxisKind::plan || !descends(dim, target))
      continue;
    Plan &rows = plans[dim.getValue()];
    SmallVector<Axis> rowDims = dimsOf(ArrayRef<Axis>(dim));
    SmallVector<Value> row;
    for (Axis own : rowDims)
      if (auto found = llvm::find(dims, own); found != dims.end())
        row.push_back(at[found - dims.begin()]);
    if (row.size() != rowDims.size()) // the row of which item is not told
      return std::nullopt;
    Value chosen = tensor::ExtractOp::create(inner, loc, rows.indices, row);
    Value there = arith::CmpIOp::create(
        inner, loc, arith::CmpIPredicate::sge, chosen,
        arith::ConstantOp::create(inner, loc, inner.getI32IntegerAttr(0)));
    // An ancestor by the item rather than by what was chosen.
    if (!descends(rows.candidates, target)) {
      std::optional<Place> above =
          placeOf(inner, loc, target, ArrayRef(rowDims).drop_back(),
                  ValueRange(row).drop_back());
      if (above && !above->there)
        above->there = there;
      return above;
    }
    bool known = true;
    Value zero = constantAt(inner, 0, loc),
          no = arith::ConstantOp::create(inner, loc, inner.getBoolAttr(false)),
          yes = arith::ConstantOp::create(inner, loc, inner.getBoolAttr(true));
    SmallVector<Value> made =
        onlyIf(inner, loc, there, {zero, no},
               [&](OpBuilder &here) -> SmallVector<Value> {
                 Value position = arith::IndexCastOp::create(
                     here, loc, here.getIndexType(), chosen);
                 if (kindOf(rows.candidates) != AxisKind::plan)
                   return {climb(here, rows.candidates, position), yes};
                 SmallVector<Axis> slotDims = dimsOf(ArrayRef(rows.candidates));
                 std::optional<Place> next =
                     placeOf(here, loc, target, slotDims,
                             unflatten(here, loc, position, slotDims));
                 known = next.has_value();
                 if (!next)
                   return {zero, no};
                 return {next->position, next->there ? next->there : yes};
               });
    if (!known)
      return std::nullopt;
    return Place{made[0], made[1]};
  }
  return std::nullopt;
}

Value Lowering::constantAt(OpBuilder &inner, int64_t value, Location loc) {
  return arith::ConstantIndexOp::create(inner, loc, value);
}

SmallVector<Value> Lowering::unflatten(OpBuilder &inner, Location loc,
                                       Value flat, ArrayRef<Axis> dims) {
  SmallVector<Value> at(dims.size());
  for (unsigned i = dims.size(); i-- > 0;) {
    if (i == 0) {
      at[i] = flat;
      break;
    }
    Value extent = extentAt(inner, dims[i], loc);
    at[i] = arith::RemUIOp::create(inner, loc, flat, extent);
    flat = arith::DivUIOp::create(inner, loc, flat, extent);
  }
  return at;
}

Value Lowering::extentAt(OpBuilder &inner, Axis dim, Location loc) {
  OpFoldResult extent = size(dim, loc);
  if (auto value = dyn_cast<Value>(extent))
    return value;
  return constantAt(inner, staticSize(dim), loc);
}

/// The places of `from` above `at` over `dims`, and whether all are there.
std::optional<SmallVector<Value>>
Lowering::placesOf(OpBuilder &inner, Location loc, ArrayRef<Axis> from,
                   ArrayRef<Axis> dims, ValueRange at, Value &there) {
  SmallVector<Value> places;
  for (Axis dim : from) {
    std::optional<Place> place = placeOf(inner, loc, dim, dims, at);
    if (!place)
      return std::nullopt;
    places.push_back(place->position);
    if (place->there && place->there != there)
      there =
          there ? Value(arith::AndIOp::create(inner, loc, there, place->there))
                : place->there;
  }
  return places;
}

/// `source` over `from`, at the positions of `to` that descend from it; zero or
/// no text where a plan has no row. Null where some axis is none of their
/// ancestors.
Value Lowering::gatherTo(Value source, ArrayRef<Axis> from, ArrayRef<Axis> to,
                         Location loc) {
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  if (llvm::any_of(from, [&](Axis dim) {
        return llvm::none_of(to,
                             [&](Axis below) { return descends(below, dim); });
      }))
    return {};
  bool ok = true;
  Value result = generate(
      sizesOf(to, loc), type, loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value there;
        auto places = placesOf(inner, at, from, to, here, there);
        Value none;
        if (isa<IntegerType, FloatType>(type))
          none = arith::ConstantOp::create(inner, at, inner.getZeroAttr(type));
        else if (isa<signal::TextType>(type))
          none = signal::ConstantOp::create(inner, at, "");
        if (!places || (there && !none)) {
          ok = false;
          return none ? none
                      : Value(tensor::ExtractOp::create(
                            inner, at, source,
                            SmallVector<Value>(from.size(), here.front())));
        }
        return onlyIf(inner, at, there, none,
                      [&](OpBuilder &deep) -> SmallVector<Value> {
                        return {tensor::ExtractOp::create(deep, at, source,
                                                          *places)};
                      })
            .front();
      });
  return ok ? result : Value();
}

std::optional<std::pair<Value, Value>>
Lowering::descendantsOf(Axis axis, Axis within, Value above, Location loc) {
  SmallVector<Axis> chain;
  for (Axis step = axis; step != within; step = parentOf(step)) {
    if (!step || kindOf(step) == AxisKind::plan || !parentOf(step))
      return std::nullopt; // through a product of pools
    chain.push_back(step);
  }
  Value begin = above,
        end = arith::AddIOp::create(b, loc, above, constantIndex(1, loc));
  for (Axis step : llvm::reverse(chain)) {
    begin = firstChild(b, loc, step, begin);
    end = firstChild(b, loc, step, end);
  }
  return std::pair(begin, end);
}

SmallVector<Value> Lowering::forEachPosition(
    ArrayRef<Axis> dims, ValueRange carried, Location loc,
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> step) {
  return forEachMeeting({}, {}, {}, dims, carried, loc, step);
}

SmallVector<Value> Lowering::forEachMeeting(
    ArrayRef<Meeting> meetings, ArrayRef<Axis> outer, ValueRange outerAt,
    ArrayRef<Axis> dims, ValueRange carried, Location loc,
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> step) {
  SmallVector<scf::ForOp> loops;
  SmallVector<Value> at, values(carried);
  OpBuilder::InsertionGuard guard(b);
  Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
  SmallVector<Axis> bound(outer);
  SmallVector<Value> boundAt(outerAt);
  SmallVector<const Meeting *> left;
  for (const Meeting &meeting : meetings)
    if (llvm::any_of(dimsOf({meeting.first, meeting.second}),
                     [&](Axis dim) { return llvm::is_contained(dims, dim); }))
      left.push_back(&meeting);
  for (Axis dim : dims) {
    Value begin = zero, end;
    // The nearest of what it meets within: the others are above that.
    const Meeting *nearest = nullptr;
    for (const Meeting *meeting : left) {
      Axis other = meeting->first == dim    ? meeting->second
                   : meeting->second == dim ? meeting->first
                                            : Axis();
      if (other && kindOf(dim) != AxisKind::plan &&
          llvm::all_of(
              dimsOf(ArrayRef(other)),
              [&](Axis own) { return llvm::is_contained(bound, own); }) &&
          (!nearest || descends(meeting->within, nearest->within)))
        nearest = meeting;
    }
    if (nearest) {
      Axis other = nearest->first == dim ? nearest->second : nearest->first;
      SmallVector<Axis> above = dimsOf(ArrayRef(other));
      SmallVector<Value> aboveAt;
      for (Axis own : above)
        aboveAt.push_back(boundAt[llvm::find(bound, own) - bound.begin()]);
      auto place = placeOf(b, loc, nearest->within, above, aboveAt);
      auto range =
          place ? descendantsOf(dim, nearest->within, place->position, loc)
                : std::nullopt;
      if (range) {
        std::tie(begin, end) = *range;
        llvm::erase(left, nearest);
      }
    }
    if (!end)
      end = sizeValue(dim, loc);
    auto loop = scf::ForOp::create(b, loc, begin, end, one, values);
    if (values.empty()) // then it comes with an end
      loop.getBody()->getTerminator()->erase();
    loops.push_back(loop);
    at.push_back(loop.getInductionVar());
    bound.push_back(dim);
    boundAt.push_back(loop.getInductionVar());
    values = llvm::to_vector(ValueRange(loop.getRegionIterArgs()));
    b.setInsertionPointToStart(loop.getBody());
  }
  // What no range says is asked of each position.
  Value holds;
  for (const Meeting *meeting : left) {
    SmallVector<Value> places;
    for (Axis axis : {meeting->first, meeting->second}) {
      SmallVector<Axis> own = dimsOf(ArrayRef(axis));
      SmallVector<Value> ownAt;
      for (Axis dim : own)
        if (auto found = llvm::find(bound, dim); found != bound.end())
          ownAt.push_back(boundAt[found - bound.begin()]);
      if (ownAt.size() != own.size())
        break; // a loop further in has it
      if (auto place = placeOf(b, loc, meeting->within, own, ownAt))
        places.push_back(place->position);
    }
    if (places.size() != 2)
      continue;
    Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                       places[0], places[1]);
    holds = holds ? Value(arith::AndIOp::create(b, loc, holds, same)) : same;
  }
  values = when(holds, values, loc,
                [&]() -> SmallVector<Value> { return step(at, values); });
  for (scf::ForOp loop : llvm::reverse(loops)) {
    scf::YieldOp::create(b, loc, values);
    b.setInsertionPointAfter(loop);
    values = llvm::to_vector(ValueRange(loop.getResults()));
  }
  return values;
}

SmallVector<Value>
Lowering::when(Value condition, ValueRange otherwise, Location loc,
               llvm::function_ref<SmallVector<Value>()> then) {
  if (!condition)
    return then();
  auto branch = scf::IfOp::create(b, loc, TypeRange(otherwise), condition,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  SmallVector<Value> made = then();
  scf::YieldOp::create(b, loc, made);
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, otherwise);
  return llvm::to_vector(ValueRange(branch.getResults()));
}

Value Lowering::presentAt(OpBuilder &inner, Location loc, ArrayRef<Axis> dims,
                          ValueRange at) {
  Value there;
  for (Axis dim : dims) {
    if (kindOf(dim) != AxisKind::plan)
      continue;
    SmallVector<Value> row;
    for (Axis own : dimsOf(ArrayRef<Axis>(dim)))
      row.push_back(at[llvm::find(dims, own) - dims.begin()]);
    Value chosen = tensor::ExtractOp::create(
        inner, loc, plans[dim.getValue()].indices, row);
    Value here = arith::CmpIOp::create(
        inner, loc, arith::CmpIPredicate::sge, chosen,
        arith::ConstantOp::create(inner, loc, inner.getI32IntegerAttr(0)));
    there =
        there ? Value(arith::AndIOp::create(inner, loc, there, here)) : here;
  }
  return there;
}

Value Lowering::generate(
    ArrayRef<OpFoldResult> shape, Type type, Location loc,
    llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  Value init = tensor::EmptyOp::create(b, loc, shape, type);
  unsigned rank = shape.size();
  return linalg::GenericOp::create(
             b, loc, init.getType(), ValueRange(), init,
             ArrayRef<AffineMap>(b.getMultiDimIdentityMap(rank)),
             SmallVector<utils::IteratorType>(rank,
                                              utils::IteratorType::parallel),
             [&](OpBuilder &inner, Location at, ValueRange) {
               SmallVector<Value> here;
               for (unsigned i = 0; i < rank; ++i)
                 here.push_back(linalg::IndexOp::create(inner, at, i));
               linalg::YieldOp::create(inner, at, body(inner, at, here));
             })
      .getResult(0);
}
