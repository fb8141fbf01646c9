// Signals, parameters and state.
// What a decision reads. Reads are narrowed by the frames of the bodies they
// stand in: a parameter of an expert is gathered to the rows of the plan that
// the expert runs along.
#include "Collections.h"
#include "Elaborator.h"
#include "route/Dialect/Route/IR/Spelling.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

std::string Elaborator::pathOf(const Scope &scope) {
  for (const Scope *at = &scope; at; at = at->parent.get())
    if (!at->path.empty())
      return at->path;
  return "";
}

std::vector<AxisInfo *> Elaborator::enclosingPools(const Scope &scope) {
  std::vector<AxisInfo *> result;
  for (const Scope *at = &scope; at; at = at->parent.get()) {
    if (at->owner) { // a body may be declared far from the pool it serves
      result.insert(result.begin(), at->owner->pools.begin(),
                    at->owner->pools.end());
      break;
    }
    if (at->pool)
      result.insert(result.begin(), at->pool->axis);
  }
  return result;
}

std::string Elaborator::symbolIn(const Scope &scope, StringRef name) {
  std::string path = pathOf(scope);
  return path.empty() ? name.str() : (path + "." + name).str();
}

/// Puts the axes of enclosing pools before those written.
static void addPoolAxes(TypeInfo &type, const std::vector<AxisInfo *> &pools) {
  std::vector<AxisInfo *> axes;
  std::vector<int64_t> groups;
  for (AxisInfo *pool : pools)
    if (llvm::none_of(type.axes, [&](AxisInfo *axis) {
          return axis->descendsFrom(pool); // the pool, or inner to its rows
        })) {
      axes.push_back(pool);
      groups.push_back(1);
    }
  type.axes.insert(type.axes.begin(), axes.begin(), axes.end());
  type.groups.insert(type.groups.begin(), groups.begin(), groups.end());
}

/// The name of a tensor: the placeholders in it are leading axes of what is
/// read, one tensor a position.
bool Elaborator::checkTensorName(const StringExpr &name, const TypeInfo &type) {
  StringRef text = name.value;
  if (text.empty() || text.contains('\0')) {
    error(diag::argumentMismatch, name.range,
          text.empty() ? "a tensor has a name"
                       : "the name of a tensor has no '\\0'");
    return false;
  }
  std::vector<bool> told(type.axes.size());
  for (size_t at = text.find('{'); at != StringRef::npos;
       at = text.find('{', at + 1)) {
    StringRef inside = text.substr(at + 1).take_until(
        [](char c) { return c == '}' || c == '{'; });
    if (text.substr(at + 1 + inside.size(), 1) != "}") {
      error(diag::argumentMismatch, name.range,
            "'{' in the name of a tensor without its '}'");
      return false;
    }
    StringRef axisName = inside;
    bool label = axisName.consume_back(".name");
    auto found = llvm::find_if(type.axes, [&](AxisInfo *axis) {
      return axis->symbol.getValue() == axisName;
    });
    if (found == type.axes.end()) {
      std::vector<std::string> names;
      for (AxisInfo *axis : type.axes)
        names.push_back(axis->symbol.getValue().str());
      error(diag::unknownName, name.range,
            "'{" + inside + "}' names no axis of what is read")
          .suggest(axisName.str(), names);
      return false;
    }
    if (label && (*found)->labels.empty()) {
      error(diag::argumentMismatch, name.range,
            "'" + axisName + "' has no names of its positions")
          .label((*found)->range, "declared here")
          .help("write the position: {" + axisName + "}");
      return false;
    }
    told[found - type.axes.begin()] = true;
  }
  for (size_t i = 1; i < told.size(); ++i)
    if (told[i] && !told[i - 1]) {
      error(diag::argumentMismatch, name.range,
            "'{" + type.axes[i]->symbol.getValue() +
                "}' stands for a position of '" + type.axes[i]->name +
                "', which is not outermost: '" + type.axes[i - 1]->name +
                "' comes first")
          .note("what lies in one tensor are the innermost axes");
      return false;
    }
  return true;
}

/// The shape of each tensor that a name stands for, read over axes of these
/// sizes: without the leading ones that its placeholders go along.
static llvm::SmallVector<int64_t> shapeOfTensor(StringRef name,
                                                llvm::ArrayRef<int64_t> sizes) {
  llvm::StringSet<> told;
  for (size_t at = name.find('{'); at != StringRef::npos;
       at = name.find('{', at + 1)) {
    StringRef axis =
        name.substr(at + 1).take_until([](char c) { return c == '}'; });
    axis.consume_back(".name");
    told.insert(axis);
  }
  return llvm::to_vector(
      sizes.drop_front(std::min<size_t>(told.size(), sizes.size())));
}

/// The sizes of an array's dimensions in a checkpoint: axes that it stores as
/// one are one, as `groups` says, if there are any. One that a call decides is
/// negative.
static llvm::SmallVector<int64_t> storedSizes(llvm::ArrayRef<AxisInfo *> axes,
                                              llvm::ArrayRef<int64_t> groups) {
  llvm::SmallVector<int64_t> sizes;
  for (size_t i = 0; !axes.empty(); ++i) {
    size_t count = groups.empty() ? 1 : groups[i];
    int64_t size = 1;
    for (AxisInfo *axis : axes.take_front(count))
      size = size < 0 || axis->size < 0 ? -1 : size * axis->size;
    sizes.push_back(size);
    axes = axes.drop_front(count);
  }
  return sizes;
}

/// Refuses a tensor that a parameter declared before has with another shape: no
/// checkpoint would fit both.
bool Elaborator::checkTensorShape(ParamOp param, SourceRange written) {
  auto shapeOf = [&](ParamOp op) {
    auto groups = op->getAttrOfType<mlir::DenseI64ArrayAttr>("groups");
    std::vector<AxisInfo *> axes;
    for (mlir::FlatSymbolRefAttr axis : cast<ArrayType>(op.getType()).getAxes())
      axes.push_back(e.axisOf(axis));
    return shapeOfTensor(op.getFrom(),
                         storedSizes(axes, groups ? groups.asArrayRef()
                                                  : llvm::ArrayRef<int64_t>()));
  };
  auto spell = [](llvm::ArrayRef<int64_t> shape) {
    std::string text;
    llvm::raw_string_ostream out(text);
    out << '[';
    llvm::interleaveComma(
        shape, out, [&](int64_t size) { size < 0 ? out << '?' : out << size; });
    out << ']';
    return text;
  };
  // A size that a call decides may be any.
  auto fit = [](llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
    return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto each) {
             auto [x, y] = each;
             return x < 0 || y < 0 || x == y;
           });
  };
  llvm::SmallVector<int64_t> shape = shapeOf(param);
  for (const Storage &other : storages) {
    if (other.kind != Storage::Kind::Param || !other.symbol)
      continue;
    auto op = module->lookupSymbol<ParamOp>(other.symbol.getRootReference());
    if (!op || op == param || op.getFrom() != param.getFrom() ||
        op.getFileAttr() != param.getFileAttr())
      continue;
    llvm::SmallVector<int64_t> before = shapeOf(op);
    if (fit(before, shape)) {
      // The first that knows all its sizes speaks for all.
      if (llvm::none_of(before, [](int64_t size) { return size < 0; }))
        return true;
      continue;
    }
    error(diag::badSize, written,
          "tensor '" + param.getFrom() + "' has shape " + spell(shape) +
              " here and " + spell(before) + " for parameter '" + other.name +
              "'")
        .label(other.range, "declared here")
        .note("no checkpoint has both: parameters of one tensor have its "
              "shape");
    return false;
  }
  return true;
}

/// Whether an array of known sizes has more bytes than can be counted.
static bool isTooLarge(const TypeInfo &type) {
  int64_t bytes = 8; // an element's, at most
  return llvm::any_of(type.axes, [&](AxisInfo *axis) {
    return axis->size > 0 && llvm::MulOverflow(bytes, axis->size, bytes);
  });
}

Value Elaborator::elaborateParam(const ParamDecl &decl, Scope &scope) {
  if (!decl.type)
    return fail(diag::missingType, decl.name.range,
                "parameter '" + decl.name.text + "' needs a type");
  if (decl.init)
    return fail(diag::wrongKind, decl.init->range,
                "a parameter has no value here: the checkpoint gives it");
  std::string path = symbolIn(scope, decl.name.text);
  TypeInfo type = resolveType(*decl.type, path);
  if (type.kind == TypeInfo::Kind::None)
    return Value();
  if (type.kind == TypeInfo::Kind::Route) {
    Value value = Value::ofKind(Kind::Route);
    value.route = makeInstance(*type.route->decl, type.route->scope, path,
                               enclosingPools(scope));
    return value;
  }
  if (type.kind != TypeInfo::Kind::Array)
    return fail(diag::wrongKind, decl.type->range,
                "a parameter holds numbers over axes");
  if (!isNumber(type.element) && !isTruth(type.element))
    return fail(diag::typeMismatch, decl.type->range,
                "a parameter holds numbers or truths, found " +
                    spellElement(type.element));
  addPoolAxes(type, enclosingPools(scope));
  if (isTooLarge(type))
    return fail(diag::badSize, decl.type->range,
                "parameter '" + decl.name.text +
                    "' has more bytes than can be counted, 2^63");
  // Blocks of 4-bit numbers are read as bf16, which holds each of them.
  bool blocks = isa<mlir::Float4E2M1FNType>(type.element);
  if (blocks) {
    if (type.axes.empty() || type.axes.back()->size < 0 ||
        type.axes.back()->size % 32 != 0 ||
        (!type.groups.empty() && type.groups.back() != 1))
      return fail(diag::badSize, decl.type->range,
                  "mxfp4 numbers lie in blocks of 32 along the last axis");
    type.element = mlir::BFloat16Type::get(&context);
  }
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  atModuleLevel();
  Storage &storage = storages.emplace_back();
  storage.kind = Storage::Kind::Param;
  storage.name = decl.name.text;
  storage.range = decl.name.range;
  std::string symbol = freshSymbol(path);
  storage.symbol = mlir::FlatSymbolRefAttr::get(&context, symbol);
  storage.type = e.arrayType(storageType(type), type.axes);
  storage.unit = type.unit;
  // A path that ends in .safetensors names the file, anything else the tensor.
  std::string from = path;
  mlir::StringAttr file;
  if (decl.source && StringRef(decl.source->value).ends_with(".safetensors"))
    file = e.builder.getStringAttr(decl.source->value);
  else if (decl.source && !checkTensorName(*decl.source, type))
    return Value();
  else if (decl.source)
    from = decl.source->value;
  auto op = ParamOp::create(e.builder, locationOf(decl.name.range), symbol,
                            storage.type, from, file, unitAttr(type.unit));
  if (llvm::any_of(type.groups, [](int64_t group) { return group != 1; }))
    op->setAttr("groups", e.builder.getDenseI64ArrayAttr(type.groups));
  if (blocks)
    op->setAttr("mxfp4", e.builder.getUnitAttr());
  if (!checkTensorShape(op, decl.source ? decl.source->range : decl.name.range))
    return Value();
  Value value = Value::ofKind(Kind::Storage);
  value.storage = &storage;
  return value;
}

/// What state starts as, over its axes: a list that is written lies along the
/// one that it is as long as.
mlir::Value Elaborator::initialValue(const Expr &written, const TypeInfo &type,
                                     StringRef name) {
  if (isa_and_nonnull<SetType>(type.element) &&
      isa<ListExpr>(ignoreParens(&written))) {
    error(diag::wrongKind, written.range, "a set of state starts empty")
        .help("a handler puts members in: " + name + " += x");
    return {};
  }
  Value init = evalAs(written, type);
  if (init.isError())
    return {};
  for (AxisInfo *axis : e.axesOf(init.ir)) {
    if (e.has(type.axes, axis) || llvm::any_of(type.axes, [&](AxisInfo *own) {
          return own->descendsFrom(axis);
        }))
      continue;
    AxisInfo *along =
        isa<ListExpr>(ignoreParens(&written)) && type.axes.size() == 1
            ? type.axes.front()
            : nullptr;
    if (!along) {
      error(diag::resultAxes, written.range,
            "state '" + name + "' has no axis '" + axis->name + "': found " +
                describe(init))
          .help("reduce it first");
      return {};
    }
    if (along->size != axis->size) {
      error(diag::resultAxes, written.range,
            "a list of " + llvm::Twine(axis->size) + " for state '" + name +
                "' over '" + along->name + "'")
          .label(along->range,
                 along->size < 0 ? std::string("of any size")
                                 : std::to_string(along->size) + " positions");
      return {};
    }
    init.ir = e.rename(init.ir, axis, along);
  }
  return e.broadcastTo(init.ir, type.axes);
}

Value Elaborator::elaborateState(const StateDecl &decl, Scope &scope) {
  if (!decl.type)
    return fail(diag::missingType, decl.name.range,
                "state '" + decl.name.text + "' needs a type");
  std::string path = symbolIn(scope, decl.name.text);
  Storage &storage = storages.emplace_back();
  TypeInfo type;
  auto *array = dyn_cast<ast::ArrayType>(decl.type.get());
  std::vector<const Dim *> axes;
  if (array && !splitKeys(*array, storage, axes))
    return Value();
  if (!storage.keyTypes.empty()) {
    type = resolveType(*array->element, path + ".enum");
    for (const Dim *dim : axes)
      if (!resolveDim(*dim, type))
        return Value();
  } else {
    type = resolveType(*decl.type, path + ".enum");
  }
  if (type.kind != TypeInfo::Kind::Array)
    return notElements(*decl.type, type, "state holds elements over axes");
  if (!storage.keyTypes.empty() && !enclosingPools(scope).empty())
    return fail(diag::wrongKind, decl.type->range,
                "state with keys stands outside pools");
  addPoolAxes(type, enclosingPools(scope));
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  atModuleLevel();
  storage.kind = Storage::Kind::State;
  storage.name = decl.name.text;
  storage.range = decl.name.range;
  std::string symbol = freshSymbol(path);
  storage.symbol = mlir::FlatSymbolRefAttr::get(&context, symbol);
  storage.type = e.arrayType(storageType(type), type.axes);
  storage.unit = type.unit;
  storage.bound = type.bound;
  mlir::IntegerAttr bound;
  if (decl.capacity)
    if (auto keys = constantSize(*decl.capacity, "the capacity of state"))
      bound = e.builder.getI64IntegerAttr(*keys);
  if (decl.capacity && storage.keyTypes.empty()) {
    error(diag::wrongKind, decl.capacity->range,
          "state '" + decl.name.text + "' has no keys to bound")
        .help("'max' says how many keys state like n[user] has, and behind "
              "'set u64' how many members");
    return Value();
  }
  if (!storage.keyTypes.empty() && decl.source)
    return fail(diag::wrongKind, decl.source->range,
                "state with keys starts as one value, not as a tensor");
  if (decl.source && decl.init)
    return fail(diag::wrongKind, decl.init->range,
                "state starts as a value or 'from' a tensor, not both");
  if (decl.source && !checkTensorName(*decl.source, type))
    return Value();
  auto op = StateOp::create(
      e.builder, locationOf(decl.name.range), symbol, storage.type,
      decl.source ? e.builder.getStringAttr(decl.source->value)
                  : mlir::StringAttr(),
      bound, unitAttr(type.unit));
  if (!storage.keyTypes.empty())
    setKeys(op, e.builder.getTypeArrayAttr(storage.keyTypes));
  if (decl.init && !startsEmpty(*decl.init, type)) {
    e.builder.setInsertionPointToStart(&op.getInit().emplaceBlock());
    mlir::Operation *saved = topOp;
    topOp = op;
    mlir::Value ir = initialValue(*decl.init, type, decl.name.text);
    if (ir)
      YieldOp::create(e.builder, e.loc, e.cast(ir, storageType(type)));
    topOp = saved;
    if (!ir) {
      op.erase();
      return Value();
    }
  }
  Value value = Value::ofKind(Kind::Storage);
  value.storage = &storage;
  return value;
}

/// `host.name(…)`, or null.
static const CallExpr *hostCall(const Expr *expr) {
  auto *call = dyn_cast_or_null<CallExpr>(expr);
  auto *member = call ? dyn_cast<MemberExpr>(call->callee.get()) : nullptr;
  return member && plainName(member->base.get()) == "host" ? call : nullptr;
}

/// A label found by likeness: below the threshold it is the label `none`.
Value Elaborator::thresholdLabel(const Value &label, const Value &score,
                                 Storage &storage) {
  if (!storage.threshold)
    return label;
  mlir::Value threshold =
                  evalArray(*storage.threshold, e.valueTypeOf(score.ir)),
              value = score.ir;
  storage.threshold = nullptr;
  if (!threshold || !unify(value, threshold))
    return Value();
  return withoutFar(label, e.compare(CompareKind::ge, value, threshold));
}

Value Elaborator::elaborateSignal(const SignalDecl &decl, Scope &scope) {
  TypeInfo type;
  if (decl.type) {
    type = resolveType(*decl.type, symbolIn(scope, decl.name.text) + ".enum");
    if (type.kind != TypeInfo::Kind::Array)
      return notElements(*decl.type, type, "a signal holds elements over axes");
  }
  Storage &storage = storages.emplace_back();
  storage.kind = Storage::Kind::Signal;
  storage.name = decl.name.text;
  storage.range = decl.name.range;
  storage.fallback = decl.fallback.get();
  const Expr *source = decl.value.get();
  if (auto *at = dyn_cast_or_null<ast::BinaryExpr>(source);
      at && at->op == ast::BinaryOp::At) {
    storage.threshold = at->rhs.get();
    source = ignoreParens(at->lhs.get());
  }
  std::string symbol = freshSymbol(symbolIn(scope, decl.name.text));
  storage.symbol = mlir::FlatSymbolRefAttr::get(&context, symbol);
  Value value = Value::ofKind(Kind::Storage);
  value.storage = &storage;
  atModuleLevel();
  auto location = locationOf(decl.name.range);
  mlir::IntegerAttr timeout;
  if (decl.timeout)
    if (auto ns = nanoseconds(*decl.timeout))
      timeout = e.builder.getI64IntegerAttr(*ns);
  if (!source) {
    if (!decl.type)
      return fail(diag::missingType, decl.name.range,
                  "signal '" + decl.name.text + "' needs a type or a value");
    if (decl.fallback && !type.optional) {
      std::string written = sources.text(decl.type->range).str();
      error(diag::typeMismatch, decl.fallback->range,
            "signal '" + decl.name.text +
                "' is never unknown, so that its "
                "'else' is of no use")
          .label(decl.type->range, "a value that the caller must give")
          .help("let it be left out: " + written + "?");
      return Value();
    }
    storage.type = e.arrayType(storageType(type), type.axes);
    storage.unit = type.unit;
    storage.inputName = decl.name.text;
    SignalOp::create(e.builder, location, symbol, storage.type,
                     mlir::StringAttr(), timeout, unitAttr(type.unit));
    return value;
  }
  // The type is known once the body is; a scalar stands in for it until then.
  auto placeholder = route::ArrayType::get(RangeType::get(&context, e.f32()));
  const CallExpr *call = hostCall(source);
  auto op = SignalOp::create(
      e.builder, location, symbol, placeholder,
      call
          ? e.builder.getStringAttr(cast<MemberExpr>(*call->callee).member.text)
          : mlir::StringAttr(),
      timeout, mlir::StringAttr());
  e.builder.setInsertionPointToStart(&op.getBody().emplaceBlock());
  mlir::Operation *saved = topOp;
  topOp = op;
  wantedAxes.assign(type.axes.begin(), type.axes.end());
  llvm::SmallVector<mlir::Value> yielded;
  bool good = true, sure = false;
  if (call) {
    AxisList items;
    for (const Arg &arg : call->args) {
      mlir::Value ir = evalArray(*arg.value);
      good &= bool(ir);
      if (!ir)
        continue;
      for (AxisInfo *axis : e.axesOf(ir))
        if (!e.has(type.axes, axis) && !axis->columns.empty() &&
            !e.has(items, axis))
          items.push_back(axis);
      yielded.push_back(ir);
    }
    if (!decl.type && !storage.threshold) {
      error(diag::missingType, decl.name.range,
            "signal '" + decl.name.text + "' needs a type")
          .note("the compiler does not know what the host answers");
      good = false;
    }
    if (!type.element)
      type.element = e.f32();
    type.axes.insert(type.axes.begin(), items.begin(), items.end());
    type.optional = true;
    storage.type = e.arrayType(storageType(type), type.axes);
    storage.unit = type.unit;
  } else {
    Context next = cx;
    next.planName = decl.name.text;
    bool list = decl.type && isa<ListExpr>(ignoreParens(source));
    Value body = inContext(std::move(next), [&] {
      return list ? evalAs(*source, type) : eval(*source);
    });
    if (const Value *label =
            body.is(Kind::Record) ? body.part("label") : nullptr)
      body = thresholdLabel(*label, *body.part("score"), storage);
    if (decl.type)
      body = convert(body, type, source->range);
    if (body.is(Kind::Match))
      body = (*body.parts)[0];
    mlir::Value ir =
        body.isError() ? mlir::Value() : asArray(body, source->range);
    good = bool(ir);
    if (ir) {
      storage.type = e.typeOf(ir);
      storage.unit = body.unit;
      sure = bool(body.confidence);
      yielded.push_back(ir);
    }
  }
  wantedAxes.clear();
  topOp = saved;
  if (!good) {
    op.erase();
    return Value();
  }
  YieldOp::create(e.builder, location, yielded);
  op.setType(storage.type);
  if (auto unit = unitAttr(storage.unit))
    op.setUnitAttr(unit);
  if (auto *bands = dyn_cast<CallExpr>(source);
      sure && bands && bands->calleeName() == "bands")
    emitConfidence(storage, *source, symbol, location);
  return value;
}

/// How sure the label of a signal is: a signal of its own beside it.
void Elaborator::emitConfidence(Storage &storage, const Expr &source,
                                StringRef name, mlir::Location location) {
  std::string symbol = freshSymbol((name + ".confidence").str());
  atModuleLevel();
  auto op = SignalOp::create(
      e.builder, location, symbol,
      route::ArrayType::get(RangeType::get(&context, e.f32())),
      mlir::StringAttr(), mlir::IntegerAttr(), mlir::StringAttr());
  e.builder.setInsertionPointToStart(&op.getBody().emplaceBlock());
  mlir::Operation *saved = topOp;
  topOp = op;
  Value body = bandConfidence(cast<CallExpr>(source));
  topOp = saved;
  storage.confidenceType = e.typeOf(body.ir);
  YieldOp::create(e.builder, location, body.ir);
  op.setType(storage.confidenceType);
  storage.confidence = mlir::FlatSymbolRefAttr::get(&context, symbol);
}

mlir::Value Elaborator::applyFrames(mlir::Value value) {
  for (const Frame &frame :
       cx.frames) { // outermost first: fewer rows to gather
    for (auto [axis, plan] : frame.inner)
      if (e.typeOf(value).hasAxis(axis->symbol))
        value = e.gather(value, plan);
    if (!e.typeOf(value).hasAxis(frame.axis->symbol))
      continue;
    if (frame.position)
      value = e.pick(value, frame.axis, frame.position);
    else if (frame.plan)
      value = e.gather(value, frame.plan);
  }
  return value;
}

Value Elaborator::load(Storage &storage) {
  Value value = Value::array(applyFrames(e.get(storage.symbol, storage.type)),
                             storage.unit);
  if (storage.confidence)
    value.confidence = std::make_shared<Value>(Value::array(
        applyFrames(e.get(storage.confidence, storage.confidenceType))));
  if (!storage.threshold && !storage.fallback)
    return value;
  if (!storage.threshold) {
    mlir::Value fallback =
        evalArray(*storage.fallback, e.valueTypeOf(value.ir));
    if (!fallback || !unify(value.ir, fallback))
      return Value();
    return Value::array(e.coalesce(value.ir, fallback), storage.unit);
  }
  mlir::Value threshold =
      evalArray(*storage.threshold, e.valueTypeOf(value.ir));
  mlir::Value score = value.ir;
  if (!threshold || !unify(score, threshold))
    return Value();
  mlir::Value truth = e.compare(CompareKind::ge, score, threshold);
  if (storage.fallback) {
    mlir::Value fallback = evalTruth(*storage.fallback);
    if (!fallback)
      return Value();
    mlir::Value certainty = e.cast(fallback, e.valueTypeOf(score));
    truth = e.coalesce(truth, fallback);
    score = e.coalesce(score, certainty);
  }
  return Value::group(Kind::Match, {Value::array(truth), Value::array(score)});
}

Value Elaborator::loadColumn(AxisInfo &axis, const ColumnInfo &column) {
  readColumns.insert(
      (axis.original ? axis.original : &axis)->symbol.getValue().str() + "." +
      column.name);
  for (const Frame &frame : llvm::reverse(cx.frames))
    if (frame.axis == &axis && frame.record)
      if (const Value *part = frame.record->part(column.name))
        return *part;
  if (axis.original) // the column of a copy is that of the original, renamed
    if (const ColumnInfo *own = axis.original->findColumn(column.name)) {
      Value value = Value::array(e.get(own->symbol, own->type), own->unit);
      return Value::array(applyFrames(e.rename(value.ir, axis.original, &axis)),
                          own->unit);
    }
  return Value::array(applyFrames(e.get(column.symbol, column.type)),
                      column.unit);
}

Value Elaborator::elaborate(const Decl &decl, Scope &scope) {
  switch (decl.kind()) {
  case ast::Kind::AxisDecl:
    return elaborateAxis(cast<AxisDecl>(decl), scope);
  case ast::Kind::PoolDecl:
    return elaboratePool(cast<PoolDecl>(decl), scope);
  case ast::Kind::ParamDecl:
    return elaborateParam(cast<ParamDecl>(decl), scope);
  case ast::Kind::StateDecl:
    return elaborateState(cast<StateDecl>(decl), scope);
  case ast::Kind::SignalDecl:
    return elaborateSignal(cast<SignalDecl>(decl), scope);
  case ast::Kind::UseDecl:
    return elaborateUse(cast<UseDecl>(decl), scope);
  case ast::Kind::LetDecl:
    return elaborateLet(cast<LetDecl>(decl), scope);
  case ast::Kind::RouteDecl: {
    auto &route = cast<RouteDecl>(decl);
    Value value = Value::ofKind(Kind::Route);
    // The one body of a pool adds nothing to the names of its parameters.
    bool body = scope.pool && !route.isRouter;
    value.route =
        makeInstance(route, scope.shared_from_this(),
                     body ? pathOf(scope) : symbolIn(scope, route.name.text),
                     enclosingPools(scope));
    return value;
  }
  default:
    return fail(diag::wrongKind, decl.range,
                "this declaration has no value to be named");
  }
}
