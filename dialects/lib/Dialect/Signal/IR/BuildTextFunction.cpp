// From a text function call, as the language has it, to signal operations.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::signal;

FailureOr<text::TextAttrs>
route::signal::toTextAttrs(DictionaryAttr arguments) {
  text::TextAttrs result;
  if (!arguments)
    return result;
  for (NamedAttribute named : arguments) {
    std::string key = named.getName().str();
    Attribute value = named.getValue();
    if (auto truth = dyn_cast<BoolAttr>(value)) {
      result[key] = truth.getValue();
    } else if (auto integer = dyn_cast<IntegerAttr>(value)) {
      result[key] = integer.getValue().getSExtValue();
    } else if (auto floating = dyn_cast<FloatAttr>(value)) {
      result[key] = floating.getValueAsDouble();
    } else if (auto string = dyn_cast<StringAttr>(value)) {
      result[key] = string.str();
    } else if (auto array = dyn_cast<ArrayAttr>(value)) {
      std::vector<std::string> list;
      for (Attribute element : array) {
        auto string = dyn_cast<StringAttr>(element);
        if (!string)
          return failure();
        list.push_back(string.str());
      }
      result[key] = std::move(list);
    } else {
      return failure();
    }
  }
  return result;
}

namespace {
class Emitter {
public:
  Emitter(OpBuilder &builder, Location loc, ValueRange texts)
      : builder(builder), loc(loc), texts(texts) {}

  /// `attrs` are those that evaluateTextFunction accepts for `name`.
  Value emit(StringRef name, const text::TextAttrs &attrs) {
    std::string ignored;
    if (std::optional<MeasureKind> what = symbolizeMeasureKind(name))
      return MeasureOp::create(builder, loc, builder.getI64Type(), *what,
                               texts[0]);
    if (name == "equal")
      return EqualOp::create(builder, loc, builder.getI1Type(), texts[0],
                             texts[1]);
    if (name == "estimate")
      return estimate(attrs);
    if (name == "structure")
      return structure();
    if (name == "ngrams")
      return ngrams(attrs);
    if (name == "count_of") {
      auto predicate = text::textPredicate("regex", attrs, ignored);
      return CountOp::create(
          builder, loc, builder.getI64Type(),
          fromPattern(builder.getContext(), predicate->patterns[0]), texts[0]);
    }
    if (name == "density") {
      auto predicate = text::textPredicate("keywords", attrs, ignored);
      SmallVector<Attribute> patterns;
      for (const text::Pattern &pattern : predicate->patterns)
        patterns.push_back(fromPattern(builder.getContext(), pattern));
      return DensityOp::create(builder, loc, builder.getF32Type(),
                               builder.getArrayAttr(patterns), texts[0]);
    }
    auto predicate = text::textPredicate(name.str(), attrs, ignored);
    return MatchOp::create(builder, loc,
                           fromPredicate(builder.getContext(), *predicate),
                           texts[0]);
  }

private:
  Value estimate(const text::TextAttrs &attrs) {
    double ratio = 4.0;
    if (auto given = attrs.find("bytes_per_token"); given != attrs.end()) {
      if (auto *integer = std::get_if<int64_t>(&given->second))
        ratio = static_cast<double>(*integer);
      else
        ratio = std::get<double>(given->second);
    }
    return EstimateOp::create(builder, loc, builder.getI64Type(), texts[0],
                              builder.getF64FloatAttr(ratio));
  }

  Value structure() {
    auto toFloat = [&](Value integer) -> Value {
      return arith::SIToFPOp::create(builder, loc, builder.getF32Type(),
                                     integer);
    };
    Type i64 = builder.getI64Type();
    Value bytes =
        MeasureOp::create(builder, loc, i64, MeasureKind::Bytes, texts[0]);
    Value one =
        arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(1));
    // Of an empty text every count is 0, and 0 over 1 is 0.
    Value size = toFloat(arith::MaxSIOp::create(builder, loc, bytes, one));
    SmallVector<Value> ratios;
    for (text::Measure what : text::structureMeasures) {
      Value count = MeasureOp::create(builder, loc, i64,
                                      static_cast<MeasureKind>(what), texts[0]);
      ratios.push_back(
          arith::DivFOp::create(builder, loc, toFloat(count), size));
    }
    return tensor::FromElementsOp::create(builder, loc, ratios);
  }

  Value ngrams(const text::TextAttrs &attrs) {
    auto number = [&](const char *key, int64_t otherwise) {
      auto given = attrs.find(key);
      return given == attrs.end() ? otherwise
                                  : std::get<int64_t>(given->second);
    };
    auto word = [&](const char *key) -> StringRef {
      auto given = attrs.find(key);
      return given == attrs.end()
                 ? StringRef()
                 : StringRef(std::get<std::string>(given->second));
    };
    int64_t n = number("n", 3), lo = number("lo", n);
    int64_t hi = number("hi", std::max(lo, n));
    auto type = RankedTensorType::get({number("dim", 1)}, builder.getF32Type());
    Value init = tensor::EmptyOp::create(builder, loc, type.getShape(),
                                         type.getElementType());
    return NgramsOp::create(
               builder, loc, type, texts[0], init, lo, hi,
               symbolizeUnitKind(word("unit")).value_or(UnitKind::Bytes),
               symbolizeHashKind(word("hash")).value_or(HashKind::Xxh3),
               number("seed", 0),
               symbolizeWeightingKind(word("weighting"))
                   .value_or(WeightingKind::Count),
               symbolizeNormKind(word("norm")).value_or(NormKind::None))
        .getResult();
  }

  OpBuilder &builder;
  Location loc;
  ValueRange texts;
};
} // namespace

FailureOr<Value> route::signal::buildTextFunction(OpBuilder &builder,
                                                  Location loc, StringRef name,
                                                  DictionaryAttr arguments,
                                                  ValueRange texts) {
  FailureOr<text::TextAttrs> attrs = toTextAttrs(arguments);
  if (failed(attrs))
    return emitError(loc, "'")
           << name << "' takes booleans, numbers, texts and lists of texts";
  // The reference checks the call; what it would answer does not matter.
  std::vector<std::string_view> empty(texts.size());
  std::string error;
  if (!text::evaluateTextFunction(name.str(), *attrs, empty, error))
    return emitError(loc, error);
  return Emitter(builder, loc, texts).emit(name, *attrs);
}
