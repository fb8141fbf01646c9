// Which forms a grouped product gets, by the model of costs.
// Candidates by what registers and shared memory hold, and at most two of them:
// each is a kernel to compile.
#include "TilePlan.h"
#include "KernelBody.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace mlir;

namespace route::ragged {

std::string shapeOf(ShapedType weights, MatmulOp op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << weights.getElementType() << "[" << op.getExperts() << ", "
      << op.getInner() << ", " << op.getOutputs() << "]";
  if (op.getWeights().size() > 1)
    out << " * " << op.getWeights().size();
  if (op.getParts() > 1)
    out << " in " << op.getParts() << " parts";
  if (op.getTransposed())
    out << " transposed";
  if (!op.getOffsets())
    out << " dense";
  out << " to " << cast<ShapedType>(op.getOut().getType()).getElementType();
  return text;
}

std::string ProductForm::name() const {
  if (!tiles)
    return kFewForm.str();
  return std::to_string(tiles->tokens) + "x" + std::to_string(tiles->columns());
}

/// The tiles of that name; none where it is no name or does not fit.
static std::optional<WgmmaTiles> tilesNamed(MatmulOp op, StringRef name,
                                            int64_t splits) {
  auto [tokens, columns] = name.split('x');
  int64_t t = 0, c = 0;
  if (tokens.getAsInteger(10, t) || columns.getAsInteger(10, c) || t < 16 ||
      t > 256 || t % 16 || (c != 128 && c != 256))
    return std::nullopt;
  auto tiles = WgmmaTiles::choose(op, t, splits, c / 128);
  if (failed(tiles) || tiles->tokens != t || tiles->columns() != c)
    return std::nullopt;
  return *tiles;
}

/// What of the candidates fits, as it is offered where it is.
static SmallVector<WgmmaTiles> candidatesFor(MatmulOp op,
                                             const PlanOptions &options) {
  SmallVector<WgmmaTiles> found;
  for (StringRef name : {"64x128", "128x128", "160x128", "256x128", "64x256",
                         "80x256", "128x256", "160x256"})
    if (auto tiles = tilesNamed(op, name, options.splits)) {
      const auto *same =
          llvm::find_if(options.offered, [&](const WgmmaTiles &other) {
            return other.tokens == tiles->tokens &&
                   other.columns() == tiles->columns();
          });
      found.push_back(same == options.offered.end() ? *tiles : *same);
      found.back().alsoDense = same != options.offered.end();
    }
  return found;
}

/// Few rows: those that hardly meet. The form for them reads an expert's
/// weights once for each of its rows.
static int64_t fewRowsOf(MatmulOp op, const PlanOptions &options) {
  if (options.fewRows >= 0)
    return options.fewRows;
  return op.getOffsets() ? op.getExperts() / 4 : 32;
}

static double cost(const PlanOptions &options, MatmulOp op,
                   const WgmmaTiles &tiles, double rows) {
  auto out = cast<ShapedType>(op.getOut().getType());
  Product product = {op.getOffsets() ? double(op.getExperts()) : 1,
                     double(op.getInner()),
                     double(op.getOutputs()),
                     double(op.getWeights().size()),
                     double(op.getParts()),
                     op.weightType().getElementTypeBitWidth() / 8.0,
                     out.getElementTypeBitWidth() / 8.0};
  return estimate(
      options.device, product,
      {double(tiles.tokens), double(tiles.step()), double(tiles.columns())},
      rows);
}

/// The one or two candidates, and the row between them, that are nearest the
/// best at every number of rows. A kernel more has to be worth it, but one that
/// there is already costs nothing.
static SmallVector<ProductForm> byModel(MatmulOp op, const PlanOptions &options,
                                        ArrayRef<WgmmaTiles> candidates,
                                        int64_t few) {
  // A second kernel takes as long to compile as the first.
  constexpr double worth = 0.06;
  SmallVector<int64_t> rows;
  for (int64_t n = llvm::PowerOf2Ceil(std::max<int64_t>(few, 15) + 1);
       n <= (int64_t(1) << 19); n *= 2)
    rows.push_back(n);
  SmallVector<SmallVector<double>> above(candidates.size());
  for (int64_t n : rows) {
    SmallVector<double> costs;
    for (const WgmmaTiles &tiles : candidates)
      costs.push_back(cost(options, op, tiles, double(n)));
    double best = *llvm::min_element(costs);
    for (auto [i, c] : llvm::enumerate(costs))
      above[i].push_back(std::log(c / best));
  }
  // By how much, on the mean of the ratios: sums up to the n-th number of rows.
  size_t first = 0, second = 0, at = 0;
  double least = 0;
  SmallVector<double> prices;
  for (const WgmmaTiles &tiles : candidates)
    prices.push_back(tiles.alsoDense ? 0 : worth * double(rows.size()));
  for (size_t i = 0; i < candidates.size(); ++i) {
    double total = prices[i];
    for (double x : above[i])
      total += x;
    if (i == 0 || total < least) {
      least = total;
      first = second = i;
    }
  }
  for (size_t i = 0; i < candidates.size(); ++i)
    for (size_t j = 0; j < candidates.size(); ++j) {
      double total = prices[i] + prices[j];
      for (double x : above[j])
        total += x;
      for (size_t n = 0; n + 1 < rows.size(); ++n) {
        total += above[i][n] - above[j][n];
        if (i != j && total < least) {
          least = total;
          first = i;
          second = j;
          at = n;
        }
      }
    }
  if (first == second)
    return {{candidates[first], FormLimit::kAll}};
  return {{candidates[first], rows[at]}, {candidates[second], FormLimit::kAll}};
}

FailureOr<TilePlan> planTiles(ModuleOp module, MatmulOp op,
                              const PlanOptions &options,
                              std::string &problem) {
  FailureOr<WgmmaTiles> usual = WgmmaTiles::choose(
      op, options.tokens ? options.tokens : 160, options.splits);
  if (failed(usual))
    return failure();
  // Those of a chain that has another form for few rows never see them.
  // Products whose K is shared out have forms for any number of rows, and an
  // item gets the same sums in every batch.
  bool hasFew =
      options.fewRows >= 0 || (!op->hasAttr(kManyAttr) && usual->splits == 1);
  int64_t few = hasFew ? fewRowsOf(op, options) : 0;
  TilePlan plan;
  SmallVector<WgmmaTiles> candidates;
  if (!options.tokens && usual->splits == 1)
    candidates = candidatesFor(op, options);
  std::string shape = shapeOf(op.weightType(), op);
  auto findings = candidates.empty() ? std::nullopt : findTuning(module, shape);
  if (findings) {
    for (const FormLimit &limit : *findings) {
      ProductForm form = {std::nullopt, limit.rows};
      if (limit.form == kFewForm) {
        if (!hasFew)
          continue; // the chain's own form has them
      } else if (form.tiles = tilesNamed(op, limit.form, options.splits);
                 !form.tiles) {
        problem = "the findings for '" + shape + "' name the form '" +
                  limit.form + "', which this product does not have";
        return failure();
      }
      plan.forms.push_back(form);
    }
    if (plan.forms.empty())
      plan.forms.push_back({*usual, FormLimit::kAll});
    plan.forms.back().rows = FormLimit::kAll;
  } else {
    if (hasFew)
      plan.forms.push_back({std::nullopt, few});
    if (candidates.empty())
      plan.forms.push_back({*usual, FormLimit::kAll});
    else
      llvm::append_range(plan.forms, byModel(op, options, candidates, few));
  }
  if (!module->hasAttr(kTunableAttr))
    return plan;
  auto has = [&](const std::string &name) {
    return llvm::any_of(plan.forms,
                        [&](const auto &form) { return form.name() == name; });
  };
  for (const WgmmaTiles &tiles : candidates)
    if (ProductForm form = {tiles, FormLimit::kAll}; !has(form.name()))
      plan.others.push_back(form);
  if (ProductForm form = {std::nullopt, FormLimit::kAll};
      hasFew && !has(form.name()))
    plan.others.push_back(form);
  return plan;
}

} // namespace route::ragged
