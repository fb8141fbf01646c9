// route-hoist-packs: rearranges a parameter when it is bound, not every call.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Library/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTEHOISTPACKS
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// One way an entry reads a parameter: the argument, the positions picked of
/// its leading axes turn by turn of loops, the ops from there to a pack, in
/// order, the pack last.
struct Path {
  func::FuncOp entry;
  unsigned argument;
  SmallVector<tensor::ExtractSliceOp> picks;
  SmallVector<Operation *> ops;

  ragged::PackOp pack() const { return cast<ragged::PackOp>(ops.back()); }
  RankedTensorType panels() const {
    return cast<RankedTensorType>(pack().getPanels().getType());
  }
  /// The sizes of the axes that are picked along.
  SmallVector<int64_t> pickedSizes() const {
    SmallVector<int64_t> sizes;
    for (tensor::ExtractSliceOp pick : picks)
      sizes.push_back(pick.getSourceType().getDimSize(0));
    return sizes;
  }
};

/// Whether `op` widens elements, each in its place.
bool isWidening(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && generic.getNumDpsInputs() == 1 &&
         generic.getIndexingMapsArray()[0].isIdentity() &&
         generic.getIndexingMapsArray()[1].isIdentity() &&
         llvm::hasNItems(generic.getBody()->begin(), generic.getBody()->end(),
                         2) &&
         isa<arith::ExtFOp>(generic.getBody()->front());
}

/// What makes two paths give the same panels.
std::string describe(const Path &path) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (Operation *op : path.ops)
    stream << op->getName() << op->getAttrDictionary() << op->getResultTypes()
           << ';';
  return text;
}

/// The different packs of a parameter, with what they are told apart by.
class Parts {
public:
  void add(const Path &path) {
    if (std::string text = describe(path); !llvm::is_contained(texts, text)) {
      texts.push_back(text);
      paths.push_back(path);
    }
  }
  unsigned find(const Path &path) const {
    return llvm::find(texts, describe(path)) - texts.begin();
  }
  SmallVector<Path> paths;

private:
  SmallVector<std::string> texts;
};

/// Whether `slice` is one position, known as the code runs, of the first axis.
bool isPick(tensor::ExtractSliceOp slice) {
  auto from = slice.getSourceType();
  return slice.getOffsets().size() == 1 && slice.getSizes().empty() &&
         slice.getStrides().empty() &&
         ShapedType::isDynamic(slice.getStaticOffsets().front()) &&
         llvm::all_of(slice.getStaticOffsets().drop_front(),
                      [](int64_t offset) { return offset == 0; }) &&
         llvm::all_of(slice.getStaticStrides(),
                      [](int64_t stride) { return stride == 1; }) &&
         slice.getType().getShape() == from.getShape().drop_front();
}

bool isReshape(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// Follows the uses of a parameter's tensor, from `op` on, to their packs;
/// false where one is used otherwise.
bool follow(Path path, Operation *op, SmallVectorImpl<Path> &paths) {
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  if (slice && path.ops.empty() && isPick(slice))
    path.picks.push_back(slice);
  else if (slice ? slice.getSizes().empty() && slice.getOffsets().empty()
                 : isReshape(op) ||
                       isa<ragged::PackOp, linalg::TransposeOp>(op) ||
                       isWidening(op))
    path.ops.push_back(op);
  else
    return false;
  if (isa<ragged::PackOp>(op)) {
    paths.push_back(path);
    return true;
  }
  // Uses are listed last first.
  SmallVector<Operation *> users(op->getResult(0).getUsers());
  return llvm::all_of(llvm::reverse(users), [&](Operation *user) {
    return follow(path, user, paths);
  });
}

struct HoistPacks : route::impl::RouteHoistPacksBase<HoistPacks> {
  void runOnOperation() override {
    // Parameters by name, with the ways they are read; none once one is not to
    // a pack, or the packs differ in shape.
    llvm::MapVector<StringAttr, std::optional<SmallVector<Path>>> params;
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (!entry->hasAttr(kEntryAttr))
        continue;
      for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
        auto role = entry.getArgAttrOfType<StringAttr>(i, kRoleAttr);
        if (!role || role.getValue() != "param")
          continue;
        auto &known =
            params
                .try_emplace(entry.getArgAttrOfType<StringAttr>(i, kNameAttr),
                             SmallVector<Path>())
                .first->second;
        if (known && !collect(entry, i, *known))
          known.reset();
      }
    }
    for (auto &[name, paths] : params)
      if (paths && !paths->empty())
        hoist(name, *paths);
  }

  /// Adds the ways an entry reads a parameter. Interleaved weights have
  /// several: one for each half.
  static bool collect(func::FuncOp entry, unsigned argument,
                      SmallVectorImpl<Path> &paths) {
    BlockArgument memory = entry.getArgument(argument);
    if (!memory.hasOneUse())
      return false;
    auto read = dyn_cast<bufferization::ToTensorOp>(*memory.user_begin());
    if (!read)
      return false;
    SmallVector<Operation *> users(read->getResult(0).getUsers());
    return llvm::all_of(llvm::reverse(users),
                        [&](Operation *user) {
                          return follow({entry, argument, {}, {}}, user, paths);
                        }) &&
           llvm::all_of(paths, [&](const Path &path) {
             return path.panels() == paths.front().panels() &&
                    path.picks.size() == paths.front().picks.size();
           });
  }

  /// How many of the parameter's leading axes have a checkpoint tensor each
  /// position.
  unsigned stackedAxes(StringAttr name, unsigned rank) {
    auto param = SymbolTable(getOperation()).lookup<ParamOp>(name.getValue());
    return param ? std::min<unsigned>(param.getFrom().count('{'), rank) : 0;
  }

  void hoist(StringAttr name, ArrayRef<Path> paths) {
    Path first = paths.front();
    auto whole =
        cast<MemRefType>(first.entry.getArgument(first.argument).getType());
    RankedTensorType panels = first.panels();
    // Packs that give the same are made once: the parts of the parameter, one
    // behind the other, each for all the positions that are picked.
    Parts parts;
    for (const Path &path : paths)
      parts.add(path);
    SmallVector<int64_t> picked = first.pickedSizes();
    int64_t layers = ShapedType::getNumElements(picked);
    unsigned stacked = stackedAxes(name, whole.getRank());
    int64_t slices =
        ShapedType::getNumElements(whole.getShape().take_front(stacked));
    SmallVector<int64_t> target = {static_cast<int64_t>(parts.paths.size()),
                                   layers};
    llvm::append_range(target, panels.getShape());

    OpBuilder b(&getContext());
    Location loc = first.pack().getLoc();
    b.setInsertionPointToEnd(getOperation().getBody());
    auto start = [&](ArrayRef<int64_t> source) {
      auto function = func::FuncOp::create(
          b, loc, "pack." + name.str(),
          b.getFunctionType({MemRefType::get(source, whole.getElementType()),
                             b.getIndexType(),
                             MemRefType::get(target, panels.getElementType())},
                            {}));
      function->setAttr("route.pack", name);
      Block *body = function.addEntryBlock();
      b.setInsertionPointToStart(body);
      return body;
    };
    bool reshapes = llvm::all_of(paths, [](const Path &path) {
      return llvm::all_of(ArrayRef(path.ops).drop_back(), isReshape);
    });
    if (stacked <= picked.size()) {
      // A checkpoint tensor is one or more whole layers.
      Block *body = start(whole.getShape().drop_front(stacked));
      packLayers(b, loc, body, parts, layers / slices, picked.size() - stacked);
    } else if (reshapes && layers * panels.getDimSize(0) % slices == 0) {
      // A checkpoint tensor is some of a layer's experts.
      auto weights = cast<RankedTensorType>(first.pack().getW().getType());
      int64_t experts = layers * weights.getDimSize(0) / slices;
      Block *body =
          start({experts, weights.getDimSize(1), weights.getDimSize(2)});
      Value at = arith::MulIOp::create(
          b, loc, body->getArgument(1),
          arith::ConstantIndexOp::create(b, loc, experts));
      Value count =
          arith::ConstantIndexOp::create(b, loc, panels.getDimSize(0));
      Value layer = arith::DivUIOp::create(b, loc, at, count),
            expert = arith::RemUIOp::create(b, loc, at, count);
      for (auto [i, part] : llvm::enumerate(parts.paths))
        ragged::PackOp::create(
            b, loc, TypeRange(), body->getArgument(0),
            partOf(b, loc, body->getArgument(2), i, layer, expert, experts),
            part.pack().getTransposed());
    } else {
      return;
    }
    func::ReturnOp::create(b, loc);
    useParts(b, loc, paths, parts);
    ++numHoisted;
  }

  /// Packs each of the `count` layers of the first argument. Its leading
  /// `axes` count them.
  static void packLayers(OpBuilder &b, Location loc, Block *body,
                         const Parts &parts, int64_t count, unsigned axes) {
    auto memory = cast<MemRefType>(body->getArgument(0).getType());
    auto type =
        RankedTensorType::get(memory.getShape(), memory.getElementType());
    Value source = bufferization::ToTensorOp::create(
        b, loc, type, body->getArgument(0), true);
    Value layer =
        arith::MulIOp::create(b, loc, body->getArgument(1),
                              arith::ConstantIndexOp::create(b, loc, count));
    scf::ForOp loop;
    if (axes > 0) {
      SmallVector<int64_t> shape = {count};
      llvm::append_range(shape, type.getShape().drop_front(axes));
      if (axes > 1) {
        SmallVector<ReassociationIndices> groups = {
            llvm::to_vector(llvm::seq<int64_t>(0, axes))};
        for (int64_t i = axes; i < type.getRank(); ++i)
          groups.push_back({i});
        source = tensor::CollapseShapeOp::create(
            b, loc, RankedTensorType::get(shape, type.getElementType()), source,
            groups);
      }
      Value zero = arith::ConstantIndexOp::create(b, loc, 0),
            one = arith::ConstantIndexOp::create(b, loc, 1),
            end = arith::ConstantIndexOp::create(b, loc, count);
      loop = scf::ForOp::create(b, loc, zero, end, one);
      b.setInsertionPointToStart(loop.getBody());
      layer = arith::AddIOp::create(b, loc, layer, loop.getInductionVar());
      SmallVector<OpFoldResult> offsets(shape.size(), b.getIndexAttr(0)),
          strides(shape.size(), b.getIndexAttr(1)), sizes = {b.getIndexAttr(1)};
      offsets.front() = loop.getInductionVar();
      for (int64_t extent : ArrayRef(shape).drop_front())
        sizes.push_back(b.getIndexAttr(extent));
      source = tensor::ExtractSliceOp::create(
          b, loc,
          RankedTensorType::get(ArrayRef(shape).drop_front(),
                                type.getElementType()),
          source, offsets, sizes, strides);
    }
    for (auto [i, part] : llvm::enumerate(parts.paths)) {
      Value tensor = source;
      for (Operation *op : ArrayRef(part.ops).drop_back()) {
        IRMapping mapping;
        mapping.map(op->getOperand(0), tensor);
        if (auto writes = dyn_cast<DestinationStyleOpInterface>(op)) {
          auto to = cast<RankedTensorType>(op->getResult(0).getType());
          mapping.map(writes.getDpsInits().front(),
                      tensor::EmptyOp::create(b, loc, to.getShape(),
                                              to.getElementType())
                          .getResult());
        }
        tensor = b.clone(*op, mapping)->getResult(0);
      }
      RankedTensorType panels = part.panels();
      Value memory = partOf(b, loc, body->getArgument(2), i, layer, Value(),
                            panels.getDimSize(0));
      Value into =
          bufferization::ToTensorOp::create(b, loc, panels, memory, true, true);
      Value packed = ragged::PackOp::create(b, loc, TypeRange(panels), tensor,
                                            into, part.pack().getTransposed())
                         ->getResult(0);
      bufferization::MaterializeInDestinationOp::create(
          b, loc, TypeRange(), packed, memory, true, true);
    }
    if (loop)
      b.setInsertionPointAfter(loop);
  }

  /// The panels of `experts` experts, from `expert` on, of a layer in part `i`.
  static Value partOf(OpBuilder &b, Location loc, Value memory, int64_t i,
                      Value layer, Value expert, int64_t experts) {
    auto type = cast<MemRefType>(memory.getType());
    SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)),
        strides(type.getRank(), b.getIndexAttr(1)), sizes;
    for (int64_t extent : type.getShape())
      sizes.push_back(b.getIndexAttr(extent));
    offsets[0] = b.getIndexAttr(i);
    offsets[1] = layer;
    if (expert)
      offsets[2] = expert;
    sizes[0] = sizes[1] = b.getIndexAttr(1);
    sizes[2] = b.getIndexAttr(experts);
    SmallVector<int64_t> shape = {experts};
    llvm::append_range(shape, type.getShape().drop_front(3));
    auto part = memref::SubViewOp::inferRankReducedResultType(
        shape, type, offsets, sizes, strides);
    return memref::SubViewOp::create(b, loc, cast<MemRefType>(part), memory,
                                     offsets, sizes, strides);
  }

  /// Makes the entries take the packs: the argument becomes the first part that
  /// the entry reads, the others are arguments at the end; each lies
  /// `route.offset` bytes into the parameter.
  static void useParts(OpBuilder &b, Location loc, ArrayRef<Path> paths,
                       const Parts &parts) {
    SmallVector<int64_t> shape = paths.front().pickedSizes();
    RankedTensorType panels = paths.front().panels();
    llvm::append_range(shape, panels.getShape());
    auto buffer = MemRefType::get(shape, panels.getElementType());
    auto all = RankedTensorType::get(shape, panels.getElementType());
    int64_t bytes =
        buffer.getNumElements() * buffer.getElementTypeBitWidth() / 8;
    // The argument that is a part, by entry and part.
    llvm::DenseMap<std::pair<Operation *, unsigned>, unsigned> arguments;
    llvm::SetVector<Operation *> dead;
    for (const Path &path : paths) {
      func::FuncOp entry = path.entry;
      unsigned part = parts.find(path);
      auto [it, fresh] = arguments.try_emplace({entry, part}, path.argument);
      if (fresh) {
        NamedAttrList attrs(entry.getArgAttrDict(path.argument));
        attrs.set("route.packed", b.getI64IntegerAttr(parts.paths.size()));
        attrs.set("route.offset", b.getI64IntegerAttr(part * bytes));
        DictionaryAttr list = attrs.getDictionary(b.getContext());
        BlockArgument first = entry.getArgument(path.argument);
        if (first.getType() != buffer) {
          dead.insert(*first.user_begin());
          first.setType(buffer);
          SmallVector<Type> types(entry.getArgumentTypes());
          types[path.argument] = buffer;
          entry.setFunctionType(
              b.getFunctionType(types, entry.getResultTypes()));
          entry.setArgAttrs(path.argument, list);
        } else {
          it->second = entry.getNumArguments();
          (void)entry.insertArgument(it->second, buffer, list, loc);
        }
      }
      b.setInsertionPoint(path.ops.back());
      Value tensor = bufferization::ToTensorOp::create(
          b, loc, all, entry.getArgument(it->second), true);
      if (!path.picks.empty()) {
        SmallVector<OpFoldResult> offsets(shape.size(), b.getIndexAttr(0)),
            strides(shape.size(), b.getIndexAttr(1)), sizes;
        for (auto [i, extent] : llvm::enumerate(shape)) {
          bool picked = i < path.picks.size();
          sizes.push_back(b.getIndexAttr(picked ? 1 : extent));
          if (tensor::ExtractSliceOp pick =
                  picked ? path.picks[i] : tensor::ExtractSliceOp())
            offsets[i] = pick.getOffsets().front();
        }
        tensor = tensor::ExtractSliceOp::create(b, loc, panels, tensor, offsets,
                                                sizes, strides);
      }
      path.ops.back()->getResult(0).replaceAllUsesWith(tensor);
      for (tensor::ExtractSliceOp pick : path.picks)
        dead.insert(pick);
      for (Operation *op : path.ops)
        dead.insert(op);
    }
    // Readers before what they read.
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation *op : llvm::to_vector(llvm::reverse(dead)))
        if (op->use_empty()) {
          dead.remove(op);
          op->erase();
          changed = true;
        }
    }
  }
};
} // namespace
