// The command routec.
// Reads the command line, runs phases up to the one asked for, prints messages
// and the result.
#include "route/Driver/Driver.h"
#include "mlir/IR/Diagnostics.h"
#include "route/Diagnostics/Render.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Driver/Output.h"
#include "route/Driver/Tests.h"
#include "route/Notice.h"
#include "route/io/SafeTensors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;
namespace cl = llvm::cl;

namespace {

/// The options of routec.
struct CommandLine {
  cl::OptionCategory category{"routec options"};
  cl::opt<std::string> input{cl::Positional,
                             cl::desc("<file, - for standard input>"),
                             cl::cat(category)};
  cl::opt<std::string> emit{"emit",
                            cl::desc("print what a phase makes and stop"),
                            cl::value_desc("phase"), cl::cat(category)};
  cl::alias compileTo{"compile-to", cl::desc("the same as --emit"),
                      cl::aliasopt(emit)};
  cl::opt<std::string> output{
      "o", cl::desc("library to write (.so, .a, .o), or the text of --emit"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> header{"header",
                              cl::desc("C and C++ header of the library"),
                              cl::value_desc("file"), cl::cat(category)};
  cl::list<std::string> cpus{"cpu",
                             cl::desc("processor levels: v3, v4, v4-bf16 or "
                                      "host (by default all that differ)"),
                             cl::value_desc("levels"), cl::CommaSeparated,
                             cl::cat(category)};
  cl::list<std::string> targets{
      "target", cl::desc("what the library runs on: cpu (by default), cuda"),
      cl::value_desc("targets"), cl::CommaSeparated, cl::cat(category)};
  cl::opt<std::string> gatePrecision{
      "gate-precision",
      cl::desc("on GPUs, of products of f32 that choices hang on: f32 (by "
               "default), bf16, split-bf16 or tf32x3"),
      cl::value_desc("precision"), cl::init("f32"), cl::cat(category)};
  cl::list<std::string> disabled{
      "disable-pass", cl::desc("leave out passes for GPUs, to measure them"),
      cl::value_desc("passes"), cl::CommaSeparated, cl::cat(category)};
  cl::list<std::string> enabled{
      "enable-pass", cl::desc("put in passes for GPUs, to measure them"),
      cl::value_desc("passes"), cl::CommaSeparated, cl::cat(category)};
  cl::list<std::string> tunings{
      "tuning", cl::desc("take what route-run --tune found on a GPU"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<bool> tunable{
      "tunable", cl::desc("make a library that route-run --tune measures"),
      cl::cat(category)};
  cl::list<std::string> defines{"D", cl::desc("give an axis or a pool a size"),
                                cl::value_desc("axis=N"), cl::Prefix,
                                cl::cat(category)};
  cl::list<std::string> folders{"I", cl::desc("look for imported modules here"),
                                cl::value_desc("folder"), cl::Prefix,
                                cl::cat(category)};
  cl::opt<bool> test{"test", cl::desc("run the inline tests"),
                     cl::cat(category)};
  cl::opt<std::string> params{
      "params", cl::desc("a safetensors file of the parameters of tests"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> explain{"explain",
                               cl::desc("explain a code such as R0141"),
                               cl::value_desc("code"), cl::cat(category)};
  cl::opt<std::string> diagnostics{"diagnostics", cl::desc("text or json"),
                                   cl::init("text"), cl::value_desc("form"),
                                   cl::cat(category)};
  cl::opt<bool> locations{"locations",
                          cl::desc("print places in the source with the IR"),
                          cl::cat(category)};
  cl::opt<bool> werror{"Werror", cl::desc("treat warnings as errors"),
                       cl::cat(category)};
  cl::opt<bool> remarks{"remarks",
                        cl::desc("tell too what is right and may be slow"),
                        cl::cat(category)};
  cl::opt<unsigned> errorLimit{"error-limit",
                               cl::desc("stop after this many errors"),
                               cl::init(100), cl::cat(category)};
};

} // namespace

static int misused(const llvm::Twine &why) {
  llvm::errs() << "routec: " << why << '\n';
  return 2;
}

static int explainCode(llvm::StringRef text) {
  const DiagnosticInfo *info = findDiagnostic(text);
  if (!info)
    return misused("there is no code '" + text + "'");
  printExplanation(*info, llvm::outs());
  return 0;
}

/// Reads `axis=N` options; false after a message.
static bool readSizes(const cl::list<std::string> &defines,
                      CompileOptions &options) {
  for (const std::string &define : defines) {
    auto [name, value] = llvm::StringRef(define).split('=');
    int64_t size = 0;
    if (name.empty() || value.getAsInteger(10, size) || size < 1) {
      misused("expected axis=N with N from 1, found '" + define + "'");
      return false;
    }
    options.axisSizes[name.str()] = size;
  }
  return true;
}

/// Reads `--cpu`; false after a message.
static bool readLevels(const cl::list<std::string> &cpus,
                       LibraryOptions &options) {
  if (cpus.empty())
    return true;
  options.levels.clear();
  for (const std::string &name : cpus) {
    auto level = name == "host" ? hostIsaLevel() : parseIsaLevel(name);
    if (!level) {
      misused("expected v3, v4, v4-bf16 or host, found '" + name + "'");
      return false;
    }
    options.levels.push_back(*level);
  }
  llvm::sort(options.levels);
  options.levels.erase(llvm::unique(options.levels), options.levels.end());
  return true;
}

/// Reads `--target`; false after a message.
static bool readTargets(const cl::list<std::string> &targets,
                        LibraryOptions &options) {
  for (const std::string &name : targets) {
    if (name != "cpu" && name != "cuda") {
      misused("expected cpu or cuda as a target, found '" + name + "'");
      return false;
    }
    options.cuda |= name == "cuda";
  }
  if (!targets.empty() && !llvm::is_contained(targets, "cpu")) {
    misused("a library always has code for CPUs: give --target=cpu,cuda");
    return false;
  }
  return true;
}

/// Reads what is said of code for GPUs; false after a message.
static bool readKernelOptions(const CommandLine &line, KernelOptions &options) {
  options.disabled.assign(line.disabled.begin(), line.disabled.end());
  options.enabled.assign(line.enabled.begin(), line.enabled.end());
  options.gatePrecision = line.gatePrecision;
  if (std::string fault = options.fault(); !fault.empty()) {
    misused(fault);
    return false;
  }
  return true;
}

/// The word at the first place of `location` that lies in a file of the source.
static SourceRange wordAt(const SourceManager &sources,
                          mlir::Location location) {
  SourceRange range;
  location->walk([&](mlir::Location part) {
    auto place = llvm::dyn_cast<mlir::FileLineColLoc>(part);
    if (!place || place.getLine() == 0)
      return mlir::WalkResult::advance();
    for (unsigned index = 1; index <= sources.numFiles(); ++index) {
      FileId file{index};
      if (place.getFilename() != sources.name(file) ||
          place.getLine() > sources.numLines(file))
        continue;
      llvm::StringRef line = sources.lineText(file, place.getLine());
      size_t column = place.getColumn() ? place.getColumn() - 1 : 0;
      size_t word =
          line.drop_front(std::min(column, line.size()))
              .take_while([](char c) { return llvm::isAlnum(c) || c == '_'; })
              .size();
      uint32_t begin = sources.lineStart(file, place.getLine()) + column;
      range = {file, begin,
               begin + static_cast<uint32_t>(std::max<size_t>(word, 1))};
      return mlir::WalkResult::interrupt();
    }
    return mlir::WalkResult::advance();
  });
  return range;
}

static diag::Code codeOf(Notice kind) {
  switch (kind) {
  case Notice::notCovered:
    return diag::notCompiled;
  case Notice::needsBound:
    return diag::needsBound;
  case Notice::patternTooLarge:
    return diag::badTextArgument;
  case Notice::outOfMemory:
    return diag::runFailed;
  case Notice::badTuning:
    return diag::badTuning;
  case Notice::staleTuning:
    return diag::staleTuning;
  case Notice::notOnTensorCores:
    return diag::notOnTensorCores;
  case Notice::notOnDevice:
    return diag::notOnDevice;
  case Notice::ptxOnly:
    return diag::ptxOnly;
  case Notice::outputFailed:
    return diag::outputFailed;
  case Notice::oneThread:
    return diag::oneThread;
  }
  llvm_unreachable("a kind without a code");
}

/// Reports an error that no spec should cause.
static void reportDefect(DiagnosticEngine &diags, SourceRange at,
                         llvm::Twine what) {
  diags.report(diag::internal, at, what.str())
      .note("this is a defect of the compiler; please report it with this "
            "file");
}

mlir::LogicalResult route::reportPassError(mlir::Diagnostic &diagnostic,
                                           Compilation &c, diag::Code others) {
  SourceRange word = wordAt(c.sources, diagnostic.getLocation());
  if (std::optional<Notice> kind = noticeOf(diagnostic)) {
    c.diags.report(codeOf(*kind), word, diagnostic.str());
    return mlir::success();
  }
  // What else passes warn of is no matter for the user.
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
    return mlir::success();
  if (others != diag::internal) {
    c.diags.report(others, word, diagnostic.str());
    return mlir::success();
  }
  // After an error MLIR goes on about what that one left.
  if (!c.diags.hasErrors())
    reportDefect(c.diags, word,
                 "the compiler failed here: " + diagnostic.str());
  return mlir::success();
}

bool route::openInput(Compilation &c, llvm::StringRef path) {
  std::string why;
  auto file = c.sources.openFile(path.str(), why);
  if (!file) {
    c.diags.report(diag::cannotRead, {},
                   "cannot read '" + path.str() + "': " + why);
    return false;
  }
  c.file = *file;
  auto hash =
      llvm::SHA256::hash(llvm::arrayRefFromStringRef(c.sources.text(*file)));
  c.library.sourceHash = llvm::toHex(hash, /*LowerCase=*/true);
  return true;
}

/// Whether `path` is a file that this compilation reads: `others`, the spec or
/// a module that it imports.
static bool isInput(const Compilation &c, llvm::ArrayRef<std::string> others,
                    llvm::StringRef path) {
  auto isPath = [&](llvm::StringRef other) {
    bool same = false;
    return !llvm::sys::fs::equivalent(path, other, same) && same;
  };
  for (uint32_t file = 1; file <= c.sources.numFiles(); ++file)
    if (isPath(c.sources.name({file})))
      return true;
  return llvm::any_of(others, isPath);
}

/// Why nothing can be written at `path`, or nothing.
static std::string whyNotWritable(const Compilation &c,
                                  llvm::ArrayRef<std::string> inputs,
                                  llvm::StringRef path) {
  if (isInput(c, inputs, path))
    return ("cannot write '" + path + "': it is an input").str();
  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  std::error_code error =
      llvm::sys::fs::access(folder.empty() ? llvm::StringRef(".") : folder,
                            llvm::sys::fs::AccessMode::Write);
  return error ? ("cannot write '" + path + "': " + error.message()).str() : "";
}

/// Compiles to the library and header asked for; `inputs` are the files read
/// beside specs.
static int writeLibraryFiles(Compilation &c, llvm::ArrayRef<std::string> inputs,
                             llvm::StringRef library, llvm::StringRef header) {
  // Checked before compiling: a wrong name should cost no time.
  llvm::StringRef ending = llvm::sys::path::extension(library);
  if (!library.empty() && ending != ".so" && ending != ".a" && ending != ".o")
    return misused("expected a name ending in .so, .a or .o after -o, found '" +
                   library + "'");
  ending = llvm::sys::path::extension(header);
  if (!header.empty() && ending != ".h" && ending != ".hh" &&
      ending != ".hpp" && ending != ".hxx")
    return misused("expected a name ending in .h, .hh, .hpp or .hxx after "
                   "--header, found '" +
                   header + "'");
  for (llvm::StringRef path : {library, header})
    if (std::string why = path.empty() ? "" : whyNotWritable(c, inputs, path);
        !why.empty()) {
      c.diags.report(diag::outputFailed, {}, why);
      return 1;
    }
  OutputOptions output{c.library, library.str(), header.str()};
  std::string why;
  if (failed(writeOutputs(*c.module, output, why)))
    return 1;
  if (!why.empty())
    c.diags.report(diag::outputFailed, {}, why);
  return c.diags.hasErrors() ? 1 : 0;
}

int route::runDriver(int argc, char **argv) {
  CommandLine line;
  cl::HideUnrelatedOptions(line.category);
  std::string overview = "compiles a routing specification\n\nphases:\n";
  for (const PhaseInfo &phase : phases())
    overview +=
        ("  " + phase.name +
         llvm::StringRef("            ").take_front(12 - phase.name.size()) +
         phase.description + "\n")
            .str();
  if (!parseToolOptions(argc, argv, "routec", overview))
    return 2;
  if (!line.explain.empty())
    return explainCode(line.explain);
  if (line.input.empty())
    return misused("no input file; see routec --help");
  if (line.diagnostics != "text" && line.diagnostics != "json")
    return misused("diagnostics are 'text' or 'json', found '" +
                   line.diagnostics + "'");
  if (line.emit.empty() && line.output.empty() && line.header.empty() &&
      !line.test)
    return misused("nothing to do: give -o LIBRARY, --header FILE, "
                   "--emit=PHASE or --test");
  bool outputs = !line.output.empty() || !line.header.empty();
  llvm::StringRef wantedPhase = line.emit;
  if (wantedPhase.empty())
    wantedPhase = outputs ? "linalg" : "route";
  const PhaseInfo *last = findPhase(wantedPhase);
  if (!last) {
    std::vector<std::string> names;
    for (const PhaseInfo &phase : phases())
      names.push_back(phase.name.str());
    auto near = nearestName(wantedPhase, names);
    return misused("there is no phase '" + wantedPhase + "'; " +
                   (near ? "did you mean '" + *near + "'?"
                         : std::string("see routec --help")));
  }

  if (!line.params.empty() && !line.test)
    return misused("--params gives parameters to --test");
  SafeTensors params;
  route_error unread = {};
  if (!line.params.empty() && params.open(line.params.c_str(), &unread))
    return misused(unread.message);

  Compilation compilation;
  if (!readSizes(line.defines, compilation.options))
    return 2;
  compilation.options.importPaths.assign(line.folders.begin(),
                                         line.folders.end());
  compilation.locations = line.locations;
  if (!readLevels(line.cpus, compilation.library) ||
      !readTargets(line.targets, compilation.library) ||
      !readKernelOptions(line, compilation.library.kernels))
    return 2;
  compilation.library.tunable = line.tunable;
  if ((line.tunable || !line.tunings.empty() ||
       line.gatePrecision.getNumOccurrences()) &&
      !compilation.library.cuda)
    return misused("--tunable, --tuning and --gate-precision are for code for "
                   "GPUs: give --target=cpu,cuda");
  compilation.library.name =
      line.input == "-" ? "module" : llvm::sys::path::stem(line.input).str();
  mlir::DialectRegistry registry;
  registerForCompilation(registry);
  compilation.context.appendDialectRegistry(registry);
  DiagnosticEngine &diags = compilation.diags;
  diags.setErrorLimit(line.errorLimit);
  diags.setWarningsAsErrors(line.werror);
  diags.setRemarks(line.remarks);
  TextRenderer text(compilation.sources, llvm::errs(),
                    llvm::sys::Process::StandardErrHasColors());
  diags.setConsumer([&](const Diagnostic &diagnostic) {
    if (line.diagnostics == "json")
      renderJSON(diagnostic, compilation.sources, llvm::errs());
    else
      text.render(diagnostic);
  });

  if (!openInput(compilation, line.input))
    return 1;
  for (const std::string &path : line.tunings)
    if (std::string why = readTuning(path, compilation.library.tuning);
        !why.empty())
      diags.report(diag::badTuning, {}, "'" + path + "' " + why);
  if (diags.hasErrors())
    return 1;
  mlir::ScopedDiagnosticHandler handler(
      &compilation.context, [&](mlir::Diagnostic &diagnostic) {
        return reportPassError(diagnostic, compilation);
      });
  // The checker parses for itself, as it does with imported modules.
  for (const PhaseInfo &phase : phases()) {
    bool wanted = &phase == last;
    if ((wanted || phase.name != "ast") &&
        (!phase.run(compilation) || diags.hasErrors())) {
      if (!diags.hasErrors())
        reportDefect(diags, {},
                     "the compiler failed in phase '" + phase.name +
                         "' and did not say why");
      return 1;
    }
    if (phase.name == "route") {
      if (line.test) {
        mlir::ScopedDiagnosticHandler running(
            &compilation.context, [&](mlir::Diagnostic &diagnostic) {
              return reportPassError(diagnostic, compilation, diag::runFailed);
            });
        if (compilation.module->getOps<TestOp>().empty())
          llvm::outs() << "no tests in '" << line.input << "'\n";
        if (runInlineTests(*compilation.module,
                           line.params.empty() ? nullptr : &params,
                           llvm::outs()) != 0)
          return 1;
      }
      if (!wanted || line.emit.empty())
        dropInlineTests(*compilation.module);
      if (outputs && line.emit.empty() &&
          compilation.module->getOps<FuncOp>().empty()) {
        diags
            .report(diag::noEntries, SourceRange{compilation.file, 0, 0},
                    "'" + compilation.sources.name(compilation.file) +
                        "' has no entry: the library would be empty")
            .note("a route or a router is an entry where its parameters are "
                  "signals, axes with columns, or have types");
        return 1;
      }
    }
    if (wanted)
      break;
  }
  if (line.emit.empty() && !outputs)
    return 0;
  std::vector<std::string> read(line.tunings.begin(), line.tunings.end());
  read.push_back(line.params);
  if (line.emit.empty())
    return writeLibraryFiles(compilation, read, line.output, line.header);
  if (isInput(compilation, read, line.output))
    return misused("cannot write '" + line.output + "': it is an input");
  std::error_code failure;
  llvm::ToolOutputFile out(line.output.empty() ? "-" : line.output.c_str(),
                           failure, llvm::sys::fs::OF_Text);
  if (failure)
    return misused("cannot write '" + line.output + "': " + failure.message());
  last->print(compilation, out.os());
  out.keep();
  return diags.hasErrors() ? 1 : 0;
}
