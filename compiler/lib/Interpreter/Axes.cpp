// The machine's axes: from declarations, from inputs, and of results.
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Machine.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The instance of `name` of `size` positions under `parent` (null for none),
/// spread evenly; null where the size is no multiple of the parent's.
static AxisRef makeEven(StringAttr name, int64_t size, AxisRef parent) {
  auto axis = std::make_shared<Axis>();
  axis->name = name;
  axis->size = size;
  if (!parent)
    return axis;
  if (parent->size == 0 ? size != 0 : size % parent->size != 0)
    return nullptr;
  std::vector<int64_t> index(size);
  for (int64_t p = 0; p < size; ++p)
    index[p] = p / (size / parent->size);
  axis->parents.push_back(
      {parent, std::make_shared<const std::vector<int64_t>>(std::move(index))});
  return axis;
}

/// The rows of several pools, one for each combination.
static AxisRef makeProduct(StringAttr name, ArrayRef<AxisRef> factors) {
  auto axis = std::make_shared<Axis>();
  axis->name = name;
  axis->size = countPositions(factors);
  int64_t step = axis->size;
  for (const AxisRef &factor : factors) {
    std::vector<int64_t> index(axis->size);
    step = factor->size ? step / factor->size : 0;
    for (int64_t p = 0; p < axis->size; ++p)
      index[p] = p / step % factor->size;
    axis->parents.push_back(
        {factor,
         std::make_shared<const std::vector<int64_t>>(std::move(index))});
  }
  return axis;
}

/// The instance of an axis whose size follows from that of others; null where
/// it does not.
static FailureOr<AxisRef> derive(Machine &machine, AxisOp op, Location loc) {
  if (auto original = op.getOriginalAttr()) {
    FailureOr<AxisRef> source = machine.axis(original.getAttr(), loc);
    if (failed(source))
      return failure();
    auto copy = std::make_shared<Axis>(**source);
    copy->name = op.getSymNameAttr();
    for (auto [parent, symbol] : llvm::zip(copy->parents, op.getParentAxes()))
      if (parent.axis->name != symbol.getAttr()) { // the copy of a parent
        FailureOr<AxisRef> above = machine.axis(symbol.getAttr(), loc);
        if (failed(above))
          return failure();
        parent.axis = *above;
      }
    return AxisRef(copy);
  }
  SmallVector<AxisRef> others;
  auto collect = [&](auto symbols) -> LogicalResult {
    for (auto symbol : symbols) {
      FailureOr<AxisRef> other = machine.axis(symbol.getAttr(), loc);
      if (failed(other))
        return failure();
      others.push_back(*other);
    }
    return success();
  };
  if (getParts(op)) {
    if (failed(collect(getParts(op).getAsRange<FlatSymbolRefAttr>())))
      return failure();
    int64_t size = 0;
    for (const AxisRef &part : others)
      size += part->size;
    return makeAxis(op.getSymNameAttr(), size);
  }
  if (op.getKind() == AxisKind::pool && op.getParentAxes().size() > 1) {
    if (failed(collect(op.getParentAxes())))
      return failure();
    if (countPositions(others) < 0 ||
        failed(machine.charge(countPositions(others), loc)))
      return emitError(loc, "pool '") << op.getSymName() << "' is too large";
    return makeProduct(op.getSymNameAttr(), others);
  }
  auto each = op->getAttrOfType<IntegerAttr>("per_parent");
  if (each && op.getStaticSize() < 0 && op.getParentAxes().size() == 1) {
    if (failed(collect(op.getParentAxes())))
      return failure();
    int64_t size = 0;
    if (__builtin_mul_overflow(each.getInt(), others.front()->size, &size) ||
        failed(machine.charge(size, loc)))
      return emitError(loc, "axis '") << op.getSymName() << "' is too large";
    return makeEven(op.getSymNameAttr(), size, others.front());
  }
  return AxisRef();
}

LogicalResult route::interp::complainOfSize(StringAttr axis, Location loc) {
  return emitError(loc, "the size of axis '")
         << axis.getValue() << "' is not known; bind an input over it";
}

/// Whether the declaration, or what has been bound, says how many positions the
/// axis has.
static bool isSized(Machine &machine, AxisOp op) {
  auto sized = [&](auto symbols) {
    return llvm::all_of(symbols, [&](auto symbol) {
      auto other = machine.symbols.lookup<AxisOp>(symbol.getAttr());
      return !other || isSized(machine, other); // what is not told, it says
    });
  };
  if (machine.axes.contains(op.getSymName()) || op.getStaticSize() >= 0 ||
      op.getLabels() || op->hasAttr("counts") || op.getKind() == AxisKind::plan)
    return true;
  if (auto original = op.getOriginalAttr())
    return sized(ArrayRef(original));
  if (ArrayAttr parts = getParts(op))
    return sized(parts.getAsRange<FlatSymbolRefAttr>());
  bool follows = op->hasAttr("per_parent") || (op.getKind() == AxisKind::pool &&
                                               op.getParentAxes().size() > 1);
  return follows && sized(op.getParentAxes());
}

FailureOr<AxisRef> Machine::axis(StringAttr name, Location loc) {
  if (auto found = axes.find(name.getValue()); found != axes.end())
    return found->second;
  auto op = symbols.lookup<AxisOp>(name);
  if (!op)
    return emitError(loc, "axis '") << name.getValue() << "' is not declared";
  FailureOr<AxisRef> derived = derive(*this, op, loc);
  if (failed(derived))
    return failure();
  if (*derived) {
    openAxes.push_back(name.getValue().str()); // with what it is made from
    return axes[name.getValue()] = *derived;
  }
  if (auto counts = op->getAttrOfType<DenseI64ArrayAttr>("counts")) {
    if (failed(bindAxisPerParent(op, counts.asArrayRef())))
      return failure();
    return axes[name.getValue()];
  }
  int64_t size = op.getStaticSize();
  if (size < 0 && op.getLabels())
    size = op.getLabels()->size();
  if (auto each = op->getAttrOfType<IntegerAttr>("per_parent");
      each && size < 0 && !op.getParentAxes().empty()) {
    FailureOr<AxisRef> parent = axis(op.getParentAxes().front().getAttr(), loc);
    if (failed(parent))
      return failure();
    size = each.getInt() * (*parent)->size;
  }
  if (op.getKind() == AxisKind::plan)
    return emitError(loc, "no run of plan axis '")
           << name.getValue() << "' is at hand";
  if (size < 0)
    return complainOfSize(name, loc);
  if (failed(bindAxis(op, size)))
    return failure();
  return axes[name.getValue()];
}

LogicalResult Machine::bindAxis(AxisOp op, int64_t size) {
  for (const auto &bound : axes)
    if (bound.second->unsized == op.getSymNameAttr())
      return op.emitError("axis '")
             << op.getSymName() << "' is given after '" << bound.first()
             << "', which lies in it; give the counts of '" << bound.first()
             << "' first";
  AxisRef parent;
  StringAttr unsized;
  if (!op.getParentAxes().empty() && op.getKind() != AxisKind::plan) {
    // So many for each position of a parent that nothing has sized yet.
    auto each = op->getAttrOfType<IntegerAttr>("per_parent");
    StringRef above = op.getParentAxes().front().getValue();
    auto aboveOp = symbols.lookup<AxisOp>(above);
    if (each && each.getInt() > 0 && !axes.contains(above) && aboveOp &&
        aboveOp.getStaticSize() < 0 && !aboveOp.getLabels() &&
        !aboveOp.getOriginal() && size % each.getInt() == 0) {
      if (failed(bindAxis(aboveOp, size / each.getInt())))
        return failure();
      openAxes.push_back(above.str());
    }
    if (aboveOp && !isSized(*this, aboveOp)) {
      unsized = aboveOp.getSymNameAttr();
    } else {
      FailureOr<AxisRef> found =
          axis(op.getParentAxes().front().getAttr(), op.getLoc());
      if (failed(found))
        return failure();
      parent = *found;
    }
  }
  int64_t fixed = op.getStaticSize();
  if (auto each = op->getAttrOfType<IntegerAttr>("per_parent");
      each && parent && fixed < 0)
    fixed = each.getInt() * parent->size;
  if (size < 0 || (fixed >= 0 && size != fixed))
    return op.emitError("axis '") << op.getSymName() << "' has " << fixed
                                  << " positions, found " << size;
  if (op.getBound() && size > static_cast<int64_t>(*op.getBound()))
    return op.emitError("axis '")
           << op.getSymName() << "' holds at most " << *op.getBound()
           << " positions, found " << size;
  if (size > meter->limit / static_cast<int64_t>(sizeof(int64_t)))
    return emitNotice(op.getLoc(), Notice::outOfMemory)
           << "axis '" << op.getSymName() << "' of " << size
           << " positions exceeds the memory limit";
  AxisRef made = makeEven(op.getSymNameAttr(), size, parent);
  if (!made)
    return op.emitError("axis '")
           << op.getSymName() << "' has " << size
           << " positions, no multiple of the " << parent->size << " of '"
           << parent->label() << "'; give its counts per parent";
  if (unsized) {
    auto without = std::make_shared<Axis>(*made);
    without->unsized = unsized;
    made = without;
  }
  axes[op.getSymName()] = made;
  return success();
}

LogicalResult Machine::bindAxisPerParent(AxisOp op, ArrayRef<int64_t> counts) {
  if (op.getParentAxes().size() != 1)
    return op.emitError("axis '")
           << op.getSymName() << "' has no parent to count per";
  StringAttr parent = op.getParentAxes().front().getAttr();
  auto parentOp = symbols.lookup<AxisOp>(parent);
  bool open = !axes.contains(parent.getValue()) &&
              parentOp.getStaticSize() < 0 && !parentOp.getLabels() &&
              !parentOp.getOriginal();
  if (open) {
    if (failed(bindAxis(parentOp, counts.size())))
      return failure();
    openAxes.push_back(parent.getValue().str());
  }
  FailureOr<AxisRef> found = axis(parent, op.getLoc());
  if (failed(found))
    return failure();
  AxisRef above = *found;
  if (above->size != static_cast<int64_t>(counts.size()))
    return op.emitError("axis '")
           << op.getSymName() << "' needs " << above->size
           << " counts, one a position of '" << above->label() << "', found "
           << counts.size();
  std::vector<int64_t> index;
  for (auto [p, count] : llvm::enumerate(counts)) {
    if (count < 0 ||
        count > (int64_t(1) << 40) - static_cast<int64_t>(index.size()))
      return op.emitError("count ") << count << " is out of range";
    if (static_cast<int64_t>(index.size()) + count >
        meter->limit / static_cast<int64_t>(sizeof(int64_t)))
      return emitNotice(op.getLoc(), Notice::outOfMemory)
             << "axis '" << op.getSymName() << "' exceeds the memory limit";
    index.insert(index.end(), count, p);
  }
  auto made = std::make_shared<Axis>();
  made->name = op.getSymNameAttr();
  made->size = index.size();
  made->parents.push_back(
      {above, std::make_shared<const std::vector<int64_t>>(std::move(index))});
  axes[op.getSymName()] = made;
  return success();
}

FailureOr<Array> Machine::conform(const Array &value, ArrayType type,
                                  StringRef name, Location loc) {
  if (value.axes.size() != type.getAxes().size())
    return emitError(loc, "'") << name << "' has " << type.getAxes().size()
                               << " axes, found " << value.axes.size();
  Array named = value;
  named.elementType = type.getElementType();
  for (auto [i, symbol] : llvm::enumerate(type.getAxes())) {
    auto op = symbols.lookup<AxisOp>(symbol.getAttr());
    if (!op)
      return emitError(loc, "axis ") << symbol << " is not declared";
    int64_t size = value.axes[i]->size;
    bool open = op.getStaticSize() < 0 && !op.getLabels() &&
                !op.getOriginal() && !getParts(op) && !op->hasAttr("counts") &&
                op.getKind() != AxisKind::plan && op.getParentAxes().size() < 2;
    // `[2] in group` is open where its parent is, and then fixes it.
    if (open && !axes.contains(symbol.getValue())) {
      if (failed(bindAxis(op, size)))
        return failure();
      openAxes.push_back(symbol.getValue().str());
    }
    FailureOr<AxisRef> instance = axis(symbol.getAttr(), loc);
    if (failed(instance))
      return failure();
    if ((*instance)->size != size)
      return emitError(loc, "'")
             << name << "' has " << size << " positions along axis " << symbol
             << ", expected " << (*instance)->size;
    named.axes[i] = *instance;
  }
  return named;
}

FailureOr<Array> route::interp::allocateFor(ArrayType type,
                                            ArrayRef<RuntimeValue> sources,
                                            Machine &machine, Location loc) {
  auto axes = resolveAxes(type.getAxes(), sources, machine, loc);
  if (failed(axes))
    return failure();
  return machine.allocate(type.getElementType(), *axes, loc);
}

FailureOr<SmallVector<AxisRef>>
route::interp::resolveAxes(ArrayRef<FlatSymbolRefAttr> names,
                           ArrayRef<RuntimeValue> sources, Machine &machine,
                           Location loc) {
  SmallVector<AxisRef> found;
  auto within = [](const AxisRef &axis, StringAttr name, bool own) -> AxisRef {
    return own ? (axis->name == name ? axis : nullptr)
               : findAncestor(axis, name);
  };
  for (FlatSymbolRefAttr name : names) {
    AxisRef instance;
    // The sources' own axes first, then what they descend from.
    for (bool own : {true, false})
      for (const RuntimeValue &source : sources) {
        if (instance)
          break;
        if (const Plan *plan = std::get_if<Plan>(&source))
          instance = within(plan->axis, name.getAttr(), own);
        else
          for (const AxisRef &axis : std::get<Array>(source).axes)
            if (!instance)
              instance = within(axis, name.getAttr(), own);
      }
    if (!instance) {
      FailureOr<AxisRef> declared = machine.axis(name.getAttr(), loc);
      if (failed(declared))
        return failure();
      instance = *declared;
    }
    found.push_back(instance);
  }
  return found;
}

FailureOr<Array> route::interp::viewFor(Operation *op, const Array &array,
                                        ArrayRef<AxisRef> axes) {
  std::string why;
  FailureOr<Array> view = viewOver(array, axes, why);
  if (failed(view))
    return op->emitError(why);
  return view;
}
