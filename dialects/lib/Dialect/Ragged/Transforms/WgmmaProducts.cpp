// The products of a grouped matmul's tiles.
// What the two warpgroups do that multiply.
#include "TileModel.h"
#include "WgmmaEmitter.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Two warpgroups multiply, each its own columns.
void Emitter::consumer() {
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 232,
                                   NVVM::SetMaxRegisterAction::increase);
  if (isShare())
    waitForKernels();
  // The second warpgroup starts behind the first, and stays there: it
  // multiplies while the first is at its results, and the other way round.
  // Numbers that LLVM does not know: else it peels off the steps up to there.
  // Of shares, which have few and wait for each, the first may be peeled off.
  startStep = isShare() ? num(0) : uniform(num(0));
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
  // The sums' registers, which all tiles and widths share. They are zeros once,
  // so that they are something; a tile's first products overwrite them. A share
  // has one tile.
  Type sums = sumsType(tiles.tokens);
  start.push_back(isShare() ? LLVM::UndefOp::create(b, sums).getResult()
                            : LLVM::ZeroOp::create(b, sums).getResult());
  auto some = [&](ValueRange v) { return isLess(num(0), v[5]); };
  loopWhile(start, some, [&](ValueRange v) -> Values {
    Tile tile = Tile::of(v.slice(4, 4));
    leads = cmp(Predicate::ne, v[3], num(0));
    // The narrowest of a few widths that holds the rows; uniform, or the
    // products of a warpgroup would run one by one.
    SmallVector<int64_t> widths, cases;
    // Where K is shared out, products take little of the time; many rows fill
    // all tiles but one.
    SmallVector<int64_t> some(ArrayRef<int64_t>{kTileWidths});
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
    chosen = uniform(chosen);
    auto choice = scf::IndexSwitchOp::create(b, v.getTypes(), index(chosen),
                                             cases, cases.size());
    for (auto [i, width] : llvm::enumerate(widths)) {
      OpBuilder::InsertionGuard guard(b);
      Region &region = i < cases.size() ? choice.getCaseRegions()[i]
                                        : choice.getDefaultRegion();
      b.setInsertionPointToStart(&region.emplaceBlock());
      scf::YieldOp::create(b, path(width, v[0], v[1], v[2], tile, v[8]));
    }
    Values next(choice.getResults());
    if (!isShare())
      epilogue(widths, chosen, next[8], tile);
    if (tiles.tells)
      tell(tile);
    return next;
  });
  if (tiles.pairs)
    meetCluster(); // nobody ends while the other one tells or brings it things
  if (tiles.cluster) {
    meetCluster();
    when(isLess(block, tileCount), [&] { addUp(); });
    meetCluster(); // nobody ends while others read its sums
    shareItems();
  }
}

/// Counts the rows of a tile that this warpgroup has ended, once all its
/// threads have stored what they have.
void Emitter::tell(const Tile &tile) {
  NVVM::BarrierOp::create(b, TypeRange(), warpgroup, num(128),
                          NVVM::BarrierReductionAttr(), Value());
  when(both(overlaps(), isEqual(mask(thread, 127), num(0))), [&] {
    Value counter = LLVM::GEPOp::create(
        b, global, i32, told, ArrayRef<LLVM::GEPArg>{extend(tile.expert)});
    // The NVPTX backend makes atomic additions relaxed, whatever they ask for.
    LLVM::FenceOp::create(b, LLVM::AtomicOrdering::release, "device");
    LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, counter, tile.rows,
                              LLVM::AtomicOrdering::monotonic,
                              /*syncscope=*/"device");
  });
}

/// The products of one stage of the ring, in one group: added to the sums of a
/// tile of `width` tokens, or, where `adds` is false, in their place.
Value Emitter::multiply(int64_t width, Value sums, Value stage, Value adds) {
  MLIRContext *context = b.getContext();
  bool transposed = op.getTransposed();
  Value base = LLVM::PtrToIntOp::create(b, i32, memory);
  // Swizzled tiles with rows of 128 bytes; a step of 16 along K is 32 bytes
  // within rows, or 16 rows of transposed weights.
  auto descriptor = [&](Value address, bool transposed) -> Value {
    Value low = extend(shr(mask(address, 0x3FFFF), 4));
    int64_t leading = transposed ? 512 : 1;
    return arith::OrIOp::create(
        b, low, wide(leading << 16 | int64_t(64) << 32 | int64_t(1) << 62));
  };
  Value offset = mul(extend(stage), wide(tiles.stageBytes() / 16));
  Value group = sub(warpgroup, num(1));
  Value weight = add(
      descriptor(
          add(base, mul(group, num(tiles.blocks * WgmmaTiles::kBlockBytes))),
          transposed),
      offset);
  Value token =
      add(descriptor(add(base, num(tiles.weightBytes())), false), offset);
  int64_t weightStep = transposed ? 128 : 2;

  // One piece of assembly, since each takes and gives all its sums one by one.
  // Its operands: the sums, the same again, `adds`, and the descriptors.
  int64_t numSums = sumsOf(width), registers = width / 2;
  Values operands;
  for (int64_t i = 0; i < numSums; ++i)
    operands.push_back(extract(sums, i));
  operands.push_back(adds);
  auto operand = [&](Value v) {
    operands.push_back(v);
    return "$" + std::to_string(numSums + operands.size() - 1);
  };
  Type element = op.weightType().getElementType();
  std::string name = element.isF32()    ? "tf32"
                     : element.isBF16() ? "bf16"
                                        : "f16";
  // Signs, and of 16 bits whether operands lie across K.
  std::string flags = element.isF32() ? "1, 1"
                      : transposed    ? "1, 1, 1, 0"
                                      : "1, 1, 0, 0";
  std::string product =
      "wgmma.mma_async.sync.aligned.m64n" + std::to_string(width) + "k" +
      std::to_string(tiles.depth / 4) + ".f32." + name + "." + name;
  std::string text = "{\n.reg .pred always;\nsetp.ne.b32 always, 1, 0;\n";
  for (int64_t k = 0; k < WgmmaTiles::kRowBytes / 32; ++k) {
    std::string rows = operand(add(token, wide(2 * k)));
    for (int64_t i = 0; i < numSums / registers; ++i) {
      int64_t w = i / tiles.blocks, block = i % tiles.blocks;
      int64_t place =
          (w * tiles.columns() / 64 + block) * (WgmmaTiles::kBlockBytes / 16) +
          weightStep * k;
      text += product + " {";
      for (int64_t r = 0; r < registers; ++r)
        text += (r ? ", $" : "$") + std::to_string(i * registers + r);
      text += "}, " + operand(add(weight, wide(place))) + ", " + rows + ", " +
              (k ? "always" : "$" + std::to_string(2 * numSums)) + ", " +
              flags + ";\n";
    }
  }
  text += "}";
  std::string constraints;
  for (int64_t i = 0; i < numSums; ++i)
    constraints += "=f,";
  for (int64_t i = 0; i < numSums; ++i)
    constraints += std::to_string(i) + ",";
  constraints += "b";
  for (size_t i = numSums + 1; i < operands.size(); ++i)
    constraints += ",l";

  // Threads wrote the gathered rows; tensor cores read by another way.
  if (gather)
    NVVM::FenceProxyOp::create(
        b, NVVM::ProxyKindAttr::get(context, NVVM::ProxyKind::async_shared),
        NVVM::SharedSpaceAttr::get(context, NVVM::SharedSpace::shared_cta));
  NVVM::WgmmaFenceAlignedOp::create(b);
  Value result =
      LLVM::InlineAsmOp::create(
          b, sumsType(width), operands, text, constraints,
          /*has_side_effects=*/true, /*is_align_stack=*/false,
          LLVM::TailCallKind::None,
          LLVM::AsmDialectAttr::get(context, LLVM::AsmDialect::AD_ATT),
          /*operand_attrs=*/ArrayAttr())
          .getResult(0);
  NVVM::WgmmaGroupSyncAlignedOp::create(b);
  return result;
}

/// The sums of a tile of `width` tokens, and of a share what becomes of them.
/// Gives what the loop over tiles carries; the next one is given with parity
/// `given`. Of the sums that are carried, a narrower tile has the first of each
/// product.
Values Emitter::path(int64_t width, Value stage, Value parity, Value given,
                     const Tile &tile, Value held) {
  int64_t count = sumsOf(width);
  auto placeOf = [&](int64_t i) {
    return i / (width / 2) * (tiles.tokens / 2) + i % (width / 2);
  };
  Value start = held;
  if (width != tiles.tokens) {
    start = LLVM::UndefOp::create(b, sumsType(width));
    for (int64_t i = 0; i < count; ++i)
      start = insert(start, extract(held, placeOf(i)), i);
  }
  // Of a pair both blocks are told, each by a warp: either brings tiles to
  // both.
  Value elected =
      cmp(Predicate::eq, mask(thread, tiles.pairs ? 95 : 127), num(0));
  auto release = [&](Value stage, Value also = {}) {
    when(also ? both(elected, also) : elected, [&] {
      Value barrier = emptyBarrier(stage);
      if (tiles.pairs)
        barrier = NVVM::MapaOp::create(
            b, LLVM::LLVMPointerType::get(b.getContext(), 7), barrier,
            mask(warp, 1));
      NVVM::MBarrierArriveOp::create(b, TypeRange(), barrier, Value(),
                                     NVVM::MemScopeKind::CTA, false);
    });
  };

  Tile after;
  // The sums of so many steps along K, behind the ring's state.
  auto share = [&](Value stage, Value parity, Value steps,
                   Value sums) -> Values {
    Values end =
        loop(num(0), steps, num(1), {stage, parity, sums, stage},
             [&](Value k, ValueRange v) -> Values {
               Value follows = cmp(Predicate::ne, k, startStep);
               wait(fullBarrier(v[0]), v[1]);
               Value sums = multiply(width, v[2], v[0], follows);
               NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
               release(v[3], follows);
               if (lags())
                 when(both(leads, cmp(Predicate::eq, k, lagStep)), [&] {
                   NVVM::BarrierArriveOp::create(b, num(kLagBarrier), num(256));
                 });
               auto [s, p] = next(v[0], v[1]);
               return {s, p, sums, v[0]};
             });
    // The next tile is read while the last products are made.
    if (tiles.splits == 1)
      after = readTile(given);
    NVVM::WgmmaWaitGroupSyncOp::create(b, 0);
    release(end[3]);
    end.pop_back();
    return end;
  };
  Values end;
  Value totals;
  if (tiles.splits > 1 && !isShare()) {
    // Shares come one after the other, and add up as those of a cluster do.
    Value zero = LLVM::ZeroOp::create(b, sumsType(width));
    Value most = num(tiles.depthOf(op.getInner()));
    end = loop(num(0), depth, most, {stage, parity, start, zero},
               [&](Value from, ValueRange v) {
                 Values own =
                     share(v[0], v[1], least(most, sub(depth, from)), v[2]);
                 Value total = v[3];
                 for (int64_t i = 0; i < count; ++i)
                   total = insert(total,
                                  arith::AddFOp::create(b, extract(total, i),
                                                        extract(own[2], i)),
                                  i);
                 own.push_back(total);
                 return own;
               });
    totals = end[3];
    after = readTile(given);
  } else {
    end = share(stage, parity, depth, start);
    totals = end[2];
  }
  if (tiles.cluster)
    keep(width, totals);
  else if (tiles.spread)
    leave(width, totals, tile);
  // Blocks with a share have one tile.
  if (isShare())
    after = {num(0), num(0), num(0), num(0)};
  Values result{end[0], end[1], flip(given, num(1)), num(0)};
  llvm::append_range(result, after.values());
  if (width == tiles.tokens)
    held = totals;
  else
    for (int64_t i = 0; i < count; ++i)
      held = insert(held, extract(totals, i), placeOf(i));
  result.push_back(held);
  return result;
}
