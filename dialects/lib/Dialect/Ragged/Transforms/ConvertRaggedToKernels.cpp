// convert-ragged-to-kernels: ragged ops become GPU kernels of any size.
#include "KernelBody.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_CONVERTRAGGEDTOKERNELS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

std::string kernelStem(Operation *op, StringRef what) {
  auto parent = op->getParentOfType<FunctionOpInterface>();
  return ((parent ? parent.getName() : "ragged") + "_" + what).str();
}

Value chosenBy(KernelBody &k, Value idx, Value limit, Value flat,
               Value slotsPerItem, int64_t experts) {
  Value item = k.div(flat, slotsPerItem), rank = k.rem(flat, slotsPerItem);
  Value e = k.load(idx, {item, rank});
  Value valid = k.cmp(arith::CmpIPredicate::ult, e, k.number(experts));
  if (limit)
    valid = k.both(valid, k.cmp(arith::CmpIPredicate::slt, k.toNumber(rank),
                                k.load(limit, item)));
  return k.select(valid, e, k.number(-1));
}

Value slotsOf(KernelBody &k, Value idx) {
  return k.mul(memref::DimOp::create(k.b, idx, 0),
               memref::DimOp::create(k.b, idx, 1));
}

int64_t slotsPerItem(Value idx) {
  return cast<MemRefType>(idx.getType()).getDimSize(1);
}

Value slotsPerItem(KernelBody &k, Value idx) {
  int64_t known = slotsPerItem(idx);
  return ShapedType::isDynamic(known)
             ? memref::DimOp::create(k.b, idx, 1).getResult()
             : k.index(known);
}

bool rowsStartAt16Bytes(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t bits = type.getElementTypeBitWidth(), offset;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)) || strides.empty() ||
      strides.back() != 1)
    return false;
  auto fits = [&](int64_t elements) {
    return !ShapedType::isDynamic(elements) && elements * bits % 128 == 0;
  };
  return fits(offset) && llvm::all_of(ArrayRef(strides).drop_back(), fits);
}

namespace {
using Values = SmallVector<Value>;

struct ConvertRaggedToKernels
    : impl::ConvertRaggedToKernelsBase<ConvertRaggedToKernels> {
  using ConvertRaggedToKernelsBase::ConvertRaggedToKernelsBase;

  void runOnOperation() override {
    SmallVector<Operation *> ops;
    for (Operation &function : *getOperation().getBody())
      if (!isa<gpu::GPUModuleOp>(function))
        function.walk([&](Operation *op) {
          if (isa_and_nonnull<RaggedDialect>(op->getDialect()) &&
              isa<DestinationStyleOpInterface>(op))
            ops.push_back(op);
        });
    // Of two products of the same slots in a row, the first has waited for what
    // chose their experts.
    llvm::SmallPtrSet<Operation *, 4> early;
    SlotMatmulOp before;
    for (Operation *op : ops)
      if (auto product = dyn_cast<SlotMatmulOp>(op)) {
        if (before && before->getBlock() == op->getBlock() &&
            before.getIdx() == product.getIdx() &&
            before.getLimit() == product.getLimit())
          early.insert(op);
        before = product;
      }
    for (Operation *op : ops) {
      LogicalResult done =
          llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>)
              ? LogicalResult(op->emitOpError("is on tensors; bufferize first"))
              : TypeSwitch<Operation *, LogicalResult>(op)
                    .Case<CountOp, OffsetsOp, PermuteOp, MatmulOp>(
                        [&](auto each) { return lower(each); })
                    .Case<GatherOp, CombineOp, CombineAtOp>(
                        [&](auto each) { return lowerToKernels(each); })
                    .Case([&](ChooseOp each) {
                      return lowerToKernels(each, fewCandidates);
                    })
                    .Case([&](SlotMatmulOp each) {
                      return lowerToKernels(each, early.contains(each));
                    })
                    .Default([](Operation *other) {
                      return other->emitOpError("has no kernel");
                    });
      if (failed(done))
        return signalPassFailure();
    }
  }

private:
  void launch(Operation *op, KernelBody &k,
              llvm::function_ref<Value(ImplicitLocOpBuilder &)> grid,
              ValueRange operands) {
    ImplicitLocOpBuilder b(op->getLoc(), op);
    launchKernel(b, k.kernel, grid(b), operands);
    op->erase();
  }

  LogicalResult lower(CountOp op);
  LogicalResult lower(OffsetsOp op);
  LogicalResult lower(PermuteOp op);
  LogicalResult lower(MatmulOp op);
};

/// A block for each expert counts its slots.
LogicalResult ConvertRaggedToKernels::lower(CountOp op) {
  int64_t experts = cast<MemRefType>(op.getCounts().getType()).getDimSize(0);
  if (ShapedType::isDynamic(experts))
    return op.emitOpError("has a kernel for static numbers of experts only");
  Values operands(op->getOperands());
  KernelBody k(getOperation(), op, kernelStem(op, "count"), operands, 256);
  Value limit = op.getLimit() ? k.argument(1) : Value();
  Value counts = k.argument(operands.size() - 1);
  Value e = k.blockId(), thread = k.thread();
  Value slots = slotsOf(k, k.argument(0)), K = slotsPerItem(k, k.argument(0));
  Value own = k.loop(
      thread, slots, k.index(k.block), k.number(0),
      [&](Value flat, ValueRange acc) -> Values {
        Value who = chosenBy(k, k.argument(0), limit, flat, K, experts);
        Value same = k.cmp(arith::CmpIPredicate::eq, who, k.toNumber(e));
        return {
            k.add(acc[0], arith::ExtUIOp::create(k.b, k.b.getI32Type(), same))};
      })[0];
  // The sums of the warps meet in shared memory.
  Value sums = k.shared({k.block / 32}, k.b.getI32Type());
  own = gpu::SubgroupReduceOp::create(k.b, own, gpu::AllReduceOperation::ADD,
                                      /*uniform=*/true);
  k.when(
      k.cmp(arith::CmpIPredicate::eq, k.rem(thread, k.index(32)), k.index(0)),
      [&] { k.store(own, sums, k.div(thread, k.index(32))); });
  gpu::BarrierOp::create(k.b);
  Value all = k.number(0);
  for (int64_t w = 0; w < k.block / 32; ++w)
    all = k.add(all, k.load(sums, k.index(w)));
  k.when(k.cmp(arith::CmpIPredicate::eq, thread, k.index(0)),
         [&] { k.store(all, counts, e); });
  launch(
      op, k,
      [&](ImplicitLocOpBuilder &b) -> Value {
        return arith::ConstantIndexOp::create(b, experts);
      },
      operands);
  return success();
}

/// One warp: each lane sums a share, then the lanes scan.
LogicalResult ConvertRaggedToKernels::lower(OffsetsOp op) {
  int64_t experts = cast<MemRefType>(op.getCounts().getType()).getDimSize(0);
  if (ShapedType::isDynamic(experts))
    return op.emitOpError("has a kernel for static numbers of experts only");
  Values operands(op->getOperands());
  KernelBody k(getOperation(), op, kernelStem(op, "offsets"), operands, 32);
  Value counts = k.argument(0), offsets = k.argument(1);
  Value share = k.index((experts + 31) / 32), lane = k.thread();
  Value begin =
      arith::MinUIOp::create(k.b, k.mul(lane, share), k.index(experts));
  Value end =
      arith::MinUIOp::create(k.b, k.add(begin, share), k.index(experts));
  Value own = k.loop(begin, end, k.index(1), k.number(0),
                     [&](Value e, ValueRange acc) -> Values {
                       return {k.add(acc[0], k.load(counts, e))};
                     })[0];
  Value sum = k.scan(own, lane);
  Value before = k.sub(sum, own);
  k.when(k.cmp(arith::CmpIPredicate::eq, lane, k.index(0)),
         [&] { k.store(k.number(0), offsets, k.index(0)); });
  k.loop(begin, end, k.index(1), before,
         [&](Value e, ValueRange acc) -> Values {
           Value next = k.add(acc[0], k.load(counts, e));
           k.store(next, offsets, k.add(e, k.index(1)));
           return {next};
         });
  launch(
      op, k,
      [](ImplicitLocOpBuilder &b) -> Value {
        return arith::ConstantIndexOp::create(b, 1);
      },
      operands);
  return success();
}

/// A block for each expert goes over all slots and numbers its own in their
/// order; one more block marks slots and rows that belong to nobody.
LogicalResult ConvertRaggedToKernels::lower(PermuteOp op) {
  int64_t experts =
      cast<MemRefType>(op.getOffsets().getType()).getDimSize(0) - 1;
  Values operands(op->getOperands());
  constexpr int32_t block = 1024, warps = block / 32;
  KernelBody k(getOperation(), op, kernelStem(op, "permute"), operands, block);
  Value idx = k.argument(0), offsets = k.argument(1);
  Value limit = op.getLimit() ? k.argument(2) : Value();
  Value perm = k.argument(operands.size() - 2),
        inv = k.argument(operands.size() - 1);
  Value counts = k.shared({2, warps}, k.b.getI32Type());
  Value e = k.blockId(), thread = k.thread();
  Value lane = k.rem(thread, k.index(32)), warp = k.div(thread, k.index(32));
  Value slots = slotsOf(k, idx), K = slotsPerItem(k, idx);
  Value nobody = k.cmp(arith::CmpIPredicate::eq, e, k.index(experts));
  Value me = k.select(nobody, k.number(-1), k.toNumber(e));
  Value base = k.load(offsets, e);

  // Rounds of a block of slots; the counts of two rounds alternate, so that one
  // barrier a round is enough.
  Value rounds = k.div(k.add(slots, k.index(block - 1)), k.index(block));
  k.loop(k.index(0), rounds, k.index(1), base,
         [&](Value round, ValueRange acc) -> Values {
           Value flat = k.add(k.mul(round, k.index(block)), thread);
           Value inside = k.cmp(arith::CmpIPredicate::ult, flat, slots);
           Value safe = k.select(inside, flat, k.index(0));
           Value who = chosenBy(k, idx, limit, safe, K, experts);
           Value mine =
               k.both(inside, k.cmp(arith::CmpIPredicate::eq, who, me));
           Value one = arith::ExtUIOp::create(k.b, k.b.getI32Type(), mine);
           // My number among the warp's, and the warp's count.
           Value sum = k.scan(one, lane);
           Value total = k.shuffle(sum, 31, gpu::ShuffleMode::IDX);
           Value side = k.rem(round, k.index(2));
           k.when(k.cmp(arith::CmpIPredicate::eq, lane, k.index(0)),
                  [&] { k.store(total, counts, {side, warp}); });
           gpu::BarrierOp::create(k.b);
           // Every warp scans the counts of all warps for itself.
           Value count = k.load(counts, {side, lane});
           Value scan = k.scan(count, lane);
           Value before =
               gpu::ShuffleOp::create(k.b, k.sub(scan, count), k.toNumber(warp),
                                      k.number(32), gpu::ShuffleMode::IDX)
                   .getShuffleResult();
           Value all = k.shuffle(scan, 31, gpu::ShuffleMode::IDX);
           Value row = k.add(k.add(acc[0], before), k.sub(sum, one));
           k.when(mine, [&] {
             Value item = k.div(flat, K), rank = k.rem(flat, K);
             k.store(k.select(nobody, k.number(-1), row), inv, {item, rank});
             // Rows behind the last expert's belong to nobody.
             k.store(k.select(nobody, k.number(-1), k.toNumber(flat)), perm,
                     k.toIndex(row));
           });
           return {k.add(acc[0], all)};
         });
  launch(
      op, k,
      [&](ImplicitLocOpBuilder &b) -> Value {
        return arith::ConstantIndexOp::create(b, experts + 1);
      },
      operands);
  return success();
}

/// A warp for a few columns of a row: lanes go along K, and join.
LogicalResult ConvertRaggedToKernels::lower(MatmulOp op) {
  if (op.isPacked())
    return op.emitOpError("has panels, which kernels do not read");
  Values operands(op->getOperands());
  constexpr int32_t block = 256;
  KernelBody k(getOperation(), op, kernelStem(op, "matmul"), operands, block);
  unsigned next = 0;
  Value rows = k.argument(next++);
  Value offsets = op.getOffsets() ? k.argument(next++) : Value();
  Values weights, perExpert, perRow;
  for (unsigned i = 0; i < op.getWeights().size(); ++i)
    weights.push_back(k.argument(next++));
  for (unsigned i = 0; i < op.getPerExpert().size(); ++i)
    perExpert.push_back(k.argument(next++));
  for (unsigned i = 0; i < op.getPerRow().size(); ++i)
    perRow.push_back(k.argument(next++));
  Value out = k.argument(next++);

  int64_t inner = op.getInner(), columns = op.getOutputs(),
          experts = op.getExperts(), parts = op.getParts();
  bool transposed = op.getTransposed();
  Type element = op.weightType().getElementType(), f32 = k.b.getF32Type();
  // Columns of a warp: those that share the loads of a row.
  int64_t share = columns % 4 == 0 ? 4 : 1;
  int64_t groups = columns / share;
  // 16 bytes a lane where rows start at multiples of that.
  int64_t width = 128 / element.getIntOrFloatBitWidth();
  bool wide = !transposed && inner % (32 * width) == 0 &&
              rowsStartAt16Bytes(op.getRows()) &&
              llvm::all_of(op.getWeights(), rowsStartAt16Bytes);
  if (!wide)
    width = 1;

  auto count = [&](ImplicitLocOpBuilder &b, Value out) -> Value {
    return arith::MulIOp::create(
        b, memref::DimOp::create(b, out, 0),
        arith::ConstantIndexOp::create(b, 32 * groups));
  };
  forEachThread(k.b, k.kernel, count(k.b, out), [&](Value flat) {
    Value lane = k.rem(flat, k.index(32)), warp = k.div(flat, k.index(32));
    Value row = k.div(warp, k.index(groups)),
          first = k.mul(k.rem(warp, k.index(groups)), k.index(share));
    Value e = k.index(0), valid;
    if (offsets) {
      // The last expert whose rows begin at or before this one.
      Value low = k.index(0), high = k.index(experts);
      for (int64_t n = experts; n > 1; n = (n + 1) / 2) {
        Value middle = k.div(k.add(low, high), k.index(2));
        Value begins = k.toIndex(k.load(offsets, middle));
        Value left = k.cmp(arith::CmpIPredicate::ugt, begins, row);
        // Once low + 1 == high, middle is low, which begins before the row.
        high = k.select(left, middle, high);
        low = k.select(left, low, middle);
      }
      e = low;
      valid = k.cmp(arith::CmpIPredicate::ult, row,
                    k.toIndex(k.load(offsets, k.index(experts))));
    } else {
      valid = arith::ConstantOp::create(k.b, k.b.getBoolAttr(true));
    }
    k.when(valid, [&] {
      unsigned sums = op.getNumSums() * share;
      Value zero = arith::ConstantOp::create(k.b, k.b.getF32FloatAttr(0));
      auto fetch = [&](Value memory, ValueRange at) -> Values {
        Values result;
        auto widen = [&](Value v) {
          result.push_back(
              v.getType() == f32 ? v : arith::ExtFOp::create(k.b, f32, v));
        };
        if (width == 1) {
          widen(k.load(memory, at));
          return result;
        }
        auto type = VectorType::get({width}, element);
        auto loaded = vector::LoadOp::create(k.b, type, memory, at);
        loaded.setAlignment(16);
        for (int64_t i = 0; i < width; ++i)
          widen(vector::ExtractOp::create(k.b, loaded, i));
        return result;
      };
      Values totals = k.loop(
          k.mul(lane, k.index(width)), k.index(inner), k.index(32 * width),
          Values(sums, zero), [&](Value at, ValueRange acc) -> Values {
            Values x = fetch(rows, {row, at}), result(acc);
            for (unsigned s = 0; s < op.getNumSums(); ++s)
              for (int64_t c = 0; c < share; ++c) {
                Value n = k.add(k.mul(k.add(first, k.index(c)), k.index(parts)),
                                k.index(s % parts));
                Values y =
                    fetch(weights[s / parts],
                          transposed ? Values{e, at, n} : Values{e, n, at});
                Value &sum = result[s * share + c];
                for (auto [p, q] : llvm::zip_equal(x, y))
                  sum = math::FmaOp::create(k.b, p, q, sum);
              }
            return result;
          });
      for (Value &sum : totals)
        for (int32_t s = 16; s; s /= 2)
          sum = arith::AddFOp::create(k.b, sum,
                                      k.shuffle(sum, s, gpu::ShuffleMode::XOR));
      // Lane c writes column c.
      for (int64_t c = 0; c < share; ++c)
        k.when(k.cmp(arith::CmpIPredicate::eq, lane, k.index(c)), [&] {
          Value n = k.add(first, k.index(c));
          IRMapping mapping;
          Block &body = op.getEpilogue().front();
          unsigned argument = 0;
          for (unsigned s = 0; s < op.getNumSums(); ++s)
            mapping.map(body.getArgument(argument++), totals[s * share + c]);
          for (Value v : perExpert)
            mapping.map(body.getArgument(argument++), k.load(v, {e, n}));
          for (Value v : perRow)
            mapping.map(body.getArgument(argument++), k.load(v, row));
          for (Operation &each : body.without_terminator())
            k.b.clone(each, mapping);
          k.store(mapping.lookup(body.getTerminator()->getOperand(0)), out,
                  {row, n});
        });
    });
  });
  launch(
      op, k,
      [&](ImplicitLocOpBuilder &b) {
        return gridFor(b, k.kernel, count(b, operands.back()));
      },
      operands);
  return success();
}

} // namespace
} // namespace route::ragged
