// route-expand-live: live columns become what was pushed and when.
// Those that may be unknown: what follows knows of columns that are there
// alone.
#include "mlir/IR/SymbolTable.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include <cmath>

namespace route {
#define GEN_PASS_DEF_ROUTEEXPANDLIVE
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
struct ExpandLive : route::impl::RouteExpandLiveBase<ExpandLive> {
  void runOnOperation() override {
    SmallVector<ColumnOp> columns;
    getOperation().walk([&](ColumnOp column) {
      auto type = cast<ArrayType>(column.getType());
      if (column.getKind() == ColumnKind::live &&
          (column.getStaleNs() || isa<RangeType>(type.getElementType())))
        columns.push_back(column);
    });
    for (ColumnOp column : columns)
      expand(column);
  }

  void expand(ColumnOp column) {
    OpBuilder b(column);
    Location loc = column.getLoc();
    auto type = cast<ArrayType>(column.getType());
    auto plain = type.withElement(getValueType(type.getElementType())),
         time = type.withElement(b.getF64Type());
    auto pool = cast<AxisOp>(column->getParentOp());
    std::string name = (column.getSymName() + ".pushed").str();
    b.setInsertionPointAfter(column);
    ColumnOp::create(b, loc, name, ColumnKind::live, time, Attribute(),
                     b.getF64FloatAttr(std::nan("")), IntegerAttr(),
                     b.getStringAttr("s"), /*trusted=*/false);
    auto symbolOf = [&](StringRef of) {
      return SymbolRefAttr::get(pool.getSymNameAttr(),
                                {FlatSymbolRefAttr::get(b.getContext(), of)});
    };
    auto symbol = symbolOf(column.getSymName());
    Attribute fallback = column.getFallbackAttr();
    IntegerAttr stale = column.getStaleNsAttr();
    SmallVector<GetOp> reads;
    getOperation().walk([&](GetOp get) {
      if (get.getSymbol() == symbol)
        reads.push_back(get);
    });
    column.setType(plain);
    column.removeStaleNsAttr();
    for (GetOp read : reads) {
      b.setInsertionPoint(read);
      Location at = read.getLoc();
      Value value = GetOp::create(b, at, plain, symbol),
            pushed = GetOp::create(b, at, time, symbolOf(name)), fresh;
      if (stale) {
        // Ahead of the call's time as well: a clock may be set back.
        Value age = UnaryOp::create(
            b, at, UnaryKind::abs,
            BinaryOp::create(
                b, at, BinaryKind::sub,
                NowOp::create(b, at, ArrayType::get(b.getF64Type())), pushed));
        Value most =
            ConstantOp::create(b, at, ArrayType::get(b.getF64Type()),
                               b.getF64FloatAttr(double(stale.getInt()) / 1e9));
        fresh = CompareOp::create(b, at, CompareKind::le, age, most);
      } else {
        fresh =
            UnaryOp::create(b, at, UnaryKind::logical_not,
                            UnaryOp::create(b, at, UnaryKind::is_nan, pushed));
      }
      Value otherwise = fallback
                            ? Value(ConstantOp::create(b, at, plain, fallback))
                            : Value(UnknownOp::create(b, at, type));
      Value known = SelectOp::create(b, at, fresh, value, otherwise);
      if (known.getType() != type) // a range that is always known
        known = CastOp::create(b, at, type, known);
      read.replaceAllUsesWith(known);
      read.erase();
    }
  }
};
} // namespace
