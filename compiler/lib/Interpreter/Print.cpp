// Values as text, for tools and tests.
#include "route/Interpreter/Interpreter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace route::interp;

/// Elements with one bracket an axis.
static void printNested(llvm::raw_ostream &os, const Array &array,
                        SmallVectorImpl<int64_t> &position) {
  if (position.size() == array.axes.size()) {
    os << printElement(array.at(position), array.elementType);
    return;
  }
  os << '[';
  int64_t size = array.axes[position.size()]->size;
  for (int64_t p = 0; p < size; ++p) {
    position.push_back(p);
    os << (p ? ", " : "");
    printNested(os, array, position);
    position.pop_back();
  }
  os << ']';
}

static void printPlan(llvm::raw_ostream &os, const Axis &plan) {
  os << "plan @" << plan.label() << " {";
  for (int64_t row = 0; row < plan.size; ++row) {
    os << (row ? ", " : "") << '(';
    llvm::interleaveComma(plan.per(), os, [&](const Axis::Parent &per) {
      os << (*per.index)[row];
    });
    os << ") -> " << (*plan.chosen().index)[row];
  }
  os << '}';
}

std::string route::interp::printValue(const RuntimeValue &value) {
  std::string out;
  llvm::raw_string_ostream os(out);
  if (const Plan *plan = std::get_if<Plan>(&value)) {
    printPlan(os, *plan->axis);
    return out;
  }
  const Array &array = std::get<Array>(value);
  os << array.elementType;
  if (!array.axes.empty()) {
    os << " [";
    llvm::interleaveComma(array.axes, os, [&](const AxisRef &axis) {
      if (axis->name)
        os << '@' << axis->label() << " = ";
      os << axis->size;
    });
    os << ']';
  }
  os << ": ";
  SmallVector<int64_t> position;
  printNested(os, array, position);
  return out;
}
