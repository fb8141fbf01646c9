// What compilations for GPUs know of measurements.
// And what a library made for measuring has: attributes of the module that the
// passes with several forms of an op share.
//
// A choice is a place where a number of rows decides which of several forms
// runs. It has a shape, which findings name, and forms by name:
//   route.tuning = {"bf16[128, 2048, 768] * 2 to bf16" =
//     [{form = "64x256", rows = 4096}, {form = "160x256"}]}
// says that the first form runs up to 4096 rows and the other beyond.
#ifndef ROUTE_DIALECT_RAGGED_TRANSFORMS_TUNING_H
#define ROUTE_DIALECT_RAGGED_TRANSFORMS_TUNING_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <limits>
#include <optional>
#include <string>

namespace route::ragged {

/// On the module: findings by shape, see above.
inline constexpr llvm::StringLiteral kTuningAttr = "route.tuning";
/// On the module, a mark: choices get all their forms, and whoever runs the
/// library can make them.
inline constexpr llvm::StringLiteral kTunableAttr = "route.tunable";
/// On the module, made by passes: choices in the order of their numbers, each
/// {entry, shape, forms, most}: the last row of each form but the last.
inline constexpr llvm::StringLiteral kChoicesAttr = "route.choices";
/// On the module, made by passes: shapes whose findings were used.
inline constexpr llvm::StringLiteral kTunedAttr = "route.tuned";

/// Arrays of a tunable library, by the number of a choice: the form to take, -1
/// for the library's own choice, and the rows that the last call had.
inline constexpr llvm::StringLiteral kChosenFormsSymbol = "route.chosen_forms";
inline constexpr llvm::StringLiteral kSeenRowsSymbol = "route.seen_rows";
inline constexpr int64_t kMostChoices = 64; ///< of a library that can be tuned

/// A form and the rows up to which it runs.
struct FormLimit {
  static constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  std::string form;
  int64_t rows; ///< kAll for the last
};

/// The findings for a shape, in ascending order of rows, the last without a
/// limit; none where there are none. Marks them as used.
std::optional<llvm::SmallVector<FormLimit>> findTuning(mlir::ModuleOp module,
                                                       llvm::StringRef shape);

/// The conditions of one choice among forms at a place of the host's code.
class Choice {
public:
  /// `b` stands where the choice is made, `rows` is an index. In a module that
  /// is to be tunable it gets a number.
  Choice(mlir::ImplicitLocOpBuilder &b, llvm::StringRef shape,
         llvm::ArrayRef<FormLimit> forms, mlir::Value rows);

  /// Whether form i runs, given that none before it does.
  mlir::Value takes(mlir::ImplicitLocOpBuilder &b, size_t i);

private:
  llvm::SmallVector<FormLimit> forms;
  mlir::Value rows;
  mlir::Value chosen; ///< where the module is tunable
};

} // namespace route::ragged

#endif // ROUTE_DIALECT_RAGGED_TRANSFORMS_TUNING_H
