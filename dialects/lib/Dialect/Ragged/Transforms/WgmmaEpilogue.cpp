// How the sums of a tile become results.
// The epilogue on elements, and the way from the registers of a warpgroup to
// rows in memory.
#include "WgmmaEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Results of a tile go to memory: rows of the first of `widths`, and those
/// that wider ones add, up to the one that was chosen. All have the same code,
/// since ptxas takes longer over it than over the products of a width. Register
/// 4j + 2h + i of a sum belongs to column 16*warp + lane/4 + 8h and row 8j +
/// 2*(lane%4) + i. Of two interleaved parts it is column 32*h + 8*warp + lane/4
/// of the result, once `together` has brought both to one thread.
void Emitter::epilogue(ArrayRef<int64_t> widths, Value chosen, Value sums,
                       const Tile &tile) {
  Value group = sub(warpgroup, num(1)), quarter = mask(warp, 3);
  Value inGroup = mask(thread, 127);
  Value columns = num(op.getOutputs());
  bool paired = tiles.parts == 2;
  int64_t blocks = tiles.blocks / tiles.parts, apart = paired ? 32 : 8;
  Value firstColumn =
      add(mul(tile.column, num(tiles.outputs())), mul(group, num(64 * blocks)));
  Value ownColumn = add(shl(quarter, paired ? 3 : 4), shr(lane, 2));
  Value ownRow = shl(mask(lane, 3), 1);
  Value barrier = add(group, num(1));
  auto type = cast<MemRefType>(op.getOut().getType());
  auto strides = type.getStridesAndOffset().first;
  // Addresses are constants beyond that of a first element: whatever is the
  // same in all tiles would else be kept in registers for every element.
  auto global = LLVM::LLVMPointerType::get(b.getContext(), 1);
  auto addressOf = [&](Value row, Value column) -> Value {
    Value place = add(mul(extend(row), wide(strides[0])), extend(column));
    return LLVM::GEPOp::create(b, global, type.getElementType(), outStart,
                               ArrayRef<LLVM::GEPArg>{place});
  };
  auto beyond = [&](Value address, int64_t rows, int64_t columns) -> Value {
    auto steps = static_cast<int32_t>(rows * strides[0] + columns);
    return LLVM::GEPOp::create(b, global, type.getElementType(), address,
                               ArrayRef<LLVM::GEPArg>{steps});
  };
  auto meet = [&] {
    NVVM::BarrierOp::create(b, TypeRange(), barrier, num(128),
                            NVVM::BarrierReductionAttr(), Value());
  };
  // Rows from one on, up to another: in parts that all widths or none have.
  auto rowsOf = [&](int64_t from, int64_t to,
                    llvm::function_ref<void(int64_t, int64_t)> body) {
    for (auto [i, width] : llvm::enumerate(widths)) {
      int64_t begin = std::max(from, i ? widths[i - 1] : 0),
              end = std::min(to, width);
      if (begin >= end)
        continue;
      if (i == 0)
        body(begin, end);
      else
        when(isAtMost(num(i), chosen), [&] { body(begin, end); });
    }
  };
  for (int64_t block = 0; block < blocks; ++block) {
    Value column = add(firstColumn, num(64 * block));
    // Values of columns, h = 0 and 1.
    Values ofColumns[2];
    for (int64_t h = 0; h < 2; ++h) {
      Value c = least(add(column, add(ownColumn, num(apart * h))),
                      sub(columns, num(1)));
      for (Value v : perExpert)
        ofColumns[h].push_back(memref::LoadOp::create(
            b, v, ValueRange{index(tile.expert), index(c)}));
    }
    auto resultAt = [&](int64_t j, int64_t h, int64_t i) -> Value {
      Values accumulators;
      for (int64_t w = 0; w < tiles.weights; ++w) {
        auto sumAt = [&](int64_t block, int64_t h) -> Value {
          return extract(sums, (w * tiles.blocks + block) * (tiles.tokens / 2) +
                                   4 * j + 2 * h + i);
        };
        if (paired)
          llvm::append_range(accumulators, together(sumAt(2 * block + h, 0),
                                                    sumAt(2 * block + h, 1)));
        else
          accumulators.push_back(sumAt(block, h));
      }
      Values ofRow;
      if (!perRow.empty()) {
        Value row = least(add(ownRow, num(8 * j + i)),
                          sub(most(tile.rows, num(1)), num(1)));
        for (Value v : perRow)
          ofRow.push_back(
              memref::LoadOp::create(b, v, index(add(tile.row, row))));
      }
      return element(accumulators, ofColumns[h], ofRow);
    };
    if (tiles.outputBytes == 4) {
      Value c = add(column, ownColumn);
      Value address = addressOf(add(tile.row, ownRow), c);
      Value rows = sub(tile.rows, ownRow);
      Value inColumns[2] = {cmp(Predicate::ult, c, columns),
                            cmp(Predicate::ult, add(c, num(apart)), columns)};
      rowsOf(0, tiles.tokens, [&](int64_t from, int64_t to) {
        for (int64_t j = from / 8; j < to / 8; ++j)
          for (int64_t i = 0; i < 2; ++i)
            for (int64_t h = 0; h < 2; ++h) {
              Value x = resultAt(j, h, i);
              Value inside = cmp(Predicate::sgt, rows, num(8 * j + i));
              when(both(inside, inColumns[h]), [&] {
                LLVM::StoreOp::create(b, x,
                                      beyond(address, 8 * j + i, apart * h));
              });
            }
      });
      continue;
    }
    // 64 rows at a time go through shared memory, where a row's columns come
    // together; units of 16 bytes are swizzled, so that banks do not collide.
    Value staging = add(num(tiles.stages * tiles.stageBytes()), shl(group, 13));
    auto move = [&](int64_t first, int64_t last) {
      meet(); // what was there has been read
      Value matrix = shr(lane, 3), inMatrix = mask(lane, 7);
      // The unit of columns that h = 0 or 1 stands for.
      Value side = mask(matrix, 1);
      Value unit =
          paired ? add(quarter, shl(side, 2)) : add(shl(quarter, 1), side);
      Value place = add(shl(add(shl(shr(matrix, 1), 3), inMatrix), 7),
                        shl(flip(unit, inMatrix), 4));
      rowsOf(first, last, [&](int64_t from, int64_t to) {
        for (int64_t row = from; row < to; row += 16) {
          Values registers;
          for (int64_t j = row / 8; j < row / 8 + 2; ++j)
            for (int64_t h = 0; h < 2; ++h)
              registers.push_back(narrow(resultAt(j, h, 0), resultAt(j, h, 1)));
          NVVM::StMatrixOp::create(
              b, at(add(staging, add(place, num((row - first) * 128)))),
              registers,
              NVVM::MMALayoutAttr::get(b.getContext(), NVVM::MMALayout::col),
              NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
              NVVM::LdStMatrixEltTypeAttr::get(b.getContext(),
                                               NVVM::LdStMatrixEltType::B16));
        }
      });
      meet();
      // A thread moves 16 bytes of every sixteenth row.
      auto vector = VectorType::get({4}, i32);
      Value own = shr(inGroup, 3), piece = mask(inGroup, 7);
      Value c = add(column, shl(piece, 3));
      Value inColumns = cmp(Predicate::ult, c, columns);
      Value address = addressOf(add(tile.row, add(own, num(first))), c);
      Value rows = sub(tile.rows, own);
      for (int64_t r = 0; r < last - first; r += 16) {
        Value row = add(own, num(r));
        Value from =
            add(staging, add(shl(row, 7), shl(flip(piece, mask(row, 7)), 4)));
        Value x = LLVM::LoadOp::create(b, vector, at(from), 16);
        Value inside = cmp(Predicate::sgt, rows, num(first + r));
        when(both(inColumns, inside),
             [&] { LLVM::StoreOp::create(b, x, beyond(address, r, 0), 16); });
      }
    };
    for (int64_t first = 0; first < tiles.tokens; first += 64)
      rowsOf(first, first + 1, [&](int64_t, int64_t) {
        move(first, std::min(first + 64, tiles.tokens));
      });
  }
}

/// Sums of two interleaved parts. Lanes 4c to 4c + 3 hold column c % 8 of a
/// warp's sixteen in `low`, the one 8 further in `high`; parts alternate. Gives
/// both parts of the warp's column c of the result. Each lane sends one sum at
/// a time, to where it is wanted.
Values Emitter::together(Value low, Value high) {
  auto exchange = [&](Value x, Value from) -> Value {
    return NVVM::ShflOp::create(b, f32, num(-1), x, from, num(31),
                                NVVM::ShflKind::idx, UnitAttr());
  };
  Value c = shr(lane, 2), isSecond = cmp(Predicate::eq, mask(c, 1), num(1));
  Value upper = shr(c, 2); // columns 4 to 7 come from `high`
  Value from = add(shl(mask(c, 3), 3), mask(lane, 3));
  // First low of even columns and high of odd ones, then the others.
  Value one = exchange(select(isSecond, high, low), add(from, shl(upper, 2)));
  Value other = exchange(select(isSecond, low, high),
                         add(from, shl(flip(upper, num(1)), 2)));
  Value isUpper = cmp(Predicate::eq, upper, num(1));
  return {select(isUpper, other, one), select(isUpper, one, other)};
}

/// The epilogue on one element; in f32 where the result is narrowed last, which
/// `narrow` then does.
Value Emitter::element(ArrayRef<Value> accumulators, ArrayRef<Value> ofColumn,
                       ArrayRef<Value> ofRow) {
  IRMapping mapping;
  Block &body = op.getEpilogue().front();
  unsigned argument = 0;
  for (ArrayRef<Value> group : {accumulators, ofColumn, ofRow})
    for (Value v : group)
      mapping.map(body.getArgument(argument++), v);
  Value result = body.getTerminator()->getOperand(0);
  auto last = result.getDefiningOp<arith::TruncFOp>();
  if (last && last.getIn().getType() != f32)
    last = nullptr;
  for (Operation &each : body.without_terminator()) {
    if (last && &each == last && last->hasOneUse())
      continue;
    auto unary = dyn_cast<row::UnaryOp>(&each);
    Value fast = unary && tiles.outputBytes == 2
                     ? approximate(unary, mapping.lookup(unary.getOperand()))
                     : Value();
    if (fast)
      mapping.map(unary.getResult(), fast);
    else
      b.clone(each, mapping);
  }
  return mapping.lookup(last && last->hasOneUse() ? last.getIn() : result);
}

/// Unary functions by the hardware's powers of two and reciprocals; none where
/// there is no such form. Errors are relative, some 2^-20, also where sigmoid
/// is nearly 0: a form by tanh cancels there. Below 2^-126 it is 0.
Value Emitter::approximate(row::UnaryOp unary, Value x) {
  auto mulf = [&](Value x, Value y) -> Value {
    return arith::MulFOp::create(b, x, y);
  };
  // The sigmoid of v, where v = scaled * -ln 2: 1 / (1 + 2^scaled).
  auto sigmoid = [&](Value scaled) -> Value {
    Value power = LLVM::CallIntrinsicOp::create(
                      b, f32, b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f32"),
                      ValueRange{scaled})
                      .getResult(0);
    return NVVM::RcpApproxFtzF32Op::create(
        b, f32, arith::AddFOp::create(b, power, flt(1.0f)));
  };
  constexpr float log2e = 1.4426950409f;
  if (x.getType() != f32)
    return {};
  switch (unary.getFunction()) {
  case row::UnaryFunction::Sigmoid:
    return sigmoid(mulf(x, flt(-log2e)));
  case row::UnaryFunction::Silu:
    return mulf(x, sigmoid(mulf(x, flt(-log2e))));
  case row::UnaryFunction::GeluTanh: {
    // x/2 * (1 + tanh(u)) is x times the sigmoid of 2u.
    Value square = mulf(x, x);
    Value scaled = mulf(x, flt(-2 * log2e * 0.7978845608f));
    Value factor = math::FmaOp::create(b, square, flt(0.044715f), flt(1.0f));
    return mulf(x, sigmoid(mulf(scaled, factor)));
  }
  default:
    return {};
  }
}

/// Two neighbours of a column as one register.
Value Emitter::narrow(Value x, Value y) {
  Type element = cast<MemRefType>(op.getOut().getType()).getElementType();
  auto pair = [&](Type type) {
    auto vector = VectorType::get({2}, type);
    Value v = LLVM::UndefOp::create(b, vector);
    v = LLVM::InsertElementOp::create(b, v, x, num(0));
    return LLVM::InsertElementOp::create(b, v, y, num(1)).getResult();
  };
  Value v = pair(x.getType());
  if (x.getType() != element)
    v = LLVM::FPTruncOp::create(b, VectorType::get({2}, element), v);
  return LLVM::BitcastOp::create(b, i32, v);
}
