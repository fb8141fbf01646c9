// From tensors to code for NVIDIA GPUs.
// Kernels, the host code that launches them, PTX and machine code.
#ifndef ROUTE_TARGET_CUDA_CUDA_H
#define ROUTE_TARGET_CUDA_CUDA_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <memory>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace route {

/// The architecture that kernels are made for.
inline constexpr llvm::StringLiteral kCudaArchitecture = "sm_90a";

/// A kernel, as the runtime launches it.
struct DeviceKernel {
  std::string name;
  uint32_t sharedBytes = 0;        ///< of dynamic shared memory
  uint32_t blocksPerProcessor = 0; ///< 0: any number of blocks
  bool waits = false;              ///< by itself, for earlier kernels
  uint32_t binary = 0;             ///< which has it, where there are any
};

/// Device code of a library.
struct DeviceCode {
  std::string ptx;                   ///< never empty
  std::vector<std::string> cubins;   ///< none where there is no ptxas
  std::vector<DeviceKernel> kernels; ///< by number
};

/// A pass that code for GPUs is as right without, or with: what it brings can
/// be measured.
struct OptionalPass {
  llvm::StringLiteral name;
  bool runs; ///< unless it is asked otherwise
};
llvm::ArrayRef<OptionalPass> optionalKernelPasses();

/// How kernels are made.
struct KernelOptions {
  std::vector<std::string> disabled; ///< optional passes that do not run
  std::vector<std::string> enabled;  ///< and some that do
  /// Of products of f32 that choices hang on: f32, bf16, split-bf16 or tf32x3.
  std::string gatePrecision = "f32";

  bool runs(llvm::StringRef pass) const;
  /// What is wrong with the names above; empty where nothing is.
  std::string fault() const;
};
llvm::ArrayRef<llvm::StringLiteral> gatePrecisions();

/// Adds the passes that give the host what GPUs cannot do, before those below.
void addSplitPasses(mlir::OpPassManager &pm, const KernelOptions &options);

/// Adds the passes from tensors (convert-route-to-linalg) to kernels and
/// entries that launch them, on buffers.
void addKernelPasses(mlir::OpPassManager &pm, const KernelOptions &options);

/// Adds the passes that lower the module of kernels within a module to the LLVM
/// dialect.
void addKernelsToLLVMPasses(mlir::OpPassManager &pm);

/// Registers `route-to-kernels` and `route-kernels-to-llvm`, which run the
/// passes above.
void registerKernelPipelines();

/// Kernels that a child process compiles, so that a failure of code generation
/// is an error and not the end of this one: to PTX, and to machine code where a
/// ptxas is found.
class KernelCompilation {
public:
  KernelCompilation();
  /// Ends the child if it still runs.
  ~KernelCompilation();
  /// Starts with the kernels of `module`, in the LLVM dialect, which are not
  /// needed any more afterwards. Reports at the module.
  mlir::LogicalResult start(mlir::ModuleOp module);
  /// Waits for the child. Reports at the module.
  mlir::FailureOr<DeviceCode> finish(mlir::ModuleOp module);

private:
  struct State;
  std::unique_ptr<State> state;
};

/// The ptxas to use: $ROUTE_PTXAS, else that of $CUDA_HOME or $PATH, else of
/// /usr/local/cuda, else the one that utils/setup.sh put beside this program's
/// build; empty without one.
std::string findPtxas();

} // namespace route

#endif
