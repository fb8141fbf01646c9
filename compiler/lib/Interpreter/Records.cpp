// What an entry gives as records, lines of JSON like those of a library.
//
// An object for each item, and one for what is over no items.
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Machine.h"
#include "route/Refusals.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
class RecordPrinter {
public:
  RecordPrinter(Machine &machine, llvm::raw_ostream &os)
      : machine(machine), os(os) {}

  /// Prints a value; of item `item` alone where that is not -1.
  void print(const NamedValue &value, int64_t item);

private:
  using Body = llvm::function_ref<void(int64_t)>;
  void list(int64_t size, Body body);
  void rows(const Axis &plan, size_t depth, ArrayRef<int64_t> rows,
            int64_t item, Body body);
  void array(const Array &array, SmallVectorImpl<int64_t> &position,
             int64_t item);

  Machine &machine;
  llvm::raw_ostream &os;
  StringRef unit; ///< of the value at hand
};
} // namespace

void RecordPrinter::list(int64_t size, Body body) {
  os << '[';
  for (int64_t i = 0; i < size; ++i) {
    os << (i ? ", " : "");
    body(i);
  }
  os << ']';
}

/// The rows of a plan: brackets for each axis that it was made per, and one
/// list of rows in the order of their ranks.
void RecordPrinter::rows(const Axis &plan, size_t depth, ArrayRef<int64_t> rows,
                         int64_t item, Body body) {
  if (depth == plan.per().size()) {
    std::vector<int64_t> ordered(rows.begin(), rows.end());
    llvm::stable_sort(ordered, [&](int64_t a, int64_t b) {
      return (*plan.rank)[a] < (*plan.rank)[b];
    });
    return list(ordered.size(), [&](int64_t i) { body(ordered[i]); });
  }
  const Axis::Parent &per = plan.per()[depth];
  auto of = [&](int64_t place) {
    std::vector<int64_t> kept;
    llvm::copy_if(rows, std::back_inserter(kept),
                  [&](int64_t row) { return (*per.index)[row] == place; });
    this->rows(plan, depth + 1, kept, -1, body);
  };
  if (item >= 0)
    of(item);
  else
    list(per.axis->size, of);
}

static std::vector<int64_t> allRows(const Axis &plan) {
  std::vector<int64_t> rows(plan.size);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

void RecordPrinter::array(const Array &array,
                          SmallVectorImpl<int64_t> &position, int64_t item) {
  if (position.size() == array.axes.size())
    return printJson(os, machine, array.at(position), array.elementType, unit);
  const Axis &axis = *array.axes[position.size()];
  auto below = [&](int64_t place) {
    position.push_back(place);
    this->array(array, position, -1);
    position.pop_back();
  };
  if (axis.isPlan())
    rows(axis, 0, allRows(axis), item, below);
  else if (item >= 0)
    below(item);
  else
    list(axis.size, below);
}

void RecordPrinter::print(const NamedValue &named, int64_t item) {
  const RuntimeValue &value = named.value;
  unit = named.unit;
  if (auto *array = std::get_if<Array>(&value)) {
    SmallVector<int64_t> position;
    return this->array(*array, position, item);
  }
  const Axis &plan = *std::get<Plan>(value).axis;
  Type ref = RefType::get(machine.module.getContext(),
                          FlatSymbolRefAttr::get(plan.chosen().axis->name));
  rows(plan, 0, allRows(plan), item, [&](int64_t row) {
    printJson(os, machine, Element((*plan.chosen().index)[row]), ref);
  });
}

/// The outermost axis of a value, or null.
static AxisRef outermost(const RuntimeValue &value) {
  AxisRef axis;
  if (auto *array = std::get_if<Array>(&value))
    axis = array->axes.empty() ? nullptr : array->axes.front();
  else
    axis = std::get<Plan>(value).axis;
  while (axis && axis->isPlan())
    axis = axis->per().empty() ? nullptr : axis->per().front().axis;
  return axis;
}

/// `, "PLAN.reason": REASON` behind `PLAN.status`, the code of a refusal that
/// has one.
static void printReason(llvm::raw_ostream &os, Machine &machine,
                        const NamedValue &status, int64_t item) {
  StringRef plan = status.name;
  auto *codes = std::get_if<Array>(&status.value);
  if (!plan.consume_back(".status") || !codes ||
      codes->axes.size() != (item >= 0 ? 1 : 0))
    return;
  SmallVector<int64_t> position(codes->axes.size(), item);
  int64_t found = codes->at(position).asInt();
  forEachReason(machine.module, [&](int64_t code, StringRef reason) {
    if (code == found)
      os << ", " << llvm::json::Value((plan + ".reason").str()) << ": "
         << llvm::json::Value(reason);
  });
}

void route::interp::printRecords(llvm::raw_ostream &os, Machine &machine,
                                 ArrayRef<NamedValue> values, StringRef items) {
  auto ofItems = [&](const NamedValue &entry) {
    AxisRef axis = outermost(entry.value);
    return axis && axis->name && axis->name.getValue() == items;
  };
  RecordPrinter printer(machine, os);
  auto object = [&](bool wanted, int64_t item) {
    os << '{';
    bool first = true;
    for (const NamedValue &entry : values) {
      if (ofItems(entry) != wanted)
        continue;
      os << (first ? "" : ", ") << llvm::json::Value(entry.name) << ": ";
      printer.print(entry, item);
      printReason(os, machine, entry, item);
      first = false;
    }
    os << '}';
  };
  auto found = llvm::find_if(values, ofItems);
  if (found == values.end()) {
    object(false, -1);
    os << '\n';
    return;
  }
  for (int64_t item = 0, n = outermost(found->value)->size; item < n; ++item) {
    object(true, item);
    os << '\n';
  }
  if (!llvm::all_of(values, ofItems)) {
    os << "{\"all\": ";
    object(false, -1);
    os << "}\n";
  }
}
