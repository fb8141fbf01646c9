// Handlers of a step run: events change the state all at once or not at all.
#include "StepMachine.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Lets handlers read the item as the call was given it, where it was given
/// with its columns; `saved` is what they are otherwise.
LogicalResult StepRun::Impl::placeItems(const HostCall &call,
                                        llvm::StringMap<Array> &saved) {
  for (auto &[name, value, unit] : call.given)
    for (auto [axis, place] : items) {
      auto *array = std::get_if<Array>(&value);
      auto found = machine.inputs.find(name);
      if (!array || found == machine.inputs.end() ||
          !StringRef(name).starts_with((axis.getValue() + ".").str()))
        continue;
      const Array &before = found->second;
      auto after =
          machine.allocate(before.elementType, before.axes, func.getLoc());
      if (failed(after))
        return failure();
      std::vector<Element> elements = before.elements(),
                           given = array->elements();
      for (auto [i, element] : llvm::enumerate(given))
        elements[place * given.size() + i] =
            isRangeType(before.elementType) || !isRangeType(array->elementType)
                ? element
                : Element(toRange(element).lo);
      for (auto [i, element] : llvm::enumerate(elements))
        after->buffer->set(i, element);
      saved[name] = before;
      machine.inputs[name] = *after;
    }
  return success();
}

/// What every entry of the ticket holds at `place`, along the axis of entries.
FailureOr<Array> StepRun::Impl::keptAlong(ArrayType type, size_t place,
                                          Location loc) {
  StringAttr name = type.getAxes().front().getAttr();
  auto axis = machine.symbols.lookup<AxisOp>(name);
  auto found = machine.axes.find(name.getValue());
  if ((found == machine.axes.end() ||
       found->second->size != int64_t(ticket.size())) &&
      failed(machine.bindAxis(axis, ticket.size())))
    return failure();
  auto axes = resolveAxes(type.getAxes(), {}, machine, loc);
  if (failed(axes))
    return failure();
  auto result = machine.allocate(type.getElementType(), *axes, loc);
  if (failed(result))
    return failure();
  int64_t next = 0;
  for (const std::vector<RuntimeValue> &entry : ticket)
    for (const Element &element : std::get<Array>(entry[place]).elements())
      result->buffer->set(next++, element);
  return result;
}

LogicalResult StepRun::Impl::runHandlers(StringRef event, const HostCall *call,
                                         float reward) {
  llvm::StringMap<Array> writes, saved;
  llvm::StringMap<KeyedState> keyedWrites;
  llvm::SaveAndRestore<llvm::StringMap<Array> *> visible(machine.writes,
                                                         &writes);
  llvm::SaveAndRestore<llvm::StringMap<KeyedState> *> keyedVisible(
      machine.keyedWrites, &keyedWrites);
  llvm::scope_exit restore([&] {
    for (auto &entry : saved)
      machine.inputs[entry.getKey()] = std::move(entry.second);
  });
  if (call && failed(placeItems(*call, saved)))
    return failure();
  for (auto handler : machine.module.getOps<FuncOp>()) {
    if (handler.getKind() != FuncKind::handler || handler.getEvent() != event)
      continue;
    SmallVector<RuntimeValue> args;
    bool concerned = true;
    size_t kept = 0;
    for (auto [i, type] : llvm::enumerate(handler.getArgumentTypes())) {
      auto attr = handler.getArgAttrOfType<StringAttr>(i, "route.role");
      StringRef role = attr ? attr.getValue() : StringRef();
      auto array = dyn_cast<ArrayType>(type);
      Type element = array ? array.getElementType() : Type();
      auto ref = element ? dyn_cast<RefType>(element) : RefType();
      if (role == "row" && ref) {
        StringAttr pool = ref.getAxis().getAttr();
        concerned = call && (pool == call->site.pool || pool == call->pool);
        if (concerned)
          args.push_back(Array::scalar(
              ref, pool == call->site.pool ? call->site.row : call->row));
      } else if (role == "kept") {
        auto along = keptAlong(array, kept++, handler.getLoc());
        if (failed(along))
          return failure();
        args.push_back(*along);
      } else if (role == "code" && call) {
        args.push_back(Array::scalar(element, call->code));
      } else if (role == "reward") {
        args.push_back(Array::scalar(element, reward));
      } else if (role == "item" && ref) {
        for (auto [axis, place] : items)
          if (axis == ref.getAxis().getAttr())
            args.push_back(Array::scalar(ref, place));
      } else if (role.consume_front("usage.") && call) {
        auto found = call->values.find(role);
        concerned = concerned && found != call->values.end();
        if (found == call->values.end())
          break;
        Element value = found->second.value();
        args.push_back(Array::scalar(
            element, isRangeType(element) ? value : toRange(value).lo));
      }
      if (!concerned)
        break;
    }
    if (!concerned)
      continue;
    if (args.size() != handler.getNumArguments() && event == "feedback")
      return handler.emitError("feedback about a run tells the reward alone")
             << ": what the run chose is in 'run.kept'";
    if (args.size() != handler.getNumArguments())
      return handler.emitError("takes what '") << event << "' does not tell";
    if (failed(machine.call(handler, args)))
      return failure();
  }
  for (auto &entry : writes)
    machine.cells[entry.getKey()] = entry.getValue();
  for (auto &entry : keyedWrites)
    machine.keyed[entry.getKey()] = std::move(entry.second);
  return success();
}
