// What passes that make GPU kernels share.
// The module of kernels, new kernels in it, launches.
#ifndef ROUTE_KERNELS_KERNELS_H
#define ROUTE_KERNELS_KERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace route {

/// The module of kernels, `@kernels` where nothing else has the name; null
/// where there is none.
mlir::gpu::GPUModuleOp findKernelModule(mlir::ModuleOp module);

/// A kernel `<stem>_<n>` for blocks of `block` threads in one dimension, in the
/// module of kernels, which is made where there is none. Its body only waits
/// for the kernels launched before: the runtime lets it start before they end.
mlir::gpu::GPUFuncOp createKernel(mlir::ModuleOp module, mlir::Location loc,
                                  llvm::StringRef stem,
                                  mlir::TypeRange arguments, int32_t block);

/// On a kernel: bytes of dynamic shared memory that a block needs.
inline constexpr llvm::StringLiteral kSharedBytesAttr = "route.shared_bytes";

/// On a kernel whose blocks stay and share out the work: how many of them a
/// multiprocessor holds. A launch gets no more than fit the device.
inline constexpr llvm::StringLiteral kBlocksPerProcessorAttr =
    "route.blocks_per_processor";

/// On a kernel, a mark: it waits by itself for those launched before, and the
/// runtime may let it start before they end.
inline constexpr llvm::StringLiteral kWaitsAttr = "route.waits";

/// On a kernel with a loop over items: how many of its first arguments have a
/// row for each item. Others are what all items share, and results.
inline constexpr llvm::StringLiteral kItemInputsAttr = "route.item_inputs";

/// On a kernel, a mark: its blocks share out the work, however many there are,
/// as those of forEachThread do. The blocks of others are as many as there is
/// work for.
inline constexpr llvm::StringLiteral kAnyGridAttr = "route.any_grid";

/// On a kernel's argument, a pointer: it gets a tensor map of the buffer that
/// the launch gives. The value is the box, an array of i64, the innermost size
/// last; boxes are 128 bytes wide and swizzled.
inline constexpr llvm::StringLiteral kTensorMapAttr = "route.tensor_map";

/// A kernel as createKernel makes it, but in the LLVM dialect: buffers are the
/// fields of their descriptors, and arguments can be tensor maps. Its body is
/// empty: it does not wait by itself (see waitForEarlierKernels).
mlir::LLVM::LLVMFuncOp createWholeKernel(mlir::ModuleOp module,
                                         mlir::Location loc,
                                         llvm::StringRef stem,
                                         mlir::TypeRange arguments,
                                         int32_t block);

/// Adds arguments behind those that such a kernel has; its launches have to
/// follow.
void addArguments(mlir::LLVM::LLVMFuncOp kernel, mlir::TypeRange types);

/// Makes an argument of a kernel a tensor map with boxes of that size.
void setTensorMap(mlir::LLVM::LLVMFuncOp kernel, unsigned argument,
                  llvm::ArrayRef<int64_t> box);

/// The dynamic shared memory of a block, aligned to 1024 bytes: a pointer.
mlir::Value dynamicShared(mlir::ImplicitLocOpBuilder &b);

/// Lets the next kernel start, and waits until those launched before have ended
/// and what they wrote can be read. `b` stands at the start of a kernel, which
/// gets kWaitsAttr.
void waitForEarlierKernels(mlir::ImplicitLocOpBuilder &b);

/// Launches `grid` blocks of the kernel.
void launchKernel(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                  mlir::Value grid, mlir::ValueRange operands);
void launchKernel(mlir::ImplicitLocOpBuilder &b, mlir::LLVM::LLVMFuncOp kernel,
                  mlir::Value grid, mlir::ValueRange operands);

/// The threads of a grid take the numbers below `count` in turn: calls `body`
/// with each number that this thread takes. `b` stands in the kernel.
void forEachThread(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                   mlir::Value count,
                   llvm::function_ref<void(mlir::Value)> body);

/// Blocks for one thread for each of `count` numbers.
mlir::Value gridFor(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                    mlir::Value count);

} // namespace route

#endif // ROUTE_KERNELS_KERNELS_H
