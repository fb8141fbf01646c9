// What of an entry for a GPU is the host's.
#ifndef ROUTE_LIB_TARGET_CUDA_HOSTPART_H
#define ROUTE_LIB_TARGET_CUDA_HOSTPART_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace route {

/// The operations of an entry that deal with texts, what those are computed
/// from, and loops over elements of what the host then has anyway; and the
/// arguments that are in memory of the host.
class HostPart {
public:
  explicit HostPart(mlir::func::FuncOp entry);

  /// Finds the part; says why the host lacks some of it, or nothing.
  std::string find();

  bool empty() const { return operations.empty(); }
  /// Of the operations in the entry's body.
  bool contains(mlir::Operation *op) const { return operations.contains(op); }

  /// Whether the port that an argument belongs to is the host's.
  bool isOnHost(unsigned argument) const {
    return onHost.test(portOf(argument));
  }
  /// What an argument is there for: its `route.role`.
  mlir::StringRef roleOf(unsigned argument) const;

  /// Whether both parts compute the operation: sizes, constants, empty tensors.
  static bool isShared(mlir::Operation *op);

private:
  void markTexts();
  void takeWhatIsThere();
  std::string require(mlir::Operation *op,
                      llvm::SetVector<mlir::Operation *> &needed, bool firm);
  unsigned portOf(unsigned argument) const;

  mutable mlir::func::FuncOp entry;
  llvm::BitVector onHost; ///< by argument
  llvm::SetVector<mlir::Operation *> operations;
};

/// Whether a value of the type is a text, or texts.
bool isText(mlir::Type type);

} // namespace route

#endif
