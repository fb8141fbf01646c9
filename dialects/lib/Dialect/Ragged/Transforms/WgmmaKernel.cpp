// The kernel of a grouped matmul on Hopper's tensor cores.
//
// The result's columns are the rows of wgmma's first operand, the weights, and
// its rows, the tokens, are the columns of the second: an expert with few
// tokens then costs few columns, 8 to a step, instead of a tile of 64. One
// warpgroup asks for tiles by TMA, two multiply. Blocks stay, and whoever is
// free takes the next tile of a schedule that each works out from the offsets:
// tiles that share weights or rows then run at the same time, however long
// others take, and what they share is read from memory once.
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
            : ArrayRef<int64_t>{1, tiles.columns(), tiles.depth});
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
    llvm::append_range(buffers, op.getPerExpert().getTypes());
    llvm::append_range(buffers, op.getPerRow().getTypes());
    buffers.push_back(op.getOut().getType());
  }
  SmallVector<unsigned> places = addFields(buffers, types);
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
    }
    perExpert = Values(rest.take_front(op.getPerExpert().size()));
    perRow = Values(rest.slice(perExpert.size(), op.getPerRow().size()));
  }
  out = rest.back();
  outStart = startOf(buffers.back(), places.back());
  if (gather)
    itemStart = startOf(buffers.front(), places.front());
}

/// A number of a dense product, or of one over experts, by whether there are
/// offsets.
Value Emitter::denseOr(llvm::function_ref<Value()> dense,
                       llvm::function_ref<Value()> grouped) {
  auto either = scf::IfOp::create(
      b, i32, cmp(Predicate::eq, numOffsets, wide(0)), /*withElse=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(either.thenBlock());
  scf::YieldOp::create(b, dense());
  b.setInsertionPointToStart(either.elseBlock());
  scf::YieldOp::create(b, grouped());
  return either.getResult(0);
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
  return tiles.alsoDense ? denseOr(dense, given) : given();
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
  when(isFirst, [&] {
    for (int64_t s = 0; s < tiles.stages; ++s) {
      // Gathered rows are copied by all threads of the producers.
      NVVM::MBarrierInitOp::create(b, fullBarrier(num(s)),
                                   num(gather ? 129 : 1), Value());
      NVVM::MBarrierInitOp::create(b, emptyBarrier(num(s)),
                                   num(WgmmaTiles::kWarpgroups), Value());
    }
    if (!isShare()) {
      // A tile is read by those that multiply, and by those that gather.
      NVVM::MBarrierInitOp::create(b, givenBarrier(), num(1), Value());
      NVVM::MBarrierInitOp::create(
          b, readBarrier(),
          num(128 * (WgmmaTiles::kWarpgroups + (gather ? 1 : 0))), Value());
    }
    NVVM::FenceMbarrierInitOp::create(b);
  });
  if (isShare()) {
    NVVM::BarrierOp::create(b);
    return;
  }
  // The next kernel does not start early: it would take nothing off the path,
  // and measured layers of many rows were a fifth slower with it.

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

/// Tile t of the schedule, by the tables that the prologue made. Beyond the
/// last it has no rows.
Tile Emitter::tileAt(Value t) {
  Tile tile;
  if (isShare()) {
    tile = tileOfCluster(t);
  } else {
    auto [row, rows, expert, column] = schedule().at(
        t, [&](Value e) { return word(startsOffset(), e); },
        [&](Value e) { return word(offsetsOffset(), e); });
    tile = {row, rows, expert, column};
  }
  tile.rows = select(isLess(t, tileCount), tile.rows, num(0));
  return tile;
}

/// The number of the tile that this block takes after its tile t.
Value Emitter::afterTile(Value t) {
  auto counted = [&]() -> Value {
    Value before = LLVM::AtomicRMWOp::create(
        b, LLVM::AtomicBinOp::add, taken, num(1),
        LLVM::AtomicOrdering::monotonic, /*syncscope=*/"device");
    return add(blocks, before);
  };
  if (!taken)
    return add(t, blocks);
  return tiles.alsoDense ? denseOr([&] { return add(t, blocks); }, counted)
                         : counted();
}

/// Gives tile t to the warps that multiply, once they have read the one before.
/// Only the first thread of the block looks it up.
Tile Emitter::giveTile(Value t, Value parity) {
  Tile tile;
  auto give = [&] {
    tile = tileAt(t);
    wait(readBarrier(), flip(parity, num(1)));
    auto vector = VectorType::get({4}, i32);
    Value words = LLVM::UndefOp::create(b, vector);
    for (auto [i, v] : llvm::enumerate(tile.values()))
      words = LLVM::InsertElementOp::create(b, words, v, num(i));
    LLVM::StoreOp::create(b, words, givenTile(), 16);
    NVVM::MBarrierArriveOp::create(b, TypeRange(), givenBarrier(), Value(),
                                   NVVM::MemScopeKind::CTA, false);
  };
  if (!gather) {
    give();
    return tile;
  }
  when(isFirst, give);
  return readTile(parity);
}

/// The tile that was given last. Every thread reads it, and says so itself:
/// racecheck knows no detours, and were it read by one of a warp and passed on,
/// ptxas would not know that the warp stays together, and the loop along K
/// would lose its uniform registers, and 5% of the time.
Tile Emitter::readTile(Value parity) {
  wait(givenBarrier(), parity);
  Value words =
      LLVM::LoadOp::create(b, VectorType::get({4}, i32), givenTile(), 16);
  Values values;
  for (int64_t i = 0; i < 4; ++i)
    values.push_back(LLVM::ExtractElementOp::create(b, words, num(i)));
  NVVM::MBarrierArriveOp::create(b, TypeRange(), readBarrier(), Value(),
                                 NVVM::MemScopeKind::CTA, false);
  return Tile::of(values);
}

/// One thread asks for tiles as stages become free; rows that are gathered are
/// copied by all.
void Emitter::producer() {
  // The blocks that add up find room beside blocks of few registers.
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 40, NVVM::SetMaxRegisterAction::decrease);
  auto loadWeights = [&](const Tile &tile, Value inner, Value stage) {
    Value column = mul(tile.column, num(tiles.columns()));
    Value base = mul(stage, num(tiles.stageBytes()));
    for (auto [w, map] : llvm::enumerate(weights)) {
      int64_t place = w * tiles.columns() * WgmmaTiles::kRowBytes;
      if (!op.getTransposed()) {
        load(at(add(base, num(place))), map, {inner, column, tile.expert},
             fullBarrier(stage));
        continue;
      }
      for (int64_t c = 0; c < tiles.columns(); c += 64)
        load(at(add(base, num(place + c * WgmmaTiles::kRowBytes))), map,
             {add(column, num(c)), inner, tile.expert}, fullBarrier(stage));
    }
  };
  auto expect = [&](const Tile &tile, Value stage) {
    Value bytes = num(tiles.weightBytes());
    if (!gather)
      bytes = add(bytes, shl(unitsOf(tile), 11));
    NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), fullBarrier(stage),
                                           bytes, NVVM::MemScopeKind::CTA,
                                           false, Value());
  };
  auto innerOf = [&](Value k) {
    return mul(add(firstStep, k), num(tiles.depth));
  };
  // The steps along K from `begin` on.
  auto fillRing = [&](const Tile &tile, Value begin,
                      ValueRange ring) -> Values {
    Values places = gather ? placesOf(tile) : Values();
    return loop(begin, depth, num(1), ring,
                [&](Value k, ValueRange ring) -> Values {
                  Value stage = ring[0], parity = ring[1];
                  wait(emptyBarrier(stage), flip(parity, num(1)));
                  auto start = [&] {
                    expect(tile, stage);
                    loadWeights(tile, innerOf(k), stage);
                  };
                  if (gather) {
                    when(isFirst, start);
                    gatherRows(tile, places, innerOf(k), stage);
                  } else {
                    start();
                    loadRows(tile, innerOf(k), stage);
                  }
                  auto [s, p] = next(stage, parity);
                  return {s, p};
                });
  };
  if (isShare()) {
    // The one tile of the block. Parameters are there before the kernels that
    // make the rows have ended.
    when(both(isFirst, isLess(block, tileCount)), [&] {
      Tile tile = tileAt(block);
      bool early = weightsAreParameters();
      if (!early)
        waitForKernels();
      Value begin = least(depth, num(tiles.stages));
      loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
        expect(tile, k);
        loadWeights(tile, innerOf(k), k);
        return Values();
      });
      for (Value map : {rows64, rows16})
        NVVM::PrefetchOp::create(b, NVVM::PrefetchCacheLevelAttr(),
                                 NVVM::CacheEvictionPriorityAttr(), map,
                                 /*predicate=*/Value(), b.getUnitAttr(),
                                 UnitAttr(), UnitAttr());
      if (early)
        waitForKernels();
      loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
        loadRows(tile, innerOf(k), k);
        return Values();
      });
      Value wraps = cmp(Predicate::eq, begin, num(tiles.stages));
      fillRing(tile, begin,
               {select(wraps, num(0), begin), select(wraps, num(1), num(0))});
    });
    if (tiles.cluster) {
      meetCluster();
      meetCluster();
    }
    return;
  }
  auto all = [&] {
    Values start{num(0), num(0), num(1), block};
    llvm::append_range(start, giveTile(block, num(0)).values());
    loopWhile(
        start, [&](ValueRange v) { return isLess(num(0), v[5]); },
        [&](ValueRange v) -> Values {
          // Asked for before the loads, and needed after them.
          Value following;
          if (gather && taken) {
            auto asks = scf::IfOp::create(b, TypeRange(i32), isFirst, true);
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(&asks.getThenRegion().front());
            scf::YieldOp::create(b, afterTile(v[3]));
            b.setInsertionPointToStart(&asks.getElseRegion().front());
            scf::YieldOp::create(b, v[3]);
            following = asks.getResult(0);
          } else {
            following = afterTile(v[3]);
          }
          Values state =
              fillRing(Tile::of(v.drop_front(4)), num(0), v.take_front(2));
          Tile tile = giveTile(following, v[2]);
          state.append({flip(v[2], num(1)), following});
          llvm::append_range(state, tile.values());
          return state;
        });
  };
  if (gather)
    all();
  else
    when(isFirst, all);
}

/// Two warpgroups multiply, each its own columns.
void Emitter::consumer() {
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 232,
                                   NVVM::SetMaxRegisterAction::increase);
  if (isShare())
    waitForKernels();
  // The second warpgroup starts behind the first, and stays there: it
  // multiplies while the first is at its results, and the other way round.
  // A number that LLVM does not know: else it peels off the steps up to there.
  lagStep = uniform(num(kLag));
  Tile first = isShare() ? tileAt(block) : readTile(num(0));
  if (lags())
    when(
        both(cmp(Predicate::eq, warpgroup, num(2)), isLess(num(0), first.rows)),
        [&] {
          NVVM::BarrierOp::create(b, TypeRange(), num(kLagBarrier), num(256),
                                  NVVM::BarrierReductionAttr(), Value());
        });
  // The ring's state, the parity of the next tile, and whether the other
  // warpgroup may wait for this one.
  Values start{
      num(0), num(0), num(1),
      arith::ExtUIOp::create(b, i32, cmp(Predicate::eq, warpgroup, num(1)))};
  llvm::append_range(start, first.values());
  auto some = [&](ValueRange v) { return isLess(num(0), v[5]); };
  loopWhile(start, some, [&](ValueRange v) -> Values {
    Tile tile = Tile::of(v.drop_front(4));
    leads = cmp(Predicate::ne, v[3], num(0));
    // The narrowest of a few widths that holds the rows; uniform, or the
    // products of a warpgroup would run one by one.
    SmallVector<int64_t> widths, cases;
    // Where K is shared out, products take little of the time; many rows fill
    // all tiles but one. Tiles of fewer than 64 rows wait for their weights
    // anyway, and each width is a fifth of the time that a kernel compiles.
    SmallVector<int64_t> some{64, 96, 128, 192};
    if (tiles.splits > 1)
      some = isShare() ? SmallVector<int64_t>{16, 64} : SmallVector<int64_t>{};
    for (int64_t width : some)
      if (width < tiles.tokens)
        widths.push_back(width);
    Value chosen = num(0);
    for (auto [i, width] : llvm::enumerate(widths)) {
      Value wider = cmp(Predicate::ugt, tile.rows, num(width));
      chosen = add(chosen, arith::ExtUIOp::create(b, i32, wider));
      cases.push_back(i);
    }
    widths.push_back(tiles.tokens);
    SmallVector<Type> types(8, i32);
    auto choice = scf::IndexSwitchOp::create(b, types, index(uniform(chosen)),
                                             cases, cases.size());
    OpBuilder::InsertionGuard guard(b);
    for (auto [i, width] : llvm::enumerate(widths)) {
      Region &region = i < cases.size() ? choice.getCaseRegions()[i]
                                        : choice.getDefaultRegion();
      b.setInsertionPointToStart(&region.emplaceBlock());
      scf::YieldOp::create(b, path(width, v[0], v[1], v[2], tile));
    }
    return Values(choice.getResults());
  });
  if (tiles.cluster) {
    meetCluster();
    when(isLess(block, tileCount), [&] { addUp(); });
    meetCluster(); // nobody ends while others read its sums
    shareItems();
  }
}

/// A tile of `width` tokens: the sums, then the results. Gives what the loop
/// over tiles carries; the next one is given with parity `given`.
Values Emitter::path(int64_t width, Value stage, Value parity, Value given,
                     const Tile &tile) {
  MLIRContext *context = b.getContext();
  int64_t registers = width / 2, sums = tiles.weights * tiles.blocks;
  auto type = LLVM::LLVMStructType::getLiteral(
      context, SmallVector<Type>(registers, f32));
  bool transposed = op.getTransposed();
  Type element = op.weightType().getElementType();
  auto elements = NVVM::WGMMATypesAttr::get(
      context, element.isF32()    ? NVVM::WGMMATypes::tf32
               : element.isBF16() ? NVVM::WGMMATypes::bf16
                                  : NVVM::WGMMATypes::f16);
  auto f32Sums = NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32);
  auto plus = NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one);
  auto weightLayout = NVVM::MMALayoutAttr::get(
      context, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row);
  auto tokenLayout = NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::col);
  auto shape = NVVM::MMAShapeAttr::get(context, 64, width, tiles.depth / 4);
  Value group = sub(warpgroup, num(1));
  Value base = LLVM::PtrToIntOp::create(b, i32, memory);
  // Swizzled tiles with rows of 128 bytes; a step of 16 along K is 32 bytes
  // within rows, or 16 rows of transposed weights.
  auto descriptor = [&](Value address, bool transposed) -> Value {
    Value low = extend(shr(mask(address, 0x3FFFF), 4));
    int64_t leading = transposed ? 512 : 1;
    return arith::OrIOp::create(
        b, low, wide(leading << 16 | int64_t(64) << 32 | int64_t(1) << 62));
  };
  Value weightStart = descriptor(
      add(base, mul(group, num(tiles.blocks * WgmmaTiles::kBlockBytes))),
      transposed);
  Value tokenStart = descriptor(add(base, num(tiles.weightBytes())), false);
  int64_t weightStep = transposed ? 128 : 2;

  auto multiply = [&](Values accumulators, Value stage, bool first) -> Values {
    Value offset = mul(extend(stage), wide(tiles.stageBytes() / 16));
    Value weight = add(weightStart, offset), token = add(tokenStart, offset);
    // Threads wrote the gathered rows; tensor cores read by another way.
    if (gather)
      NVVM::FenceProxyOp::create(
          b, NVVM::ProxyKindAttr::get(context, NVVM::ProxyKind::async_shared),
          NVVM::SharedSpaceAttr::get(context, NVVM::SharedSpace::shared_cta));
    NVVM::WgmmaFenceAlignedOp::create(b);
    for (int64_t k = 0; k < WgmmaTiles::kRowBytes / 32; ++k)
      for (int64_t i = 0; i < sums; ++i) {
        int64_t w = i / tiles.blocks, block = i % tiles.blocks;
        int64_t place = (w * tiles.columns() / 64 + block) *
                            (WgmmaTiles::kBlockBytes / 16) +
                        weightStep * k;
        auto scale = NVVM::WGMMAScaleOutAttr::get(
            context, first && k == 0 ? NVVM::WGMMAScaleOut::zero
                                     : NVVM::WGMMAScaleOut::one);
        accumulators[i] = NVVM::WgmmaMmaAsyncOp::create(
            b, type, accumulators[i], add(weight, wide(place)),
            add(token, wide(2 * k)), shape, elements, elements, f32Sums, scale,
            plus, plus, weightLayout, tokenLayout, NVVM::MMAIntOverflowAttr());
      }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    return accumulators;
  };
  Value elected = cmp(Predicate::eq, mask(thread, 127), num(0));
  auto release = [&](Value stage) {
    when(elected, [&] {
      NVVM::MBarrierArriveOp::create(b, TypeRange(), emptyBarrier(stage),
                                     Value(), NVVM::MemScopeKind::CTA, false);
    });
  };

  Value none = LLVM::UndefOp::create(b, type);
  Tile after;
  // The sums of so many steps along K, behind the ring's state.
  auto share = [&](Value stage, Value parity, Value steps) -> Values {
    wait(fullBarrier(stage), parity);
    Values start = multiply(Values(sums, none), stage, true);
    auto [s, p] = next(stage, parity);
    Values carried{s, p, stage};
    llvm::append_range(carried, start);
    Values end = loop(
        num(1), steps, num(1), carried, [&](Value k, ValueRange v) -> Values {
          wait(fullBarrier(v[0]), v[1]);
          Values sum = multiply(Values(v.drop_front(3)), v[0], false);
          NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
          release(v[2]);
          if (lags())
            when(both(leads, cmp(Predicate::eq, k, lagStep)), [&] {
              NVVM::BarrierArriveOp::create(b, num(kLagBarrier), num(256));
            });
          auto [s, p] = next(v[0], v[1]);
          Values result{s, p, v[0]};
          llvm::append_range(result, sum);
          return result;
        });
    // The next tile is read while the last products are made.
    if (tiles.splits == 1)
      after = readTile(given);
    NVVM::WgmmaWaitGroupSyncOp::create(b, 0);
    release(end[2]);
    end.erase(end.begin() + 2);
    return end;
  };
  Values end;
  if (tiles.splits > 1 && !isShare()) {
    // Shares come one after the other, and add up as those of a cluster do.
    Value zero = LLVM::ZeroOp::create(b, type);
    Values start{stage, parity};
    start.append(sums, zero);
    Value most = num(tiles.depthOf(op.getInner()));
    end = loop(num(0), depth, most, start, [&](Value from, ValueRange v) {
      Values own = share(v[0], v[1], least(most, sub(depth, from)));
      for (int64_t i = 0; i < sums; ++i) {
        Value total = v[2 + i];
        for (int64_t r = 0; r < registers; ++r) {
          auto at = [&](Value of) -> Value {
            return LLVM::ExtractValueOp::create(b, of, ArrayRef<int64_t>{r});
          };
          Value sum = arith::AddFOp::create(b, at(total), at(own[2 + i]));
          total =
              LLVM::InsertValueOp::create(b, total, sum, ArrayRef<int64_t>{r});
        }
        own[2 + i] = total;
      }
      return own;
    });
    after = readTile(given);
  } else {
    end = share(stage, parity, depth);
  }
  ArrayRef<Value> totals = ArrayRef(end).drop_front(2);
  if (tiles.cluster)
    keep(width, totals);
  else if (tiles.spread)
    leave(width, totals, tile);
  else
    epilogue(width, totals, tile);
  // Blocks with a share have one tile.
  if (isShare())
    after = {num(0), num(0), num(0), num(0)};
  Values result{end[0], end[1], flip(given, num(1)), num(0)};
  llvm::append_range(result, after.values());
  return result;
}

LLVM::LLVMFuncOp route::ragged::emitWgmmaKernel(ModuleOp module, MatmulOp op,
                                                const WgmmaTiles &tiles,
                                                StringRef stem, GatherOp gather,
                                                Value sums) {
  return Emitter(module, op, tiles, gather, sums).emit(stem);
}
