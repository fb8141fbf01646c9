// route-ptx: LLVM IR of kernels becomes PTX, and machine code by ptxas.
// routec runs it as a child: an instruction that the back end cannot select
// ends this process, not routec. Kernels are compiled by themselves, several at
// once, each to the end: ptxas starts on one while LLVM is at the next. Small
// ones share a run of ptxas, whose start takes as long as one of them.
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

namespace cl = llvm::cl;

static cl::opt<std::string> input(cl::Positional, cl::init("-"),
                                  cl::desc("<LLVM IR, text or bitcode>"));
static cl::opt<std::string> output("o", cl::init("-"), cl::desc("PTX file"));
static cl::opt<std::string> architecture("arch", cl::init("sm_90a"),
                                         cl::desc("GPU architecture"));
// That of CUDA 12.0, the first that has sm_90a, so that every driver that has
// what the runtime asks for compiles it.
static cl::opt<std::string> features("features", cl::init("+ptx80"),
                                     cl::desc("PTX version, as a feature"));

static cl::opt<unsigned> jobs("j", cl::init(0),
                              cl::desc("kernels compiled at once (by default "
                                       "one a processor)"));

static cl::opt<std::string>
    ptxas("ptxas", cl::desc("the program that makes machine code of PTX"));
static cl::opt<std::string>
    binaries("binaries", cl::desc("with --ptxas: machine code goes to files of "
                                  "this name with .0, .1, ... behind it; to "
                                  "none where ptxas is too old, does not "
                                  "start, dies or takes too long"));
static cl::opt<unsigned>
    ptxasSeconds("ptxas-seconds", cl::init(300),
                 cl::desc("a run of ptxas that takes longer is killed"));

// Some 0.1 s of work, a tenth of which is the start of ptxas.
static cl::opt<unsigned>
    batchSize("batch", cl::init(2500),
              cl::desc("instructions of kernels that share a run of ptxas"));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "route-ptx: " << message << '\n';
  return 1;
}

/// What LLVM does before it selects instructions. Kernels come without calls
/// and variables on the stack, and ptxas optimises once more: all of -O3 takes
/// three times as long for machine code that is no shorter.
/// Structs are split last: only the selection of instructions gains.
static constexpr llvm::StringLiteral kPasses =
    "function(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
    "loop-mssa(loop-rotate,licm),loop(loop-unroll-full),gvn,infer-alignment,"
    "simplifycfg<hoist-common-insts;sink-common-insts>,split-structs,adce)";

namespace {
/// Structs that live across blocks become their fields: the sums of a product,
/// up to 128 of them. Where the selection of instructions takes one field of a
/// struct of another block, it copies all.
class SplitStructs : public llvm::PassInfoMixin<SplitStructs> {
public:
  llvm::PreservedAnalyses run(llvm::Function &kernel,
                              llvm::FunctionAnalysisManager &) {
    function = &kernel;
    fields.clear();
    llvm::SmallVector<llvm::PHINode *> phis;
    llvm::SmallVector<llvm::ExtractValueInst *> extracts;
    for (llvm::Instruction &instruction : llvm::instructions(kernel)) {
      if (auto *phi = llvm::dyn_cast<llvm::PHINode>(&instruction))
        if (phi->getType()->isStructTy())
          phis.push_back(phi);
      if (auto *extract = llvm::dyn_cast<llvm::ExtractValueInst>(&instruction))
        if (extract->getNumIndices() == 1 &&
            extract->getAggregateOperand()->getType()->isStructTy())
          extracts.push_back(extract);
    }
    for (llvm::PHINode *phi : phis)
      for (llvm::Type *type : phi->getType()->subtypes())
        fields[phi].push_back(llvm::PHINode::Create(
            type, phi->getNumIncomingValues(), "", phi->getIterator()));
    for (llvm::PHINode *phi : phis)
      for (auto [block, value] :
           llvm::zip(phi->blocks(), phi->incoming_values()))
        for (auto [i, field] : llvm::enumerate(fields.lookup(phi)))
          llvm::cast<llvm::PHINode>(field)->addIncoming(fieldOf(value, i),
                                                        block);
    for (llvm::ExtractValueInst *extract : extracts)
      extract->replaceAllUsesWith(
          fieldOf(extract->getAggregateOperand(), *extract->idx_begin()));
    return llvm::PreservedAnalyses::none();
  }

private:
  llvm::Value *fieldOf(llvm::Value *value, unsigned i) {
    while (auto *insert = llvm::dyn_cast<llvm::InsertValueInst>(value)) {
      if (insert->getNumIndices() != 1)
        break;
      if (*insert->idx_begin() == i)
        return insert->getInsertedValueOperand();
      value = insert->getAggregateOperand();
    }
    if (auto *constant = llvm::dyn_cast<llvm::Constant>(value))
      if (llvm::Value *element = constant->getAggregateElement(i))
        return element;
    llvm::SmallVector<llvm::Value *> &known = fields[value];
    if (known.empty()) {
      // Calls of kernels do not end a block.
      auto *instruction = llvm::dyn_cast<llvm::Instruction>(value);
      llvm::BasicBlock *block =
          instruction ? instruction->getParent() : &function->getEntryBlock();
      llvm::IRBuilder<> b(block, instruction
                                     ? std::next(instruction->getIterator())
                                     : block->begin());
      for (unsigned k = 0; k < value->getType()->getStructNumElements(); ++k)
        known.push_back(b.CreateExtractValue(value, k));
    }
    return known[i];
  }

  llvm::Function *function = nullptr;
  llvm::DenseMap<llvm::Value *, llvm::SmallVector<llvm::Value *>> fields;
};
} // namespace

/// Gives what went wrong.
static llvm::Error optimize(llvm::Module &module,
                            llvm::TargetMachine &machine) {
  llvm::PassBuilder builder(&machine);
  builder.registerPipelineParsingCallback(
      [](llvm::StringRef name, llvm::FunctionPassManager &passes,
         llvm::ArrayRef<llvm::PassBuilder::PipelineElement>) {
        if (name != "split-structs")
          return false;
        passes.addPass(SplitStructs());
        return true;
      });
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
  if (llvm::Error error = builder.parsePassPipeline(passes, kPasses))
    return error;
  passes.run(module, modules);
  return llvm::Error::success();
}

namespace {
/// Definitions that use one another or the same variable, as a rule one kernel:
/// places among the module's global values.
struct Group {
  llvm::SmallVector<unsigned> members;
  unsigned instructions = 0;
  std::string ptx, error;
};

/// What is wrong with a run of ptxas.
struct Refusal {
  std::string error;
  /// Not with the PTX, which a driver compiles too.
  bool ptxStands = false;
};

/// Groups that ptxas makes one binary of: a large one or several small ones.
struct Batch {
  llvm::SmallVector<Group *> groups;
  unsigned instructions = 0;
  std::string error;    ///< no PTX
  Refusal notAssembled; ///< no binary
};
} // namespace

/// The groups of a module, in its order.
static std::vector<Group> groupDefinitions(const llvm::Module &module) {
  llvm::EquivalenceClasses<const llvm::GlobalValue *> together;
  for (const llvm::GlobalValue &value : module.global_values()) {
    if (value.isDeclaration())
      continue;
    together.insert(&value);
    llvm::SmallVector<const llvm::User *> users(value.users());
    while (!users.empty()) {
      const llvm::User *user = users.pop_back_val();
      if (auto *instruction = llvm::dyn_cast<llvm::Instruction>(user))
        together.unionSets(&value, instruction->getFunction());
      else if (auto *global = llvm::dyn_cast<llvm::GlobalValue>(user))
        together.unionSets(&value, global);
      else
        llvm::append_range(users, user->users());
    }
  }
  llvm::MapVector<const llvm::GlobalValue *, Group> groups;
  for (auto [place, value] : llvm::enumerate(module.global_values())) {
    if (value.isDeclaration())
      continue;
    Group &group = groups[together.getLeaderValue(&value)];
    group.members.push_back(place);
    if (auto *function = llvm::dyn_cast<llvm::Function>(&value))
      group.instructions += function->getInstructionCount();
  }
  std::vector<Group> result;
  for (auto &[leader, group] : groups)
    result.push_back(std::move(group));
  return result;
}

/// Takes all definitions out of a module but those of a group.
static void keepOnly(const Group &group, llvm::Module &module) {
  llvm::SmallVector<llvm::GlobalValue *> others;
  for (auto [place, value] : llvm::enumerate(module.global_values()))
    if (!value.isDeclaration() && !llvm::is_contained(group.members, place))
      others.push_back(&value);
  for (llvm::GlobalValue *other : others)
    if (auto *function = llvm::dyn_cast<llvm::Function>(other))
      function->deleteBody();
    else
      other->dropAllReferences();
  for (llvm::GlobalValue *other : others)
    other->eraseFromParent();
}

/// Writes the PTX of a module, or what is wrong with it.
static void compile(llvm::Module &module, std::string &ptx,
                    std::string &error) {
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return;
  // What a kernel computes is said operation by operation.
  llvm::TargetOptions rules;
  rules.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, architecture, features, rules, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Default));
  if (!machine) {
    error = "no architecture '" + architecture + "'";
    return;
  }
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  llvm::raw_string_ostream text(error);
  if (llvm::verifyModule(module, &text)) {
    error = "the LLVM IR is malformed: " + error;
    return;
  }
  // Passes count on the preferred alignment of a variable that says none, and
  // make wide loads of it; what is printed is the least that its type allows.
  for (llvm::GlobalVariable &variable : module.globals())
    if (!variable.isDeclaration() && !variable.getAlign())
      variable.setAlignment(
          module.getDataLayout().getPreferredAlign(&variable));
  if (llvm::Error problem = optimize(module, *machine)) {
    error = llvm::toString(std::move(problem));
    return;
  }

  llvm::legacy::PassManager passes;
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile)) {
    error = "the target emits no assembly";
    return;
  }
  passes.run(module);
  ptx = bytes.str();
}

/// Whether a run of ptxas took too long: others then need not begin.
static std::atomic<bool> tookTooLong = false;

/// Runs ptxas to its end, or kills it when its time is over; gives what
/// ExecuteAndWait would, whose time limit is the process's one alarm and not
/// for several threads.
static int runPtxas(llvm::ArrayRef<llvm::StringRef> command,
                    llvm::ArrayRef<std::optional<llvm::StringRef>> redirects,
                    std::string &failure) {
  using namespace std::chrono;
  auto end = steady_clock::now() + seconds(ptxasSeconds);
  bool notStarted = false;
  llvm::sys::ProcessInfo child =
      llvm::sys::ExecuteNoWait(ptxas, command, std::nullopt, redirects,
                               /*MemoryLimit=*/0, &failure, &notStarted);
  if (notStarted)
    return -1;
  while (true) {
    llvm::sys::ProcessInfo ended =
        llvm::sys::Wait(child, /*SecondsToWait=*/0, &failure);
    if (ended.Pid != 0)
      return ended.ReturnCode;
    if (tookTooLong || steady_clock::now() >= end)
      break;
    std::this_thread::sleep_for(milliseconds(1));
  }
  tookTooLong = true;
  kill(child.Pid, SIGKILL);
  return llvm::sys::Wait(child, /*SecondsToWait=*/std::nullopt, &failure)
      .ReturnCode;
}

/// Makes machine code of PTX, by way of files named after `binary`; gives what
/// went wrong.
static Refusal assemble(llvm::StringRef ptx, const std::string &binary) {
  std::string source = binary + ".ptx", messages = binary + ".txt";
  llvm::scope_exit remove([&] {
    llvm::sys::fs::remove(source);
    llvm::sys::fs::remove(messages);
  });
  {
    std::error_code failure;
    llvm::raw_fd_ostream file(source, failure);
    if (failure)
      return {"cannot write '" + source + "': " + failure.message()};
    file << ptx;
  }
  std::string target = "-arch=" + architecture;
  llvm::StringRef command[] = {ptxas, target, source, "-o", binary};
  std::optional<llvm::StringRef> redirects[] = {
      llvm::StringRef(), llvm::StringRef(messages), llvm::StringRef(messages)};
  std::string failure;
  int code = runPtxas(command, redirects, failure);
  if (tookTooLong)
    return {"took longer than " + std::to_string(ptxasSeconds) + " s",
            /*ptxStands=*/true};
  if (code == 0 && llvm::sys::fs::exists(binary))
    return {};
  if (code == 0)
    return {"wrote nothing", /*ptxStands=*/true};
  if (code == -1)
    return {"cannot be run: " + failure, /*ptxStands=*/true};
  auto said = llvm::MemoryBuffer::getFile(messages);
  llvm::StringRef text = said ? (*said)->getBuffer().trim() : "";
  std::string why =
      failure.empty() ? "exit code " + std::to_string(code) : failure;
  if (text.empty() && code > 0) // of PTX ptxas says what is wrong with it
    return {"failed: " + why, /*ptxStands=*/true};
  if (!text.empty())
    why += ": " + text.take_front(2000).str();
  if (code == -2)
    return {"was ended by a signal, as where memory runs out: " + why,
            /*ptxStands=*/true};
  if (text.contains("Memory allocation failure"))
    return {"ran out of memory: " + why, /*ptxStands=*/true};
  if (text.contains("Unsupported .version") ||
      text.contains("is not defined for option 'gpu-name'"))
    return {"is too old: " + why, /*ptxStands=*/true};
  return {"failed: " + why};
}

/// Compiles a group, out of a module that is read anew: a context belongs to
/// one thread.
static void compile(Group &group, llvm::MemoryBufferRef ir) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  std::unique_ptr<llvm::Module> module = llvm::getLazyIRModule(
      llvm::MemoryBuffer::getMemBuffer(ir, /*RequiresNullTerminator=*/false),
      problem, context);
  if (!module) {
    group.error = problem.getMessage();
    return;
  }
  keepOnly(group, *module);
  if (llvm::Error error = module->materializeAll()) {
    group.error = llvm::toString(std::move(error));
    return;
  }
  compile(*module, group.ptx, group.error);
}

/// What follows the version and the target in a text of PTX.
static llvm::StringRef withoutHead(llvm::StringRef ptx) {
  llvm::StringRef last = ".address_size";
  size_t end = ptx.find('\n', ptx.find(last));
  return ptx.substr(end + 1);
}

/// The batches of a module's groups, the largest first, so that none of them is
/// left to the end.
static std::vector<Batch> batchesOf(std::vector<Group> &groups) {
  std::vector<Group *> order;
  for (Group &group : groups)
    order.push_back(&group);
  llvm::sort(order, [](const Group *a, const Group *b) {
    return std::pair(b->instructions, a) < std::pair(a->instructions, b);
  });
  std::vector<Batch> batches;
  for (Group *group : order) {
    if (batches.empty() ||
        batches.back().instructions + group->instructions > batchSize)
      batches.emplace_back();
    batches.back().groups.push_back(group);
    batches.back().instructions += group->instructions;
  }
  return batches;
}

/// Compiles a batch; with ptxas, to a file.
static void compile(Batch &batch, llvm::MemoryBufferRef ir,
                    const std::string &binary) {
  std::string text;
  for (Group *group : batch.groups) {
    compile(*group, ir);
    batch.error = group->error;
    if (!batch.error.empty())
      return;
    text +=
        text.empty() ? llvm::StringRef(group->ptx) : withoutHead(group->ptx);
  }
  if (!ptxas.empty() && !tookTooLong)
    batch.notAssembled = assemble(text, binary);
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "Routec's generator of PTX\n");
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  if (ptxas.empty() != binaries.empty())
    return fail("--ptxas and --binaries belong together");
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> ir =
      llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!ir)
    return fail("cannot read '" + input + "': " + ir.getError().message());
  std::vector<Group> groups;
  {
    llvm::LLVMContext context;
    llvm::SMDiagnostic problem;
    std::unique_ptr<llvm::Module> module =
        llvm::parseIR(**ir, problem, context);
    if (!module) {
      problem.print("route-ptx", llvm::errs());
      return 1;
    }
    groups = groupDefinitions(*module);
  }

  std::vector<Batch> batches = batchesOf(groups);
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i = next++; i < batches.size(); i = next++)
      compile(batches[i], **ir, binaries + "." + std::to_string(i));
  };
  unsigned count = llvm::hardware_concurrency(jobs).compute_thread_count();
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::min<size_t>(count, batches.size()); ++i)
    others.emplace_back(work);
  work();
  for (std::thread &other : others)
    other.join();

  std::error_code failure;
  llvm::ToolOutputFile file(output, failure, llvm::sys::fs::OF_None);
  if (failure)
    return fail("cannot write '" + output + "': " + failure.message());
  for (const Batch &batch : batches)
    if (!batch.error.empty())
      return fail(batch.error);
  const Refusal *without = nullptr;
  for (const Batch &batch : batches) {
    const Refusal &refusal = batch.notAssembled;
    if (!refusal.error.empty() && !refusal.ptxStands)
      return fail("ptxas " + refusal.error);
    if (!refusal.error.empty() && !without)
      without = &refusal;
  }
  if (without) {
    llvm::errs() << without->error << '\n';
    for (size_t i = 0; i < batches.size(); ++i)
      llvm::sys::fs::remove(binaries + "." + llvm::Twine(i));
  }
  for (const Group &group : groups)
    file.os() << (&group == &groups.front() ? llvm::StringRef(group.ptx)
                                            : withoutHead(group.ptx));
  file.keep();
  return 0;
}
