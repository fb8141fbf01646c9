// row-fuse-products: moves a product that one row program reads into it.
// So its results for all items are never in memory at once.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWFUSEPRODUCTS
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

/// The dense product whose result is input `i` of `program` and nothing else.
ragged::MatmulOp productOf(ProgramOp program, unsigned i) {
  auto product = program.getInputs()[i].getDefiningOp<ragged::MatmulOp>();
  if (!product || product.getOffsets() || !product->hasOneUse())
    return nullptr;
  // The body's copy works on one row, and a row's width must be known.
  auto rows = cast<RankedTensorType>(product.getRows().getType());
  return rows.isDynamicDim(1) ? nullptr : product;
}

/// `value` with a dimension of one row in front.
Value asOneRow(OpBuilder &b, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin(), 1);
  SmallVector<ReassociationIndices> groups;
  if (type.getRank())
    groups.push_back({0, 1});
  return tensor::ExpandShapeOp::create(
      b, value.getLoc(), RankedTensorType::get(shape, type.getElementType()),
      value, groups);
}

void fuse(ProgramOp program, unsigned input, ragged::MatmulOp product) {
  Block &body = program.getBody().front();
  Location loc = product.getLoc();
  unsigned inputs = program.getInputs().size();
  auto addInput = [&](Value v) -> Value {
    program.getInputsMutable().append(v);
    return body.insertArgument(
        inputs++, ProgramOp::rowType(v.getType(), /*varying=*/true), loc);
  };
  auto addUniform = [&](Value v) -> Value {
    program.getUniformsMutable().append(v);
    return body.addArgument(ProgramOp::rowType(v.getType(), /*varying=*/false),
                            loc);
  };

  OpBuilder b = OpBuilder::atBlockBegin(&body);
  IRMapping map;
  map.map(product.getRows(), asOneRow(b, addInput(product.getRows())));
  for (Value v : product.getPerRow())
    if (!map.contains(v))
      map.map(v, asOneRow(b, addInput(v)));
  for (OperandRange range : {product.getWeights(), product.getPerExpert()})
    for (Value v : range)
      if (!map.contains(v))
        map.map(v, addUniform(v));
  auto type = cast<RankedTensorType>(product.getOut().getType());
  auto row =
      RankedTensorType::get({1, product.getOutputs()}, type.getElementType());
  map.map(product.getOut(), tensor::EmptyOp::create(b, loc, row.getShape(),
                                                    row.getElementType()));
  Operation *copy = b.clone(*product, map);
  copy->getResult(0).setType(row);
  Value result = tensor::CollapseShapeOp::create(
      b, loc, copy->getResult(0), ArrayRef<ReassociationIndices>{{0, 1}});

  body.getArgument(input).replaceAllUsesWith(result);
  body.eraseArgument(input);
  program.getInputsMutable().erase(input);
  Operation *init = product.getOut().getDefiningOp();
  product->erase();
  if (init && isOpTriviallyDead(init))
    init->erase();
}

struct FuseProductsPass : impl::RowFuseProductsBase<FuseProductsPass> {
  void runOnOperation() override {
    getOperation()->walk([&](ProgramOp program) {
      // Rows of fused products are appended, and stay inputs.
      unsigned i = 0;
      for (size_t left = program.getInputs().size(); left; --left) {
        ragged::MatmulOp product = productOf(program, i);
        if (product) {
          fuse(program, i, product);
          ++numFused;
        } else {
          ++i;
        }
      }
    });
  }
};

} // namespace
} // namespace route::row
