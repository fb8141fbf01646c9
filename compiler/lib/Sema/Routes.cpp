// Routes and routers.
// Routes are expanded where they are called, with fresh plans; those at the top
// of the file are also entry points, functions of the module.
#include "Budgets.h"
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::callRoute(RouteInstance &route, std::vector<Value> args,
                            SourceRange range) {
  return inlineRoute(route, args, range);
}

/// True when `value` has the axes of `type`: exactly, or at least.
bool Elaborator::checkResultAxes(const Value &value, const TypeInfo &type,
                                 bool exactly, SourceRange range) {
  if (value.parts && (type.kind == TypeInfo::Kind::Tuple ||
                      type.kind == TypeInfo::Kind::Record)) {
    for (size_t i = 0; i < type.elements.size() && i < value.parts->size(); ++i)
      if (!checkResultAxes((*value.parts)[i], type.elements[i], exactly, range))
        return false;
    return true;
  }
  if (!value.is(Kind::Array) || type.kind != TypeInfo::Kind::Array)
    return true;
  AxisList axes = e.axesOf(value.ir);
  for (AxisInfo *axis : type.axes) {
    // Rows of a plan stand for the item they were chosen for.
    if (llvm::none_of(
            axes, [&](AxisInfo *have) { return have->descendsFrom(axis); })) {
      error(diag::resultAxes, range,
            "the result has no axis '" + axis->name + "': found " +
                describe(value))
          .note("it was declared with (" + describeAxes(type.axes) + ")");
      return false;
    }
  }
  if (exactly)
    for (AxisInfo *axis : axes)
      if (!e.has(type.axes, axis)) {
        error(diag::resultAxes, range,
              "the result has an axis '" + axis->name +
                  "' more than declared: found " + describe(value))
            .help("reduce it, or declare it");
        return false;
      }
  return true;
}

Value Elaborator::inlineRoute(RouteInstance &route,
                              const std::vector<Value> &args,
                              SourceRange range) {
  if (!route.decl) // identity and skip give back what they got; skip gives zero
    return args.empty()              ? Value()
           : route.builtin == "skip" ? Value::literal(0, false, args[0].unit)
                                     : args[0];
  const RouteDecl &decl = *route.decl;
  expanded.insert(&decl);
  if (!decl.axisParams.empty() &&
      !route.scope->entries.count(decl.axisParams.front().text))
    return fail(diag::argumentMismatch, range,
                "route '" + decl.name.text + "' needs its axes in brackets");
  if (args.size() != decl.params.size()) {
    error(diag::argumentMismatch, range,
          "'" + decl.name.text + "' takes " + llvm::Twine(decl.params.size()) +
              " arguments, found " + llvm::Twine(args.size()))
        .label(decl.name.range, "declared here");
    return Value();
  }
  if (route.busy) {
    error(diag::recursion, range, "'" + decl.name.text + "' calls itself")
        .note("routes are expanded where they are called, so that recursion "
              "would never end");
    return Value();
  }
  if (isStepRoute(decl, *route.scope)) {
    if (stepping())
      return inlineSteps(route, args, range);
    error(diag::callMisplaced, range,
          "'" + decl.name.text + "' calls the host and cannot run here")
        .label(decl.name.range, "declared here")
        .note("only a statement of a route that calls the host may run it");
    return Value();
  }
  Context next = cx;
  next.scope = std::make_shared<Scope>(route.locals);
  next.candidate = nullptr;
  next.route = &route;
  next.old = nullptr;
  next.items.clear();
  next.resultPool = nullptr;
  next.planName.clear();
  next.ruleMask = {};
  next.ruleWhere.reset();
  next.ruleUnder.clear();
  next.facts.clear();
  next.candidateOrder = {};
  next.keptMask = {};
  next.drawPath = drawPlace(cx.drawPath, range, route.path);
  bool replayed = cx.recordedRoute == &route;
  next.recordedRoute = nullptr;
  if (!replayed)
    next.recorded = {}, next.recordedChoice = nullptr;
  ReturnSlot slot;
  next.returns = &slot;
  route.busy = true;
  Value result = inContext(std::move(next), [&]() -> Value {
    for (size_t i = 0; i < args.size(); ++i) {
      Value arg = args[i];
      const ColumnDecl &param = *decl.params[i];
      if (param.type && !arg.axis) {
        TypeInfo type = resolveType(*param.type);
        if (type.kind == TypeInfo::Kind::None)
          return Value();
        arg = convert(arg, type, range);
        if (arg.isError() || !checkResultAxes(arg, type, false, range))
          return Value();
      }
      bool one = llvm::any_of(cx.frames, [&](const Frame &frame) {
        return frame.axis == arg.axis && frame.position;
      });
      if ((arg.is(Kind::Row) || arg.is(Kind::Axis)) && !arg.ir &&
          !arg.axis->pool && !one && !e.has(cx.items, arg.axis))
        cx.items.push_back(arg.axis);
      // An item that steps have changed: its columns are those of the record.
      if (arg.is(Kind::Record) && !param.type)
        if (auto [entry, scope] = route.scope->lookup(param.name.text); entry)
          if (Value item = resolve(*entry, *scope, param.name.range);
              item.is(Kind::Axis) && !item.axis->columns.empty())
            cx.frames.push_back(
                Frame{item.axis, nullptr, {}, 0, std::make_shared<Value>(arg)});
      cx.scope->bind(param.name.text, arg, param.name.range);
    }
    TypeInfo type;
    if (decl.result) {
      type = resolveType(*decl.result, route.path);
      if (type.kind == TypeInfo::Kind::None)
        return Value();
      if (type.kind == TypeInfo::Kind::Row)
        cx.resultPool = type.rowOf->pool;
    }
    if (!decl.under.empty()) { // of every choice from the router's pool
      if (!cx.resultPool)
        return fail(diag::badChoice, decl.under.front()->range,
                    "of which pool this budget is, is not clear: '" +
                        decl.name.text + "' says no pool after '->'");
      Context masked = cx;
      masked.candidate = cx.resultPool->axis;
      llvm::SmallVector<mlir::Attribute> under;
      if (!inContext(std::move(masked),
                     [&] { return budgets->under(decl.under, under); }))
        return Value();
      Budgets::add(cx.ruleUnder, under);
    }
    Value value;
    if (decl.value)
      value = eval(*decl.value);
    else if (decl.body)
      value = execute(*decl.body, slot);
    if (value.isError())
      return value;
    SourceRange where = decl.value ? decl.value->range : decl.name.range;
    if (value.is(Kind::Lazy))
      value = force(value);
    if (type.kind == TypeInfo::Kind::Row) {
      value = asPlan(value, where);
      if (value.is(Kind::Plan) && !value.axis->descendsFrom(type.rowOf)) {
        error(diag::typeMismatch, where,
              "expected rows of '" + type.rowOf->name + "', found " +
                  describe(value));
        return Value();
      }
      noteHandlers(route, value);
      return keepRow(route, value) ? value : Value();
    }
    if (type.kind != TypeInfo::Kind::None) {
      value = convert(value, type, where);
      if (value.isError() || !checkResultAxes(value, type, false, where))
        return Value();
    }
    if (decl.isRouter && !value.is(Kind::Plan)) {
      error(diag::typeMismatch, decl.name.range,
            "a router returns a plan, found " + describe(value))
          .help("make it a route, or return what 'choose' gives");
      return Value();
    }
    noteHandlers(route, value);
    return keepRow(route, value) ? value : Value();
  });
  route.busy = false;
  return result;
}

/// Remembers the router's handlers with the names they see.
void Elaborator::noteHandlers(RouteInstance &route, const Value &plan) {
  if (!route.decl->body || cx.handler || cx.recorded)
    return; // a replay changes nothing
  auto note = [&](const OnDecl &on) {
    PendingHandler &handler = handlers.emplace_back();
    handler.decl = &on;
    handler.router = &route;
    handler.scope = cx.scope;
    handler.plan = plan;
    handler.frames = cx.frames;
    handler.items = cx.items;
    handler.block = e.builder.getInsertionBlock();
  };
  for (const StmtPtr &stmt : route.decl->body->stmts)
    if (auto *local = dyn_cast<DeclStmt>(stmt.get()))
      if (auto *on = dyn_cast<OnDecl>(local->decl.get())) {
        // A run goes on with the choice: it is committed on the spot.
        if (inRun() && on->event.text == "commit")
          commitNow(*on);
        else
          note(*on);
      }
}

Value Elaborator::execute(const BlockStmt &block, ReturnSlot &slot) {
  for (size_t i = 0; i < block.stmts.size(); ++i) {
    const Stmt &stmt = *block.stmts[i];
    bool last = i + 1 == block.stmts.size() ||
                llvm::all_of(llvm::ArrayRef(block.stmts).drop_front(i + 1),
                             [](const StmtPtr &rest) {
                               auto *decl = dyn_cast<DeclStmt>(rest.get());
                               return isa<KeepStmt>(rest.get()) ||
                                      (decl && isa<OnDecl>(decl->decl.get()));
                             });
    if (auto *value = dyn_cast<ExprStmt>(&stmt); value && last)
      return eval(*value->value);
    if (!executeStmt(stmt))
      return Value();
    if (slot.done) {
      if (i + 1 < block.stmts.size() && !last) {
        error(diag::unreachable, block.stmts[i + 1]->range,
              "nothing after 'return' is ever run");
        return Value();
      }
      return slot.value;
    }
  }
  return fail(diag::argumentMismatch, block.range, "this body returns nothing");
}

bool Elaborator::isEntry(const RouteInstance &route) {
  const RouteDecl &decl = *route.decl;
  if (!decl.axisParams.empty())
    return false;
  for (const ColumnPtr &param : decl.params) {
    if (param->type)
      continue;
    auto [entry, scope] = cx.scope->lookup(param->name.text);
    if (!entry)
      return false;
    Value value = resolve(*entry, *scope, param->name.range);
    bool item = value.is(Kind::Axis) && !value.axis->columns.empty();
    if (!item && !(value.is(Kind::Storage) &&
                   value.storage->kind == Storage::Kind::Signal))
      return false;
  }
  return true;
}

/// The item of a call is one parameter: a second one would be the same item.
Value Elaborator::itemParam(const RouteDecl &decl, AxisInfo *item,
                            llvm::ArrayRef<Value> before) {
  const ColumnDecl &param = *decl.params[before.size()];
  for (auto [i, arg] : llvm::enumerate(before))
    if (arg.is(Kind::Row) && arg.axis == item && !arg.ir &&
        decl.params[i]->name.text != param.name.text) { // told already
      error(diag::duplicateName, param.name.range,
            "'" + param.name.text + "' is the same item as '" +
                decl.params[i]->name.text + "'")
          .label(decl.params[i]->name.range,
                 "this is the '" + item->name + "' of the call")
          .note("an entry is asked about one item at a time");
      return Value();
    }
  return Value::ofAxis(Kind::Row, item);
}

bool Elaborator::bindEntryParams(RouteInstance &route, std::vector<Value> &args,
                                 mlir::Block &block,
                                 std::vector<NamedUnit> &names) {
  for (const ColumnPtr &param : route.decl->params) {
    StringRef name = param->name.text;
    auto addArgument = [&](route::ArrayType type, Unit unit) {
      mlir::Value argument =
          block.addArgument(type, locationOf(param->name.range));
      names.push_back({name.str(), unit});
      args.push_back(Value::array(argument, unit));
    };
    auto [entry, scope] = cx.scope->lookup(name);
    Value value = entry ? resolve(*entry, *scope, param->name.range) : Value();
    if (param->type) {
      TypeInfo type = resolveType(*param->type, name);
      if (type.kind == TypeInfo::Kind::None)
        return false;
      if (type.kind == TypeInfo::Kind::Row && type.rowOf && !type.rowOf->pool &&
          !type.rowOf->columns.empty()) {
        args.push_back(itemParam(*route.decl, type.rowOf, args));
        if (args.back().isError())
          return false;
        continue;
      }
      if (type.kind != TypeInfo::Kind::Array) {
        error(diag::wrongKind, param->type->range,
              "an entry point takes numbers, truths, text, lists and sets, not "
              "records and rows");
        return false;
      }
      addArgument(e.arrayType(storageType(type), type.axes), type.unit);
    } else if (value.is(Kind::Axis)) {
      args.push_back(itemParam(*route.decl, value.axis, args));
    } else if (!value.is(Kind::Storage) ||
               value.storage->kind != Storage::Kind::Signal) {
      if (!value.isError())
        error(diag::wrongKind, param->name.range,
              "expected a signal or an axis with columns, found " +
                  describe(value));
      return false;
    } else if (!value.storage->inputName.empty()) {
      addArgument(value.storage->type, value.storage->unit);
      // One input, also where its reads are not expanded here.
      names.back().first = value.storage->symbol.getRootReference().str();
    } else {
      args.push_back(
          load(*value.storage)); // a computed signal: read, not given
    }
    if (args.back().isError())
      return false;
  }
  return true;
}

mlir::DictionaryAttr Elaborator::portAttrs(StringRef name, StringRef role,
                                           const Unit &unit) {
  llvm::SmallVector<mlir::NamedAttribute> attrs;
  auto add = [&](StringRef key, StringRef value) {
    if (!value.empty())
      attrs.push_back(
          e.builder.getNamedAttr(key, e.builder.getStringAttr(value)));
  };
  add("route.name", name);
  add("route.role", role);
  if (mlir::StringAttr text = unitAttr(unit))
    add("route.unit", text.getValue());
  return e.builder.getDictionaryAttr(attrs);
}

/// Whether a plan leaves as rows of what the plan was made from that it was
/// chosen from, and not as places in that plan.
bool Elaborator::givesRows(const Result &result) {
  auto type = dyn_cast<PlanType>(result.value.getType());
  AxisInfo *axis = type ? e.axisOf(type.getAxis()) : nullptr;
  return axis && result.role == "plan" &&
         axis->rowsForCaller() != axis->candidates();
}

void Elaborator::flattenResult(const Value &value, StringRef name,
                               std::vector<Result> &results,
                               SourceRange range) {
  if (value.is(Kind::Plan)) {
    results.push_back({value.axis->plan, name.str(), "plan"});
    const Value *weight = value.part("weight");
    results.push_back(
        {weight ? weight->ir
                : e.broadcastTo(e.constant(e.f32(), 1), value.axis),
         (name + ".weight").str(), "weight", weight ? weight->unit : Unit()});
    if (const Value *status = value.part("status"))
      results.push_back({status->ir, (name + ".status").str(), "status"});
    if (const Value *which = value.part("which")) {
      mlir::Value ir = which->ir;
      // Decisions say what the rule is called, not its number.
      mlir::Operation *made = ir.getDefiningOp();
      if (auto rules = made ? made->getAttrOfType<mlir::ArrayAttr>("rules")
                            : mlir::ArrayAttr()) {
        std::vector<std::string> labels;
        for (auto label : rules.getAsRange<mlir::StringAttr>())
          labels.push_back(label.str());
        ir = e.cast(ir, makeEnum(labels, (name + ".rules").str(), range));
      }
      results.push_back({ir, (name + ".which").str(), "which"});
    }
    if (value.names)
      for (size_t i = 0; i < value.names->size(); ++i)
        if (StringRef((*value.names)[i]).starts_with("note."))
          results.push_back({(*value.parts)[i].ir,
                             (name + "." + (*value.names)[i]).str(), "note",
                             (*value.parts)[i].unit});
    return;
  }
  if (value.is(Kind::Tuple) || value.is(Kind::Record)) {
    for (size_t i = 0; i < value.parts->size(); ++i)
      flattenResult(
          (*value.parts)[i],
          (name + "." + (value.names ? (*value.names)[i] : std::to_string(i)))
              .str(),
          results, range);
    return;
  }
  if (mlir::Value ir = asArray(value, range, e.f32()))
    results.push_back({ir, name.str(), "value", value.unit});
}

/// A signal or a column of that name that the entry reads, or null: through
/// computed signals and budgets too.
static mlir::Operation *inputRead(FuncOp entry, StringRef name) {
  auto module = entry->getParentOfType<mlir::ModuleOp>();
  mlir::SymbolTable symbols(module);
  mlir::Operation *found = nullptr;
  llvm::SetVector<mlir::Operation *> reached;
  reached.insert(entry);
  for (unsigned i = 0; i < reached.size(); ++i)
    reached[i]->walk([&](mlir::Operation *op) {
      if (auto choose = dyn_cast<ChooseOp>(op); choose && choose.getUnder())
        for (auto budget :
             choose.getUnder()->getAsRange<mlir::FlatSymbolRefAttr>())
          if (mlir::Operation *target = symbols.lookup(budget.getAttr()))
            reached.insert(target);
      auto get = dyn_cast<GetOp>(op);
      if (!get)
        return;
      mlir::Operation *target =
          symbols.lookup(get.getSymbol().getRootReference());
      if (auto axis = dyn_cast_or_null<AxisOp>(target)) {
        auto column =
            dyn_cast_or_null<ColumnOp>(mlir::SymbolTable::lookupSymbolIn(
                axis, get.getSymbol().getLeafReference()));
        if (column && column.getKind() == ColumnKind::input &&
            column.getSymName() == name)
          found = column;
      } else if (auto signal = dyn_cast_or_null<SignalOp>(target)) {
        if ((signal.getHost() || signal.getBody().empty()) &&
            signal.getSymName() == name)
          found = signal;
        reached.insert(signal);
      }
    });
  return found;
}

/// Puts the metrics of an entry at its end, in the order in which the file
/// writes them, those of imported files behind them by the names of the files:
/// it is that of the outputs, which hosts pass by place.
void Elaborator::orderMetrics(mlir::Block &block) {
  llvm::SmallVector<EmitOp> written(block.getOps<EmitOp>());
  auto place = [&](EmitOp op) {
    SourceRange at = emits.lookup(op);
    return std::tuple(at.file != mainFile, sources.name(at.file), at.begin);
  };
  llvm::sort(written, [&](EmitOp a, EmitOp b) { return place(a) < place(b); });
  for (EmitOp op : written)
    op->moveBefore(&block, block.end());
}

/// What an entry returns and the metrics that it emits are its outputs, by
/// name.
void Elaborator::checkOutputNames(FuncOp func, StringRef entry) {
  llvm::StringMap<SourceRange> known;
  func.walk([&](EmitOp op) {
    SourceRange range = emits.lookup(op);
    StringRef name = op.getName();
    auto [first, fresh] = known.try_emplace(name, range);
    if (name == entry)
      error(diag::duplicateName, range,
            "'" + name + "' is the name of what this entry returns")
          .help("call the metric something else");
    else if (fresh)
      return;
    else if (first->second == range)
      error(diag::duplicateName, range,
            "'" + name + "' is emitted twice: its route runs twice in '" +
                entry + "'")
          .help("emit it there, from what the route returns");
    else
      error(diag::duplicateName, range, "'" + name + "' is emitted twice")
          .label(first->second, "first here");
  });
}

void Elaborator::emitEntry(RouteInstance &route, SourceRange range) {
  const RouteDecl &decl = *route.decl;
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(module->getBody());
  e.loc = locationOf(decl.name.range);
  auto func = FuncOp::create(e.builder, e.loc, freshSymbol(decl.name.text),
                             decl.isRouter ? FuncKind::router : FuncKind::route,
                             e.builder.getFunctionType({}, {}));
  mlir::Block &block = func.getBody().emplaceBlock();
  e.builder.setInsertionPointToStart(&block);
  topOp = func;
  handlers.clear();
  planLets.clear();
  emits.clear();
  std::vector<Value> args;
  std::vector<NamedUnit> names;
  std::vector<Result> results;
  Value value;
  if (bindEntryParams(route, args, block, names))
    value = inlineRoute(route, args, decl.name.range);
  if (!value.isError()) {
    if (decl.result && value.is(Kind::Array)) {
      TypeInfo type = resolveType(*decl.result);
      SourceRange where = decl.value ? decl.value->range : decl.name.range;
      if (!checkResultAxes(value, type, /*exactly=*/true, where))
        value = Value();
      else
        value.ir = e.broadcastTo(value.ir, type.axes);
    }
    if (!value.isError())
      flattenResult(value, decl.name.text, results, decl.name.range);
  }
  if (results.empty()) {
    topOp = nullptr;
    if (!value.isError())
      error(diag::typeMismatch, decl.name.range,
            "an entry point returns values, found " + describe(value));
    func.erase();
    return;
  }
  for (const ColumnPtr &param : decl.params)
    if (mlir::Operation *other =
            param->type ? inputRead(func, param->name.text) : nullptr)
      error(diag::duplicateName, param->name.range,
            "this entry takes two inputs named '" + param->name.text + "'")
          .note(
              isa<SignalOp>(other)
                  ? "the other is the signal, which it reads too"
                  : "the other is the column of '" +
                        cast<AxisOp>(other->getParentOp()).getSymName().str() +
                        "', which it reads too")
          .help("call the parameter something else");
  orderMetrics(block);
  checkOutputNames(func, decl.name.text);
  keepForHandlers(results);
  llvm::SmallVector<mlir::Value> returned;
  llvm::SmallVector<mlir::Attribute> argAttrs, resultAttrs;
  for (const Result &result : results) {
    returned.push_back(result.value);
    mlir::NamedAttrList attrs(portAttrs(result.name, result.role, result.unit));
    if (givesRows(result))
      attrs.set("route.rows",
                e.axisOf(cast<PlanType>(result.value.getType()).getAxis())
                    ->rowsForCaller()
                    ->symbol);
    resultAttrs.push_back(attrs.getDictionary(&context));
  }
  for (const auto &[name, unit] : names)
    argAttrs.push_back(portAttrs(name, {}, unit));
  route::ReturnOp::create(e.builder, locationOf(decl.name.range), returned);
  func.setFunctionType(e.builder.getFunctionType(
      block.getArgumentTypes(), mlir::ValueRange(returned).getTypes()));
  if (!argAttrs.empty())
    func.setArgAttrsAttr(e.builder.getArrayAttr(argAttrs));
  func.setResAttrsAttr(e.builder.getArrayAttr(resultAttrs));
  topOp = nullptr;
  emitHandlers(func, results);
}
