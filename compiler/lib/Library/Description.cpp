// The constant that describes a compiled library, route_module_v1, as LLVM IR.
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/route_module.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace route;
using llvm::Constant;

namespace {
/// Builds the tables field by field, in the order of route_module.h; no struct
/// there has implicit padding, so literal structs are the same bytes.
class Describer {
public:
  Describer(llvm::Module &module, const Schema &schema,
            const LibraryOptions &options, const DeviceLibrary &device)
      : module(module), context(module.getContext()), schema(schema),
        options(options), device(device) {}

  void run() {
    Constant *description = structOf({
        u32(ROUTE_MODULE_MAGIC),
        u32(ROUTE_MODULE_ABI_VERSION),
        u64(sizeof(route_module_desc)),
        text(options.name),
        text(options.sourceHash),
        text("routec " ROUTE_VERSION),
        text(""),
        text(module.getTargetTriple().str()),
        u64(ROUTE_CPU_X86_64_V3),
        table(schema.axes, [&](const AxisSchema &row) { return axis(row); }),
        u64(schema.axes.size()),
        table(schema.enums,
              [&](const EnumSchema &row) {
                return structOf({text(row.name), texts(row.members),
                                 u64(row.members.size())});
              }),
        u64(schema.enums.size()),
        table(schema.pools, [&](const PoolSchema &row) { return pool(row); }),
        u64(schema.pools.size()),
        table(schema.params,
              [&](const ParamSchema &row) { return param(row); }),
        u64(schema.params.size()),
        table(schema.states,
              [&](const StateSchema &row) { return state(row); }),
        u64(schema.states.size()),
        null(),
        u64(0), // notes
        null(),
        u64(0), // budgets
        table(schema.rejects,
              [&](const RejectSchema &row) {
                return structOf({text(row.reason), u64(row.code)});
              }),
        u64(schema.rejects.size()),
        table(schema.entries,
              [&](const EntrySchema &row) { return entry(row); }),
        u64(schema.entries.size()),
        deviceCode(),
    });
    auto *global = new llvm::GlobalVariable(
        module, description->getType(), true,
        llvm::GlobalValue::ExternalLinkage, description, ROUTE_MODULE_SYMBOL);
    global->setAlignment(llvm::Align(8));
    if (!device.choices.empty())
      tuning();
  }

private:
  /// What route-run --tune looks for, and the arrays that choices read.
  void tuning() {
    auto array = [&](llvm::StringRef name, unsigned bits) {
      auto *type = llvm::ArrayType::get(llvm::Type::getIntNTy(context, bits),
                                        ragged::kMostChoices);
      auto *global = new llvm::GlobalVariable(
          module, type, /*isConstant=*/false,
          llvm::GlobalValue::ExternalLinkage,
          llvm::ConstantArray::get(
              type, std::vector<Constant *>(ragged::kMostChoices,
                                            llvm::Constant::getAllOnesValue(
                                                type->getElementType()))),
          name);
      global->setVisibility(llvm::GlobalValue::HiddenVisibility);
      return global;
    };
    Constant *made =
        structOf({text(device.choices), array(ragged::kChosenFormsSymbol, 32),
                  array(ragged::kSeenRowsSymbol, 64)});
    new llvm::GlobalVariable(module, made->getType(), true,
                             llvm::GlobalValue::ExternalLinkage, made,
                             ROUTE_TUNING_SYMBOL);
  }

  Constant *u32(uint32_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value);
  }
  Constant *u64(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value);
  }
  Constant *null() {
    return llvm::ConstantPointerNull::get(llvm::PointerType::get(context, 0));
  }
  Constant *structOf(llvm::ArrayRef<Constant *> fields) {
    return llvm::ConstantStruct::getAnon(context, fields);
  }

  Constant *hidden(Constant *value, llvm::Align alignment = llvm::Align(8)) {
    auto *global =
        new llvm::GlobalVariable(module, value->getType(), true,
                                 llvm::GlobalValue::PrivateLinkage, value);
    global->setAlignment(alignment);
    return global;
  }

  Constant *text(llvm::StringRef value) {
    llvm::GlobalVariable *&known = strings[value];
    if (!known) {
      known = llvm::cast<llvm::GlobalVariable>(hidden(
          llvm::ConstantDataArray::getString(context, value), llvm::Align(1)));
      known->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    }
    return known;
  }

  Constant *textOrNull(llvm::StringRef value) {
    return value.empty() ? null() : text(value);
  }

  Constant *texts(const std::vector<std::string> &values) {
    return table(values, [&](const std::string &value) { return text(value); });
  }

  template <class Rows, class Make>
  Constant *table(const Rows &rows, Make make) {
    if (rows.empty())
      return null();
    std::vector<Constant *> constants;
    for (const auto &row : rows)
      constants.push_back(make(row));
    return hidden(llvm::ConstantArray::get(
        llvm::ArrayType::get(constants.front()->getType(), constants.size()),
        constants));
  }

  Constant *indices(const std::vector<uint32_t> &values) {
    return table(values, [&](uint32_t value) { return u32(value); });
  }

  Constant *type(const TypeSchema &row) {
    return structOf({u32(row.element), u32(row.flags), u32(row.enumeration),
                     u32(row.rowsOf), textOrNull(row.unit)});
  }

  Constant *axis(const AxisSchema &row) {
    Constant *size = null();
    if (row.derived)
      size = function(
          "size." + row.name + suffix(options.levels.front()),
          llvm::FunctionType::get(llvm::Type::getInt64Ty(context),
                                  llvm::PointerType::get(context, 0), false));
    return structOf({text(row.name), u64(row.size), u64(row.maxSize), size,
                     texts(row.members), u32(row.parent),
                     u32(row.ragged ? ROUTE_AXIS_RAGGED : 0)});
  }

  /// Elements in memory order.
  Constant *elements(mlir::DenseElementsAttr values) {
    if (!values)
      return null();
    std::vector<Constant *> constants;
    if (llvm::isa<mlir::FloatType>(values.getElementType())) {
      for (const llvm::APFloat &value : values.getValues<llvm::APFloat>())
        constants.push_back(llvm::ConstantFP::get(context, value));
    } else {
      for (const llvm::APInt &value : values.getValues<llvm::APInt>()) {
        unsigned width = value.getBitWidth() == 1 ? 8 : value.getBitWidth();
        constants.push_back(
            llvm::ConstantInt::get(context, value.zextOrTrunc(width)));
      }
    }
    return hidden(llvm::ConstantArray::get(
        llvm::ArrayType::get(constants.front()->getType(), constants.size()),
        constants));
  }

  Constant *attribute(const AttributeSchema &row) {
    return structOf({text(row.name), type(row.type), indices(row.axes),
                     u64(row.axes.size()), elements(row.values), u32(row.kind),
                     u32(row.state)});
  }

  Constant *pool(const PoolSchema &row) {
    return structOf(
        {text(row.name),
         table(row.attributes,
               [&](const AttributeSchema &attr) { return attribute(attr); }),
         u64(row.attributes.size()), u32(row.axis), u32(0)});
  }

  Constant *function(const std::string &name, llvm::FunctionType *signature) {
    auto callee = module.getOrInsertFunction(name, signature);
    auto *result = llvm::cast<llvm::Function>(callee.getCallee());
    if (result->isDeclaration())
      result->setVisibility(llvm::GlobalValue::HiddenVisibility);
    return result;
  }

  std::string suffix(IsaLevel level) {
    return "." + stringifyIsaLevel(level).str();
  }

  Constant *param(const ParamSchema &row) {
    Constant *pack = null();
    auto pointer = llvm::PointerType::get(context, 0);
    if (row.packedSize)
      pack = function("bind." + row.name + suffix(options.levels.front()),
                      llvm::FunctionType::get(
                          llvm::Type::getVoidTy(context),
                          {pointer, pointer, llvm::Type::getInt64Ty(context)},
                          false));
    return structOf({text(row.name), textOrNull(row.file), text(row.tensor),
                     type(row.type), indices(row.axes), u64(row.axes.size()),
                     u64(row.packedSize), pack, u32(row.layout),
                     u32(row.stored)});
  }

  Constant *state(const StateSchema &row) {
    auto all = llvm::dyn_cast_or_null<mlir::DenseElementsAttr>(row.initial);
    Constant *initial =
        all ? elements(all) : element(row.initial, row.type.element);
    bool splat = row.initial && !all;
    return structOf({text(row.name), null(), textOrNull(row.tensor),
                     type(row.type), indices(row.axes), u64(row.axes.size()),
                     initial, u32(splat ? ROUTE_STATE_SPLAT : 0),
                     u32(row.meaning)});
  }

  /// One element, in its storage form; a truth is 0 or 1.
  Constant *element(mlir::Attribute value, uint32_t element) {
    if (auto number = llvm::dyn_cast_or_null<mlir::FloatAttr>(value))
      return hidden(llvm::ConstantFP::get(context, number.getValue()));
    if (auto bytes = llvm::dyn_cast_or_null<mlir::StringAttr>(value))
      return hidden(structOf({text(bytes.getValue()), u64(bytes.size())}));
    auto integer = llvm::dyn_cast_or_null<mlir::IntegerAttr>(value);
    if (!integer)
      return null();
    static constexpr unsigned bits[] = {0,  8,  8,  16, 32, 64, 8, 16,
                                        32, 64, 16, 16, 32, 64, 0, 64};
    llvm::APInt bitsOf = integer.getValue();
    return hidden(llvm::ConstantInt::get(
        context, bitsOf.getBitWidth() == 1
                     ? bitsOf.zext(bits[element])
                     : bitsOf.sextOrTrunc(bits[element])));
  }

  Constant *port(const PortSchema &row) {
    return structOf(
        {text(row.name), type(row.type), indices(row.axes),
         u64(row.axes.size()), element(row.initial, row.type.element), u64(0),
         u32(row.knownAxes), u32(row.role), u32(row.subject), u32(0)});
  }

  static uint64_t featuresOf(IsaLevel level) {
    switch (level) {
    case IsaLevel::V3:
      return ROUTE_CPU_X86_64_V3;
    case IsaLevel::V4:
      return ROUTE_CPU_X86_64_V3 | ROUTE_CPU_X86_64_V4;
    case IsaLevel::V4Bf16:
      return ROUTE_CPU_X86_64_V3 | ROUTE_CPU_X86_64_V4 | ROUTE_CPU_AVX512_BF16;
    }
    return 0;
  }

  Constant *variant(const EntrySchema &row, IsaLevel level) {
    Constant *fn = function("entry." + row.symbol + suffix(level), entryType());
    return structOf({text(("x86-64-" + stringifyIsaLevel(level)).str()), fn,
                     u64(featuresOf(level)), u32(ROUTE_DEVICE_CPU), u32(0),
                     null(), u64(0), null(), null()});
  }

  Constant *deviceVariant(const EntrySchema &row, const DeviceEntry &entry) {
    Constant *fn = function("entry." + row.symbol + ".cuda", entryType());
    Constant *hostFn = null(), *bytes = null();
    if (entry.hasHostPart) {
      hostFn = function("entry." + row.symbol + ".host", entryType());
      bytes = function("bytes." + row.symbol + ".host", sizeType());
    }
    return structOf({text(kCudaArchitecture), fn, u64(0),
                     u32(ROUTE_DEVICE_CUDA), u32(0), indices(entry.hostPorts),
                     u64(entry.hostPorts.size()), bytes, hostFn});
  }

  /// What the device has of the entry, or null.
  const DeviceEntry *onDevice(const EntrySchema &row) {
    auto entry = llvm::find_if(device.entries, [&](const DeviceEntry &each) {
      return each.symbol == row.symbol;
    });
    return entry == device.entries.end() ? nullptr : &*entry;
  }

  /// route_entry_fn
  llvm::FunctionType *entryType() {
    return llvm::FunctionType::get(llvm::Type::getInt32Ty(context),
                                   {llvm::PointerType::get(context, 0)}, false);
  }

  /// uint64_t bytes(const int64_t *axis_sizes, int64_t workers)
  llvm::FunctionType *sizeType() {
    llvm::Type *i64 = llvm::Type::getInt64Ty(context);
    return llvm::FunctionType::get(
        i64, {llvm::PointerType::get(context, 0), i64}, false);
  }

  /// There too where no entry has kernels: they run on the CPU then.
  Constant *deviceCode() {
    if (!options.cuda)
      return null();
    auto bytes = [&](llvm::StringRef value, bool terminate) -> Constant * {
      if (value.empty())
        return null();
      return hidden(
          llvm::ConstantDataArray::getString(context, value, terminate),
          llvm::Align(16));
    };
    auto kernels = table(device.code.kernels, [&](const DeviceKernel &kernel) {
      return structOf({text(kernel.name), u32(kernel.sharedBytes),
                       u32(kernel.blocksPerProcessor),
                       u32(kernel.waits ? ROUTE_KERNEL_WAITS : 0),
                       u32(kernel.binary)});
    });
    const bool prepares = device.preparedBytes != 0;
    const std::string prepare = kPrepareName.str() + ".cuda";
    auto cubins = table(device.code.cubins, [&](const std::string &cubin) {
      return structOf({bytes(cubin, false), u64(cubin.size())});
    });
    return hidden(structOf(
        {text(kCudaArchitecture), bytes(device.code.ptx, true),
         u64(device.code.ptx.size()), cubins, u64(device.code.cubins.size()),
         kernels, u64(device.code.kernels.size()), u64(device.preparedBytes),
         prepares ? function("entry." + prepare, entryType()) : null(),
         prepares ? function("bytes." + prepare, sizeType()) : null()}));
  }

  /// The workspace that suffices for every variant.
  Constant *workspace(const EntrySchema &row) {
    llvm::FunctionType *signature = sizeType();
    auto *most =
        llvm::Function::Create(signature, llvm::GlobalValue::InternalLinkage,
                               "bytes." + row.symbol, module);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", most));
    llvm::Value *result = b.getInt64(0);
    std::vector<std::string> suffixes;
    for (IsaLevel level : options.levels) // V4's is V4Bf16's too
      if (level != IsaLevel::V4Bf16 ||
          !llvm::is_contained(options.levels, IsaLevel::V4))
        suffixes.push_back(suffix(level));
    if (onDevice(row))
      suffixes.push_back(".cuda");
    for (const std::string &each : suffixes) {
      auto *callee = llvm::cast<llvm::Function>(
          function("bytes." + row.symbol + each, signature));
      llvm::Value *bytes =
          b.CreateCall(callee, {most->getArg(0), most->getArg(1)});
      result = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, result, bytes);
    }
    b.CreateRet(result);
    return most;
  }

  Constant *entry(const EntrySchema &row) {
    std::vector<IsaLevel> bestFirst(options.levels.rbegin(),
                                    options.levels.rend());
    auto ports = [&](const std::vector<PortSchema> &rows) {
      return table(rows, [&](const PortSchema &each) { return port(each); });
    };
    std::vector<Constant *> variants;
    for (IsaLevel level : bestFirst)
      variants.push_back(variant(row, level));
    if (const DeviceEntry *entry = onDevice(row))
      variants.push_back(deviceVariant(row, *entry));
    return structOf(
        {text(row.name), null(), ports(row.inputs), u64(row.inputs.size()),
         ports(row.outputs), u64(row.outputs.size()), indices(row.reads),
         u64(row.reads.size()), indices(row.writes), u64(row.writes.size()),
         workspace(row), table(variants, [](Constant *each) { return each; }),
         u64(variants.size()), u32(row.kind), u32(row.itemAxis)});
  }

  llvm::Module &module;
  llvm::LLVMContext &context;
  const Schema &schema;
  const LibraryOptions &options;
  const DeviceLibrary &device;
  llvm::StringMap<llvm::GlobalVariable *> strings;
};
} // namespace

mlir::FailureOr<ObjectFile>
route::emitDescription(mlir::MLIRContext &mlirContext, const Schema &schema,
                       const LibraryOptions &options,
                       const DeviceLibrary &device) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto fail = [&](const llvm::Twine &what) -> mlir::FailureOr<ObjectFile> {
    return mlir::emitError(mlir::UnknownLoc::get(&mlirContext))
           << "cannot write the library's description: " << what;
  };
  llvm::LLVMContext context;
  llvm::Module module(options.name, context);
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return fail(error);
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, "x86-64-v3", "", {}, llvm::Reloc::PIC_));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  Describer(module, schema, options, device).run();
  ObjectFile object{options.name + ".description.o", {}};
  llvm::raw_svector_ostream stream(object.bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::ObjectFile))
    return fail("this target emits no objects");
  passes.run(module);
  return object;
}
