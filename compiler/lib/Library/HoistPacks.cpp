// route-hoist-packs: what only rearranges a parameter is done when it is bound,
// not at every call.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Library/Passes.h"
#include "llvm/ADT/MapVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTEHOISTPACKS
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// One way an entry reads a parameter: the argument, the ops from its tensor to
/// a pack, in order, the pack last.
struct Path {
  func::FuncOp entry;
  unsigned argument;
  SmallVector<Operation *> ops;
};

/// What makes two paths give the same panels.
std::string describe(ArrayRef<Path> paths) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (const Path &path : paths)
    for (Operation *op : path.ops)
      stream << op->getName() << op->getAttrDictionary() << op->getResultTypes()
             << ';';
  return text;
}

/// The one user of `value` that is not its destination's shape, or null.
Operation *onlyUser(Value value) {
  return value.hasOneUse() ? *value.user_begin() : nullptr;
}

/// Follows a use of a parameter's tensor to its pack; nothing where it is used
/// otherwise.
std::optional<Path> follow(func::FuncOp entry, unsigned argument,
                           Operation *op) {
  Path path{entry, argument, {}};
  for (; op; op = onlyUser(op->getResult(0))) {
    path.ops.push_back(op);
    if (isa<ragged::PackOp>(op))
      return path;
    auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
    if (slice ? !slice.getSizes().empty() || !slice.getOffsets().empty()
              : !isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                     linalg::TransposeOp, arith::ExtFOp>(op))
      return std::nullopt;
  }
  return std::nullopt;
}

/// All the ways an entry reads a parameter, one pack each; none where one is no
/// pack or the packs differ in shape. Interleaved weights have several: one for
/// each half.
SmallVector<Path> followAll(func::FuncOp entry, unsigned argument) {
  Operation *read = onlyUser(entry.getArgument(argument));
  if (!read || !isa<bufferization::ToTensorOp>(read))
    return {};
  SmallVector<Path> paths;
  for (Operation *user : read->getResult(0).getUsers()) {
    std::optional<Path> path = follow(entry, argument, user);
    if (!path || (!paths.empty() &&
                  path->ops.back()->getResult(0).getType() !=
                      paths.front().ops.back()->getResult(0).getType()))
      return {};
    paths.push_back(*path);
  }
  // Uses are listed last first.
  std::reverse(paths.begin(), paths.end());
  return paths;
}

struct HoistPacks : route::impl::RouteHoistPacksBase<HoistPacks> {
  void runOnOperation() override {
    // Parameters by name, with each entry's paths; none once one does not fit.
    llvm::MapVector<StringAttr, std::optional<SmallVector<SmallVector<Path>>>>
        params;
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (!entry->hasAttr(kEntryAttr))
        continue;
      for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
        auto role = entry.getArgAttrOfType<StringAttr>(i, kRoleAttr);
        if (!role || role.getValue() != "param")
          continue;
        auto [it, fresh] =
            params.try_emplace(entry.getArgAttrOfType<StringAttr>(i, kNameAttr),
                               SmallVector<SmallVector<Path>>());
        SmallVector<Path> all = followAll(entry, i);
        if (!all.empty() && it->second &&
            (fresh || describe(it->second->front()) == describe(all)))
          it->second->push_back(all);
        else
          it->second.reset();
      }
    }
    for (auto &[name, paths] : params)
      if (paths)
        hoist(name, *paths);
  }

  /// The number of checkpoint tensors that make up the parameter.
  int64_t slicesOf(StringAttr name, ArrayRef<int64_t> shape) {
    auto param = SymbolTable(getOperation()).lookup<ParamOp>(name.getValue());
    int64_t slices = 1;
    if (param)
      for (unsigned i = 0, n = param.getFrom().count('{');
           i < n && i < shape.size(); ++i)
        slices *= shape[i];
    return slices;
  }

  void hoist(StringAttr name, ArrayRef<SmallVector<Path>> entries) {
    ArrayRef<Path> parts = entries.front();
    Path first = parts.front();
    auto whole =
        cast<MemRefType>(first.entry.getArgument(first.argument).getType());
    auto pack = cast<ragged::PackOp>(first.ops.back());
    auto panels = cast<RankedTensorType>(pack.getPanels().getType());
    auto panelBuffer =
        MemRefType::get(panels.getShape(), panels.getElementType());
    // The packs of a parameter lie one behind the other.
    SmallVector<int64_t> wholeShape = {static_cast<int64_t>(parts.size())};
    llvm::append_range(wholeShape, panels.getShape());
    auto allPanels = MemRefType::get(wholeShape, panels.getElementType());
    int64_t slices = slicesOf(name, whole.getShape());
    bool reshapes =
        llvm::all_of(ArrayRef(first.ops).drop_back(), [](Operation *op) {
          return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
        });
    if (slices > 1 &&
        (!reshapes || parts.size() > 1 || panels.getDimSize(0) % slices != 0))
      return;

    OpBuilder b(&getContext());
    Location loc = pack.getLoc();
    b.setInsertionPointToEnd(getOperation().getBody());
    if (slices == 1) {
      auto function = func::FuncOp::create(
          b, loc, "pack." + name.str(),
          b.getFunctionType({whole, b.getIndexType(), allPanels}, {}));
      function->setAttr("route.pack", name);
      Block *body = function.addEntryBlock();
      b.setInsertionPointToStart(body);
      Value source = bufferization::ToTensorOp::create(
          b, loc,
          RankedTensorType::get(whole.getShape(), whole.getElementType()),
          body->getArgument(0), true);
      for (auto [i, part] : llvm::enumerate(parts)) {
        Value tensor = source;
        for (Operation *op : ArrayRef(part.ops).drop_back()) {
          IRMapping mapping;
          mapping.map(op->getOperand(0), tensor);
          if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
            auto type =
                cast<RankedTensorType>(transpose->getResult(0).getType());
            mapping.map(transpose.getInit(),
                        tensor::EmptyOp::create(b, loc, type.getShape(),
                                                type.getElementType())
                            .getResult());
          }
          tensor = b.clone(*op, mapping)->getResult(0);
        }
        emitPart(b, loc, tensor, body->getArgument(2), i, panels,
                 cast<ragged::PackOp>(part.ops.back()).getTransposed());
      }
      func::ReturnOp::create(b, loc);
    } else {
      // A slice is whole experts: the same reshapes, with as many experts less.
      auto weights = cast<RankedTensorType>(pack.getW().getType());
      int64_t experts = weights.getDimSize(0) / slices;
      auto source = MemRefType::get(
          {experts, weights.getDimSize(1), weights.getDimSize(2)},
          weights.getElementType());
      auto function = func::FuncOp::create(
          b, loc, "pack." + name.str(),
          b.getFunctionType({source, b.getIndexType(), panelBuffer}, {}));
      function->setAttr("route.pack", name);
      Block *body = function.addEntryBlock();
      b.setInsertionPointToStart(body);
      Value at = arith::MulIOp::create(
          b, loc, body->getArgument(1),
          arith::ConstantIndexOp::create(b, loc, experts));
      SmallVector<OpFoldResult> offsets(panels.getRank(), b.getIndexAttr(0)),
          strides(panels.getRank(), b.getIndexAttr(1)), sizes;
      offsets.front() = at;
      for (int64_t extent : panels.getShape())
        sizes.push_back(b.getIndexAttr(extent));
      sizes.front() = b.getIndexAttr(experts);
      Value part = memref::SubViewOp::create(b, loc, body->getArgument(2),
                                             offsets, sizes, strides);
      ragged::PackOp::create(b, loc, TypeRange(), body->getArgument(0), part,
                             pack.getTransposed());
      func::ReturnOp::create(b, loc);
    }

    for (ArrayRef<Path> paths : entries)
      useParts(b, loc, paths, panels, panelBuffer);
    ++numHoisted;
  }

  /// Packs `tensor` as part `i` of `destination`.
  void emitPart(OpBuilder &b, Location loc, Value tensor, Value destination,
                int64_t i, RankedTensorType panels, bool transposed) {
    SmallVector<OpFoldResult> offsets(panels.getRank() + 1, b.getIndexAttr(0)),
        strides(panels.getRank() + 1, b.getIndexAttr(1)),
        sizes = {b.getIndexAttr(1)};
    offsets.front() = b.getIndexAttr(i);
    for (int64_t extent : panels.getShape())
      sizes.push_back(b.getIndexAttr(extent));
    auto type = memref::SubViewOp::inferRankReducedResultType(
        panels.getShape(), cast<MemRefType>(destination.getType()), offsets,
        sizes, strides);
    Value part = memref::SubViewOp::create(
        b, loc, cast<MemRefType>(type), destination, offsets, sizes, strides);
    Value into =
        bufferization::ToTensorOp::create(b, loc, panels, part, true, true);
    Value packed = ragged::PackOp::create(b, loc, TypeRange(panels), tensor,
                                          into, transposed)
                       ->getResult(0);
    bufferization::MaterializeInDestinationOp::create(b, loc, TypeRange(),
                                                      packed, part, true, true);
  }

  /// Makes an entry take the packs: the argument becomes the first, the others
  /// are arguments behind it, `route.offset` bytes into the parameter.
  void useParts(OpBuilder &b, Location loc, ArrayRef<Path> paths,
                RankedTensorType panels, MemRefType buffer) {
    func::FuncOp entry = paths.front().entry;
    unsigned place = paths.front().argument;
    Operation *read = *entry.getArgument(place).user_begin();
    entry.getArgument(place).setType(buffer);
    SmallVector<Type> types(entry.getArgumentTypes());
    types[place] = buffer;
    entry.setFunctionType(b.getFunctionType(types, entry.getResultTypes()));
    entry.setArgAttr(place, "route.packed", b.getI64IntegerAttr(paths.size()));
    DictionaryAttr attrs = entry.getArgAttrDict(place);
    int64_t bytes =
        buffer.getNumElements() * buffer.getElementTypeBitWidth() / 8;
    for (auto [i, path] : llvm::enumerate(paths)) {
      unsigned at = place;
      if (i > 0) {
        NamedAttrList list(attrs);
        list.set("route.offset", b.getI64IntegerAttr(i * bytes));
        at = entry.getNumArguments();
        (void)entry.insertArgument(at, buffer,
                                   list.getDictionary(&getContext()), loc);
      }
      b.setInsertionPoint(path.ops.back());
      Value tensor = bufferization::ToTensorOp::create(
          b, loc, panels, entry.getArgument(at), true);
      path.ops.back()->getResult(0).replaceAllUsesWith(tensor);
      for (Operation *op : llvm::reverse(path.ops))
        op->erase();
    }
    read->erase();
  }
};
} // namespace
