// Lowers the grouped matmul: panels of work, tiles of rows, and epilogues.
#include "MicroKernel.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::ragged {
namespace {

using arith::CmpIPredicate;

/// Panels up to this many bytes are fetched a whole group ahead; larger ones
/// would push each other out of the second-level cache.
constexpr int64_t groupAheadBytes = 320 * 1024;
/// How far ahead of itself a larger panel is fetched.
constexpr int64_t nearAheadLines = 64;

class MatmulEmitter {
public:
  /// Where `wide` is given, tiles are of that shape on processors without
  /// products of bf16; the work's last operand says whether this is one.
  MatmulEmitter(Emit &e, MatmulOp op, const MatmulShape &shape,
                const MatmulShape *wide, WorkBody work)
      : e(e), op(op), shape(shape), wide(wide), begin(work.begin),
        end(work.end) {
    ValueRange rest = work.operands;
    auto take = [&](size_t count) {
      ValueRange taken = rest.take_front(count);
      rest = rest.drop_front(count);
      return taken;
    };
    rows = take(1).front();
    offsets = op.getOffsets() ? take(1).front() : Value();
    weightOperands = take(op.getWeights().size());
    perExpert = take(op.getPerExpert().size());
    perRow = take(op.getPerRow().size());
    out = take(1).front();
    if (wide)
      dot = rest.front();
  }

  void run() {
    flatRows = e.flatten(rows);
    for (Value weight : weightOperands)
      for (int64_t p = 0; p < shape.width; ++p)
        lines.push_back(e.flatten(weight, p * shape.panelElements()).line);
    int64_t most = std::max(shape.maxRows, wide ? wide->maxRows : 0);
    tile = e.stack({most, shape.sums(), panelColumns}, e.b.getF32Type());
    maxRows = e.index(shape.maxRows);
    if (wide && wide->maxRows != shape.maxRows)
      maxRows = e.select(dot, maxRows, e.index(wide->maxRows));
    last = e.sub(end, e.index(1));
    e.loop(begin, end, 1, [&](Value item) { emitItem(item); });
  }

private:
  /// First row of expert `expert`, given that it is at most E.
  Value offsetOf(Value expert) { return e.toIndex(e.load(offsets, expert)); }

  void emitItem(Value item) {
    Value expert = e.div(item, shape.groups());
    Value group = e.rem(item, shape.groups());
    Value from = e.index(0), to;
    if (offsets) {
      from = offsetOf(expert);
      to = offsetOf(e.add(expert, 1));
    } else {
      to = e.dim(rows, 0);
    }
    Value count = e.sub(to, from);
    e.when(e.cmp(CmpIPredicate::sgt, count, e.index(0)), [&] {
      Value next = emitNext(item, expert, group);
      Value ahead = e.mul(next, shape.groupElements());
      // Tiles of nearly equal numbers of rows.
      Value tiles = e.b.createOrFold<arith::DivUIOp>(
          e.loc, e.add(count, e.sub(maxRows, e.index(1))), maxRows);
      e.loop(e.index(0), tiles, 1, [&](Value t) {
        auto bound = [&](Value i) {
          return e.add(from, e.b.createOrFold<arith::DivUIOp>(
                                 e.loc, e.mul(count, i), tiles));
        };
        Value first = bound(t);
        Value rowCount = e.sub(bound(e.add(t, 1)), first);
        emitTileOf(expert, group, e.mul(item, shape.groupElements()), first,
                   rowCount, t, tiles, ahead);
        emitEpilogue(expert, group, first, rowCount);
      });
    });
  }

  /// The item whose panels will be wanted next: the next one of an expert that
  /// has rows, or this one at the end of the range.
  Value emitNext(Value item, Value expert, Value group) {
    Value next = e.add(item, 1);
    if (offsets) {
      Value lastGroup =
          e.cmp(CmpIPredicate::eq, group, e.index(shape.groups() - 1));
      auto branch = scf::IfOp::create(e.b, e.loc, e.b.getIndexType(), lastGroup,
                                      /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(e.b, e.loc, next);
      e.b.setInsertionPointToStart(branch.thenBlock());
      Value experts = e.index(shape.experts);
      auto scan = scf::WhileOp::create(
          e.b, e.loc, e.b.getIndexType(), e.add(expert, 1),
          [&](OpBuilder &, Location, ValueRange at) {
            Value inside = e.cmp(CmpIPredicate::ult, at[0], experts);
            // Reads stay inside the buffer at the end, where both are equal.
            Value upper = e.select(inside, e.add(at[0], 1), experts);
            Value empty = e.cmp(CmpIPredicate::eq, e.load(offsets, at[0]),
                                e.load(offsets, upper));
            scf::ConditionOp::create(e.b, e.loc, e.both(inside, empty), at);
          },
          [&](OpBuilder &, Location, ValueRange at) {
            scf::YieldOp::create(e.b, e.loc, e.add(at[0], 1));
          });
      scf::YieldOp::create(e.b, e.loc,
                           e.mul(scan.getResult(0), shape.groups()));
      next = branch.getResult(0);
    }
    Value inside = e.cmp(CmpIPredicate::ule, next, last);
    e.b.setInsertionPointAfterValue(inside);
    return e.select(inside, next, item);
  }

  void emitTileOf(Value expert, Value group, Value panel, Value first,
                  Value rowCount, Value t, Value tiles, Value ahead) {
    TileSource source;
    source.firstRow = e.mul(first, flatRows.rowStride);
    source.panel = panel;
    emitPrefetch(source, t, tiles, ahead);

    source.lastRow = e.mul(e.sub(rowCount, e.index(1)), flatRows.rowStride);
    SmallVector<Value> arguments = {rowCount,
                                    tile,
                                    source.firstRow,
                                    source.lastRow,
                                    source.panel,
                                    source.prefetch,
                                    source.prefetchStep,
                                    flatRows.line};
    llvm::append_range(arguments, lines);
    bool fixedStride = getConstantIntValue(flatRows.rowStride).has_value();
    if (!fixedStride)
      arguments.push_back(flatRows.rowStride);
    if (!kernel) {
      kernel = emitKernel(shape, arguments, fixedStride);
      if (wide)
        wideKernel = emitKernel(*wide, arguments, fixedStride);
    }
    auto call = [&](func::FuncOp callee) {
      func::CallOp::create(e.b, e.loc, callee, arguments);
    };
    if (wide)
      e.when(dot, [&] { call(kernel); }, [&] { call(wideKernel); });
    else
      call(kernel);
  }

  /// The function of a tile, apart from its product: products that agree in
  /// depth and number of sums have the same, whether these are of several
  /// weights or of panels of one, and share one when equal functions are
  /// merged.
  func::FuncOp emitKernel(const MatmulShape &shape, ArrayRef<Value> operands,
                          bool fixedStride) {
    OpBuilder::InsertionGuard guard(e.b);
    Operation *at = e.b.getInsertionBlock()->getParentOp();
    auto parent = dyn_cast<func::FuncOp>(at);
    if (!parent)
      parent = at->getParentOfType<func::FuncOp>();
    e.b.setInsertionPoint(parent);
    auto function = func::FuncOp::create(
        e.b, e.loc, (parent.getName() + "_tile").str(),
        e.b.getFunctionType(ValueRange(operands).getTypes(), {}));
    function.setPrivate();
    function->setAttr("ragged.work", e.b.getUnitAttr());
    if (wide && shape.dot)
      function->setAttr("ragged.uses_bf16_dot", e.b.getUnitAttr());
    SymbolTable(parent->getParentOfType<ModuleOp>()).insert(function);
    Block *entry = function.addEntryBlock();
    e.b.setInsertionPointToEnd(entry);
    func::ReturnOp::create(e.b, e.loc);
    e.b.setInsertionPointToStart(entry);

    ValueRange arguments = entry->getArguments();
    Value rowCount = arguments[0], sums = arguments[1];
    SmallVector<Value> weightLines(arguments.slice(8, lines.size()));
    TileSource source;
    source.firstRow = arguments[2];
    source.lastRow = arguments[3];
    source.panel = arguments[4];
    source.prefetch = arguments[5];
    source.prefetchStep = arguments[6];
    source.rows.line = arguments[7];
    source.rows.rowStride =
        fixedStride ? e.index(*getConstantIntValue(flatRows.rowStride))
                    : arguments.back();
    source.lines = weightLines;

    // A case for every even number of rows; an odd number computes its last row
    // twice. A single row, which is what few items give, has its own.
    SmallVector<int64_t> sizes = {1}, cases;
    while (sizes.back() < shape.maxRows) {
      cases.push_back(sizes.size() - 1);
      sizes.push_back(
          std::min(2 * static_cast<int64_t>(sizes.size()), shape.maxRows));
    }
    Value half = e.div(e.add(rowCount, 1), 2);
    Value one = e.cmp(CmpIPredicate::eq, rowCount, e.index(1));
    auto choice = scf::IndexSwitchOp::create(e.b, e.loc, TypeRange(),
                                             e.select(one, e.index(0), half),
                                             cases, cases.size());
    for (auto [i, rows] : llvm::enumerate(sizes)) {
      Region &region = i < cases.size() ? choice.getCaseRegions()[i]
                                        : choice.getDefaultRegion();
      e.b.createBlock(&region);
      emitTile(e, shape, source, rows, sums);
      scf::YieldOp::create(e.b, e.loc);
    }
    return function;
  }

  /// Each tile of a group fetches its share of the next group.
  void emitPrefetch(TileSource &source, Value t, Value tiles, Value ahead) {
    Value step = e.index(shape.stepElements());
    int64_t bytes = shape.sums() * shape.panelElements() *
                    (op.weightType().getElementTypeBitWidth() / 8);
    if (bytes > groupAheadBytes) {
      source.prefetch =
          e.add(source.panel, nearAheadLines * shape.stepElements());
      source.prefetchStep = step;
      return;
    }
    Value share = e.b.createOrFold<arith::DivUIOp>(
        e.loc, e.index(shape.panelElements()), tiles);
    source.prefetch = e.add(ahead, e.mul(share, t));
    source.prefetchStep =
        e.b.createOrFold<arith::CeilDivUIOp>(e.loc, step, tiles);
  }

  void emitEpilogue(Value expert, Value group, Value first, Value rowCount) {
    Value column = e.mul(group, shape.width * panelColumns);
    for (int64_t p = 0; p < shape.width; ++p) {
      Value n = e.add(column, p * panelColumns);
      if (shape.columns % panelColumns == 0) {
        emitPanel(expert, n, first, rowCount, p, Value());
        continue;
      }
      Value rest = e.sub(e.index(shape.columns), n);
      e.when(
          e.cmp(CmpIPredicate::sge, rest, e.index(panelColumns)),
          [&] { emitPanel(expert, n, first, rowCount, p, Value()); },
          [&] { emitPanel(expert, n, first, rowCount, p, rest); });
    }
  }

  /// The epilogue of panel `p` of the tile; `rest` columns where it is cut.
  void emitPanel(Value expert, Value n, Value first, Value rowCount, int64_t p,
                 Value rest) {
    SmallVector<Value> experts;
    for (Value operand : perExpert)
      experts.push_back(loadCut(operand, {expert, n}, rest));
    auto f32 = VectorType::get({panelColumns}, e.b.getF32Type());
    e.loop(e.index(0), rowCount, 1, [&](Value r) {
      Value row = e.add(first, r);
      SmallVector<Value> arguments;
      for (int64_t w = 0; w < shape.weights; ++w)
        arguments.push_back(e.loadVector(
            f32, tile, {r, e.index(w * shape.width + p), e.index(0)}));
      llvm::append_range(arguments, experts);
      for (Value operand : perRow) {
        Value scalar = e.load(operand, row);
        arguments.push_back(
            e.splat(VectorType::get({panelColumns}, scalar.getType()), scalar));
      }
      Value result = emitBody(arguments);
      if (!rest) {
        e.storeVector(result, out, {row, n});
        return;
      }
      Value line =
          cutBuffer(cast<VectorType>(result.getType()).getElementType());
      e.storeVector(result, line, e.index(0));
      e.loop(e.index(0), rest, 1, [&](Value i) {
        e.store(e.load(line, i), out, {row, e.add(n, i)});
      });
    });
  }

  /// 16 elements of a row, or `rest` of them followed by what is not used.
  Value loadCut(Value buffer, ValueRange at, Value rest) {
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    auto type = VectorType::get({panelColumns}, element);
    if (!rest)
      return e.loadVector(type, buffer, at);
    Value line = cutBuffer(element);
    e.loop(e.index(0), rest, 1, [&](Value i) {
      e.store(e.load(buffer, {at[0], e.add(at[1], i)}), line, i);
    });
    return e.loadVector(type, line, e.index(0));
  }

  Value cutBuffer(Type element) {
    Value &buffer = cuts[element];
    if (!buffer)
      buffer = e.stack({panelColumns}, element);
    return buffer;
  }

  /// The epilogue's ops on vectors of 16 columns.
  Value emitBody(ValueRange arguments) {
    Block &body = op.getEpilogue().front();
    IRMapping map;
    map.map(body.getArguments(), arguments);
    auto widen = [](Type type) {
      return VectorType::get({panelColumns}, type);
    };
    for (Operation &inner : body.without_terminator()) {
      if (inner.hasTrait<OpTrait::ConstantLike>()) {
        Operation *scalar = e.b.clone(inner);
        map.map(inner.getResult(0), e.splat(widen(inner.getResult(0).getType()),
                                            scalar->getResult(0)));
        continue;
      }
      SmallVector<Value> operands;
      for (Value operand : inner.getOperands())
        operands.push_back(map.lookup(operand));
      SmallVector<Type> types =
          llvm::map_to_vector(inner.getResultTypes(),
                              [&](Type type) -> Type { return widen(type); });
      OperationState state(inner.getLoc(), inner.getName(), operands, types,
                           inner.getAttrs());
      state.propertiesAttr = inner.getPropertiesAsAttribute();
      map.map(inner.getResults(), e.b.create(state)->getResults());
    }
    return map.lookup(cast<YieldOp>(body.getTerminator()).getValue());
  }

  Emit &e;
  MatmulOp op;
  const MatmulShape &shape;
  const MatmulShape *wide;
  Value begin, end, last, dot, maxRows;
  Value rows, offsets, out, tile;
  ValueRange weightOperands, perExpert, perRow;
  FlatBuffer flatRows;
  func::FuncOp kernel, wideKernel;
  SmallVector<Value> lines;
  llvm::DenseMap<Type, Value> cuts;
};

/// True when the elements of `type` lie next to each other, in order.
bool isContiguous(MemRefType type) {
  if (type.getLayout().isIdentity() || type.getNumElements() == 0)
    return true;
  auto [strides, offset] = type.getStridesAndOffset();
  return strides == computeStrides(type.getShape());
}

} // namespace

LogicalResult convert(MatmulOp op, RewriterBase &rewriter, CPUTarget target) {
  if (!op.isPacked())
    return op.emitOpError("needs its weights as panels; run "
                          "ragged-pack-weights");
  for (Type type : op.getWeights().getTypes())
    if (!isContiguous(cast<MemRefType>(type)))
      return op.emitOpError("needs contiguous panels, found ") << type;
  MatmulShape shape(op, target);
  std::optional<MatmulShape> wide;
  SmallVector<Value> more;
  if (target.either && shape.dot) {
    wide.emplace(
        op, CPUTarget{/*bf16Dot=*/false, /*either=*/false, target.registers});
    more.push_back(hasBf16Dot(rewriter));
  }
  Value items =
      Emit(rewriter, op.getLoc()).index(shape.experts * shape.groups());
  outlineWork(
      rewriter, op, items,
      [&](Emit &e, WorkBody work) {
        MatmulEmitter(e, op, shape, wide ? &*wide : nullptr, work).run();
      },
      more);
  return success();
}

} // namespace route::ragged
