// Parameters from safetensors files, stacked ones from a tensor a position.
#include "route/Interpreter/Checkpoint.h"
#include "Scalars.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Machine.h"
#include "route/mxfp4.h"
#include <set>

using namespace mlir;
using namespace route;
using namespace route::interp;

/// The builtin type of a file's element; null for others.
static Type typeOf(uint32_t element, MLIRContext *context) {
  Builder b(context);
  auto integer = [&](unsigned width, bool isUnsigned) -> Type {
    return isUnsigned ? IntegerType::get(context, width, IntegerType::Unsigned)
                      : IntegerType::get(context, width);
  };
  switch (element) {
  case ROUTE_BOOL:
    return b.getI1Type();
  case ROUTE_I8:
  case ROUTE_U8:
    return integer(8, element == ROUTE_U8);
  case ROUTE_I16:
  case ROUTE_U16:
    return integer(16, element == ROUTE_U16);
  case ROUTE_I32:
  case ROUTE_U32:
    return integer(32, element == ROUTE_U32);
  case ROUTE_I64:
  case ROUTE_U64:
    return integer(64, element == ROUTE_U64);
  case ROUTE_F16:
    return b.getF16Type();
  case ROUTE_BF16:
    return b.getBF16Type();
  case ROUTE_F32:
    return b.getF32Type();
  case ROUTE_F64:
    return b.getF64Type();
  default:
    return Type();
  }
}

/// Appends the tensor's elements to `target` from place `start` on, as `type`.
static void copyElements(const FileTensor &tensor, Type from, Type type,
                         Buffer &target, int64_t start, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    target.set(
        start + i,
        applyCast(from, type, readBuffer(tensor.element, tensor.data, i)));
}

FailureOr<Array> route::interp::arrayFromTensor(const FileTensor &tensor,
                                                Location loc) {
  Type type = typeOf(tensor.element, loc.getContext());
  if (!type)
    return emitError(loc, "tensor '")
           << tensor.name << "' has elements of type " << tensor.type
           << ", which are not computed";
  SmallVector<AxisRef> axes;
  for (int64_t size : tensor.shape)
    axes.push_back(makeAxis(nullptr, size));
  auto array = Array::create(type, axes);
  if (failed(array))
    return emitError(loc, "tensor '")
           << tensor.name << "' does not fit in memory";
  copyElements(tensor, type, type, *array->buffer, 0, array->size());
  return array;
}

/// `pattern` with `{axis}` and `{axis.name}` filled in for a position.
static std::string fillIn(StringRef pattern, ArrayRef<AxisOp> stacked,
                          ArrayRef<int64_t> position) {
  std::string name = pattern.str();
  for (auto [declared, place] : llvm::zip(stacked, position)) {
    AxisOp axis = declared;
    auto replace = [&](const std::string &from, const std::string &to) {
      for (size_t at; (at = name.find(from)) != std::string::npos;)
        name.replace(at, from.size(), to);
    };
    replace("{" + axis.getSymName().str() + "}", std::to_string(place));
    if (auto labels = axis.getLabels();
        labels && place < static_cast<int64_t>(labels->size()))
      replace("{" + axis.getSymName().str() + ".name}",
              cast<StringAttr>((*labels)[place]).getValue().str());
  }
  return name;
}

/// True when each dimension of `tensor` is one axis, or several neighbouring
/// ones flattened, as `(inner, half)` of the language is.
static bool fits(ArrayRef<int64_t> tensor, ArrayRef<int64_t> sizes) {
  size_t next = 0;
  for (int64_t dimension : tensor) {
    if (next == sizes.size())
      return false;
    int64_t product = sizes[next++];
    while (product < dimension && next < sizes.size())
      product *= sizes[next++];
    if (product != dimension)
      return false;
  }
  while (next < sizes.size() && sizes[next] == 1)
    ++next;
  return next == sizes.size();
}

/// The names of a file's tensors that something is bound to.
using Bound = std::set<std::string>;

/// The value of `op`, of type `type`, from the tensors that `pattern` names.
static FailureOr<Array> gather(Interpreter &interpreter, Operation *op,
                               ArrayType type, StringRef pattern,
                               const SafeTensors &file, Bound *bound) {
  Machine &machine = interpreter.machine();
  SmallVector<AxisRef> axes;
  SmallVector<AxisOp> stacked;
  for (FlatSymbolRefAttr name : type.getAxes()) {
    auto axis = machine.axis(name.getAttr(), op->getLoc());
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
    std::string open = "{" + name.getValue().str();
    if (pattern.contains(open + "}") || pattern.contains(open + ".name}")) {
      if (stacked.size() + 1 != axes.size())
        return op->emitError("tensor name '")
               << pattern << "' leaves out a leading axis";
      stacked.push_back(machine.symbols.lookup<AxisOp>(name.getAttr()));
    }
  }
  auto array = machine.allocate(type.getElementType(), axes, op->getLoc());
  if (failed(array))
    return failure();
  int64_t slices = countPositions(ArrayRef(axes).take_front(stacked.size()));
  int64_t width = slices ? array->size() / slices : 0;
  SmallVector<int64_t> shape;
  for (const AxisRef &axis : ArrayRef(axes).drop_front(stacked.size()))
    shape.push_back(axis->size);
  for (int64_t slice = 0; slice < slices; ++slice) {
    SmallVector<int64_t> position(stacked.size());
    int64_t rest = slice;
    for (size_t i = stacked.size(); i-- > 0; rest /= axes[i]->size)
      position[i] = rest % axes[i]->size;
    std::string name = fillIn(pattern, stacked, position);
    auto find = [&](const std::string &wanted) -> const FileTensor * {
      const FileTensor *found = file.find(wanted);
      if (!found)
        op->emitError("the checkpoint has no tensor '") << wanted << "'";
      else if (bound)
        bound->insert(wanted);
      return found;
    };
    auto misfit = [&](const FileTensor &tensor, ArrayRef<int64_t> expected) {
      InFlightDiagnostic diag = op->emitError("tensor '")
                                << tensor.name << "' has shape [";
      llvm::interleaveComma(tensor.shape, diag);
      diag << "], expected [";
      llvm::interleaveComma(expected, diag);
      return LogicalResult(diag << "]");
    };
    if (op->hasAttr("mxfp4")) {
      const FileTensor *blocks = find(name + "_blocks"),
                       *scales = blocks ? find(name + "_scales") : nullptr;
      if (!scales)
        return failure();
      SmallVector<int64_t> wanted(shape);
      wanted.back() /= num::mxfp4Block;
      if (scales->element != ROUTE_U8 || !fits(scales->shape, wanted))
        return misfit(*scales, wanted);
      wanted.push_back(num::mxfp4Block / 2);
      if (blocks->element != ROUTE_U8 || !fits(blocks->shape, wanted))
        return misfit(*blocks, wanted);
      for (int64_t i = 0; i < width; ++i)
        array->buffer->set(
            slice * width + i,
            num::mxfp4At(reinterpret_cast<const uint8_t *>(blocks->data),
                         reinterpret_cast<const uint8_t *>(scales->data), i));
      continue;
    }
    const FileTensor *tensor = find(name);
    if (!tensor)
      return failure();
    Type from = typeOf(tensor->element, op->getContext());
    if (!from)
      return op->emitError("tensor '")
             << name << "' has elements of type " << tensor->type
             << ", expected " << type.getElementType();
    if (bound && from != type.getElementType())
      return op->emitError("tensor '")
             << name << "' has elements of type " << tensor->type
             << ", expected " << type.getElementType();
    if (!fits(tensor->shape, shape))
      return misfit(*tensor, shape);
    copyElements(*tensor, from, type.getElementType(), *array->buffer,
                 slice * width, width);
  }
  return array;
}

/// The symbols that functions, budgets and what these use depend on.
static llvm::DenseSet<StringAttr> symbolsUsed(ModuleOp module) {
  llvm::DenseSet<StringAttr> used;
  SmallVector<Operation *> open;
  auto visit = [&](Operation *op) {
    op->walk([&](Operation *user) {
      for (NamedAttribute attribute : user->getAttrs()) {
        auto symbol = dyn_cast<SymbolRefAttr>(attribute.getValue());
        if (!symbol || !used.insert(symbol.getRootReference()).second)
          continue;
        if (Operation *target =
                SymbolTable::lookupSymbolIn(module, symbol.getRootReference()))
          open.push_back(target);
      }
    });
  };
  for (Operation &op : *module.getBody())
    if (!isa<SignalOp>(op)) // read by others, or not at all
      visit(&op);
  while (!open.empty())
    visit(open.pop_back_val());
  // At the tensor level functions take what they read.
  for (auto func : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (auto name = func.getArgAttrOfType<StringAttr>(i, "route.name"))
        used.insert(name);
  return used;
}

LogicalResult route::interp::bindCheckpoint(Interpreter &interpreter,
                                            ModuleOp module,
                                            const SafeTensors &file,
                                            bool exactly) {
  Bound bound;
  llvm::DenseSet<StringAttr> used = symbolsUsed(module);
  for (auto param : module.getOps<ParamOp>()) {
    if (!used.contains(param.getSymNameAttr()))
      continue;
    auto value = gather(interpreter, param, cast<ArrayType>(param.getType()),
                        param.getFrom(), file, exactly ? &bound : nullptr);
    if (failed(value) ||
        failed(interpreter.bindParam(param.getSymName(), *value)))
      return failure();
  }
  for (auto state : module.getOps<StateOp>()) {
    if (!state.getFrom() || !used.contains(state.getSymNameAttr()))
      continue;
    auto value = gather(interpreter, state, cast<ArrayType>(state.getType()),
                        *state.getFrom(), file, exactly ? &bound : nullptr);
    if (failed(value) ||
        failed(interpreter.bindInput(state.getSymName(), *value)))
      return failure();
  }
  for (const FileTensor &tensor : file.tensors())
    if (exactly && !bound.count(tensor.name))
      return module.emitError("the file has a tensor '")
             << tensor.name << "', which no parameter that is read takes";
  return success();
}
