// From a module of tensors to a library.
// Objects for each processor level, the description, the header, and the
// archive or shared object.
#ifndef ROUTE_LIBRARY_LIBRARY_H
#define ROUTE_LIBRARY_LIBRARY_H

#include "mlir/IR/BuiltinOps.h"
#include "route/Library/Schema.h"
#include "route/Library/Tuning.h"
#include "route/Target/CPU.h"
#include "route/Target/CUDA/CUDA.h"
#include <string>
#include <vector>

namespace route {

/// What to compile for and what to say of it.
struct LibraryOptions {
  std::string name;       ///< the module's name
  std::string sourceHash; ///< hex SHA-256 of the sources
  /// Levels to compile for, best last; a library carries one variant a level.
  std::vector<IsaLevel> levels = {IsaLevel::V3, IsaLevel::V4, IsaLevel::V4Bf16};
  bool cuda = false;     ///< also for NVIDIA GPUs
  KernelOptions kernels; ///< for those
  Tuning tuning;         ///< of one
  bool tunable = false;  ///< for `route-run --tune`: with all forms of products
};

/// One object file in memory.
struct ObjectFile {
  std::string name;
  llvm::SmallVector<char, 0> bytes;
};

/// An entry that runs on GPUs.
struct DeviceEntry {
  std::string symbol;
  std::vector<uint32_t> hostPorts; ///< in the host's memory; inputs come first
  bool hasHostPart = false;        ///< which computes some of it
};

/// What a library has for GPUs: the host code of entries, and kernels.
struct DeviceLibrary {
  std::vector<ObjectFile> objects;
  DeviceCode code;
  std::vector<DeviceEntry> entries;
  uint64_t preparedBytes = 0; ///< made of parameters once; 0: nothing is
  std::string choices;        ///< of a tunable library, see describeChoices
};

/// Compiles `module`, which has left convert-route-to-linalg, for GPUs. An
/// entry that they cannot run stays out, with a warning that says why.
mlir::FailureOr<DeviceLibrary> compileForDevice(mlir::ModuleOp module,
                                                const LibraryOptions &options);

/// Compiles `module`, which has left convert-route-to-linalg, to the objects of
/// a library: one a level, one for GPUs, and one with the description. Reports
/// through the module's context.
mlir::FailureOr<std::vector<ObjectFile>>
compileLibrary(mlir::ModuleOp module, const LibraryOptions &options);

/// The object that holds route_module_v1.
mlir::FailureOr<ObjectFile> emitDescription(mlir::MLIRContext &context,
                                            const Schema &schema,
                                            const LibraryOptions &options,
                                            const DeviceLibrary &device);

/// A C and C++ header for the library: constants for entries, inputs, outputs,
/// rows and enums, and inline wrappers with typed arguments.
std::string emitHeader(const Schema &schema, const LibraryOptions &options);

/// A symbol that objects use and that neither they have nor every C library,
/// which a library of routes must not need; empty where there is none.
std::string findMissing(llvm::ArrayRef<ObjectFile> objects);

/// Writes objects as `path`, by its ending: .so, .a or .o. Gives an error text,
/// empty on success.
std::string writeLibrary(llvm::ArrayRef<ObjectFile> objects,
                         llvm::StringRef path);

/// What the runtime objects to in a library of these objects, which were
/// written as `path`; empty where it takes them. Needs a linker for what is no
/// .so, and says nothing without.
std::string whyNotLoadable(llvm::ArrayRef<ObjectFile> objects,
                           llvm::StringRef path);

} // namespace route

#endif
