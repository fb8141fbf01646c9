// The kernel of a grouped matmul on Hopper's tensor cores.
//
// The result's columns are the rows of wgmma's first operand, the weights, and
// its rows, the tokens, are the columns of the second: an expert with few
// tokens then costs few columns, 8 to a step, instead of a tile of 64. One
// warpgroup asks for tiles by TMA, two multiply. Blocks stay, and whoever is
// free takes the next tile of a schedule that each works out from the offsets:
// tiles that share weights or rows then run at the same time, however long
// others take, and what they share is read from memory once. Two blocks may
// take two such tiles together: each brings half of what they share to both.
#include "WgmmaKernel.h"
#include "WgmmaEmitter.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "route/Kernels/Kernels.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Adds the fields of buffers' descriptors to the types of a kernel's
/// arguments: where each buffer's begin.
SmallVector<unsigned> Emitter::addFields(TypeRange buffers,
                                         SmallVectorImpl<Type> &types) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<unsigned> places;
  for (Type buffer : buffers) {
    places.push_back(types.size());
    types.append({pointer, pointer, i64});
    types.append(2 * cast<MemRefType>(buffer).getRank(), i64);
  }
  return places;
}

/// A buffer made of the kernel's arguments.
Value Emitter::bufferOf(Type type, unsigned first) {
  auto memref = cast<MemRefType>(type);
  Value packed = MemRefDescriptor::pack(
      b, op.getLoc(), converter, memref,
      kernel.getArguments().slice(first, 3 + 2 * memref.getRank()));
  return UnrealizedConversionCastOp::create(b, type, packed).getResult(0);
}

/// Its first element, in global memory.
Value Emitter::startOf(Type type, unsigned first) {
  Value start =
      LLVM::AddrSpaceCastOp::create(b, global, kernel.getArgument(first + 1));
  return LLVM::GEPOp::create(
      b, global, cast<MemRefType>(type).getElementType(), start,
      ArrayRef<LLVM::GEPArg>{kernel.getArgument(first + 2)});
}

/// The function, its arguments, and buffers made of them.
void Emitter::begin(StringRef stem) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> types;
  SmallVector<std::pair<unsigned, DenseI64ArrayAttr>> maps;
  auto map = [&](ArrayRef<int64_t> box) {
    maps.push_back({types.size(), b.getDenseI64ArrayAttr(box)});
    types.push_back(pointer);
  };
  unsigned numWeights = op.getWeights().size();
  for (unsigned w = 0; w < numWeights; ++w)
    map(op.getTransposed()
            ? ArrayRef<int64_t>{1, tiles.depth, 64}
            : ArrayRef<int64_t>{1, tiles.boxColumns(), tiles.depth});
  SmallVector<Type> buffers;
  if (gather) {
    buffers.append({gather.getX().getType(), gather.getPerm().getType()});
  } else {
    map({64, tiles.depth});
    map({16, tiles.depth});
  }
  bool hasOffsets = op.getOffsets() || tiles.alsoDense;
  if (tiles.spread) {
    buffers.push_back(sums.getType());
  } else {
    if (hasOffsets)
      buffers.append({MemRefType::get({tiles.experts + 1}, i32),
                      MemRefType::get({1}, i32)});
    if (tiles.countsRows())
      buffers.push_back(MemRefType::get({tiles.experts}, i32));
    llvm::append_range(buffers, op.getPerExpert().getTypes());
    llvm::append_range(buffers, op.getPerRow().getTypes());
    buffers.push_back(op.getOut().getType());
  }
  SmallVector<unsigned> places = addFields(buffers, types);
  if (tiles.countsRows())
    types.push_back(i64);
  kernel =
      createWholeKernel(module, op.getLoc(), stem, types, WgmmaTiles::kThreads);
  kernel->setAttr(kSharedBytesAttr, b.getI32IntegerAttr(tiles.sharedBytes()));
  // Blocks with a share have one tile; others stay and take tiles in turn.
  if (tiles.cluster)
    kernel->setAttr(
        NVVM::NVVMDialect::getClusterDimAttrName(),
        b.getDenseI32ArrayAttr({static_cast<int32_t>(tileBlocks()), 1, 1}));
  else if (!tiles.spread)
    kernel->setAttr(kBlocksPerProcessorAttr, b.getI32IntegerAttr(1));
  // Multiprocessors come in twos.
  if (tiles.inTwos())
    kernel->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(),
                    b.getDenseI32ArrayAttr({2, 1, 1}));
  for (auto [i, box] : maps) {
    setTensorMap(kernel, i, box);
  }
  Block &entry = kernel.getBody().front();
  b.setInsertionPoint(entry.getTerminator());
  unsigned next = 0;
  for (unsigned w = 0; w < numWeights; ++w)
    weights.push_back(entry.getArgument(next++));
  if (!gather) {
    rows64 = entry.getArgument(next++);
    rows16 = entry.getArgument(next++);
  }
  Values made;
  for (auto [type, place] : llvm::zip_equal(buffers, places))
    made.push_back(bufferOf(type, place));
  ArrayRef<Value> rest(made);
  if (gather) {
    perm = rest[1];
    rest = rest.drop_front(2);
  }
  if (!tiles.spread) {
    if (hasOffsets) {
      offsets = rest.front();
      numOffsets = entry.getArgument(places[gather ? 2 : 0] + 3);
      unsigned counter = gather ? 3 : 1;
      taken = startOf(buffers[counter], places[counter]);
      rest = rest.drop_front(2);
      if (tiles.countsRows()) {
        told = startOf(buffers[counter + 1], places[counter + 1]);
        countsOfRow =
            arith::TruncIOp::create(b, i32, entry.getArguments().back());
        rest = rest.drop_front();
      }
    }
    perExpert = Values(rest.take_front(op.getPerExpert().size()));
    perRow = Values(rest.slice(perExpert.size(), op.getPerRow().size()));
  }
  out = rest.back();
  outStart = startOf(buffers.back(), places.back());
  if (gather)
    itemStart = startOf(buffers.front(), places.front());
}

/// The first row of an expert, or the end of the last one's.
Value Emitter::offsetOf(Value expert) {
  auto given = [&]() -> Value {
    return memref::LoadOp::create(b, offsets, index(expert));
  };
  auto dense = [&]() -> Value {
    Value rows =
        arith::IndexCastOp::create(b, i32, memref::DimOp::create(b, out, 0));
    return select(cmp(Predicate::eq, expert, num(0)), num(0), rows);
  };
  if (!offsets)
    return dense();
  return tiles.alsoDense ? either(isDense(), dense, given) : given();
}

/// Kernels on tensor cores start when those ahead have ended, and the next ones
/// when they have, but for a product and the one that awaits its experts:
/// blocks of that come as blocks of this go. The next kernel starts once all
/// blocks have let it, and so are there: none is kept out by those that wait
/// for it.
void Emitter::startBesideOthers() {
  if (!tiles.countsRows())
    return;
  kernel->setAttr(kWaitsAttr, b.getUnitAttr());
  if (tiles.tells) {
    waitForKernels();
    when(overlaps(), [&] { letNextStart(); });
  } else {
    when(isEqual(countsOfRow, num(0)), [&] { waitForKernels(); });
  }
}

/// Barriers, and the schedule: where each expert's tiles begin.
void Emitter::prologue() {
  memory = dynamicShared(b);
  thread = NVVM::ThreadIdXOp::create(b, i32);
  block = NVVM::BlockIdXOp::create(b, i32);
  blocks = NVVM::GridDimXOp::create(b, i32);
  lane = mask(thread, 31);
  warp = uniform(shr(thread, 5));
  warpgroup = shr(warp, 2);
  isFirst = cmp(Predicate::eq, thread, num(0));
  int64_t steps = llvm::divideCeil(op.getInner(), tiles.depth);
  firstStep = num(0);
  depth = num(steps);
  if (isShare())
    joinCluster(steps);
  else if (tiles.pairs)
    joinPair();
  when(isFirst, [&] {
    for (int64_t s = 0; s < tiles.stages; ++s) {
      // Gathered rows are copied by all threads of the producers.
      NVVM::MBarrierInitOp::create(b, fullBarrier(num(s)),
                                   num(gather ? 129 : 1), Value());
      NVVM::MBarrierInitOp::create(
          b, emptyBarrier(num(s)),
          num((tiles.pairs ? 2 : 1) * WgmmaTiles::kWarpgroups), Value());
    }
    if (!isShare()) {
      // A tile is read by those that multiply, and by those that gather.
      NVVM::MBarrierInitOp::create(b, givenBarrier(), num(1), Value());
      NVVM::MBarrierInitOp::create(
          b, readBarrier(),
          num(128 * (WgmmaTiles::kWarpgroups + (gather ? 1 : 0))), Value());
    }
    if (tiles.pairs)
      LLVM::StoreOp::create(b, block, givenNumber());
    NVVM::FenceMbarrierInitOp::create(b);
  });
  // The other block of a pair may signal these barriers.
  if (tiles.pairs)
    meetCluster();
  if (isShare()) {
    if (tiles.pairedShares)
      when(paired, [&] { meetCluster(); });
    NVVM::BarrierOp::create(b);
    return;
  }
  startBesideOthers();

  // Starts: a scan over the warps, then over their sums; a round takes an
  // expert for each thread.
  int64_t experts = tiles.experts;
  constexpr int64_t threads = WgmmaTiles::kThreads;
  Value carried = num(0);
  for (int64_t first = 0; first < experts; first += threads) {
    Value e = add(thread, num(first));
    Value valid = cmp(Predicate::ult, e, num(experts));
    Value safe = select(valid, e, num(experts - 1));
    Value begins = offsetOf(safe), ends = offsetOf(add(safe, num(1)));
    Value own = schedule().tiles(sub(ends, begins));
    own = select(valid, own, num(0));
    Value sum = own;
    for (int64_t s = 1; s < 32; s *= 2) {
      Value below = shuffle(sum, num(s), NVVM::ShflKind::up, 0);
      sum = select(cmp(Predicate::uge, lane, num(s)), add(sum, below), sum);
    }
    when(cmp(Predicate::eq, lane, num(31)),
         [&] { setWord(sum, sumsOffset(), warp); });
    NVVM::BarrierOp::create(b);
    Value before = carried;
    for (int64_t w = 0; w < threads / 32; ++w) {
      Value total = word(sumsOffset(), num(w));
      before =
          add(before, select(cmp(Predicate::ugt, warp, num(w)), total, num(0)));
      carried = add(carried, total);
    }
    when(valid, [&] {
      setWord(add(before, sub(sum, own)), startsOffset(), e);
      setWord(begins, offsetsOffset(), e);
    });
    when(cmp(Predicate::eq, e, num(experts - 1)), [&] {
      setWord(add(before, sum), startsOffset(), num(experts));
      setWord(ends, offsetsOffset(), num(experts));
    });
    NVVM::BarrierOp::create(b);
  }
  tileCount = carried;
}

LLVM::LLVMFuncOp route::ragged::emitWgmmaKernel(ModuleOp module, MatmulOp op,
                                                const WgmmaTiles &tiles,
                                                StringRef stem, GatherOp gather,
                                                Value sums) {
  return Emitter(module, op, tiles, gather, sums).emit(stem);
}
