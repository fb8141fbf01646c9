// route-select-device-entries: which entries a GPU can run, and why not others.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTESELECTDEVICEENTRIES
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Why the operation cannot become part of an entry for GPUs; empty if it can.
static std::string objectionTo(Operation *op) {
  if (isa<row::ProgramOp, linalg::LinalgOp, func::ReturnOp, scf::ForOp,
          scf::IfOp, scf::YieldOp>(op))
    return "";
  if (isa<tensor::EmptyOp, tensor::DimOp, tensor::CastOp, tensor::ExpandShapeOp,
          tensor::CollapseShapeOp, tensor::ExtractSliceOp,
          tensor::InsertSliceOp, bufferization::ToTensorOp,
          bufferization::ToBufferOp, bufferization::MaterializeInDestinationOp,
          bufferization::AllocTensorOp, memref::DimOp, memref::SubViewOp,
          memref::CopyOp, memref::CastOp, memref::CollapseShapeOp,
          memref::ExpandShapeOp>(op))
    return "";
  // What comes from the host's part; scalars are read where they lie.
  if (isa<memref::AllocOp, memref::ViewOp, gpu::MemcpyOp>(op))
    return "";
  // Sizes and the numbers of layers, on the host.
  if (isa_and_nonnull<arith::ArithDialect>(op->getDialect()))
    return "";
  // Code on elements, which becomes kernels of its own; those of state that an
  // event changes in place are in buffers.
  if (isa<tensor::ExtractOp, tensor::InsertOp, tensor::FromElementsOp,
          memref::LoadOp, memref::StoreOp, scf::WhileOp, scf::ConditionOp>(
          op) ||
      isa_and_nonnull<math::MathDialect>(op->getDialect()))
    return "";
  if (isa<ragged::CountOp, ragged::OffsetsOp, ragged::PermuteOp,
          ragged::GatherOp, ragged::CombineOp, ragged::MatmulOp>(op))
    return "";
  if (isa<ragged::ChooseOp, ragged::CombineAtOp>(op))
    return "";
  if (isa<signal::TableFindOp, signal::TablePutOp, signal::TableDropOp,
          signal::TableNextOp, signal::TableClearOp>(op))
    return "state with keys lives on the host";
  if (isa_and_nonnull<signal::SignalDialect>(op->getDialect()))
    return "text lives on the host";
  // Nothing that is known to come this far: the place in the spec says what.
  auto place = op->getLoc()->findInstanceOf<FileLineColLoc>();
  return place ? "what it does in line " + std::to_string(place.getLine()) +
                     " has no kernel"
               : "something that it does has no kernel";
}

/// Whether an argument is state with keys or a set: a table, whose words lie
/// along an axis that has the state's name.
static bool isTable(func::FuncOp entry, unsigned i) {
  auto role = entry.getArgAttrOfType<StringAttr>(i, kRoleAttr);
  if (!role || (role.getValue() != "state" && role.getValue() != "write"))
    return false;
  auto name = entry.getArgAttrOfType<StringAttr>(i, kNameAttr);
  auto axes = entry.getArgAttrOfType<ArrayAttr>(i, kAxesAttr);
  return name && axes && llvm::any_of(axes, [&](Attribute axis) {
           auto symbol = dyn_cast<FlatSymbolRefAttr>(axis);
           return symbol &&
                  symbol.getValue() == (name.getValue() + ".table").str();
         });
}

static std::string objectionTo(func::FuncOp entry) {
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    if (isTable(entry, i))
      return "state with keys lives on the host";
    auto buffer = dyn_cast<MemRefType>(entry.getArgument(i).getType());
    if (buffer && !buffer.getElementType().isIntOrIndexOrFloat() &&
        !llvm::all_of(entry.getArgument(i).getUsers(),
                      llvm::IsaPred<memref::DimOp>))
      return "text lives on the host";
  }
  std::string objection;
  entry.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == entry || !objection.empty())
      return WalkResult::advance();
    objection = objectionTo(op);
    // The body of a program or a linalg operation is looked at when it is
    // lowered.
    return isa<row::ProgramOp, linalg::LinalgOp, ragged::MatmulOp>(op)
               ? WalkResult::skip()
               : WalkResult::advance();
  });
  return objection;
}

namespace {
struct SelectDeviceEntries
    : route::impl::RouteSelectDeviceEntriesBase<SelectDeviceEntries> {
  void runOnOperation() override {
    OpBuilder b(&getContext());
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (!entry->hasAttr(kEntryAttr))
        continue;
      // Which elements an event changes interests the host's copies alone.
      entry.walk([](Operation *op) {
        if (isa<signal::ListChangesOp, signal::NoteChangeOp>(op))
          op->erase();
      });
      auto given = entry->getAttrOfType<StringAttr>(kNotOnDeviceAttr);
      std::string objection = given ? given.str() : objectionTo(entry);
      if (objection.empty()) {
        ++numSelected;
        continue;
      }
      entry->setAttr(kNotOnDeviceAttr, b.getStringAttr(objection));
      Block &body = entry.getBody().front();
      while (!body.empty())
        body.back().erase();
      b.setInsertionPointToEnd(&body);
      func::ReturnOp::create(b, entry.getLoc());
    }
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function->hasAttr(kEntryAttr) &&
          SymbolTable::symbolKnownUseEmpty(function, getOperation()))
        function.erase();
  }
};
} // namespace
