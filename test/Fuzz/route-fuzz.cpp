// route-fuzz: random specs, compiled code against the interpreter.
//
//   route-fuzz [--kind token|layer|cores|policy|nested] [--seed N] [--cases N]
//              [--seconds N] [--cpu LEVEL] [--folder DIR] [--print]
//              [--keep-going] [--check] [--plant] [--cuda]
//              [--disable-pass NAME]
//   route-fuzz --spec FILE... [--whole] [--most ITEMS] [--cpu LEVEL] [--cuda]
//              [--disable-pass NAME] [--gate-precision P]
//
// Each case has a seed of its own; `--seed N --cases 1` runs it again. A case
// that fails is made smaller and printed. Exit code 1 where one failed.
// `--spec` runs given specs, for tests of what once broke; `--whole` gives them
// whole numbers, where sums are not to depend on their order, and `--most`
// batches larger than 40 items.
// `--check` compiles and runs nothing, and looks only whether specs are
// well-typed. `--plant` adds a back end that is wrong, to see it found;
// `--cuda` one for the machine's GPU, from whose code `--disable-pass` leaves
// out a pass, and where products that choices hang on have the precision
// `--gate-precision`; all numbers are whole then.
#include "Case.h"
#include "route/Target/CPU.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>

using namespace route;
using namespace route::fuzz;

namespace {

struct Settings {
  std::vector<std::string> specs;
  std::string kind, cpu, disabled, precision,
      folder = "/tmp/route-fuzz." + std::to_string(getpid());
  uint64_t seed = 1;
  uint64_t cases = UINT64_MAX;
  unsigned seconds = 0; ///< 0: no limit
  int64_t most = 40, terms = 0;
  bool print = false, keepGoing = false, check = false, plant = false,
       whole = false, cuda = false;
};

Spec makeSpec(const std::string &kind, Choices &choices) {
  std::string wanted = kind;
  if (wanted.empty())
    wanted =
        choices.pick({"token", "policy", "nested", "layer", "policy", "token"});
  return wanted == "policy"   ? requestPolicy(choices)
         : wanted == "layer"  ? expertLayer(choices)
         : wanted == "cores"  ? coresLayer(choices)
         : wanted == "nested" ? nestedAxes(choices)
                              : tokenRouter(choices);
}

/// The levels to compile for, in turn.
std::vector<std::string> levels(const std::string &wanted) {
  if (!wanted.empty())
    return {wanted};
  std::vector<std::string> all = {"v3"};
  auto host = hostIsaLevel();
  if (host && *host != IsaLevel::V3)
    all.push_back("v4");
  if (host && *host == IsaLevel::V4Bf16)
    all.push_back("v4-bf16");
  return all;
}

/// The first line of a text, or of the first error that it reports.
std::string headline(const std::string &details) {
  size_t at = details.find("error[");
  if (at == details.npos)
    at = 0;
  return details.substr(at, details.find('\n', at) - at);
}

CaseOptions optionsOf(const Settings &settings, uint64_t seed,
                      const std::string &cpu) {
  CaseOptions options;
  options.folder = settings.folder;
  options.seed = seed;
  options.cpu = cpu;
  options.check = settings.check;
  options.plant = settings.plant;
  options.cuda = settings.cuda;
  options.disabled = settings.disabled;
  options.precision = settings.precision;
  options.most = settings.most;
  return options;
}

/// Runs each given spec for every level.
int runGiven(const Settings &settings) {
  int failures = 0;
  unsigned onDevice = 0;
  for (const std::string &path : settings.specs) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    Spec spec{text.str(), settings.whole, {settings.terms}};
    for (const std::string &cpu : levels(settings.cpu)) {
      Report report = runCase(spec, optionsOf(settings, settings.seed, cpu));
      printf("%s, %s: %s\n%s\n", path.c_str(), cpu.c_str(),
             nameOf(report.verdict), report.details.c_str());
      fflush(stdout);
      failures += report.verdict != Verdict::Agrees;
      onDevice += report.onDevice;
    }
  }
  if (settings.cuda)
    printf("%u calls on the GPU\n", onDevice);
  return failures != 0;
}

int usage() {
  fprintf(
      stderr,
      "usage: route-fuzz [--kind token|layer|cores|policy|nested] [--seed N] "
      "[--cases N] [--seconds N] [--cpu LEVEL] [--folder DIR] "
      "[--print] [--keep-going] [--check] [--plant] [--cuda] "
      "[--disable-pass NAME]\n"
      "       route-fuzz --spec FILE... [--whole] [--terms N] [--most ITEMS] "
      "[--cpu LEVEL] [--cuda] [--disable-pass NAME] [--gate-precision P]\n");
  return 2;
}

} // namespace

int main(int argc, char **argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--print") {
      settings.print = true;
      continue;
    }
    if (flag == "--keep-going") {
      settings.keepGoing = true;
      continue;
    }
    if (flag == "--whole") {
      settings.whole = true;
      continue;
    }
    if (flag == "--cuda") {
      settings.cuda = true;
      continue;
    }
    if (flag == "--check") {
      settings.check = true;
      continue;
    }
    if (flag == "--plant") {
      settings.plant = true;
      continue;
    }
    if (i + 1 >= argc)
      return usage();
    std::string value = argv[++i];
    if (flag == "--kind")
      settings.kind = value;
    else if (flag == "--spec")
      for (--i; i + 1 < argc && argv[i + 1][0] != '-'; ++i)
        settings.specs.push_back(argv[i + 1]);
    else if (flag == "--seed")
      settings.seed = strtoull(value.c_str(), nullptr, 10);
    else if (flag == "--cases")
      settings.cases = strtoull(value.c_str(), nullptr, 10);
    else if (flag == "--seconds")
      settings.seconds = static_cast<unsigned>(atoi(value.c_str()));
    else if (flag == "--most")
      settings.most = strtoll(value.c_str(), nullptr, 10);
    else if (flag == "--terms")
      settings.terms = strtoll(value.c_str(), nullptr, 10);
    else if (flag == "--cpu")
      settings.cpu = value;
    else if (flag == "--disable-pass")
      settings.disabled = value;
    else if (flag == "--gate-precision")
      settings.precision = value;
    else if (flag == "--folder")
      settings.folder = value;
    else
      return usage();
  }
  if (system(("mkdir -p '" + settings.folder + "'").c_str()) != 0)
    return 2;
  if (!settings.specs.empty()) {
    int code = runGiven(settings);
    return system(("rm -rf '" + settings.folder + "'").c_str()) ? 2 : code;
  }
  auto start = std::chrono::steady_clock::now();
  auto timeIsUp = [&] {
    return settings.seconds && std::chrono::steady_clock::now() - start >=
                                   std::chrono::seconds(settings.seconds);
  };
  std::vector<std::string> cpus = levels(settings.cpu);
  std::map<std::string, unsigned> verdicts, refusals;
  unsigned defects = 0, onDevice = 0;
  uint64_t done = 0;
  for (; done < settings.cases && !timeIsUp(); ++done) {
    uint64_t seed = settings.seed + done;
    Choices choices(seed);
    Spec spec = makeSpec(settings.kind, choices);
    CaseOptions options = optionsOf(settings, seed, cpus[seed % cpus.size()]);
    if (settings.print)
      printf("--- seed %llu\n%s", static_cast<unsigned long long>(seed),
             spec.text.c_str());
    Report report = runCase(spec, options);
    ++verdicts[nameOf(report.verdict)];
    onDevice += report.onDevice;
    if (report.verdict == Verdict::Refused)
      ++refusals[headline(report.details)];
    if (!isDefect(report.verdict))
      continue;
    ++defects;
    Verdict kind = report.verdict;
    printf("seed %llu: %s, %s\n", static_cast<unsigned long long>(seed),
           nameOf(kind), headline(report.details).c_str());
    fflush(stdout);
    Recording small = shrink(
        choices.recording(),
        [&](const Recording &recording) {
          if (timeIsUp())
            return false;
          Choices again(recording);
          return runCase(makeSpec(settings.kind, again), options).verdict ==
                 kind;
        },
        settings.keepGoing ? 40 : 150);
    Choices again(small);
    Spec least = makeSpec(settings.kind, again);
    report = runCase(least, options);
    printf("*** seed %llu, --cpu %s: %s\n%s\n%s\n",
           static_cast<unsigned long long>(seed), options.cpu.c_str(),
           nameOf(report.verdict), report.details.c_str(), least.text.c_str());
    fflush(stdout);
    if (!settings.keepGoing)
      break;
  }
  if (settings.cuda)
    printf("%u calls on the GPU\n", onDevice);
  for (auto &[name, count] : verdicts)
    printf("%u %s\n", count, name.c_str());
  for (auto &[message, count] : refusals)
    printf("  %u refused: %s\n", count, message.c_str());
  if (settings.folder.rfind("/tmp/route-fuzz.", 0) == 0 &&
      system(("rm -rf '" + settings.folder + "'").c_str()) != 0)
    return 2;
  return defects != 0;
}
