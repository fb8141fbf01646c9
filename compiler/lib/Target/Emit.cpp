// From LLVM-dialect modules to objects for one ISA level.
// This one place fixes floating-point rules, visibility and vector width for
// everything we generate.
#include "route/Target/CPU.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/LazyCallGraph.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"
#include "llvm/Transforms/Scalar/DCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopStrengthReduce.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

#include <algorithm>
#include <memory>
#include <mutex>

using namespace mlir;

namespace route {

llvm::StringRef stringifyIsaLevel(IsaLevel level) {
  switch (level) {
  case IsaLevel::V3:
    return "v3";
  case IsaLevel::V4:
    return "v4";
  case IsaLevel::V4Bf16:
    return "v4-bf16";
  }
  return "";
}

std::optional<IsaLevel> parseIsaLevel(llvm::StringRef text) {
  for (IsaLevel level : {IsaLevel::V3, IsaLevel::V4, IsaLevel::V4Bf16})
    if (text == stringifyIsaLevel(level))
      return level;
  return std::nullopt;
}

std::optional<IsaLevel> hostIsaLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto all = [&](std::initializer_list<llvm::StringRef> names) {
    return llvm::all_of(names, [&](llvm::StringRef n) {
      auto it = features.find(n);
      return it != features.end() && it->second;
    });
  };
  if (!all({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}))
    return std::nullopt;
  if (!all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}))
    return IsaLevel::V3;
  return all({"avx512bf16"}) ? IsaLevel::V4Bf16 : IsaLevel::V4;
}

unsigned vectorBits(IsaLevel level) {
  return level == IsaLevel::V3 ? 256 : 512;
}

TargetOptions TargetOptions::forLevel(IsaLevel level) {
  TargetOptions options;
  if (level == IsaLevel::V3)
    return options;
  options.cpu = "x86-64-v4";
  options.features = "-prefer-256-bit";
  if (level == IsaLevel::V4Bf16)
    options.features += ",+avx512bf16";
  return options;
}

namespace {

/// Collects back-end errors instead of printing and exiting.
struct ErrorCollector : llvm::DiagnosticHandler {
  explicit ErrorCollector(std::string &text) : text(text) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() == llvm::DS_Error) {
      llvm::raw_string_ostream os(text);
      llvm::DiagnosticPrinterRawOStream printer(os);
      if (!text.empty())
        os << "; ";
      info.print(printer);
    }
    return true;
  }
  std::string &text;
};

/// Whether the native target is there and does as it is told.
bool initializeTargets() {
  static const bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
    // Only kernels gain from the reduction of strength (`optimize`). Decisions
    // are loops of thousands of instructions, for which it takes five sixths of
    // all time, and code without it is smaller and as fast. LLVM hides the
    // option, and another version may have none: compiling is then an error,
    // not slow.
    llvm::cl::Option *option =
        llvm::cl::getRegisteredOptions().lookup("disable-lsr");
    return option && !option->addOccurrence(0, "disable-lsr", "true");
  }();
  return done;
}

std::unique_ptr<llvm::TargetMachine> makeMachine(const TargetOptions &options,
                                                 std::string &error) {
  if (!initializeTargets()) {
    error = "this LLVM has no option 'disable-lsr'";
    return nullptr;
  }
  llvm::Triple triple(options.triple.empty()
                          ? llvm::sys::getDefaultTargetTriple()
                          : options.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions rules;
  rules.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  llvm::CodeGenOptLevel level = options.quick
                                    ? llvm::CodeGenOptLevel::Less
                                    : llvm::CodeGenOptLevel::Aggressive;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, options.cpu, options.features, rules,
                                  llvm::Reloc::PIC_, std::nullopt, level));
}

/// Takes our own notes off arguments. The translation would warn of each, and
/// print the whole function for every warning.
void dropArgumentNotes(ModuleOp module) {
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      SmallVector<NamedAttribute> kept;
      for (NamedAttribute attribute :
           mlir::function_interface_impl::getArgAttrs(function, i))
        if (isa_and_nonnull<LLVM::LLVMDialect>(attribute.getNameDialect()))
          kept.push_back(attribute);
      function.setArgAttrs(i, kept);
    }
}

/// Visibility and linkage of what the module defines.
void restrictSymbols(llvm::Module &module, const TargetOptions &options) {
  for (llvm::GlobalValue &value : module.global_values()) {
    // Nobody compares addresses of what is ours alone: equal functions merge.
    if (value.hasLocalLinkage())
      value.setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    if (value.isDeclaration() || value.hasLocalLinkage())
      continue;
    value.setDSOLocal(true);
    if (llvm::is_contained(options.exports, value.getName().str())) {
      value.setVisibility(llvm::GlobalValue::DefaultVisibility);
      continue;
    }
    if (options.exports.empty())
      value.setVisibility(llvm::GlobalValue::HiddenVisibility);
    else
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
}

void setFunctionAttributes(ModuleOp source, llvm::Module &module,
                           const llvm::TargetMachine &machine) {
  bool wide = machine.getTargetFeatureString().contains("-prefer-256-bit");
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    if (wide)
      function.addFnAttr("prefer-vector-width", "512");
  }
  for (auto function : source.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr("ragged.uses_bf16_dot"))
      module.getFunction(function.getName())
          ->addFnAttr(
              "target-features",
              (machine.getTargetFeatureString() + ",+avx512bf16").str());
}

/// Gives tables names made of what they hold, in sections that the linker keeps
/// once: the levels of a library share them.
void shareTables(llvm::Module &module) {
  constexpr size_t worthIt = 64; // bytes; a name costs as much
  for (llvm::GlobalVariable &table :
       llvm::make_early_inc_range(module.globals())) {
    auto *data = table.hasInitializer()
                     ? llvm::dyn_cast<llvm::ConstantDataSequential>(
                           table.getInitializer())
                     : nullptr;
    if (!data || !table.isConstant() || !table.hasLocalLinkage() ||
        data->getRawDataValues().size() < worthIt)
      continue;
    llvm::StringRef bytes = data->getRawDataValues();
    llvm::XXH128_hash_t hash =
        llvm::xxh3_128bits(llvm::arrayRefFromStringRef(bytes));
    uint64_t alignment = table.getAlign().valueOrOne().value();
    std::string name =
        llvm::formatv("route.table.{0:x-}{1:x-}.{2}.{3}", hash.high64,
                      hash.low64, bytes.size(), alignment);
    if (llvm::GlobalVariable *same = module.getNamedGlobal(name)) {
      table.replaceAllUsesWith(same);
      table.eraseFromParent();
      continue;
    }
    table.setName(name);
    table.setLinkage(llvm::GlobalValue::LinkOnceODRLinkage);
    table.setVisibility(llvm::GlobalValue::HiddenVisibility);
    table.setDSOLocal(true);
    table.setComdat(module.getOrInsertComdat(name));
  }
}

using Functions = llvm::SmallPtrSet<const llvm::Function *, 16>;

/// Row programs and work on grouped rows: vectors already, unrolled where it
/// pays.
Functions kernelsOf(ModuleOp module, llvm::Module &ir) {
  Functions kernels;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    llvm::Function *body = ir.getFunction(function.getName());
    if (body && !body->isDeclaration() &&
        (function->hasAttr("row.body") || function->hasAttr("ragged.work")))
      kernels.insert(body);
  }
  return kernels;
}

/// Whether a pass would run on kernels alone.
bool isOfKernels(const llvm::Any &ir, const Functions &kernels) {
  if (auto *function = llvm::any_cast<const llvm::Function *>(&ir))
    return kernels.contains(*function);
  if (auto *loop = llvm::any_cast<const llvm::Loop *>(&ir))
    return kernels.contains((*loop)->getHeader()->getParent());
  if (auto *component = llvm::any_cast<const llvm::LazyCallGraph::SCC *>(&ir))
    return llvm::all_of(**component, [&](llvm::LazyCallGraph::Node &node) {
      return kernels.contains(&node.getFunction());
    });
  return false;
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine, bool quick,
              const Functions &kernels) {
  llvm::PipelineTuningOptions tuning;
  // Neither pays in what we generate, and both cost time and size.
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  tuning.MergeFunctions = true;
  // The usual passes take half the time to compile kernels and make them
  // slower: they hoist more than there are registers for.
  bool usual = false; // whether it is they that run
  llvm::PassInstrumentationCallbacks callbacks;
  callbacks.registerShouldRunOptionalPassCallback(
      [&](llvm::StringRef, llvm::Any ir) {
        return !usual || !isOfKernels(ir, kernels);
      });
  llvm::PassBuilder builder(&machine, tuning, std::nullopt, &callbacks);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  llvm::ModulePassManager passes;
  if (quick) {
    llvm::FunctionPassManager few;
    few.addPass(llvm::EarlyCSEPass());
    few.addPass(llvm::SimplifyCFGPass());
    few.addPass(llvm::DCEPass());
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(few)));
    passes.addPass(llvm::GlobalDCEPass());
    passes.run(module, modules);
    return;
  }
  passes = builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3);
  for (llvm::Function &function : module)
    if (kernels.contains(&function)) {
      function.addFnAttr(llvm::Attribute::NoInline);
      llvm::FunctionPassManager few;
      few.addPass(llvm::EarlyCSEPass());
      few.addPass(llvm::createFunctionToLoopPassAdaptor(
          llvm::LoopStrengthReducePass()));
      few.run(function, functions);
    }
  usual = true;
  passes.run(module, modules);
}

} // namespace

LogicalResult emit(ModuleOp module, const TargetOptions &options,
                   OutputKind kind, llvm::SmallVectorImpl<char> &out) {
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  module.getContext()->appendDialectRegistry(registry);

  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(options, error);
  if (!machine)
    return module.emitError("no back end for this target: ") << error;

  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<ErrorCollector>(error));
  dropArgumentNotes(module);
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(module, context);
  if (!ir)
    return module.emitError("the module does not translate to LLVM IR");
  ir->setTargetTriple(machine->getTargetTriple());
  ir->setDataLayout(machine->createDataLayout());
  ir->setPICLevel(llvm::PICLevel::BigPIC);
  restrictSymbols(*ir, options);
  setFunctionAttributes(module, *ir, *machine);
  llvm::raw_string_ostream text(error);
  if (llvm::verifyModule(*ir, &text))
    return module.emitError("the LLVM IR is malformed: ") << error;
  optimize(*ir, *machine, options.quick, kernelsOf(module, *ir));

  shareTables(*ir);

  llvm::raw_svector_ostream stream(out);
  if (kind == OutputKind::LLVMIR) {
    ir->print(stream, nullptr);
    return success();
  }
  llvm::legacy::PassManager codegen;
  auto file = kind == OutputKind::Object ? llvm::CodeGenFileType::ObjectFile
                                         : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, file))
    return module.emitError("the target emits no files of this kind");
  codegen.run(*ir);
  if (!error.empty())
    return module.emitError("code generation failed: ") << error;
  return success();
}

LogicalResult emitObject(ModuleOp module, const TargetOptions &options,
                         llvm::SmallVectorImpl<char> &out) {
  return emit(module, options, OutputKind::Object, out);
}

} // namespace route
