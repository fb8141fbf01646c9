// One case: a spec compiled as routec does, run on all back ends, compared.
#include "Case.h"
#include "../../runtime/cts/Conformance.h"
#include "Backend.h"
#include "route/Driver/Driver.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace route;
using namespace route::fuzz;

const char *route::fuzz::nameOf(Verdict verdict) {
  static const char *const names[] = {"agrees",  "refused",     "ill-typed",
                                      "differs", "bad message", "crashes",
                                      "hangs"};
  return names[static_cast<size_t>(verdict)];
}

bool route::fuzz::isDefect(Verdict verdict) {
  return verdict != Verdict::Agrees && verdict != Verdict::Refused;
}

static std::string contentsOf(const std::string &path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string route::fuzz::faultOf(const std::string &messages) {
  size_t error = messages.find("error[R");
  if (error == messages.npos)
    return "no error with a code";
  if (messages.find("error[R0801]") != messages.npos)
    return "the compiler's own checks failed";
  // Each error points into a file.
  for (size_t at = error; at != messages.npos;
       at = messages.find("error[R", at + 1)) {
    size_t line = messages.find('\n', at);
    if (messages.compare(at, 12, "error[R0012]") != 0 &&
        (line == messages.npos ||
         messages.substr(line + 1, 16).find("-->") == std::string::npos))
      return "an error without a place";
    std::string text = messages.substr(at, line - at);
    for (const char *word :
         {"'route.",  "'arith.",    "'linalg.", "'tensor.",   "'memref.",
          "'row.",    "'ragged.",   "'signal.", "'scf.",      "'func.",
          "'math.",   "'vector.",   "'llvm.",   "!route.",    "tensor<",
          "memref<",  "op operand", "dominate", "failed to ", "compilation for",
          "<<UNKNOWN"})
      if (text.find(word) != text.npos)
        return "an error in the words of the IR";
  }
  return "";
}

namespace {

/// Runs the driver with its messages in a file; its exit code.
int compile(const std::vector<std::string> &arguments,
            const std::string &messages) {
  std::vector<char *> argv;
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  int kept = dup(2);
  int file = open(messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(file, 2);
  close(file);
  int code = runDriver(static_cast<int>(argv.size()), argv.data());
  dup2(kept, 2);
  close(kept);
  return code;
}

Verdict judgeMessages(const std::string &messages, std::string &details) {
  details = messages;
  if (std::string fault = faultOf(messages); !fault.empty()) {
    details = fault + "\n" + messages;
    return Verdict::BadMessage;
  }
  for (size_t at = messages.find("error[R"); at != messages.npos;
       at = messages.find("error[R", at + 1)) {
    std::string code = messages.substr(at + 6, 5);
    if (code != "R0900")
      return Verdict::IllTyped;
  }
  return Verdict::Refused;
}

class CaseRun {
public:
  CaseRun(const Spec &spec, const CaseOptions &options)
      : spec(spec), options(options), path(options.folder + "/case.route"),
        library(options.folder + "/case.so") {}

  Report run() {
    std::ofstream(path) << spec.text;
    Report report;
    std::string messages = options.folder + "/messages";
    if (options.check) {
      if (compile({"routec", path, "--emit=route", "-o", "/dev/null"},
                  messages))
        report.verdict = judgeMessages(contentsOf(messages), report.details);
      return report;
    }
    std::vector<std::string> command = {"routec",
                                        path,
                                        "-o",
                                        library,
                                        "--cpu=" + options.cpu,
                                        options.cuda ? "--target=cpu,cuda"
                                                     : "--target=cpu"};
    if (!options.disabled.empty())
      command.push_back("--disable-pass=" + options.disabled);
    if (!options.precision.empty())
      command.push_back("--gate-precision=" + options.precision);
    if (compile(command, messages)) {
      report.verdict = judgeMessages(contentsOf(messages), report.details);
      return report;
    }
    report.details = compareAll();
    report.onDevice = onDevice;
    if (!report.details.empty())
      report.verdict = Verdict::Differs;
    return report;
  }

private:
  /// The first difference, with the inputs that show it.
  std::string compareAll() {
    route_error error = {};
    route_module *module = nullptr;
    if (route_module_load(library.c_str(), &module, &error))
      return error.message;
    const route_module_desc &desc = *route_module_descriptor(module);
    std::string why;
    cts::Generator generator(desc, options.seed);
    auto checkpoints = generator.checkpoints(cts::Style::Exact);
    auto reference = makeInterpreter(path, desc, checkpoints, why);
    if (!reference)
      return why;
    std::vector<std::unique_ptr<Backend>> others;
    others.push_back(makeLibrary(module, checkpoints, why));
    if (!others.back())
      return why;
    // A spec whose entries all stay on the CPU has no code for GPUs.
    if (options.cuda && desc.device_code)
      others.push_back(makeDevice(module, checkpoints, why));
    if (!others.back())
      return why;
    if (options.plant)
      others.push_back(makeWrong(makeLibrary(module, checkpoints, why)));
    // Small batches first, so that what is shown is small.
    for (int64_t most :
         std::initializer_list<int64_t>{0, 1, 2, 3, 17, options.most})
      for (int round = 0; round < 3; ++round)
        if (std::string found =
                compareOnce(module, generator, most, round, *reference, others);
            !found.empty())
          return found + "\n  inputs of at most " + std::to_string(most) +
                 " items, round " + std::to_string(round);
    return "";
  }

  std::string compareOnce(route_module *module, cts::Generator &generator,
                          int64_t most, int round, Reference &reference,
                          std::vector<std::unique_ptr<Backend>> &others);
  std::string pushSome(const route_module_desc &desc, bool wild,
                       Reference &reference,
                       std::vector<std::unique_ptr<Backend>> &others);

  const Spec &spec;
  const CaseOptions &options;
  std::string path, library;
  int64_t moment = firstMoment;
  std::mt19937_64 random{options.seed};
  unsigned onDevice = 0;
};

/// Inputs of an event: what its router gave, else values of their own.
void handBack(const route_entry_desc &event, Values &inputs,
              const route_entry_desc *router, const Values *given) {
  for (size_t i = 0; router && i < event.num_inputs; ++i)
    for (size_t k = 0; k < router->num_outputs; ++k)
      if (strcmp(event.inputs[i].name, router->outputs[k].name) == 0)
        inputs.values[i] = given->values[k];
}

} // namespace

/// Pushes some of the live columns, some of them a while ago.
std::string CaseRun::pushSome(const route_module_desc &desc, bool wild,
                              Reference &reference,
                              std::vector<std::unique_ptr<Backend>> &others) {
  for (uint32_t cell = 0; cell < desc.num_states; ++cell) {
    const route_state_desc &state = desc.states[cell];
    auto live = reference.live(cell);
    if (live == Reference::Live::No || random() % 3 == 0)
      continue;
    Push push;
    int64_t count = 1;
    for (uint64_t i = 0; i < state.num_axes; ++i)
      count *= desc.axes[state.axes[i]].size;
    for (int64_t i = 0; i < count; ++i) {
      char bytes[16] = {};
      auto store = [&](auto value) { memcpy(bytes, &value, sizeof(value)); };
      double number = static_cast<double>(random() % 9) / 2;
      if (state.type.element == ROUTE_F64)
        store(number);
      else if (state.type.element == ROUTE_F32)
        store(wild && random() % 8 == 0 ? NAN : static_cast<float>(number));
      else // whole numbers and truths begin with the same byte
        store(static_cast<uint8_t>(random() %
                                   (state.type.element == ROUTE_BOOL ? 2 : 9)));
      push.bytes.append(bytes, route_element_size(state.type.element));
      if (live == Reference::Live::MayBeUnknown)
        push.known.push_back(random() % 4 != 0);
    }
    int64_t when = moment - static_cast<int64_t>(random() % 16) * 1'000'000'000;
    std::string why;
    if (!reference.push(cell, push, when, why))
      return why;
    for (auto &other : others)
      if (!other->push(cell, push, when, why))
        return why;
  }
  return "";
}

std::string
CaseRun::compareOnce(route_module *module, cts::Generator &generator,
                     int64_t most, int round, Reference &reference,
                     std::vector<std::unique_ptr<Backend>> &others) {
  const route_module_desc &desc = *route_module_descriptor(module);
  // Parts of an infinity do not add up to it: docs/gpu-routers.md.
  cts::Style style = round == 0 || !options.precision.empty()
                         ? cts::Style::Exact
                     : spec.whole ? cts::Style::Special
                                  : cts::Style::Wild;
  moment += 20'000'000'000;
  int64_t now = moment;
  std::string why =
      pushSome(desc, style == cts::Style::Wild, reference, others);
  if (!why.empty())
    return why;
  // The last decision, for the events that take it back.
  const route_entry_desc *router = nullptr;
  std::unique_ptr<Values> decided;
  for (uint32_t index = 0; index < desc.num_entries; ++index) {
    const route_entry_desc &entry = desc.entries[index];
    Values inputs =
        generator.inputs(entry, generator.sizes(entry, most), style);
    bool event = entry.kind == ROUTE_ENTRY_EVENT;
    if (event && round == 2)
      continue;
    if (event && decided)
      handBack(entry, inputs, router, decided.get());
    // The library first: it tells the shapes of outputs.
    std::vector<std::unique_ptr<Values>> found;
    for (auto &other : others) {
      found.push_back(nullptr);
      if (!other->covers(index, inputs))
        continue;
      onDevice += options.cuda && found.size() == 2 && !event;
      found.back() = std::make_unique<Values>(entry.outputs, entry.num_outputs);
      if (!other->run(index, inputs, *found.back(), now, why))
        return why;
    }
    auto expected = std::make_unique<Values>(entry.outputs, entry.num_outputs);
    expected->values = found.front()->values;
    if (!reference.run(index, inputs, *expected, now, why))
      return why;
    for (size_t i = 0; i < found.size(); ++i)
      if (std::string what =
              found[i] ? difference(entry, *expected, *found[i], spec.tolerance)
                       : "";
          !what.empty())
        return options.cuda && i == 1 ? "on the GPU: " + what : what;
    for (uint64_t i = 0; i < entry.num_writes; ++i) {
      uint32_t cell = entry.writes[i];
      if (reference.isTable(cell))
        continue;
      std::string a, b;
      if (!reference.state(cell, a, why))
        return why;
      for (auto &other : others) {
        if (!other->covers(index, inputs))
          continue;
        if (!other->state(cell, b, why))
          return why;
        if (std::string what =
                difference(desc.states[cell], a, b, spec.tolerance);
            !what.empty())
          return std::string(entry.name) + ": " + what;
      }
    }
    if (!event) {
      router = &entry;
      decided = std::move(expected);
    }
  }
  return "";
}

/// Runs `work` in a process of its own with bounded time and memory.
static Report inChild(const CaseOptions &options,
                      const std::function<Report()> &work) {
  std::string result = options.folder + "/result";
  std::remove(result.c_str());
  fflush(nullptr);
  pid_t child = fork();
  if (child == 0) {
    rlimit time = {options.seconds, options.seconds};
    setrlimit(RLIMIT_CPU, &time);
    rlimit memory = {rlim_t(8) << 30, rlim_t(8) << 30};
    if (!options.cuda) // the driver reserves far more addresses than that
      setrlimit(RLIMIT_AS, &memory);
    rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    Report report = work();
    std::ofstream(result) << static_cast<int>(report.verdict) << ' '
                          << report.onDevice << '\n'
                          << report.details;
    fflush(nullptr);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Report report;
  if (WIFSIGNALED(status)) {
    int signal = WTERMSIG(status);
    bool late = signal == SIGXCPU || signal == SIGKILL;
    report.verdict = late ? Verdict::Hangs : Verdict::Crashes;
    report.details = strsignal(signal) + std::string("\n") +
                     contentsOf(options.folder + "/messages");
    return report;
  }
  std::string text = contentsOf(result);
  if (text.empty()) {
    report.verdict = Verdict::Crashes;
    report.details = "ended with code " + std::to_string(WEXITSTATUS(status)) +
                     "\n" + contentsOf(options.folder + "/messages");
    return report;
  }
  report.verdict = static_cast<Verdict>(text[0] - '0');
  report.onDevice =
      static_cast<unsigned>(strtoul(text.c_str() + 2, nullptr, 10));
  report.details = text.substr(text.find('\n') + 1);
  return report;
}

Report route::fuzz::runCase(const Spec &spec, const CaseOptions &options) {
  return inChild(options, [&] { return CaseRun(spec, options).run(); });
}

Report route::fuzz::compileCase(const std::string &text,
                                const CaseOptions &options) {
  return inChild(options, [&]() -> Report {
    std::string path = options.folder + "/case.route",
                library = options.folder + "/case.so",
                messages = options.folder + "/messages";
    std::ofstream(path) << text;
    int code = compile({"routec", path, "-o", library, "--header",
                        options.folder + "/case.h", "--cpu=" + options.cpu},
                       messages);
    std::string said = contentsOf(messages);
    if (code != 0) {
      std::string fault = faultOf(said);
      return {fault.empty() ? Verdict::Refused : Verdict::BadMessage,
              fault + "\n" + said};
    }
    route_error error = {};
    route_module *module = nullptr;
    if (route_module_load(library.c_str(), &module, &error))
      return {Verdict::Differs, error.message};
    return {};
  });
}
