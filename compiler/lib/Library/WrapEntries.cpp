// route-wrap-entries: the calling convention of route_module.h.
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Library/Passes.h"
#include "route/Library/Schema.h"
#include "route/route_module.h"
#include <cstddef>

namespace route {
#define GEN_PASS_DEF_ROUTEWRAPENTRIES
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// Emits loads from the structs of route_module.h and views of raw memory.
class Unpacker {
public:
  Unpacker(OpBuilder &b, Location loc)
      : b(b), loc(loc), converter(b.getContext()) {}

  OpBuilder &builder() { return b; }
  Type pointer() { return LLVM::LLVMPointerType::get(b.getContext()); }

  /// The value of `type` that lies `offset` bytes behind `base`.
  Value load(Value base, int64_t offset, Type type) {
    Value at = LLVM::GEPOp::create(
        b, loc, pointer(), b.getI8Type(), base,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return LLVM::LoadOp::create(b, loc, type, at);
  }

  Value index(Value integer) {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), integer);
  }

  /// Memory at `data` as a row-major buffer; `extents` are its dynamic sizes.
  Value view(Value data, MemRefType type, ArrayRef<Value> extents) {
    Type descriptor = converter.convertType(type);
    Value result = LLVM::UndefOp::create(b, loc, descriptor);
    auto put = [&](Value value, ArrayRef<int64_t> position) {
      result = LLVM::InsertValueOp::create(b, loc, result, value, position);
    };
    auto constant = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(b, loc, b.getI64Type(),
                                      b.getI64IntegerAttr(value));
    };
    put(data, {0});
    put(data, {1});
    put(constant(0), {2});
    SmallVector<Value> sizes;
    unsigned next = 0;
    for (int64_t extent : type.getShape())
      sizes.push_back(ShapedType::isDynamic(extent) ? extents[next++]
                                                    : constant(extent));
    Value stride = constant(1);
    for (int64_t i = type.getRank(); i-- > 0;) {
      put(sizes[i], {3, i});
      put(stride, {4, i});
      stride = LLVM::MulOp::create(b, loc, stride, sizes[i]);
    }
    return UnrealizedConversionCastOp::create(b, loc, type, result)
        .getResult(0);
  }

  OpBuilder &b;
  Location loc;
  LLVMTypeConverter converter;
};

struct WrapEntries : route::impl::RouteWrapEntriesBase<WrapEntries> {
  using RouteWrapEntriesBase::RouteWrapEntriesBase;

  void runOnOperation() override {
    FailureOr<Schema> schema = buildSchema(getOperation());
    if (failed(schema))
      return signalPassFailure();
    for (auto [entry, row] :
         llvm::zip(getEntries(getOperation()), schema->entries)) {
      addEnvironment(entry);
      parallelize(entry);
      wrapEntry(entry, row, *schema);
    }
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function->hasAttr("route.workspace"))
        wrapWorkspace(function, *schema);
      else if (function->hasAttr(kDerivedAttr))
        wrapSize(function, *schema);
      else if (function->hasAttr("route.pack"))
        wrapPack(function);
      else if (function->hasAttr(kPreparedBytesAttr)) {
        addEnvironment(function);
        EntrySchema row;
        row.symbol = function.getSymName().str();
        wrapEntry(function, row, *schema);
      }
    }
    // The tables have been read: what is left is code.
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<RouteDialect>(op.getDialect()))
        op.erase();
  }

  /// The last argument: the route_env of the call.
  void addEnvironment(func::FuncOp entry) {
    OpBuilder b(entry);
    (void)entry.insertArgument(
        entry.getNumArguments(), LLVM::LLVMPointerType::get(&getContext()),
        b.getDictionaryAttr(b.getNamedAttr(kRoleAttr, b.getStringAttr("env"))),
        entry.getLoc());
  }

  /// Calls over a range of independent work go through the caller's threads.
  void parallelize(func::FuncOp entry) {
    SmallVector<func::CallOp> calls;
    entry.walk([&](func::CallOp call) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
          call, call.getCalleeAttr());
      if (call->hasAttr("ragged.parallel") ||
          (callee && callee->hasAttr("row.parallel")))
        calls.push_back(call);
    });
    for (auto [i, call] : llvm::enumerate(calls))
      parallelize(call, entry, i);
  }

  void parallelize(func::CallOp call, func::FuncOp entry, unsigned number) {
    Location loc = call.getLoc();
    OpBuilder b(call);
    Unpacker unpack(b, loc);
    Type i64 = b.getI64Type(), pointer = unpack.pointer();
    // What the body needs besides its range, as one struct on the stack.
    SmallVector<Type> fields;
    SmallVector<Value> captured(call.getOperands().drop_front(2));
    for (Value value : captured)
      fields.push_back(unpack.converter.convertType(value.getType()));
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), fields);
    // The struct is made once, at the function's entry: calls may be in loops.
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&entry.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(1));
    Value memory = LLVM::AllocaOp::create(b, loc, pointer, record, one);
    b.setInsertionPoint(call);
    Value filled = LLVM::UndefOp::create(b, loc, record);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value low = UnrealizedConversionCastOp::create(b, loc, fields[i], value)
                      .getResult(0);
      filled = LLVM::InsertValueOp::create(
          b, loc, filled, low, ArrayRef<int64_t>{static_cast<int64_t>(i)});
    }
    LLVM::StoreOp::create(b, loc, filled, memory);

    // body(argument, begin, end, worker)
    b.setInsertionPointAfter(entry);
    std::string name =
        ("share." + entry.getSymName() + "." + Twine(number)).str();
    auto body = func::FuncOp::create(
        b, loc, name, b.getFunctionType({pointer, i64, i64, i64}, {}));
    body.setPrivate();
    Block *block = body.addEntryBlock();
    b.setInsertionPointToStart(block);
    Value loaded = LLVM::LoadOp::create(b, loc, record, block->getArgument(0));
    SmallVector<Value> operands;
    for (Value bound : {block->getArgument(1), block->getArgument(2)})
      operands.push_back(unpack.index(bound));
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value field = LLVM::ExtractValueOp::create(
          b, loc, loaded, ArrayRef<int64_t>{static_cast<int64_t>(i)});
      operands.push_back(
          UnrealizedConversionCastOp::create(b, loc, value.getType(), field)
              .getResult(0));
    }
    func::CallOp::create(b, loc, call.getCallee(), TypeRange(), operands);
    func::ReturnOp::create(b, loc);

    // env->parallel_for(env->pool, end - begin, grain, body, argument): ranges
    // start at 0, so the count is the end.
    b.setInsertionPoint(call);
    Value env = entry.getArgument(entry.getNumArguments() - 1);
    Value run = unpack.load(env, offsetof(route_env, parallel_for), pointer);
    Value pool = unpack.load(env, offsetof(route_env, pool), pointer);
    Value count = arith::IndexCastOp::create(b, loc, i64, call.getOperand(1));
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        call, call.getCalleeAttr());
    auto wanted = callee->getAttrOfType<IntegerAttr>("route.grain");
    Value grain = LLVM::ConstantOp::create(
        b, loc, i64,
        b.getI64IntegerAttr(wanted                            ? wanted.getInt()
                            : callee->hasAttr("row.parallel") ? 64
                                                              : 1));
    auto signature = b.getFunctionType({pointer, i64, i64, i64}, {});
    Value symbol = func::ConstantOp::create(b, loc, signature, name);
    Value address = UnrealizedConversionCastOp::create(b, loc, pointer, symbol)
                        .getResult(0);
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    {pointer, i64, i64, pointer, pointer});
    LLVM::CallOp::create(b, loc, type,
                         ValueRange{run, pool, count, grain, address, memory});
    call.erase();
  }

  void wrapEntry(func::FuncOp entry, const EntrySchema &row,
                 const Schema &schema) {
    OpBuilder b(entry);
    b.setInsertionPointToEnd(getOperation().getBody());
    Location loc = entry.getLoc();
    Unpacker unpack(b, loc);
    Type pointer = unpack.pointer(), i64 = b.getI64Type();
    func::FuncOp wrapper;
    Block *body;
    if (bf16Suffix.empty()) {
      wrapper = func::FuncOp::create(
          b, loc, ("entry." + row.symbol + suffix.getValue()),
          b.getFunctionType(pointer, b.getI32Type()));
      wrapper->setAttr("route.export", b.getUnitAttr());
      body = wrapper.addEntryBlock();
    } else {
      wrapper = func::FuncOp::create(
          b, loc, "call." + row.symbol,
          b.getFunctionType({pointer, b.getI1Type()}, b.getI32Type()));
      wrapper.setPrivate();
      wrapper->setAttr("passthrough", b.getStrArrayAttr({"noinline"}));
      body = wrapper.addEntryBlock();
      for (bool dot : {false, true})
        exportCall(wrapper, row.symbol, dot);
    }
    b.setInsertionPointToStart(body);
    Value invocation = body->getArgument(0);
    auto field = [&](size_t offset) {
      return unpack.load(invocation, offset, pointer);
    };
    Value axisSizes = field(offsetof(route_invocation, axis_sizes)),
          inputs = field(offsetof(route_invocation, inputs)),
          outputs = field(offsetof(route_invocation, outputs)),
          params = field(offsetof(route_invocation, params)),
          state = field(offsetof(route_invocation, state)),
          workspace = field(offsetof(route_invocation, workspace)),
          env = field(offsetof(route_invocation, env));
    llvm::StringMap<Value> sizes;
    SmallVector<Value> operands;
    int64_t input = -1, output = -1;
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      auto textOf = [&](StringRef attribute) {
        auto value = entry.getArgAttrOfType<StringAttr>(i, attribute);
        return value ? value.getValue() : StringRef();
      };
      StringRef role = textOf(kRoleAttr), name = textOf(kNameAttr);
      Type type = entry.getArgument(i).getType();
      if (entry.getArgAttr(i, "ragged.has_bf16_dot")) {
        operands.push_back(body->getArgument(1));
        continue;
      }
      if (role == "size") {
        sizes[name] = unpack.load(axisSizes, 8 * schema.findAxis(name), i64);
        operands.push_back(unpack.index(sizes[name]));
        continue;
      }
      if (role == "now") {
        // Nanoseconds since 1970, as the seconds that specs count in.
        Value ns = arith::SIToFPOp::create(
            b, loc, b.getF64Type(),
            unpack.load(env, offsetof(route_env, now), i64));
        Value unit = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(1e9));
        operands.push_back(arith::DivFOp::create(b, loc, ns, unit));
        continue;
      }
      if (role == "seed") {
        operands.push_back(unpack.load(env, offsetof(route_env, seed), i64));
        continue;
      }
      if (role == "env") {
        operands.push_back(env);
        continue;
      }
      auto buffer = cast<MemRefType>(type);
      if (role == "workspace" || role == "changes" || role == "host") {
        // Its extent is not looked at: views of it are laid out beforehand.
        Value most = LLVM::ConstantOp::create(
            b, loc, i64,
            b.getI64IntegerAttr(std::numeric_limits<int64_t>::max()));
        Value start = role == "changes" ? changesOf(env, unpack)
                      : role == "host"
                          ? field(offsetof(route_invocation, host_workspace))
                          : workspace;
        operands.push_back(unpack.view(start, buffer, most));
        continue;
      }
      Value data;
      if (role == "input" || role == "offsets")
        data = unpack.load(inputs, ++input * sizeof(route_buffer), pointer);
      else if (role == "known")
        data = unpack.load(inputs,
                           input * sizeof(route_buffer) +
                               offsetof(route_buffer, known),
                           pointer);
      else if (role == "output")
        data = unpack.load(outputs, ++output * sizeof(route_buffer), pointer);
      else if (role == "param" || role == "prepared") {
        // What is prepared lies behind the parameters.
        int64_t place = role == "param" ? schema.findParam(name)
                                        : int64_t(schema.params.size());
        data = unpack.load(params, 8 * place, pointer);
        if (auto offset =
                entry.getArgAttrOfType<IntegerAttr>(i, "route.offset"))
          data = LLVM::GEPOp::create(
              b, loc, pointer, b.getI8Type(), data,
              ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(
                  LLVM::ConstantOp::create(b, loc, i64, offset).getResult())});
      } else
        data = unpack.load(state, 8 * schema.findState(name), pointer);
      SmallVector<Value> extents;
      if (!buffer.hasStaticShape()) {
        std::vector<uint32_t> axes =
            role == "output" ? row.outputs[output].axes
            : role == "input" || role == "known" || role == "offsets"
                ? row.inputs[input].axes
                : std::vector<uint32_t>();
        for (auto [axis, extent] : llvm::zip(axes, buffer.getShape()))
          if (ShapedType::isDynamic(extent))
            extents.push_back(unpack.load(axisSizes, 8 * axis, i64));
        if (role == "offsets") {
          Value one =
              LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(1));
          extents[0] = LLVM::AddOp::create(b, loc, extents[0], one);
        }
      }
      operands.push_back(unpack.view(data, buffer, extents));
    }
    func::CallOp::create(b, loc, entry.getSymName(), TypeRange(), operands);
    Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
    func::ReturnOp::create(b, loc, zero);
  }

  /// Where an event lists what it changes; null in an env that is older than
  /// that.
  Value changesOf(Value env, Unpacker &unpack) {
    OpBuilder &b = unpack.builder();
    Location loc = env.getLoc();
    Type i64 = b.getI64Type(), pointer = unpack.pointer();
    constexpr int64_t offset = offsetof(route_env, changes);
    auto number = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(value));
    };
    Value none = LLVM::AllocaOp::create(b, loc, pointer, pointer, number(1));
    LLVM::StoreOp::create(b, loc, LLVM::ZeroOp::create(b, loc, pointer), none);
    Value has = LLVM::ICmpOp::create(
        b, loc, LLVM::ICmpPredicate::ugt,
        unpack.load(env, offsetof(route_env, struct_size), i64),
        number(offset));
    Value field = LLVM::GEPOp::create(
        b, loc, pointer, b.getI8Type(), env,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    Value from = LLVM::SelectOp::create(b, loc, has, field, none);
    return LLVM::LoadOp::create(b, loc, pointer, from);
  }

  /// An entry of one of two levels that share their code.
  void exportCall(func::FuncOp callee, StringRef symbol, bool dot) {
    Location loc = callee.getLoc();
    OpBuilder b(callee);
    b.setInsertionPointToEnd(getOperation().getBody());
    auto function = func::FuncOp::create(
        b, loc,
        ("entry." + symbol + (dot ? bf16Suffix : suffix).getValue()).str(),
        b.getFunctionType(callee.getArgumentTypes()[0],
                          callee.getResultTypes()));
    function->setAttr("route.export", b.getUnitAttr());
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    Value flag = arith::ConstantOp::create(b, loc, b.getBoolAttr(dot));
    auto call = func::CallOp::create(b, loc, callee,
                                     ValueRange{body->getArgument(0), flag});
    func::ReturnOp::create(b, loc, call.getResults());
  }

  /// uint64_t workspace(const int64_t *axis_sizes, int64_t workers)
  void wrapWorkspace(func::FuncOp function, const Schema &schema) {
    auto entry = function->getAttrOfType<FlatSymbolRefAttr>("route.workspace");
    wrapOfSizes(function, ("bytes." + entry.getValue()).str(), schema,
                /*workers=*/true);
  }

  /// int64_t derived_size(const int64_t *axis_sizes)
  void wrapSize(func::FuncOp function, const Schema &schema) {
    wrapOfSizes(function, function.getSymName().str(), schema,
                /*workers=*/false);
  }

  /// Exports `function`, a number made of axis sizes.
  void wrapOfSizes(func::FuncOp function, const std::string &name,
                   const Schema &schema, bool workers) {
    OpBuilder b(&getContext());
    b.setInsertionPointToEnd(getOperation().getBody());
    Location loc = function.getLoc();
    Unpacker unpack(b, loc);
    SmallVector<Type> arguments = {unpack.pointer()};
    if (workers)
      arguments.push_back(b.getI64Type());
    auto wrapper =
        func::FuncOp::create(b, loc, name + suffix.getValue(),
                             b.getFunctionType(arguments, b.getI64Type()));
    wrapper->setAttr("route.export", b.getUnitAttr());
    Block *body = wrapper.addEntryBlock();
    b.setInsertionPointToStart(body);
    SmallVector<Value> operands;
    for (auto axis : function->getAttrOfType<ArrayAttr>("route.sizes")
                         .getAsRange<StringAttr>())
      operands.push_back(unpack.index(
          unpack.load(body->getArgument(0),
                      8 * schema.findAxis(axis.getValue()), b.getI64Type())));
    auto call = func::CallOp::create(b, loc, function.getSymName(),
                                     b.getIndexType(), operands);
    Value number =
        arith::IndexCastOp::create(b, loc, b.getI64Type(), call.getResult(0));
    func::ReturnOp::create(b, loc, number);
  }

  /// void pack(const void *source, void *packed, int64_t slice)
  void wrapPack(func::FuncOp function) {
    OpBuilder b(&getContext());
    b.setInsertionPointToEnd(getOperation().getBody());
    Location loc = function.getLoc();
    Unpacker unpack(b, loc);
    std::string name =
        ("bind." +
         function->getAttrOfType<StringAttr>("route.pack").getValue() +
         suffix.getValue())
            .str();
    auto wrapper = func::FuncOp::create(
        b, loc, name,
        b.getFunctionType({unpack.pointer(), unpack.pointer(), b.getI64Type()},
                          {}));
    wrapper->setAttr("route.export", b.getUnitAttr());
    Block *body = wrapper.addEntryBlock();
    b.setInsertionPointToStart(body);
    auto source = cast<MemRefType>(function.getArgumentTypes()[0]),
         packed = cast<MemRefType>(function.getArgumentTypes()[2]);
    SmallVector<Value> operands = {
        unpack.view(body->getArgument(0), source, {}),
        unpack.index(body->getArgument(2)),
        unpack.view(body->getArgument(1), packed, {})};
    func::CallOp::create(b, loc, function.getSymName(), TypeRange(), operands);
    func::ReturnOp::create(b, loc);
  }
};
} // namespace
