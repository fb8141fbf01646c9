// State of a spec that has no library, from and to safetensors files.
#include "RunByNames.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Library/Element.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Calls `each` with the name and type of all that the spec keeps.
static void
forState(ModuleOp module,
         llvm::function_ref<void(std::string, route::ArrayType)> each) {
  for (auto state : module.getOps<StateOp>())
    each(state.getSymName().str(), cast<route::ArrayType>(state.getType()));
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>())
      if (column.getKind() == ColumnKind::state)
        each((axis.getSymName() + "." + column.getSymName()).str(),
             cast<route::ArrayType>(column.getType()));
}

/// The ROUTE_ element that a file holds; 0 for what is no number.
static uint32_t storedElement(route::ArrayType type) {
  uint32_t element = isRangeType(type.getElementType())
                         ? 0
                         : libraryElement(type.getElementType());
  return element && safeTensorsType(element) ? element : 0;
}

LogicalResult route::checkState(ModuleOp module, std::string &problem) {
  forState(module, [&](std::string name, route::ArrayType type) {
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
    forState(module, [&](std::string name, route::ArrayType type) {
      if (name == tensor.name)
        expected = storedElement(type);
    });
    std::string wrong;
    if (!expected) {
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
  forState(module, [&](std::string name, route::ArrayType type) {
    FailureOr<Array> value = interpreter.state(name);
    if (failed(value)) {
      good = false;
      return;
    }
    uint32_t element = storedElement(type);
    std::vector<int64_t> shape;
    for (const AxisRef &axis : value->axes)
      shape.push_back(axis->size);
    std::vector<Element> elements = value->elements();
    std::string bytes(elements.size() * 8, '\0');
    for (auto [i, each] : llvm::enumerate(elements))
      writeBuffer(element, bytes.data(), i, each);
    writer.add(name, element, shape, bytes.data(),
               elements.size() * route_element_size(element));
  });
  route_error error = {};
  if (good && writer.write(path, &error) == ROUTE_OK)
    return success();
  problem = error.message;
  return failure();
}
