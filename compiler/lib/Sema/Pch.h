//===- Pch.h - Headers that every file of the checker needs -----*- C++ -*-===//
//
// Precompiled: MLIR's headers take longer to read than the checker to compile.
//
//===----------------------------------------------------------------------===//
#ifndef ROUTE_LIB_SEMA_PCH_H
#define ROUTE_LIB_SEMA_PCH_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#endif
