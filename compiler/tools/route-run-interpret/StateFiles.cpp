// State of a spec that has no library, from and to safetensors files.
#include "RunByNames.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Library/Element.h"
#include "route/io/Cells.h"
#include "route/io/RunTool.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Calls `each` with the name, type and unit of all that the spec keeps.
static void forState(
    ModuleOp module,
    llvm::function_ref<void(std::string, route::ArrayType, StringRef)> each) {
  for (auto state : module.getOps<StateOp>())
    each(state.getSymName().str(), cast<route::ArrayType>(state.getType()), "");
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>())
      if (column.getKind() == ColumnKind::state)
        each((axis.getSymName() + "." + column.getSymName()).str(),
             cast<route::ArrayType>(column.getType()),
             column.getUnit().value_or(""));
}

/// The ROUTE_ element that a file holds; 0 for what is no number.
static uint32_t storedElement(route::ArrayType type) {
  uint32_t element = isRangeType(type.getElementType())
                         ? 0
                         : libraryElement(type.getElementType());
  return element && safeTensorsType(element) ? element : 0;
}

static std::vector<std::string> namesOf(ModuleOp module, StringRef name) {
  std::vector<std::string> names;
  auto axis = module.lookupSymbol<AxisOp>(name);
  if (axis && axis.getLabels())
    for (auto label : axis.getLabels()->getAsRange<StringAttr>())
      names.push_back(label.getValue().str());
  if (!axis || !names.empty() || axis.getParentAxes().size() != 1)
    return names;
  std::vector<std::string> parents =
      namesOf(module, axis.getParentAxes().front().getValue());
  return nestedNames(parents, axis.getStaticSize());
}

/// The layout of a cell as a library of the spec has it.
static CellLayout layoutOf(ModuleOp module, route::ArrayType type,
                           StringRef unit, const Array &value) {
  CellLayout layout;
  layout.element = storedElement(type);
  layout.unit = unit.str();
  for (auto [symbol, axis] : llvm::zip_equal(type.getAxes(), value.axes))
    layout.axes.push_back({symbol.getValue().str(), axis->size,
                           namesOf(module, symbol.getValue())});
  for (CellLayout::Axis &axis : layout.axes)
    if (static_cast<int64_t>(axis.members.size()) != axis.size)
      axis.members.clear(); // rows come and go
  if (auto ref = dyn_cast<RefType>(type.getElementType()))
    layout.values = namesOf(module, ref.getAxis().getValue());
  if (auto enumeration = dyn_cast<EnumType>(type.getElementType()))
    if (auto op =
            module.lookupSymbol<EnumOp>(enumeration.getSymbol().getValue()))
      for (auto label : op.getLabels().getAsRange<StringAttr>())
        layout.values.push_back(label.getValue().str());
  return layout;
}

static std::string bytesOf(const Array &value, uint32_t element) {
  std::vector<Element> elements = value.elements();
  std::string bytes(elements.size() * 8, '\0');
  for (auto [i, each] : llvm::enumerate(elements))
    writeBuffer(element, bytes.data(), i, each);
  bytes.resize(elements.size() * route_element_size(element));
  return bytes;
}

LogicalResult route::checkState(ModuleOp module, std::string &problem) {
  forState(
      module, [&](std::string name, route::ArrayType type, StringRef unit) {
        if (!storedElement(type) && problem.empty())
          problem = "'--state-out' writes tensors, and '" + name + "' is none";
      });
  for (auto state : module.getOps<StateOp>())
    if (state->hasAttr("keys"))
      problem = "'--state-out' writes tensors, and '" +
                state.getSymName().str() + "' has keys";
  for (auto budget : module.getOps<BudgetOp>())
    if (budget.getWindow() != "call" && budget.getWindow() != "batch" &&
        budget.getWindow() != "run" && problem.empty())
      problem = "'--state-out' would leave out what budget '" +
                budget.getSymName().str() + "' has spent";
  return success(problem.empty());
}

LogicalResult route::loadState(Interpreter &interpreter, ModuleOp module,
                               const char *path, std::string &problem) {
  SafeTensors file;
  route_error error = {};
  if (file.open(path, &error) != ROUTE_OK) {
    problem = error.message;
    return failure();
  }
  for (const FileTensor &tensor : file.tensors()) {
    std::optional<uint32_t> expected;
    route::ArrayType cellType;
    std::string cellUnit, wrong;
    forState(module,
             [&](std::string name, route::ArrayType type, StringRef unit) {
               if (name != tensor.name)
                 return;
               expected = storedElement(type);
               cellType = type;
               cellUnit = unit.str();
             });
    const std::string *described = file.metadata(tensor.name);
    CellLayout saved;
    if (described &&
        (!readLayout(*described, saved) || !fitsLayout(tensor, saved))) {
      wrong = "what the file says of '" + tensor.name + "' does not fit it";
    } else if (described && !expected) {
      noteState(tensor.name, "it is gone");
      continue;
    } else if (described && *expected) {
      FailureOr<Array> value = interpreter.state(tensor.name);
      if (failed(value))
        return failure();
      CellLayout here = layoutOf(module, cellType, cellUnit, *value);
      std::string bytes = bytesOf(*value, *expected);
      bool moved;
      noteState(tensor.name,
                carryCell(saved, tensor.data, here, bytes.data(), moved));
      if (!moved)
        continue;
      FileTensor carried = tensor;
      carried.element = here.element;
      carried.data = bytes.data();
      carried.size = bytes.size();
      for (auto [size, axis] : llvm::zip_equal(carried.shape, here.axes))
        size = axis.size;
      auto array = arrayFromTensor(carried, module.getLoc());
      if (failed(array) || failed(interpreter.bindInput(tensor.name, *array)))
        return failure();
      continue;
    } else if (!expected) {
      wrong = "the spec has no state '" + tensor.name + "'";
    } else if (*expected != tensor.element) {
      const char *name = *expected ? safeTensorsType(*expected) : nullptr;
      wrong = "state '" + tensor.name + "' has type " + tensor.type +
              (name ? ", expected " + std::string(name) : " and is no tensor");
    } else {
      ScopedDiagnosticHandler handler(module.getContext(),
                                      [&](mlir::Diagnostic &diagnostic) {
                                        wrong = diagnostic.str();
                                        return success();
                                      });
      auto array = arrayFromTensor(tensor, module.getLoc());
      if (succeeded(array) &&
          succeeded(interpreter.bindInput(tensor.name, *array)))
        continue;
    }
    problem = std::string(path) + ": " + wrong;
    return failure();
  }
  return success();
}

LogicalResult route::saveState(Interpreter &interpreter, ModuleOp module,
                               const char *path, std::string &problem) {
  SafeTensorsWriter writer;
  bool good = true;
  forState(
      module, [&](std::string name, route::ArrayType type, StringRef unit) {
        FailureOr<Array> value = interpreter.state(name);
        if (failed(value)) {
          good = false;
          return;
        }
        uint32_t element = storedElement(type);
        std::vector<int64_t> shape;
        for (const AxisRef &axis : value->axes)
          shape.push_back(axis->size);
        std::string bytes = bytesOf(*value, element);
        writer.add(name, element, shape, bytes.data(), bytes.size());
        writer.note(name, writeLayout(layoutOf(module, type, unit, *value)));
      });
  route_error error = {};
  if (good && writer.write(path, &error) == ROUTE_OK)
    return success();
  problem = error.message;
  return failure();
}
