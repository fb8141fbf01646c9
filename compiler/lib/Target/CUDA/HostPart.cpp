// Finds what of an entry is the host's.
#include "HostPart.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;

bool route::isText(Type type) {
  return isa<signal::TextType>(getElementTypeOrSelf(type));
}

/// Whether the operation, or one within it, deals with texts.
static bool touchesText(Operation *op) {
  return op
      ->walk([](Operation *each) {
        bool found = llvm::any_of(each->getOperandTypes(), isText) ||
                     llvm::any_of(each->getResultTypes(), isText);
        return found ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Whether it goes through elements one by one, outside of what can become a
/// kernel.
static bool goesByElement(Operation *op) {
  return op
      ->walk<WalkOrder::PreOrder>([](Operation *each) {
        if (isa<row::ProgramOp, linalg::LinalgOp>(each) ||
            isa<ragged::RaggedDialect>(each->getDialect()))
          return WalkResult::skip();
        return isa<tensor::ExtractOp, tensor::InsertOp>(each)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

HostPart::HostPart(func::FuncOp entry)
    : entry(entry), onHost(entry.getNumArguments()) {}

std::string HostPart::find() {
  markTexts();
  SmallVector<Operation *> texts;
  for (Operation &op : entry.getBody().front())
    if (touchesText(&op))
      texts.push_back(&op);
  for (Operation *op : texts)
    if (std::string objection = require(op, operations, /*firm=*/true);
        !objection.empty())
      return objection;
  if (!empty())
    takeWhatIsThere();
  return "";
}

StringRef HostPart::roleOf(unsigned argument) const {
  auto role = entry.getArgAttrOfType<StringAttr>(argument, kRoleAttr);
  return role ? role.getValue() : StringRef();
}

/// Texts are the host's, and so is where lists of texts begin.
void HostPart::markTexts() {
  llvm::DenseSet<Attribute> axes;
  auto mark = [&](unsigned i) {
    onHost.set(i);
    if (auto own = entry.getArgAttrOfType<ArrayAttr>(i, kAxesAttr))
      for (Attribute axis : own)
        axes.insert(axis);
  };
  unsigned count = entry.getNumArguments();
  for (unsigned i = 0; i < count; ++i)
    if (isText(entry.getArgument(i).getType()))
      mark(i);
  for (unsigned turn = 0; turn < count; ++turn)
    for (unsigned i = 0; i < count; ++i)
      if (roleOf(i) == "offsets" && !onHost.test(i) &&
          axes.contains(entry.getArgAttr(i, kOfAttr)))
        mark(i);
}

/// The argument that stands for the port of argument `i`: known bytes follow
/// those of their input.
unsigned HostPart::portOf(unsigned i) const {
  while (roleOf(i) == "known")
    --i;
  return i;
}

/// Adds what `op` is computed from to `needed`; says why not where the host
/// lacks some of it. What is `firm` brings inputs to the host.
std::string HostPart::require(Operation *op,
                              llvm::SetVector<Operation *> &needed, bool firm) {
  SmallVector<Operation *> open = {op};
  while (!open.empty()) {
    Operation *next = open.pop_back_val();
    if (operations.contains(next) || !needed.insert(next))
      continue;
    if (isa<ragged::MatmulOp>(next))
      return "its texts hang on a product";
    if (isa<ragged::RaggedDialect>(next->getDialect()))
      return "its texts hang on a choice";
    llvm::SetVector<Value> used(llvm::from_range, next->getOperands());
    getUsedValuesDefinedAbove(next->getRegions(), used);
    for (Value value : used) {
      if (Operation *from = value.getDefiningOp()) {
        open.push_back(from);
        continue;
      }
      auto argument = cast<BlockArgument>(value);
      if (argument.getOwner() != &entry.getBody().front() ||
          !isa<MemRefType>(argument.getType()) || isa<memref::DimOp>(next))
        continue;
      unsigned i = argument.getArgNumber();
      StringRef role = roleOf(i);
      if (role == "param")
        return "its texts hang on a parameter";
      if (role == "state" || role == "write" || role == "changes")
        return "its texts meet state";
      if (!isOnHost(i) && !firm)
        return "an input is on the GPU";
      onHost.set(portOf(i));
    }
  }
  return "";
}

/// Loops over elements of what the host has anyway are its too.
void HostPart::takeWhatIsThere() {
  for (Operation &op : entry.getBody().front()) {
    llvm::SetVector<Operation *> needed;
    if (!contains(&op) && goesByElement(&op) &&
        require(&op, needed, /*firm=*/false).empty())
      operations.insert_range(needed);
  }
}

bool HostPart::isShared(Operation *op) {
  if (isa<arith::ConstantOp, memref::DimOp, bufferization::ToTensorOp>(op))
    return true;
  bool cheap = isa<tensor::EmptyOp, linalg::FillOp>(op) ||
               (isa<arith::ArithDialect>(op->getDialect()) &&
                llvm::none_of(op->getResultTypes(), llvm::IsaPred<ShapedType>));
  return cheap && llvm::all_of(op->getOperands(), [&](Value operand) {
           Operation *from = operand.getDefiningOp();
           return !from ||
                  (!isa<bufferization::ToTensorOp>(from) && isShared(from));
         });
}
