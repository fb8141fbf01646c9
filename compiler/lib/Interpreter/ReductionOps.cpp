// Evaluators of reductions and contractions, summed as numerics.h says.
#include "Elementwise.h"
#include "Meeting.h"
#include "Scalars.h"
#include "route/numerics.h"
#include <cmath>
#include <limits>
#include <map>

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
/// One reduction: what to do with the elements of one result position.
struct Reducer {
  ReduceKind kind;
  /// The operand's element type without range, and the result's.
  Type from, to;
  bool ranged;
  /// Along the rows of a plan: sums run in order instead of in the tree.
  bool inOrder;

  Element operator()(const std::vector<Element> &elements,
                     ArrayRef<int64_t> positions) const;
  Element plain(const std::vector<Element> &elements,
                ArrayRef<int64_t> positions) const;
  Element onRanges(const std::vector<Element> &elements,
                   ArrayRef<int64_t> positions) const;
  Element fold(const std::vector<Element> &elements, BinaryKind op,
               Element start) const;
  Element sum(const std::vector<Element> &elements, Type type) const;
};
} // namespace

Element Reducer::fold(const std::vector<Element> &elements, BinaryKind op,
                      Element start) const {
  for (const Element &element : elements)
    start = applyBinary(op, from, start, element);
  return start;
}

/// The sum as `type`: floats in the fixed tree or in order, integers wrapped.
Element Reducer::sum(const std::vector<Element> &elements, Type type) const {
  size_t n = elements.size();
  if (storageOf(type) == Storage::Float) {
    auto at = [&](size_t i) {
      return applyCast(from, type, elements[i]).asFloat();
    };
    return roundTo(type, inOrder ? num::sumInOrder(n, at) : num::sum(n, at));
  }
  if (storageOf(type) == Storage::Int)
    return fold(elements, BinaryKind::add, int64_t(0));
  auto at = [&](size_t i) {
    return applyCast(from, type, elements[i]).asDouble();
  };
  return inOrder ? num::sumInOrder<double>(n, at) : num::sum<double>(n, at);
}

static Element infinity(Type type, bool negative) {
  switch (storageOf(type)) {
  case Storage::Float:
    return negative ? -HUGE_VALF : HUGE_VALF;
  case Storage::Double:
    return negative ? -HUGE_VAL : HUGE_VAL;
  default:
    return isTruthType(type) ? int64_t(!negative)
           : negative        ? std::numeric_limits<int64_t>::min()
                             : std::numeric_limits<int64_t>::max();
  }
}

static bool isNaN(const Element &element) {
  return std::isnan(element.asFloat()) || std::isnan(element.asDouble());
}

/// The place of the most frequent element, the first of them; a NaN equals
/// nothing, so each occurs once.
static size_t modeOf(const std::vector<Element> &elements) {
  auto less = [&](size_t a, size_t b) {
    return compareElements(elements[a], elements[b]) < 0;
  };
  std::map<size_t, size_t, decltype(less)> counts(less);
  size_t best = 0, most = 1;
  for (size_t i = 0; i < elements.size(); ++i)
    if (!isNaN(elements[i]))
      most = std::max(most, ++counts[i]);
  // Keys are first places: of those as frequent, the earliest.
  for (best = 0; best + 1 < elements.size(); ++best) {
    auto found = counts.find(best);
    if (isNaN(elements[best]) ? most == 1 : found->second == most)
      break;
  }
  return best;
}

Element Reducer::plain(const std::vector<Element> &elements,
                       ArrayRef<int64_t> positions) const {
  switch (kind) {
  case ReduceKind::sum:
    return sum(elements, from);
  case ReduceKind::mean: {
    // Integers and truths are summed as the f32 (or f64) that the mean is.
    Element total = sum(elements, storageOf(from) == Storage::Int ? to : from);
    if (storageOf(to) == Storage::Double)
      return applyCast(from, to, total).asDouble() /
             static_cast<double>(elements.size());
    float value = std::holds_alternative<float>(total)
                      ? total.asFloat()
                      : static_cast<float>(total.asDouble());
    return roundTo(to, value / static_cast<float>(elements.size()));
  }
  case ReduceKind::max:
    return fold(elements, BinaryKind::max, infinity(from, /*negative=*/true));
  case ReduceKind::min:
    return fold(elements, BinaryKind::min, infinity(from, /*negative=*/false));
  case ReduceKind::any:
    return fold(elements, BinaryKind::logical_or, int64_t(0));
  case ReduceKind::all:
    return fold(elements, BinaryKind::logical_and, int64_t(1));
  case ReduceKind::count: {
    int64_t count = elements.size();
    if (isTruthType(from))
      count = llvm::count_if(elements,
                             [](const Element &e) { return e.asTruth(); });
    return count;
  }
  case ReduceKind::argmax:
  case ReduceKind::argmin: {
    // As a choice of one: NaN last, ties to the lower position.
    int64_t best = -1;
    for (int64_t i = 0, n = elements.size(); i < n; ++i) {
      if (best >= 0) {
        bool newNaN = isNaN(elements[i]), oldNaN = isNaN(elements[best]);
        int order = compareElements(elements[i], elements[best]);
        if (newNaN ||
            (!oldNaN && (kind == ReduceKind::argmax ? order <= 0 : order >= 0)))
          continue;
      }
      best = i;
    }
    return best < 0 ? int64_t(-1) : positions[best];
  }
  case ReduceKind::mode:
    return elements.empty() ? zeroOf(from) : elements[modeOf(elements)];
  case ReduceKind::product: {
    bool narrow = storageOf(from) == Storage::Float;
    Element one = narrow                               ? Element(1.0f)
                  : storageOf(from) == Storage::Double ? Element(1.0)
                                                       : Element(int64_t(1));
    return fold(elements, BinaryKind::mul, one);
  }
  }
  return zeroOf(to);
}

/// On ranges: each end on its own where the reduction is monotone in every
/// element; otherwise known only where all elements are.
Element Reducer::onRanges(const std::vector<Element> &elements,
                          ArrayRef<int64_t> positions) const {
  std::vector<Element> lows, highs;
  bool known = true;
  for (const Element &element : elements) {
    Range range = toRange(element);
    known &= range.known;
    lows.push_back(range.lo);
    highs.push_back(range.hi);
  }
  Element lo = plain(lows, positions);
  if (known)
    return knownRange(lo);
  RangeType unknown = RangeType::get(to.getContext(), to);
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
  case ReduceKind::max:
  case ReduceKind::min:
  case ReduceKind::any:
  case ReduceKind::all:
  case ReduceKind::count: {
    if (kind == ReduceKind::sum && storageOf(from) == Storage::Int)
      break; // may wrap: by intervals below
    Element hi = plain(highs, positions);
    if (isNaN(lo) || isNaN(hi))
      return unknownOf(unknown);
    return interval(lo, hi);
  }
  case ReduceKind::product:
    break;
  default:
    return unknownOf(unknown);
  }
  BinaryKind step = kind == ReduceKind::sum ? BinaryKind::add : BinaryKind::mul;
  Range total = toRange(plain({}, {}));
  for (const Element &element : elements)
    total = applyBinaryRange(step, from, total, toRange(element)).asRange();
  return std::make_shared<const Range>(total);
}

Element Reducer::operator()(const std::vector<Element> &elements,
                            ArrayRef<int64_t> positions) const {
  return ranged ? onRanges(elements, positions) : plain(elements, positions);
}

static LogicalResult evalReduce(ReduceOp op, Frame &frame) {
  const Array &operand = frame.array(op.getOperand());
  auto type = cast<ArrayType>(op.getResult().getType());
  SmallVector<RuntimeValue> sources = {operand};
  if (op.getPlan())
    sources.push_back(frame.get(op.getPlan()));
  auto result = allocateFor(type, sources, frame.machine, op.getLoc());
  if (failed(result))
    return failure();

  // The result position of each operand position: a view of the result's
  // row-major places over the operand's axes.
  std::string why;
  auto places = viewOver(*result, operand.axes, why);
  if (failed(places))
    return op.emitError(why);
  bool inOrder = false;
  int reduced = -1, reducedCount = 0;
  for (auto [i, axis] : llvm::enumerate(operand.axes))
    if (result->findAxis(axis->name) < 0) {
      inOrder |= axis->isPlan();
      reduced = i;
      ++reducedCount;
    }
  // Positions along the one reduced axis, for argmax and argmin.
  bool wantsPositions =
      op.getKind() == ReduceKind::argmax || op.getKind() == ReduceKind::argmin;
  if (wantsPositions && reducedCount != 1)
    return op.emitError("argmax and argmin reduce one axis, found ")
           << reducedCount;

  // The operand's elements grouped by result position, in row-major order.
  int64_t count = result->size(), total = operand.size();
  if (failed(frame.machine.charge(total, op.getLoc())))
    return failure();
  std::vector<int64_t> start(count + 1), grouped(total),
      along(wantsPositions ? total : 0);
  auto meeting = findMeeting(operand.axes, op.getLoc());
  if (failed(meeting))
    return failure();
  const std::vector<bool> &there = *meeting;
  walk<1>(operand.axes, {&*places}, [&](int64_t index, auto at) {
    if (there.empty() || there[index])
      ++start[at[0] + 1];
  });
  for (int64_t p = 0; p < count; ++p)
    start[p + 1] += start[p];
  std::vector<int64_t> next(start.begin(), start.end() - 1);
  int64_t inner = 1;
  for (size_t i = reduced + 1; wantsPositions && i < operand.axes.size(); ++i)
    inner *= operand.axes[i]->size;
  walk<2>(operand.axes, {&operand, &*places}, [&](int64_t index, auto at) {
    if (!there.empty() && !there[index])
      return;
    int64_t slot = next[at[1]]++;
    grouped[slot] = at[0];
    if (wantsPositions)
      along[slot] = index / inner % operand.axes[reduced]->size;
  });

  const float *floats = operand.buffer->floats();
  Reducer reducer{op.getKind(), getValueType(operand.elementType),
                  getValueType(type.getElementType()),
                  isRangeType(operand.elementType), inOrder};
  for (int64_t p = 0; p < count; ++p) {
    ArrayRef<int64_t> group(grouped.data() + start[p], start[p + 1] - start[p]);
    if (floats && op.getKind() == ReduceKind::sum &&
        operand.elementType.isF32()) {
      auto at = [&](size_t i) { return floats[group[i]]; };
      result->buffer->set(p, inOrder ? num::sumInOrder(group.size(), at)
                                     : num::sum(group.size(), at));
      continue;
    }
    std::vector<Element> elements;
    for (int64_t offset : group)
      elements.push_back(operand.buffer->get(offset));
    ArrayRef<int64_t> positions;
    if (wantsPositions)
      positions = ArrayRef(along.data() + start[p], group.size());
    Element reducedElement = reducer(elements, positions);
    // A plain result of ranges is what is surely so.
    if (reducer.ranged && !isRangeType(type.getElementType()))
      reducedElement = reducedElement.asRange().lo;
    else if (!reducer.ranged && isRangeType(type.getElementType()))
      reducedElement = knownRange(reducedElement);
    result->buffer->set(p, std::move(reducedElement));
  }
  frame.set(op.getResult(), std::move(*result));
  return success();
}

/// The f32 value of a number.
static float asF32(const Element &element, Type type) {
  return applyCast(type, Float32Type::get(type.getContext()), element)
      .asFloat();
}

static LogicalResult evalContract(ContractOp op, Frame &frame) {
  auto type = cast<ArrayType>(op.getResult().getType());
  const Array &lhs = frame.array(op.getLhs()), &rhs = frame.array(op.getRhs());
  SmallVector<RuntimeValue> sources = {lhs, rhs};
  auto axes = resolveAxes(type.getAxes(), sources, frame.machine, op.getLoc());
  SmallVector<FlatSymbolRefAttr> overNames(
      op.getOver().getAsRange<FlatSymbolRefAttr>());
  auto over = resolveAxes(overNames, sources, frame.machine, op.getLoc());
  if (failed(axes) || failed(over))
    return failure();
  SmallVector<AxisRef> all(*axes);
  all.append(over->begin(), over->end());
  auto left = viewFor(op, lhs, all), right = viewFor(op, rhs, all);
  auto result =
      frame.machine.allocate(type.getElementType(), *axes, op.getLoc());
  if (failed(left) || failed(right) || failed(result))
    return failure();

  // Terms are gathered for one result position at a time: the result's axes are
  // the outer ones.
  int64_t terms = countPositions(*over);
  if (terms < 0)
    return op.emitError("contracted axes have too many positions");
  if (failed(frame.machine.charge(countPositions(all), op.getLoc())))
    return failure();
  Type leftType = getValueType(lhs.elementType),
       rightType = getValueType(rhs.elementType);
  const float *a = left->buffer->floats(), *b = right->buffer->floats();
  bool ranged = isRangeType(type.getElementType());
  bool fast = !ranged && a && b;
  Type f32 = Float32Type::get(op.getContext());
  std::vector<float> products, highs; // of ranges the lower ends are first
  auto flush = [&](int64_t index) {
    float sum = num::sum(products.data(), products.size());
    if (ranged) {
      float high = num::sum(highs.data(), highs.size());
      bool odd = std::isnan(sum), also = std::isnan(high);
      result->buffer->set(index, odd && also ? knownRange(sum)
                                 : odd || also
                                     ? unknownOf(type.getElementType())
                                     : interval(sum, high));
    } else {
      result->buffer->set(index, sum);
    }
    products.clear();
    highs.clear();
  };
  auto meeting = findMeeting(all, op.getLoc());
  if (failed(meeting))
    return failure();
  const std::vector<bool> &there = *meeting;
  walk<2>(all, {&*left, &*right}, [&](int64_t index, auto at) {
    if (!there.empty() && !there[index]) {
      // No term of any sum.
    } else if (fast) {
      products.push_back(a[at[0]] * b[at[1]]);
    } else if (!ranged) {
      products.push_back(asF32(left->buffer->get(at[0]), leftType) *
                         asF32(right->buffer->get(at[1]), rightType));
    } else {
      auto toF32 = [&](const Array &view, int64_t place, Type from) {
        Range range = toRange(view.buffer->get(place));
        range.lo = asF32(range.lo, from);
        range.hi = asF32(range.hi, from);
        return range;
      };
      Range product =
          applyBinaryRange(BinaryKind::mul, f32, toF32(*left, at[0], leftType),
                           toF32(*right, at[1], rightType))
              .asRange();
      products.push_back(product.lo.asFloat());
      highs.push_back(product.hi.asFloat());
    }
    if ((index + 1) % terms == 0)
      flush(index / terms);
  });
  // No terms: every sum is zero, as allocated.
  frame.set(op.getResult(), std::move(*result));
  return success();
}

void route::interp::addReductionOps(Registry &registry) {
  registry.add(evalReduce);
  registry.add(evalContract);
}
