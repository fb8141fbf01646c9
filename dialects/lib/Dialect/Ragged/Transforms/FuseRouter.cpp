// ragged-fuse-router: a router's choices in the launch of its product.
// Where blocks share K. The last kernel of such a product ends with a loop over
// rows whose columns are all there (kItemsAttr); the program's kernel has a
// loop over items, a warp for each. The body of the one becomes the body of the
// other.
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Kernels/Kernels.h"

#include "mlir/Conversion/GPUCommon/GPUCommonPass.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDFUSEROUTER
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
constexpr int64_t kMaxBytes = 128 * 1024; ///< of the items' shared memory

/// A program's kernel as row-distribute-gpu makes it, for any number of blocks.
struct Program {
  gpu::GPUFuncOp kernel;
  scf::ForOp loop; ///< over items

  static FailureOr<Program> of(gpu::GPUFuncOp kernel) {
    Program program{kernel, {}};
    // One warp alone takes the items in their order.
    if (kernel.getKnownBlockSize().value_or(ArrayRef<int32_t>{32}).front() <=
            32 ||
        !kernel.getPrivateAttributions().empty())
      return failure();
    for (Operation &op : kernel.getBody().front()) {
      if (auto loop = dyn_cast<scf::ForOp>(op)) {
        if (program.loop)
          return failure();
        program.loop = loop;
      } else if (!isMemoryEffectFree(&op) &&
                 !isa<NVVM::GriddepcontrolOp, gpu::ReturnOp>(op)) {
        return failure();
      }
    }
    if (!program.loop || program.loop.getNumResults())
      return failure();
    // Warps go their own ways: they may not wait for others of the block.
    bool apart = true;
    kernel.walk([&](Operation *op) {
      apart &= !isa<gpu::BarrierOp, NVVM::BarrierOp>(op);
    });
    for (BlockArgument memory : kernel.getWorkgroupAttributions())
      for (Operation *user : memory.getUsers())
        apart &= isa<memref::LoadOp, memref::StoreOp, vector::LoadOp,
                     vector::StoreOp>(user);
    if (!apart)
      return failure();
    return program;
  }

  /// The type of shared memory of the program's kernel in a block of so many
  /// warps.
  MemRefType sharedBy(BlockArgument memory, int64_t warps) {
    auto type = cast<MemRefType>(memory.getType());
    SmallVector<int64_t> shape(type.getShape());
    // As many for each warp as there.
    shape[0] = warps * shape[0] / (kernel.getKnownBlockSize()->front() / 32);
    return MemRefType::get(shape, type.getElementType(),
                           MemRefLayoutAttrInterface(), type.getMemorySpace());
  }
};

/// What a loop's kItemsAttr says.
struct Place {
  int64_t firstThread, warps, bytes;
  explicit Place(scf::ForOp items) {
    auto values = items->getAttrOfType<DenseI64ArrayAttr>(kItemsAttr);
    firstThread = values[0];
    warps = values[1];
    bytes = values[2];
  }
};

/// Bytes of a buffer, so that another may follow.
int64_t bytesOf(MemRefType type) {
  return llvm::alignTo(type.getNumElements() *
                           llvm::divideCeil(type.getElementTypeBitWidth(), 8),
                       16);
}

struct FuseRouter : impl::RaggedFuseRouterBase<FuseRouter> {
  void runOnOperation() override {
    gpu::GPUModuleOp kernels = findKernelModule(getOperation());
    if (!kernels)
      return;
    SmallVector<gpu::LaunchFuncOp> launches;
    for (Operation &function : *getOperation().getBody())
      if (&function != kernels)
        function.walk([&](gpu::LaunchFuncOp op) { launches.push_back(op); });
    for (gpu::LaunchFuncOp launch : launches)
      fuse(launch, kernels);
  }

private:
  /// The loop over items in the kernel that a launch starts; null without one.
  static scf::ForOp itemsOf(gpu::LaunchFuncOp launch,
                            gpu::GPUModuleOp kernels) {
    scf::ForOp items;
    if (auto kernel =
            kernels.lookupSymbol<LLVM::LLVMFuncOp>(launch.getKernelName()))
      kernel.walk([&](scf::ForOp loop) {
        if (loop->hasAttr(kItemsAttr))
          items = loop;
      });
    return items;
  }
  void fuse(gpu::LaunchFuncOp product, gpu::GPUModuleOp kernels);
  void move(Program program, gpu::LaunchFuncOp from, gpu::LaunchFuncOp product,
            scf::ForOp items);
};

/// Whether ops between `first` and `last`, which are side by side in a block,
/// may as well come before `first`, which reads and writes `used`.
bool mayComeBefore(Operation *first, Operation *last, ValueRange used,
                   SmallVectorImpl<Operation *> &between) {
  for (Operation *op = first->getNextNode(); op != last;
       op = op->getNextNode()) {
    between.push_back(op);
    if (isMemoryEffectFree(op) || isa<memref::AllocOp>(op))
      continue;
    auto copy = dyn_cast<memref::CopyOp>(op);
    auto apart = [&](Value v) {
      return v.getDefiningOp<memref::AllocOp>() && !llvm::is_contained(used, v);
    };
    if (!copy || !apart(copy.getTarget()) ||
        llvm::is_contained(used, copy.getSource()))
      return false;
  }
  return true;
}

/// Whether an item of the program that `launch` starts has a row of `rows`, and
/// no item reads those of others: they need not be there yet.
bool isItems(gpu::LaunchFuncOp launch, gpu::GPUFuncOp kernel, Value rows) {
  auto inputs = kernel->getAttrOfType<IntegerAttr>(kItemInputsAttr);
  OperandRange operands = launch.getKernelOperands();
  return inputs && llvm::count(operands, rows) == 1 &&
         llvm::is_contained(operands.take_front(inputs.getInt()), rows);
}

/// `product` starts a kernel whose blocks share K; what reads its result next,
/// as soon as all columns of a row are there, goes into that kernel.
void FuseRouter::fuse(gpu::LaunchFuncOp product, gpu::GPUModuleOp kernels) {
  scf::ForOp items = itemsOf(product, kernels);
  auto forms = product->getParentOfType<scf::IfOp>();
  if (!items || !forms || forms.getNumResults() || forms.elseBlock() == nullptr)
    return;
  Value out = product.getKernelOperands().back();
  if (!out.getDefiningOp<memref::AllocOp>())
    return;
  gpu::LaunchFuncOp next;
  for (Operation *op = forms->getNextNode(); op && !next;
       op = op->getNextNode())
    next = dyn_cast<gpu::LaunchFuncOp>(op);
  if (!next)
    return;
  auto kernel = kernels.lookupSymbol<gpu::GPUFuncOp>(next.getKernelName());
  if (!kernel || !isItems(next, kernel, out))
    return;
  FailureOr<Program> program = Program::of(kernel);
  if (failed(program) || !llvm::all_of(next.getKernelOperands(), [](Value v) {
        return isa<MemRefType>(v.getType()) &&
               cast<MemRefType>(v.getType()).getLayout().isIdentity();
      }))
    return;
  int64_t bytes = 0;
  for (BlockArgument memory : kernel.getWorkgroupAttributions())
    bytes += bytesOf(program->sharedBy(memory, Place(items).warps));
  SmallVector<Operation *> between;
  SmallVector<Value> used;
  forms->walk([&](gpu::LaunchFuncOp launch) {
    llvm::append_range(used, launch.getKernelOperands());
  });
  if (bytes > kMaxBytes || !mayComeBefore(forms, next, used, between))
    return;
  for (Operation *op : between)
    op->moveBefore(forms);
  // The other form keeps the program behind it.
  OpBuilder b = OpBuilder::atBlockTerminator(forms.elseBlock());
  next->moveBefore(b.getBlock(), b.getInsertionPoint());
  move(*program, next, product, items);
  ++numFused;
}

void FuseRouter::move(Program program, gpu::LaunchFuncOp from,
                      gpu::LaunchFuncOp product, scf::ForOp items) {
  auto kernel = items->getParentOfType<LLVM::LLVMFuncOp>();
  const Place place(items);
  ImplicitLocOpBuilder b(from.getLoc(), kernel.getContext());
  LLVMTypeConverter converter(b.getContext());
  populateGpuMemorySpaceAttributeConversions(
      converter, [](gpu::AddressSpace space) -> unsigned {
        return space == gpu::AddressSpace::Workgroup ? 3 : 0;
      });
  Block &entry = kernel.getBody().front();
  Value out = product.getKernelOperands().back();
  auto fieldsOf = [](Value v) {
    return 3 + 2 * cast<MemRefType>(v.getType()).getRank();
  };
  auto bufferOf = [&](Value v, unsigned first) -> Value {
    b.setInsertionPointToStart(&entry);
    Value packed = MemRefDescriptor::pack(
        b, b.getLoc(), converter, cast<MemRefType>(v.getType()),
        entry.getArguments().slice(first, fieldsOf(v)));
    return UnrealizedConversionCastOp::create(b, v.getType(), packed)
        .getResult(0);
  };

  // The program's buffers become arguments; the product's result is the last.
  IRMapping mapping;
  unsigned outFirst = entry.getNumArguments() - fieldsOf(out);
  SmallVector<Value> added;
  Value result;
  for (auto [argument, given] :
       llvm::zip_equal(program.kernel.getArguments().take_front(
                           program.kernel.getNumArguments()),
                       from.getKernelOperands())) {
    if (given == out) {
      result = bufferOf(given, outFirst);
      mapping.map(argument, result);
      continue;
    }
    unsigned first = entry.getNumArguments();
    SmallVector<Type> fields(fieldsOf(given), b.getI64Type());
    fields[0] = fields[1] = LLVM::LLVMPointerType::get(b.getContext());
    addArguments(kernel, fields);
    mapping.map(argument, bufferOf(given, first));
    added.push_back(given);
  }
  product.getKernelOperandsMutable().append(added);

  // Shared memory, where the tiles were.
  b.setInsertionPoint(items);
  Value memory = dynamicShared(b);
  auto sharedAt = [&](MemRefType type, int64_t offset) -> Value {
    Value at = LLVM::GEPOp::create(
        b, memory.getType(), b.getI8Type(), memory,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    Value packed =
        MemRefDescriptor::fromStaticShape(b, b.getLoc(), converter, type, at);
    return UnrealizedConversionCastOp::create(b, type, packed).getResult(0);
  };
  int64_t offset = place.bytes;
  for (BlockArgument each : program.kernel.getWorkgroupAttributions()) {
    MemRefType type = program.sharedBy(each, place.warps);
    mapping.map(each, sharedAt(type, offset));
    offset += bytesOf(type);
  }
  auto outType = cast<MemRefType>(out.getType());
  Value row;
  if (place.bytes) {
    auto space = gpu::AddressSpaceAttr::get(b.getContext(),
                                            gpu::AddressSpace::Workgroup);
    row = sharedAt(MemRefType::get({outType.getDimSize(1)},
                                   outType.getElementType(),
                                   MemRefLayoutAttrInterface(), space),
                   0);
    kernel->setAttr(kSharedBytesAttr, b.getI32IntegerAttr(offset));
  }

  // Warps are counted from the first that has rows.
  Value thread = arith::IndexCastUIOp::create(
      b, b.getIndexType(),
      arith::SubIOp::create(b, NVVM::ThreadIdXOp::create(b, b.getI32Type()),
                            arith::ConstantOp::create(
                                b, b.getI32IntegerAttr(place.firstThread))));
  for (Operation &op : program.kernel.getBody().front()) {
    if (&op == program.loop || isa<NVVM::GriddepcontrolOp, gpu::ReturnOp>(op))
      continue;
    if (isa<gpu::ThreadIdOp>(op))
      mapping.map(op.getResult(0), thread);
    else
      b.clone(op, mapping);
  }
  mapping.map(program.loop.getInductionVar(), items.getInductionVar());
  b.setInsertionPointToStart(items.getBody());
  // Where a warp takes several items, it is to stop after the first.
  mapping.map(program.loop.getUpperBound(),
              arith::AddIOp::create(b, items.getInductionVar(),
                                    arith::ConstantIndexOp::create(b, 1))
                  .getResult());
  for (Operation &op : program.loop.getBody()->without_terminator())
    b.clone(op, mapping);
  // The row's columns are at hand.
  if (row)
    items->walk([&](memref::LoadOp load) {
      if (load.getMemRef() != result ||
          load.getIndices().front() != items.getInductionVar())
        return;
      OpBuilder at(load);
      load.replaceAllUsesWith(
          memref::LoadOp::create(at, load.getLoc(), row,
                                 ValueRange{load.getIndices().back()})
              .getResult());
      load.erase();
    });
  items->removeAttr(kItemsAttr);
}
} // namespace
} // namespace route::ragged
