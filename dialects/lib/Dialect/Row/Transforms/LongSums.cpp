// Sums of rows that fit no warp, with a thread for each partial sum.
#include "LongSums.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace route::row {

/// Partial sums of a row, each in order, as route::num::sum has them.
static constexpr int64_t kPartials = 32;
/// Elements of a partial sum that are under way at once.
static constexpr int64_t kAhead = 16;

/// The sum, if that is all that the program does.
static SumOp onlySum(ProgramOp program) {
  Block &body = program.getBody().front();
  auto sum = dyn_cast<SumOp>(body.front());
  bool only = sum && llvm::hasNItems(body, 2) && body.getNumArguments() == 1 &&
              program.getInputs().size() == 1 &&
              program.getOutputs().size() == 1 &&
              sum.getValues() == body.getArgument(0) &&
              sum.getValues().getType().getRank() == 1 &&
              sum.getOrder() == SumOrder::Butterfly &&
              isa<RankedTensorType>(program.getInputs().front().getType());
  return only ? sum : SumOp();
}

/// Elements `partial`, `partial` + 32 and so on of row `item`, added up in that
/// order; +0 where there are none.
static Value partialSum(ImplicitLocOpBuilder &b, Value rows, Value item,
                        Value partial) {
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  Type type = cast<RankedTensorType>(rows.getType()).getElementType();
  auto element = [&](Value number, int64_t ahead) -> Value {
    Value at = arith::AddIOp::create(b, number, index(ahead));
    at = arith::MulIOp::create(b, at, index(kPartials));
    at = arith::AddIOp::create(b, at, partial);
    return tensor::ExtractOp::create(b, rows, ValueRange{item, at});
  };
  auto loop = [&](Value from, Value to, int64_t step, Value start) -> Value {
    auto op = scf::ForOp::create(b, from, to, index(step), start);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    SmallVector<Value> elements;
    for (int64_t ahead = 0; ahead < step; ++ahead)
      elements.push_back(element(op.getInductionVar(), ahead));
    Value sum = op.getRegionIterArg(0);
    for (Value x : elements)
      sum = arith::AddFOp::create(b, sum, x);
    scf::YieldOp::create(b, sum);
    return op.getResult(0);
  };

  Value size = b.createOrFold<tensor::DimOp>(rows, 1);
  Value any =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ult, partial, size);
  auto branch = scf::IfOp::create(b, type, any, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Value count = arith::CeilDivUIOp::create(
      b, arith::SubIOp::create(b, size, partial), index(kPartials));
  Value first = index(1), further = arith::SubIOp::create(b, count, first);
  Value together = arith::SubIOp::create(
      b, count, arith::RemUIOp::create(b, further, index(kAhead)));
  Value sum = element(index(0), 0);
  sum = loop(first, together, kAhead, sum);
  sum = loop(together, count, 1, sum);
  scf::YieldOp::create(b, sum);
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(
      b, arith::ConstantOp::create(b, b.getZeroAttr(type)).getResult());
  return branch.getResult(0);
}

/// What the partial sums of an item give together.
static Value joinPartials(ImplicitLocOpBuilder &b, Value partials, Value item) {
  SmallVector<Value> sums;
  for (int64_t j = 0; j < kPartials; ++j) {
    Value at = arith::ConstantIndexOp::create(b, j);
    sums.push_back(
        tensor::ExtractOp::create(b, partials, ValueRange{item, at}));
  }
  for (int64_t s = kPartials / 2; s; s /= 2)
    for (int64_t j = 0; j < s; ++j)
      sums[j] = arith::AddFOp::create(b, sums[j], sums[j + s]);
  return sums.front();
}

/// A tensor whose elements `body` gives for their places.
static Value generate(
    ImplicitLocOpBuilder &b, Value init,
    llvm::function_ref<Value(ImplicitLocOpBuilder &, ArrayRef<Value>)> body) {
  int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
  return linalg::GenericOp::create(
             b, init.getType(), ValueRange(), init,
             ArrayRef<AffineMap>{b.getMultiDimIdentityMap(rank)},
             SmallVector<utils::IteratorType>(rank,
                                              utils::IteratorType::parallel),
             [&](OpBuilder &inner, Location loc, ValueRange) {
               ImplicitLocOpBuilder in(loc, inner);
               SmallVector<Value> at;
               for (int64_t d = 0; d < rank; ++d)
                 at.push_back(linalg::IndexOp::create(in, d));
               linalg::YieldOp::create(in, body(in, at));
             })
      .getResult(0);
}

bool splitLongSum(ProgramOp program) {
  SumOp sum = onlySum(program);
  if (!sum)
    return false;
  ImplicitLocOpBuilder b(program.getLoc(), program);
  Value rows = program.getInputs().front();
  Type type = sum.getType().getElementType();
  SmallVector<OpFoldResult> shape{tensor::getMixedSize(b, b.getLoc(), rows, 0),
                                  b.getIndexAttr(kPartials)};
  Value partials = generate(b, tensor::EmptyOp::create(b, shape, type),
                            [&](ImplicitLocOpBuilder &in, ArrayRef<Value> at) {
                              return partialSum(in, rows, at[0], at[1]);
                            });
  Value sums = generate(b, program.getOutputs().front(),
                        [&](ImplicitLocOpBuilder &in, ArrayRef<Value> at) {
                          return joinPartials(in, partials, at[0]);
                        });
  program->replaceAllUsesWith(ValueRange(sums));
  program->erase();
  return true;
}

} // namespace route::row
