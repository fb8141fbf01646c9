// Choices that the text of the spec decides.
// The same known rows for every item, such as `{ small, large }` behind a rule.
#include "Lowering.h"
#include <cmath>
#include <memory>

using namespace mlir;
using namespace route;
using namespace route::lowering;

namespace {
/// Works out arrays along the candidates that hang on constants alone. Numbers
/// are doubles, which hold truths, positions, floats and short integers
/// exactly; others, NaN and -0 are left to those who compare them as they are.
class Along {
public:
  Along(Axis axis, int64_t size, llvm::function_ref<Attribute(GetOp)> column)
      : axis(axis), size(size), column(column) {}

  /// The element at each candidate; null where something else decides.
  const SmallVector<double> *operator()(Value value) {
    if (auto known = made.find(value); known != made.end())
      return known->second.get();
    std::unique_ptr<SmallVector<double>> elements;
    if (auto found = evaluate(value))
      elements = std::make_unique<SmallVector<double>>(std::move(*found));
    return (made[value] = std::move(elements)).get();
  }

private:
  std::optional<SmallVector<double>> evaluate(Value value) {
    auto type = dyn_cast<ArrayType>(value.getType());
    Operation *op = value.getDefiningOp();
    if (!type || !op ||
        !(isa<IntegerType, RefType, EnumType>(type.getElementType()) ||
          type.getElementType().isF32() || type.getElementType().isF64()) ||
        llvm::any_of(type.getAxes(), [&](Axis own) { return own != axis; }))
      return std::nullopt;
    SmallVector<double> elements;
    if (isa<ConstantOp, GetOp>(op)) {
      auto get = dyn_cast<GetOp>(op);
      Attribute given = get ? column(get) : cast<ConstantOp>(op).getValue();
      bool exact = true;
      auto add = [&](double x, bool same = true) {
        exact &= same && x == x && !(x == 0 && std::signbit(x));
        elements.push_back(x);
      };
      auto integer = [&](const APInt &x) {
        bool isSigned =
            !type.getElementType().isUnsignedInteger() && x.getBitWidth() > 1;
        double number = x.roundToDouble(isSigned);
        add(number, std::abs(number) < 0x1p53);
      };
      if (auto number = dyn_cast_or_null<IntegerAttr>(given))
        integer(number.getValue());
      else if (auto number = dyn_cast_or_null<FloatAttr>(given))
        add(number.getValueAsDouble());
      else if (auto dense = dyn_cast_or_null<DenseIntElementsAttr>(given))
        llvm::for_each(dense, integer);
      else if (auto dense = dyn_cast_or_null<DenseFPElementsAttr>(given))
        for (const APFloat &x : dense)
          add(x.convertToDouble());
      if (elements.size() == 1)
        elements.resize(size, elements.front());
      if (!exact || static_cast<int64_t>(elements.size()) != size)
        return std::nullopt;
      return elements;
    }
    if (auto iota = dyn_cast<IotaOp>(op)) {
      if (iota.getPlan())
        return std::nullopt;
      for (int64_t i = 0; i < size; ++i)
        elements.push_back(double(i));
      return elements;
    }
    if (!isa<CompareOp, BinaryOp, UnaryOp, SelectOp, BroadcastOp>(op))
      return std::nullopt;
    SmallVector<SmallVector<double>> operands;
    for (Value operand : op->getOperands()) {
      const SmallVector<double> *known = (*this)(operand);
      if (!known)
        return std::nullopt;
      operands.push_back(*known);
    }
    for (int64_t i = 0; i < size; ++i) {
      auto at = [&](unsigned operand) { return operands[operand][i]; };
      std::optional<double> element = combined(op, at);
      if (!element)
        return std::nullopt;
      elements.push_back(*element);
    }
    return elements;
  }

  static std::optional<double>
  combined(Operation *op, llvm::function_ref<double(unsigned)> at) {
    if (auto compare = dyn_cast<CompareOp>(op)) {
      switch (compare.getKind()) {
      case CompareKind::eq:
        return at(0) == at(1);
      case CompareKind::ne:
        return at(0) != at(1);
      case CompareKind::lt:
        return at(0) < at(1);
      case CompareKind::le:
        return at(0) <= at(1);
      case CompareKind::gt:
        return at(0) > at(1);
      case CompareKind::ge:
        return at(0) >= at(1);
      }
    }
    if (auto binary = dyn_cast<BinaryOp>(op)) {
      if (binary.getKind() == BinaryKind::logical_and)
        return at(0) && at(1);
      if (binary.getKind() == BinaryKind::logical_or)
        return at(0) || at(1);
      return std::nullopt;
    }
    if (auto unary = dyn_cast<UnaryOp>(op))
      return unary.getKind() == UnaryKind::logical_not
                 ? std::optional<double>(!at(0))
                 : std::nullopt;
    if (isa<SelectOp>(op))
      return at(0) ? at(1) : at(2);
    return cast<BroadcastOp>(op).getPlan() ? std::nullopt
                                           : std::optional<double>(at(0));
  }

  Axis axis;
  int64_t size;
  llvm::function_ref<Attribute(GetOp)> column;
  llvm::DenseMap<Value, std::unique_ptr<SmallVector<double>>> made;
};
} // namespace

/// The rows of a choice that constants decide, at most `most` of `candidates`,
/// the same for all items; nothing for other choices.
std::optional<SmallVector<int32_t>>
Lowering::fixedRows(ChooseOp op, int64_t candidates, int64_t most) {
  if ((op.getKind() != ChoiceKind::all && op.getKind() != ChoiceKind::count) ||
      op.getSource() || op.getUnder() || op.getGreedy())
    return std::nullopt;
  auto constant = [&](GetOp get) -> Attribute {
    auto column = tables.lookupSymbolIn<ColumnOp>(module, get.getSymbol());
    return column && column.getKind() == ColumnKind::constant
               ? column.getValueAttr()
               : Attribute();
  };
  Along along(op.getCandidatesAttr(), candidates, constant);
  SmallVector<int32_t> rows;
  const SmallVector<double> *mask =
      op.getMask() ? along(op.getMask()) : nullptr;
  if (op.getMask() && !mask)
    return std::nullopt;
  for (int64_t i = 0; i < candidates; ++i)
    if (!mask || (*mask)[i])
      rows.push_back(i);
  // The last key first: each leaves those that it cannot tell apart in order.
  for (auto [key, up] : llvm::reverse(llvm::zip(op.getKeys(), op.getUp()))) {
    const SmallVector<double> *by = along(key);
    if (!by)
      return std::nullopt;
    llvm::stable_sort(rows, [&](int32_t a, int32_t b) {
      return up ? (*by)[a]<(*by)[b] : (*by)[a]>(*by)[b];
    });
  }
  rows.truncate(std::min<size_t>(rows.size(), std::max<int64_t>(most, 0)));
  return rows;
}
