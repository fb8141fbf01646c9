// Bands and likeness to prototypes.
// `bands` cuts a score into labels. Prototypes are read from a safetensors file
// when the spec is compiled: each tensor is a label, its rows the examples.
#include "Elaborator.h"
#include "Likeness.h"
#include "route/io/SafeTensors.h"
#include "llvm/Support/Path.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::evalBands(const CallExpr &expr) {
  auto *list = expr.args.size() >= 2
                   ? dyn_cast<ListExpr>(expr.args[1].value.get())
                   : nullptr;
  if (!list || list->entries.empty())
    return fail(
        diag::argumentMismatch, expr.range,
        "'bands' takes a score and a list such as [low: < 0.5, high: >= 0.5]");
  bool slope = false;
  for (size_t i = 2; i < expr.args.size(); ++i) {
    const Arg &arg = expr.args[i];
    if (arg.name.text != "slope")
      return fail(diag::argumentMismatch, arg.value->range,
                  "'bands' takes 'slope' besides its score and list");
    slope = true;
  }
  Value score = eval(*expr.args[0].value);
  if (score.isError())
    return score;
  std::vector<std::string> labels;
  for (const Arg &entry : list->entries) {
    if (!entry.name || !isa<PartialExpr>(entry.value.get()))
      return fail(diag::argumentMismatch, entry.value->range,
                  "expected a band such as low: < 0.5");
    if (llvm::is_contained(labels, entry.name.text))
      return fail(diag::duplicateName, entry.name.range,
                  "band '" + entry.name.text + "' is listed twice");
    labels.push_back(entry.name.text);
  }
  mlir::Type element = makeEnum(labels, cx.planName + ".enum", expr.range);
  // The first band that holds; the last one takes what is left.
  mlir::Value result = e.constantInt(element, int64_t(labels.size()) - 1);
  for (size_t i = labels.size() - 1; i-- > 0;) {
    auto &band = cast<PartialExpr>(*list->entries[i].value);
    Value bound = eval(*band.rhs);
    Value holds =
        bound.isError()
            ? bound
            : compareValues(band.op, score, bound, band.range,
                            expr.args[0].value->range, band.rhs->range);
    if (holds.isError())
      return holds;
    result = e.select(holds.ir, e.constantInt(element, int64_t(i)), result);
  }
  Value label = Value::array(result);
  if (slope) {
    Value confidence = bandConfidence(expr);
    if (confidence.isError())
      return Value();
    label.confidence = std::make_shared<Value>(confidence);
  }
  return label;
}

/// How sure a label is: sigmoid(slope * d), with d the way from the score to
/// the nearest bound. One half on it, near one far from it.
Value Elaborator::bandConfidence(const CallExpr &expr) {
  auto &list = cast<ListExpr>(*expr.args[1].value);
  auto factor = evalConstant(*expr.args[2].value);
  mlir::Value x = evalArray(*expr.args[0].value, e.f32()), nearest;
  if (!factor || !x)
    return Value();
  x = e.cast(x, e.f32());
  for (const Arg &entry : list.entries) {
    auto &band = cast<PartialExpr>(*entry.value);
    mlir::Value bound = evalArray(*band.rhs, e.f32());
    if (!bound)
      return Value();
    bound = e.cast(bound, e.f32());
    mlir::Value away =
        e.binary(BinaryKind::max, e.binary(BinaryKind::sub, x, bound),
                 e.binary(BinaryKind::sub, bound, x));
    nearest = nearest ? e.binary(BinaryKind::min, nearest, away) : away;
  }
  return Value::array(
      e.unary(UnaryKind::sigmoid, e.binary(BinaryKind::mul, nearest,
                                           e.constant(e.f32(), *factor))));
}

std::optional<Elaborator::Prototypes>
Elaborator::readPrototypes(const CallExpr &expr, AxisInfo *dimension) {
  auto *name = expr.args.size() == 1
                   ? dyn_cast<StringExpr>(expr.args[0].value.get())
                   : nullptr;
  if (!name) {
    error(diag::argumentMismatch, expr.range,
          "'prototypes' takes the name of a file");
    return std::nullopt;
  }
  llvm::SmallString<256> path(
      llvm::sys::path::parent_path(sources.name(expr.range.file)));
  llvm::sys::path::append(path, name->value);
  SafeTensors file;
  route_error why{};
  if (file.open(path.c_str(), &why) != ROUTE_OK) {
    error(diag::importNotFound, name->range,
          "cannot read '" + llvm::Twine(path) + "'")
        .note(why.message);
    return std::nullopt;
  }
  Prototypes result;
  llvm::SmallVector<float> values;
  llvm::SmallVector<int64_t> owner;
  for (const FileTensor &tensor : file.tensors()) {
    bool shaped = (tensor.shape.size() == 1 || tensor.shape.size() == 2) &&
                  tensor.shape.back() == dimension->size;
    if (tensor.type != "F32" || !shaped) {
      error(diag::badSize, name->range,
            "tensor '" + tensor.name + "' of '" + name->value +
                "' must be f32 with rows of " + llvm::Twine(dimension->size));
      return std::nullopt;
    }
    int64_t rows = tensor.shape.size() == 2 ? tensor.shape[0] : 1;
    owner.append(rows, int64_t(result.labels.size()));
    size_t at = values.size();
    values.resize(at + tensor.size / sizeof(float));
    std::memcpy(values.data() + at, tensor.data, tensor.size);
    result.labels.push_back(tensor.name);
  }
  if (owner.empty()) {
    error(diag::badSize, name->range,
          "'" + name->value + "' holds no prototypes");
    return std::nullopt;
  }
  AxisInfo *&axis = prototypeAxes[std::string(path)];
  if (!axis) {
    std::string stem = llvm::sys::path::stem(path).str();
    axis = makeAxis(stem, stem + ".rows", AxisKind::index, name->range);
    axis->size = int64_t(owner.size());
    emitAxis(*axis);
  }
  result.axis = axis;
  auto type =
      mlir::RankedTensorType::get({axis->size, dimension->size}, e.f32());
  result.rows = ConstantOp::create(
      e.builder, e.loc, e.arrayType(e.f32(), {axis, dimension}),
      mlir::DenseElementsAttr::get(type, llvm::ArrayRef<float>(values)));
  result.owner = mlir::DenseElementsAttr::get(
      mlir::RankedTensorType::get({axis->size}, e.i64()),
      llvm::ArrayRef<int64_t>(owner));
  return result;
}

/// The one axis of a value that is neither an item nor a pool.
static AxisInfo *dimensionOf(llvm::ArrayRef<AxisInfo *> axes) {
  AxisInfo *found = nullptr;
  for (AxisInfo *axis : axes)
    if (axis->columns.empty() && !axis->pool && !axis->isPlan()) {
      if (found)
        return nullptr;
      found = axis;
    }
  return found;
}

/// `cosine(a, b)` over the one axis that both have; `b` may be prototypes.
Value Elaborator::evalCosine(const CallExpr &expr) {
  if (expr.args.size() != 2)
    return evalReduction("cosine", expr);
  Value a = eval(*expr.args[0].value);
  mlir::Value left = asArray(a, expr.args[0].value->range, e.f32());
  if (!left)
    return Value();
  mlir::Value right;
  auto *call = dyn_cast<CallExpr>(ignoreParens(expr.args[1].value.get()));
  if (call && call->calleeName() == "prototypes") {
    AxisInfo *dimension = dimensionOf(e.axesOf(left));
    if (!dimension || dimension->size < 0)
      return fail(
          diag::missingAxis, expr.args[0].value->range,
          "prototypes are compared with a vector of known length, found " +
              describe(a));
    auto prototypes = readPrototypes(*call, dimension);
    if (!prototypes)
      return Value();
    right = prototypes->rows;
  } else {
    right = evalArray(*expr.args[1].value, e.f32());
  }
  if (!right || !unify(left, right) || !isNumber(e.elementOf(left)))
    return right ? fail(diag::typeMismatch, expr.range,
                        "'cosine' takes numbers, found " + describe(a))
                 : Value();
  AxisList shared;
  for (AxisInfo *axis : e.axesOf(left))
    if (e.typeOf(right).hasAxis(axis->symbol) && axis->columns.empty())
      shared.push_back(axis);
  if (shared.size() != 1)
    return fail(
        diag::contractionAxes, expr.range,
        "'cosine' without 'over' needs exactly one shared axis, found " +
            (shared.empty() ? "none" : "'" + describeAxes(shared) + "'"));
  return gatherIfAlong(Value::array(cosine(left, right, shared)));
}

/// Whether some axis is above both.
static bool haveAncestor(const AxisInfo *a, const AxisInfo *b) {
  if (a->parents.empty())
    return b->descendsFrom(a);
  return llvm::any_of(a->parents, [&](const AxisInfo *parent) {
    return haveAncestor(parent, b);
  });
}

mlir::Value sema::cosine(irgen::Emitter &e, mlir::Value a, mlir::Value b,
                         llvm::ArrayRef<AxisInfo *> over,
                         llvm::ArrayRef<AxisInfo *> kept) {
  for (mlir::Value *side : {&a, &b})
    if (isa<mlir::IntegerType>(e.valueTypeOf(*side)))
      *side = e.cast(*side, e.f32());
  mlir::Value product = e.binary(BinaryKind::mul, a, b);
  auto squared = [&](mlir::Value x) {
    AxisList axes = e.axesOf(x), left;
    for (AxisInfo *axis : e.axesOf(product))
      if (!e.has(axes, axis) && llvm::any_of(over, [&](const AxisInfo *gone) {
            return haveAncestor(axis, gone);
          }))
        axes.push_back(axis);
    x = e.broadcastTo(x, axes);
    for (AxisInfo *axis : kept)
      if (llvm::any_of(axes, [&](const AxisInfo *own) {
            return own->descendsFrom(axis);
          }))
        left.push_back(axis);
    return e.reduce(ReduceKind::sum, e.binary(BinaryKind::mul, x, x), left);
  };
  mlir::Value first = squared(a), second = squared(b),
              lengths = e.unary(UnaryKind::sqrt,
                                e.binary(BinaryKind::mul, first, second));
  return e.binary(BinaryKind::div, e.reduce(ReduceKind::sum, product, kept),
                  lengths);
}

/// The cosine over axes that both have; all others stay.
mlir::Value Elaborator::cosine(mlir::Value a, mlir::Value b,
                               llvm::ArrayRef<AxisInfo *> over) {
  mlir::Value both[] = {a, b};
  e.align(both);
  AxisList kept;
  for (mlir::Value side : both)
    for (AxisInfo *axis : e.axesOf(side))
      if (!e.has(over, axis) && !e.has(kept, axis))
        kept.push_back(axis);
  return sema::cosine(e, both[0], both[1], over, kept);
}

/// `nearest(e, answers)`: the row whose indexed vector is most like `e`.
Value Elaborator::nearestRow(const CallExpr &expr) {
  Value target = eval(*expr.args[1].value);
  if (target.isError())
    return target;
  const CallExpr *index = target.is(Kind::Axis) && target.axis->pool
                              ? indexNamed(*target.axis->pool, "hnsw")
                              : nullptr;
  if (!index)
    return fail(diag::wrongKind, expr.args[1].value->range,
                "expected prototypes or a pool with an index 'hnsw', found " +
                    describe(target));
  AxisInfo *pool = target.axis;
  auto column = columnOf(*pool, plainName(index->args.front().value.get()));
  mlir::Value ir = evalArray(*expr.args[0].value, e.f32());
  if (!column || !ir)
    return Value();
  mlir::Value rows = column->ir;
  if (!isNumber(e.elementOf(ir)) || !unify(ir, rows))
    return fail(diag::typeMismatch, expr.args[0].value->range,
                "rows are compared with a vector of numbers, found " +
                    describe(Value::array(ir)));
  AxisList shared;
  for (AxisInfo *axis : e.axesOf(ir))
    if (e.typeOf(rows).hasAxis(axis->symbol))
      shared.push_back(axis);
  if (shared.size() != 1)
    return fail(
        diag::contractionAxes, expr.range,
        "the vector and the rows of '" + pool->name +
            "' need exactly one shared axis, found " +
            (shared.empty() ? "none" : "'" + describeAxes(shared) + "'"));
  mlir::Value likeness = cosine(ir, rows, shared);
  AxisList kept;
  for (AxisInfo *axis : e.axesOf(likeness))
    if (axis != pool)
      kept.push_back(axis);
  return Value::group(
      Kind::Record,
      {Value::array(e.reduce(ReduceKind::argmax, likeness, kept)),
       Value::array(e.reduce(ReduceKind::max, likeness, kept))},
      {"label", "score"});
}

/// A label or a row where it is near enough, `none` elsewhere.
Value Elaborator::withoutFar(const Value &label, mlir::Value near) {
  mlir::Type element = e.valueTypeOf(label.ir);
  int64_t none = -1;
  if (isa<route::EnumType>(element))
    none = int64_t(enumLabels[mlir::TypeAttr::get(element)].size()) - 1;
  return Value::array(e.select(near, label.ir, e.constantInt(element, none)));
}

/// `nearest(e, prototypes("…"))`: the label of the likeliest row, and its
/// score.
Value Elaborator::evalNearest(const CallExpr &expr) {
  auto *call = expr.args.size() == 2
                   ? dyn_cast<CallExpr>(ignoreParens(expr.args[1].value.get()))
                   : nullptr;
  if (expr.args.size() == 2 && !call)
    return nearestRow(expr);
  if (!call || call->calleeName() != "prototypes")
    return fail(diag::argumentMismatch, expr.range,
                "'nearest' takes a vector, and prototypes(\"file\") or a pool");
  Value vector = eval(*expr.args[0].value);
  mlir::Value ir = asArray(vector, expr.args[0].value->range, e.f32());
  if (!ir)
    return Value();
  AxisInfo *dimension = dimensionOf(e.axesOf(ir));
  if (!dimension || dimension->size < 0 || !isNumber(e.elementOf(ir)))
    return fail(
        diag::missingAxis, expr.args[0].value->range,
        "prototypes are compared with a vector of known length, found " +
            describe(vector));
  auto prototypes = readPrototypes(*call, dimension);
  if (!prototypes)
    return Value();
  mlir::Value rows = prototypes->rows;
  if (!unify(ir, rows))
    return Value();
  mlir::Value likeness = cosine(ir, rows, {dimension});
  AxisList kept;
  for (AxisInfo *axis : e.axesOf(likeness))
    if (axis != prototypes->axis)
      kept.push_back(axis);
  mlir::Value score = e.reduce(ReduceKind::max, likeness, kept);
  mlir::Value best = e.reduce(ReduceKind::argmax, likeness, kept);
  std::vector<std::string> labels = prototypes->labels;
  labels.push_back("none"); // below the threshold of an `at`
  mlir::Type element = makeEnum(labels, cx.planName + ".enum", expr.range);
  mlir::Value owners = ConstantOp::create(
      e.builder, e.loc, e.arrayType(element, {prototypes->axis}),
      prototypes->owner);
  if (e.isRange(best))
    owners = e.cast(owners, e.ranged(true, element));
  return Value::group(Kind::Record,
                      {Value::array(e.pick(owners, prototypes->axis, best)),
                       Value::array(score)},
                      {"label", "score"});
}
