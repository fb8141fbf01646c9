// The passes that give entries the calling convention of a library.
#ifndef ROUTE_LIBRARY_PASSES_H
#define ROUTE_LIBRARY_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Library/Passes.h.inc"

/// On an allocation: it lies at the start of the workspace and nothing shares
/// its place, so that whoever called the function finds it there.
inline constexpr llvm::StringLiteral kKeptAttr = "route.kept";
/// On an entry for a device: the host computes a part of it first, by the
/// function of that name with ".host" behind it.
inline constexpr llvm::StringLiteral kHasHostPartAttr = "route.has_host_part";
/// The function for a device that makes of parameters, once, what entries read.
inline constexpr llvm::StringLiteral kPrepareName = ".prepare";
/// On it: the bytes that it writes; arguments whose role is "prepared" lie
/// there.
inline constexpr llvm::StringLiteral kPreparedBytesAttr =
    "route.prepared_bytes";
/// On an argument of an entry for a device, an input or an output: it is in
/// memory of the host. Its known bytes are where it is.
inline constexpr llvm::StringLiteral kOnHostAttr = "route.on_host";
} // namespace route

#endif
