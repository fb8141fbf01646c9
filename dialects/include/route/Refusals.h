// The reasons of refusals that a module knows by their codes alone.
#ifndef ROUTE_REFUSALS_H
#define ROUTE_REFUSALS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/SetVector.h"

namespace route {

/// On a module: an array of `[code, "reason"]`. A code for which the spec gives
/// two reasons, or in places none, is not among them.
inline constexpr llvm::StringLiteral kRejectsAttr = "route.rejects";

/// Calls `body` with each of these codes and its reason.
inline void
forEachReason(mlir::Operation *module,
              llvm::function_ref<void(int64_t, llvm::StringRef)> body) {
  auto all = module->getAttrOfType<mlir::ArrayAttr>(kRejectsAttr);
  if (!all)
    return;
  for (auto each : all.getAsRange<mlir::ArrayAttr>())
    body(llvm::cast<mlir::IntegerAttr>(each[0]).getInt(),
         llvm::cast<mlir::StringAttr>(each[1]).getValue());
}

/// Adds what one refusal says: its code and its reason, which may be "".
inline void addReason(mlir::Operation *module, int64_t code,
                      llvm::StringRef reason) {
  mlir::Builder b(module->getContext());
  llvm::SetVector<mlir::Attribute> all;
  if (auto known = module->getAttrOfType<mlir::ArrayAttr>(kRejectsAttr))
    all.insert(known.begin(), known.end());
  all.insert(
      b.getArrayAttr({b.getI64IntegerAttr(code), b.getStringAttr(reason)}));
  module->setAttr(kRejectsAttr, b.getArrayAttr(all.getArrayRef()));
}

/// Leaves the codes that have one reason, when all refusals are added.
inline void keepSoleReasons(mlir::Operation *module) {
  llvm::SmallVector<mlir::Attribute> sole;
  forEachReason(module, [&](int64_t code, llvm::StringRef reason) {
    unsigned given = 0;
    forEachReason(module, [&](int64_t other, llvm::StringRef) {
      given += other == code;
    });
    mlir::Builder b(module->getContext());
    if (given == 1 && !reason.empty())
      sole.push_back(
          b.getArrayAttr({b.getI64IntegerAttr(code), b.getStringAttr(reason)}));
  });
  module->removeAttr(kRejectsAttr);
  if (!sole.empty())
    module->setAttr(kRejectsAttr,
                    mlir::Builder(module->getContext()).getArrayAttr(sole));
}

} // namespace route

#endif // ROUTE_REFUSALS_H
