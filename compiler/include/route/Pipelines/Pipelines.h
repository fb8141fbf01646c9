// The phases of compilation, declared once.
// For the driver's --compile-to, for pipelines by name and for tests.
#ifndef ROUTE_PIPELINES_PIPELINES_H
#define ROUTE_PIPELINES_PIPELINES_H

#include "route/Target/CPU.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace route {

/// Each phase ends with IR that can be printed, checked and run by itself.
enum class Phase {
  Route,   ///< named axes, as written
  Rows,    ///< row programs formed
  Linalg,  ///< tensors: linalg, row, ragged, signal
  Packed,  ///< parameters packed where they are bound
  Buffers, ///< buffers and loops for one processor level, workspace planned
  LLVM     ///< the LLVM dialect, with the library's calling convention
};

/// A phase, its name on the command line and one line on what it holds.
struct PipelineInfo {
  Phase phase;
  llvm::StringRef name, summary;
};
llvm::ArrayRef<PipelineInfo> getPipelines();
std::optional<Phase> parsePhase(llvm::StringRef name);

void addRowsPasses(mlir::OpPassManager &pm);
void addLinalgPasses(mlir::OpPassManager &pm);
void addPackingPasses(mlir::OpPassManager &pm);
/// Where `withBf16` is true, what is made for V4 serves V4Bf16 as well.
void addBufferPasses(mlir::OpPassManager &pm, IsaLevel level,
                     bool withBf16 = false);
void addLLVMPasses(mlir::OpPassManager &pm, IsaLevel level,
                   bool withBf16 = false);

/// The passes that lead from Phase::Route to `phase`.
/// `fuseProducts` is for measurements: whether gates move into their row
/// programs.
void addPassesTo(mlir::OpPassManager &pm, Phase phase, IsaLevel level,
                 bool fuseProducts = true);

/// Registers route-to-<phase> as pipelines, with the options `isa` and
/// `fuse-products`.
void registerPipelines();

} // namespace route

#endif
