// From IR to machine code for CPUs.
// The last conversions to the LLVM dialect, translation, optimisation for one
// ISA level and object emission.
#ifndef ROUTE_TARGET_CPU_H
#define ROUTE_TARGET_CPU_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace route {

/// ISA levels that libraries are built for; a library carries several variants
/// and picks one by cpuid through its descriptor.
enum class IsaLevel {
  V3,     ///< x86-64-v3: AVX2, FMA, F16C. The floor.
  V4,     ///< x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
  V4Bf16, ///< x86-64-v4 with AVX512-BF16 dot products.
};

/// "v3", "v4", "v4-bf16".
llvm::StringRef stringifyIsaLevel(IsaLevel level);
std::optional<IsaLevel> parseIsaLevel(llvm::StringRef text);

/// The best level of the machine this runs on; nothing below x86-64-v3.
std::optional<IsaLevel> hostIsaLevel();

/// Bits in the widest vector register worth using at a level: 256 or 512.
unsigned vectorBits(IsaLevel level);

/// What an object is built for.
struct TargetOptions {
  std::string triple; ///< empty: the host's
  std::string cpu = "x86-64-v3";
  std::string features; ///< as in "+avx512bf16,-prefer-256-bit"
  bool quick = false;   ///< few passes, for code that takes no time to run
  /// Functions and globals that stay visible outside. Every other definition
  /// becomes internal. Empty: nothing is internal, everything hidden.
  std::vector<std::string> exports;

  /// The options of one ISA level on the host's operating system.
  static TargetOptions forLevel(IsaLevel level);
};

/// Adds the passes from vector, scf, memref, arith, math, linalg on buffers,
/// cf and func to the LLVM dialect. Functions of numerics.h are expanded first,
/// so the object calls no math library; `level` says which instructions they
/// may use, with the same results.
void addLowerToLLVMPasses(mlir::OpPassManager &pm,
                          IsaLevel level = IsaLevel::V3);

/// The same for code that launches kernels, where sizes are all that is
/// computed.
void addLaunchesToLLVMPasses(mlir::OpPassManager &pm);

/// What emit writes.
enum class OutputKind { Object, Assembly, LLVMIR };

/// Translates `module` (LLVM dialect only), optimises it for the target and
/// writes the object, assembly or IR to `out`. Floating-point operations keep
/// their meaning: nothing is contracted or reassociated unless an operation
/// carries the flag. The object has no constructors and no ifuncs. On failure a
/// diagnostic is emitted at the module.
mlir::LogicalResult emit(mlir::ModuleOp module, const TargetOptions &options,
                         OutputKind kind, llvm::SmallVectorImpl<char> &out);

/// emit() of an object.
mlir::LogicalResult emitObject(mlir::ModuleOp module,
                               const TargetOptions &options,
                               llvm::SmallVectorImpl<char> &out);

} // namespace route

#endif // ROUTE_TARGET_CPU_H
