// Sizes of axes that follow from those of others, by interpreting.
// A description has plain functions, without a place for what they know: a
// table holds that, and each function knows its row.
#include "DerivedSizes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include <array>
#include <utility>

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
/// A function of the tensor level, and the places of the sizes that it takes.
struct Derived {
  std::shared_ptr<Interpreter> interpreter;
  std::string name;
  std::vector<int32_t> sizes;

  int64_t operator()(const int64_t *axisSizes) const {
    SmallVector<RuntimeValue> arguments;
    for (int32_t axis : sizes)
      arguments.push_back(Element(axis < 0 ? int64_t(-1) : axisSizes[axis]));
    auto results = interpreter->run(name, arguments);
    if (failed(results) || results->size() != 1)
      return -1;
    auto *size = std::get_if<Array>(&results->front());
    return size ? size->value().asInt() : -1;
  }
};
} // namespace

static constexpr size_t most = 64;
// Never destroyed: its owner may be gone by then.
static auto &known = *new std::array<Derived, most>;

template <size_t place> static int64_t sizeAt(const int64_t *axisSizes) {
  return known[place](axisSizes);
}

template <size_t... places>
static constexpr std::array<SizeFunction, sizeof...(places)>
functionsOf(std::index_sequence<places...>) {
  return {sizeAt<places>...};
}

std::vector<SizeFunction> route::deriveSizes(ModuleOp lowered,
                                             const Schema &schema) {
  static constexpr auto functions =
      functionsOf(std::make_index_sequence<most>());
  std::vector<SizeFunction> result(schema.axes.size(), nullptr);
  std::shared_ptr<Interpreter> interpreter;
  size_t next = 0;
  for (auto function : lowered.getOps<func::FuncOp>()) {
    auto axis = function->getAttrOfType<StringAttr>(kDerivedAttr);
    int32_t row = axis ? schema.findAxis(axis.getValue()) : -1;
    if (row < 0 || next == most)
      continue;
    if (!interpreter)
      interpreter = std::make_shared<Interpreter>(lowered, Options());
    Derived &derived = known[next];
    derived = {interpreter, function.getSymName().str(), {}};
    for (auto size : function->getAttrOfType<ArrayAttr>("route.sizes")
                         .getAsRange<StringAttr>())
      derived.sizes.push_back(schema.findAxis(size.getValue()));
    result[row] = functions[next++];
  }
  return result;
}
