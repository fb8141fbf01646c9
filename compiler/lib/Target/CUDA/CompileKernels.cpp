// Kernels in the LLVM dialect become PTX and machine code.
// Both are made by a child process, route-ptx, which runs ptxas.
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "route/Kernels/Kernels.h"
#include "route/Notice.h"
#include "route/Target/CUDA/CUDA.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace route;

namespace {
/// A folder that exists while a compilation runs.
class Scratch {
public:
  Scratch() { error = llvm::sys::fs::createUniqueDirectory("routec", folder); }
  ~Scratch() {
    if (!error)
      llvm::sys::fs::remove_directories(folder);
  }
  bool exists() const { return !error; }
  /// Why there is none.
  std::string why() const { return error.message(); }
  /// The path of a file in it.
  std::string file(const Twine &name) const {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }

private:
  llvm::SmallString<128> folder;
  std::error_code error;
};

/// A program that runs beside this one.
class Child {
public:
  ~Child() {
    if (process.Pid != llvm::sys::ProcessInfo::InvalidPid)
      llvm::sys::Wait(process, /*SecondsToWait=*/std::nullopt);
  }
  /// Starts a program, whose messages go to a file; gives what went wrong.
  std::string start(StringRef program, ArrayRef<StringRef> arguments,
                    std::string file) {
    messages = std::move(file);
    SmallVector<StringRef> all{program};
    llvm::append_range(all, arguments);
    std::optional<StringRef> redirects[] = {StringRef(), StringRef(messages),
                                            StringRef(messages)};
    std::string failure;
    process = llvm::sys::ExecuteNoWait(program, all, std::nullopt, redirects,
                                       /*MemoryLimit=*/0, &failure);
    return failure;
  }
  /// Waits for its end; gives what went wrong, empty on success.
  std::string wait() {
    std::string failure;
    process = llvm::sys::Wait(process, /*SecondsToWait=*/1200, &failure);
    int code = process.ReturnCode;
    process = {};
    if (code == 0)
      return {};
    std::string result =
        failure.empty() ? "exit code " + std::to_string(code) : failure;
    if (std::string text = said(); !text.empty())
      result += ": " + text;
    return result;
  }
  /// The start of its messages.
  std::string said() const {
    auto text = llvm::MemoryBuffer::getFile(messages);
    return text ? (*text)->getBuffer().trim().take_front(2000).str() : "";
  }

private:
  llvm::sys::ProcessInfo process;
  std::string messages;
};

/// route-ptx, beside this program or on the path.
std::string findCodeGenerator() {
  static int here;
  llvm::SmallString<128> path(llvm::sys::path::parent_path(
      llvm::sys::fs::getMainExecutable(nullptr, &here)));
  llvm::sys::path::append(path, "route-ptx");
  if (llvm::sys::fs::can_execute(path))
    return path.str().str();
  auto found = llvm::sys::findProgramByName("route-ptx");
  return found ? *found : std::string();
}
} // namespace

std::string route::findPtxas() {
  if (auto named = llvm::sys::Process::GetEnv("ROUTE_PTXAS"))
    return *named;
  std::vector<std::string> places;
  if (auto home = llvm::sys::Process::GetEnv("CUDA_HOME"))
    places.push_back(*home + "/bin/ptxas");
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    places.push_back(*found);
  places.push_back("/usr/local/cuda/bin/ptxas");
  places.push_back(ROUTE_LOCAL_PTXAS);
  for (const std::string &place : places)
    if (llvm::sys::fs::can_execute(place))
      return place;
  return {};
}

/// Finds which binary has which kernel; gives what went wrong.
static std::string findKernels(DeviceCode &code) {
  llvm::StringMap<uint32_t> places;
  for (auto [i, cubin] : llvm::enumerate(code.cubins)) {
    auto object = llvm::object::ObjectFile::createELFObjectFile(
        llvm::MemoryBufferRef(cubin, "cubin"));
    if (!object)
      return "what ptxas wrote is no ELF file: " +
             llvm::toString(object.takeError());
    for (const llvm::object::SymbolRef &symbol : (*object)->symbols()) {
      llvm::Expected<llvm::StringRef> name = symbol.getName();
      if (!name)
        return "what ptxas wrote has a symbol without a name: " +
               llvm::toString(name.takeError());
      places.try_emplace(*name, i);
    }
  }
  for (DeviceKernel &kernel : code.kernels) {
    auto place = places.find(kernel.name);
    if (place == places.end())
      return "no binary of ptxas has kernel '" + kernel.name + "'";
    kernel.binary = place->second;
  }
  return {};
}

struct KernelCompilation::State {
  Scratch scratch; // outlives the child
  Child child;
  std::string ptxas; ///< empty: PTX alone
  DeviceCode code;

  std::string ptx() const { return scratch.file("kernels.ptx"); }
  std::string binaries() const { return scratch.file("kernels.cubin"); }
  std::string start(const llvm::Module &ir);
  std::string finish();
};

/// Starts route-ptx; gives what went wrong.
std::string KernelCompilation::State::start(const llvm::Module &ir) {
  std::string bitcode = scratch.file("kernels.bc");
  {
    std::error_code error;
    llvm::raw_fd_ostream out(bitcode, error);
    if (error)
      return "cannot write a temporary file: " + error.message();
    llvm::WriteBitcodeToFile(ir, out);
  }
  std::string generator = findCodeGenerator();
  if (generator.empty())
    return "route-ptx is neither beside this program nor on the path";
  std::string text = ptx(),
              architecture = ("--arch=" + kCudaArchitecture).str();
  ptxas = findPtxas();
  std::string toAssemble = "--ptxas=" + ptxas,
              toBinaries = "--binaries=" + binaries();
  SmallVector<StringRef> arguments{bitcode, "-o", text, architecture};
  if (!ptxas.empty())
    arguments.append({toAssemble, toBinaries});
  std::string failure =
      child.start(generator, arguments, scratch.file("messages.txt"));
  return failure.empty() ? "" : "code generation failed: " + failure;
}

/// Waits for route-ptx and reads what it wrote; gives what went wrong.
std::string KernelCompilation::State::finish() {
  if (std::string failure = child.wait(); !failure.empty())
    return "code generation failed: " + failure;
  auto text = llvm::MemoryBuffer::getFile(ptx());
  if (!text || (*text)->getBuffer().empty())
    return "code generation wrote nothing";
  code.ptx = (*text)->getBuffer().str();
  for (size_t i = 0;; ++i) {
    auto binary = llvm::MemoryBuffer::getFile(binaries() + "." + Twine(i),
                                              /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!binary)
      return i ? findKernels(code) : "";
    code.cubins.push_back((*binary)->getBuffer().str());
  }
}

KernelCompilation::KernelCompilation() : state(std::make_unique<State>()) {}
KernelCompilation::~KernelCompilation() = default;

static LogicalResult fail(ModuleOp module, const Twine &what) {
  return module.emitError("no code for the GPU: ") << what;
}

LogicalResult KernelCompilation::start(ModuleOp module) {
  gpu::GPUModuleOp kernels = findKernelModule(module);
  if (!kernels)
    return module.emitError("has no kernels");
  for (auto function : kernels.getOps<LLVM::LLVMFuncOp>()) {
    if (!function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
      continue;
    auto number = [&](StringRef name) -> uint32_t {
      auto attr = function->getAttrOfType<IntegerAttr>(name);
      return attr ? attr.getInt() : 0;
    };
    state->code.kernels.push_back(
        {function.getSymName().str(), number(kSharedBytesAttr),
         number(kBlocksPerProcessorAttr), function->hasAttr(kWaitsAttr),
         /*binary=*/0});
    // LLVM IR knows nothing of these.
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      function.removeArgAttr(i, kTensorMapAttr);
  }

  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  module.getContext()->appendDialectRegistry(registry);
  llvm::LLVMContext context;
  auto ir = translateModuleToLLVMIR(kernels, context, "kernels");
  if (!ir)
    return fail(module, "the kernels do not translate to LLVM IR");
  if (!state->scratch.exists())
    return emitNotice(module.getLoc(), Notice::outputFailed)
           << "cannot make a temporary folder: " << state->scratch.why();
  std::string failure = state->start(*ir);
  return failure.empty() ? success() : fail(module, failure);
}

FailureOr<DeviceCode> KernelCompilation::finish(ModuleOp module) {
  if (std::string failure = state->finish(); !failure.empty())
    return fail(module, failure);
  if (!state->ptxas.empty() && state->code.cubins.empty())
    emitNotice(module.getLoc(), Notice::ptxOnly)
        << "the library has PTX alone, since '" << state->ptxas << "' "
        << state->child.said();
  return std::move(state->code);
}
