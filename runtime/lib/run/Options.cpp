// route-run's command line.
// A value follows as the next argument, after '=', or right behind a short
// name.
#include "Options.h"
#include "route/io/Spelling.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>

using namespace route;

const char route::runUsage[] =
    R"(usage: route-run LIBRARY --describe [--json]
       route-run LIBRARY ENTRY [options]
       route-run LIBRARY --replay TRACE [--params FILE]
       route-run LIBRARY ENTRY --tune -o FILE [--tokens N,...] [--params FILE]
       route-run SPEC.route ENTRY --interpret [options]

Runs a compiled .route library on files, or a .route file without compiling it.

  --describe             print what the library holds; --json for tools
  --inputs FILE          items as lines of JSON (.jsonl) or tensors by name
                         (.safetensors); repeat to combine the two
  --params [LABEL=]FILE  bind parameters from a safetensors file; repeat for
                         shards, or for the files the source names by LABEL
  --outputs FILE         write .jsonl or .safetensors; - or nothing: lines to
                         standard output
  --emit EVENT[=FILE]    after the entry, emit an event; its inputs come from
                         FILE, else from the entry's outputs by name; repeat
  --state-in FILE        start from state cells saved by --state-out
  --state-out FILE       save every state cell at the end
  --trace FILE           record the call; --replay runs it again and compares
  --bench                time the call: ns an item, items a second; outputs
                         are written only with --outputs
  --tune                 on a GPU, measure all forms of the products of a library
                         made with 'routec --tunable', for 'routec --tuning';
                         without --params, parameters are random numbers
  --tokens N,...         with --tune: the numbers of items to measure, ascending
                         (1 to 16384)
  -o FILE                the same as --outputs
  --threads N            share loops among N threads (1)
  --seed N               what random draws are keyed by (0)
  --id N                 the id of the first item, for the trace (0)
  --now NS               the time the call sees, in ns since 1970 (0)
  --allow-extra          skip columns and tensors that nothing reads
  --interpret            run a .route file by its definition, without compiling
  -D AXIS=N              with --interpret: give an axis or a pool a size
  -I FOLDER              with --interpret: look for imported modules here
  --host FILE            with --interpret: what the host answers to the calls of
                         a route, a JSON object a line; the log is the output,
                         and --replay LOG takes its events again
  --gap-ms N             with --host: start a run for each item N ms after the
                         one before, not after its end
  --help, --version

Exit codes: 0, 1 for an error in a file or a call, 2 for a wrong command line.
)";

template <typename T> static bool readNumber(std::string_view text, T &value) {
  const char *end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

static RunOptions::Named splitNamed(const std::string &text) {
  size_t equals = text.find('=');
  if (equals == text.npos)
    return {text, ""};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

namespace {
/// An option: a flag, or a function that takes its value.
struct Option {
  const char *name;
  bool *flag = nullptr;
  /// False with what is wrong in `problem`.
  std::function<bool(const std::string &value, std::string &problem)> take = {};
};
} // namespace

/// The options and where each goes.
static std::vector<Option> optionsOf(RunOptions &options) {
  auto text = [](std::string &target) {
    return [&target](const std::string &value, std::string &) {
      target = value;
      return true;
    };
  };
  auto number = [](const char *name, auto &target) {
    return [name, &target](const std::string &value, std::string &problem) {
      if (readNumber(value, target))
        return true;
      problem = std::string("'") + name + "' needs a whole number, found '" +
                value + "'";
      return false;
    };
  };
  auto list = [](std::vector<std::string> &target) {
    return [&target](const std::string &value, std::string &) {
      target.push_back(value);
      return true;
    };
  };
  auto param = [&options](const std::string &value, std::string &) {
    RunOptions::Named named = splitNamed(value);
    if (named.file.empty())
      std::swap(named.name, named.file);
    options.params.push_back(named);
    return true;
  };
  auto emit = [&options](const std::string &value, std::string &) {
    options.emits.push_back(splitNamed(value));
    return true;
  };
  auto size = [&options](const std::string &value, std::string &problem) {
    RunOptions::Named named = splitNamed(value);
    int64_t count = 0;
    if (!named.name.empty() && readNumber(named.file, count) && count > 0) {
      options.sizes.push_back({named.name, count});
      return true;
    }
    problem = "expected AXIS=N with N from 1 after '-D', found '" + value + "'";
    return false;
  };
  auto tokens = [&options](const std::string &value, std::string &problem) {
    for (size_t begin = 0; begin <= value.size();) {
      size_t end = std::min(value.find(',', begin), value.size());
      int64_t number = 0;
      if (!readNumber(std::string_view(value).substr(begin, end - begin),
                      number) ||
          number < 1 || number > 1'000'000 ||
          (!options.tokens.empty() && number <= options.tokens.back())) {
        problem = "'--tokens' needs ascending whole numbers from 1 to 1000000, "
                  "found '" +
                  value + "'";
        return false;
      }
      options.tokens.push_back(number);
      begin = end + 1;
    }
    return true;
  };
  return {{"--describe", &options.describe},
          {"--tune", &options.tune},
          {"--tokens", nullptr, tokens},
          {"-o", nullptr, text(options.outputs)},
          {"--json", &options.json},
          {"--bench", &options.bench},
          {"--allow-extra", &options.allowExtra},
          {"--interpret", &options.interpret},
          {"--help", &options.help},
          {"--version", &options.version},
          {"--inputs", nullptr, list(options.inputs)},
          {"--params", nullptr, param},
          {"--emit", nullptr, emit},
          {"--outputs", nullptr, text(options.outputs)},
          {"--trace", nullptr, text(options.trace)},
          {"--replay", nullptr, text(options.replay)},
          {"--state-in", nullptr, text(options.stateIn)},
          {"--state-out", nullptr, text(options.stateOut)},
          {"--threads", nullptr, number("--threads", options.threads)},
          {"--seed", nullptr, number("--seed", options.seed)},
          {"--id", nullptr, number("--id", options.id)},
          {"--host", nullptr, text(options.host)},
          {"--gap-ms", nullptr, number("--gap-ms", options.gapMs)},
          {"--now", nullptr, number("--now", options.now)},
          {"-D", nullptr, size},
          {"-I", nullptr, list(options.folders)}};
}

/// What is wrong with options that are each right.
static std::string checkTogether(const RunOptions &options) {
  bool asks = options.describe || !options.entry.empty() ||
              !options.replay.empty() || !options.emits.empty();
  if (options.library.empty())
    return "no library given";
  size_t dot = options.library.rfind('.');
  if (!options.interpret && dot != std::string::npos &&
      options.library.substr(dot) == ".route")
    return "'" + options.library + "' is a spec: compile it, 'routec " +
           options.library +
           " -o LIB.so', or run it as it is with '--interpret'";
  if (!asks)
    return "name an entry to run, or ask for --describe or --replay";
  if (options.json && !options.describe)
    return "'--json' belongs with '--describe'";
  if (options.bench && options.entry.empty())
    return "'--bench' needs an entry";
  if (options.tune && (options.entry.empty() || options.outputs.empty()))
    return "'--tune' needs an entry, and a file for what it finds after '-o'";
  if (options.tune && options.interpret)
    return "'--tune' measures a library, not an interpreter";
  if (!options.tokens.empty() && !options.tune)
    return "'--tokens' needs '--tune'";
  if (!options.trace.empty() && options.entry.empty())
    return "'--trace' needs an entry";
  if (options.threads < 1 || options.threads > 1024)
    return "'--threads' is " + std::to_string(options.threads) +
           ", expected 1 to 1024";
  if (!options.interpret && !options.sizes.empty())
    return "'-D' needs '--interpret': a library's sizes are fixed";
  if (!options.interpret && !options.folders.empty())
    return "'-I' needs '--interpret': a library imports nothing";
  if (!options.interpret && (!options.host.empty() || options.gapMs >= 0))
    return "'--host' and '--gap-ms' need '--interpret': a library does not "
           "call "
           "the host";
  return "";
}

bool RunOptions::parse(int argc, const char *const *argv,
                       std::string &problem) {
  std::vector<Option> known = optionsOf(*this);
  std::vector<std::string> positional;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.size() < 2 || argument[0] != '-') {
      positional.push_back(argument);
      continue;
    }
    // --name=value, -Nvalue, or the value as the next argument.
    bool isShort = argument[1] != '-';
    size_t end = isShort ? 2 : std::min(argument.find('='), argument.size());
    std::string name = argument.substr(0, end);
    bool attached = end < argument.size();
    auto option = std::find_if(known.begin(), known.end(),
                               [&](const Option &o) { return o.name == name; });
    if (option == known.end()) {
      std::vector<const char *> names;
      for (const Option &each : known)
        names.push_back(each.name);
      problem = "unknown option '" + name + "'" + didYouMean(name, names);
      return false;
    }
    if (option->flag) {
      *option->flag = true;
      if (attached)
        problem = "'" + name + "' takes no value";
    } else if (attached) {
      option->take(argument.substr(isShort ? end : end + 1), problem);
    } else if (i + 1 < argc) {
      option->take(argv[++i], problem);
    } else {
      problem = "'" + name + "' needs a value";
    }
    if (!problem.empty())
      return false;
  }
  if (help || version)
    return true;
  if (positional.size() > 2) {
    problem = "unexpected argument '" + positional[2] + "'";
    return false;
  }
  if (!positional.empty())
    library = positional[0];
  if (positional.size() == 2)
    entry = positional[1];
  problem = checkTogether(*this);
  if (tune && tokens.empty())
    tokens = {1,   2,   4,    8,    16,   32,   64,   128,
              256, 512, 1024, 2048, 4096, 8192, 16384};
  return problem.empty();
}
