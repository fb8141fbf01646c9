// Which forms a grouped product gets, and up to how many rows.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEPLAN_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEPLAN_H

#include "TileModel.h"
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Tuning.h"

namespace route::ragged {

/// A product's shape as findings name it: element[experts, K, columns],
/// matrices multiplied together and parts of each, the result's element.
std::string shapeOf(mlir::ShapedType weights, MatmulOp op);

/// The name of the form that takes a warp for a few columns of a row.
inline constexpr llvm::StringLiteral kFewForm = "few";

/// One form of a product: without tiles the one for few rows.
struct ProductForm {
  std::optional<WgmmaTiles> tiles;
  int64_t rows; ///< FormLimit::kAll: any number

  std::string name() const;
};

struct PlanOptions {
  int64_t tokens;  ///< rows of a tile at most; 0: what the model chooses
  int64_t splits;  ///< of K
  int64_t fewRows; ///< of the form for few rows; -1: by the number of experts
  Device device;
  /// Of kernels of other products that this one can share.
  llvm::SmallVector<WgmmaTiles> offered;
};

struct TilePlan {
  /// In ascending order of rows, the last for any number.
  llvm::SmallVector<ProductForm> forms;
  /// What else there is to measure, in a module that is to be tunable.
  llvm::SmallVector<ProductForm> others;
};

/// The forms of `op`: those that findings name, or else those of the model.
/// Failure without tiles (see WgmmaTiles::choose), or with `problem` where the
/// findings ask for what there is not.
mlir::FailureOr<TilePlan> planTiles(mlir::ModuleOp module, MatmulOp op,
                                    const PlanOptions &options,
                                    std::string &problem);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_TILEPLAN_H
