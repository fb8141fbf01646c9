//===- Options.cpp - route-run's command line
//------------------------------===//
//
// Long options only; a value follows as the next argument or after '='.
//
//===----------------------------------------------------------------------===//
#include "Options.h"

#include <charconv>
#include <string_view>

using namespace route;

const char route::runUsage[] =
    "usage: route-run LIBRARY --describe [--json]\n"
    "       route-run LIBRARY ENTRY [options]\n"
    "       route-run LIBRARY --replay TRACE [--params FILE]\n"
    "\n"
    "Runs a compiled .route library on files.\n"
    "\n"
    "  --describe             print what the library holds; --json for tools\n"
    "  --inputs FILE          items as lines of JSON (.jsonl) or tensors by "
    "name\n"
    "                         (.safetensors); repeat to combine the two\n"
    "  --params [LABEL=]FILE  bind parameters from a safetensors file; repeat "
    "for\n"
    "                         shards, or for the files the source names by "
    "LABEL\n"
    "  --outputs FILE         write .jsonl or .safetensors; - or nothing: "
    "lines to\n"
    "                         standard output\n"
    "  --emit EVENT[=FILE]    after the entry, emit an event; its inputs come "
    "from\n"
    "                         FILE, else from the entry's outputs by name; "
    "repeat\n"
    "  --state-in FILE        start from state cells saved by --state-out\n"
    "  --state-out FILE       save every state cell at the end\n"
    "  --trace FILE           record the call; --replay runs it again and "
    "compares\n"
    "  --bench                time the call: ns an item, items a second\n"
    "  --threads N            share loops among N threads (1)\n"
    "  --seed N, --id N       what random draws are keyed by (0, 0)\n"
    "  --now NS               the time the call sees, in ns since 1970 (0)\n"
    "  --allow-extra          skip columns and tensors that nothing reads\n"
    "  --interpret            LIBRARY is a source file; needs a compiler "
    "build\n"
    "  --help, --version\n"
    "\n"
    "Exit codes: 0, 1 for an error in a file or a call, 2 for a wrong command "
    "line.\n";

template <typename T>
static bool readNumber(const std::string &text, T &value) {
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

bool RunOptions::parse(int argc, const char *const *argv,
                       std::string &problem) {
  std::vector<std::string> positional;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.size() < 2 || argument[0] != '-') {
      positional.push_back(argument);
      continue;
    }
    size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    bool attached = equals != argument.npos, missing = false;
    auto value = [&]() -> std::string {
      if (attached)
        return argument.substr(equals + 1);
      if (i + 1 < argc)
        return argv[++i];
      missing = true;
      return "";
    };
    auto number = [&](auto &target) {
      std::string text = value();
      if (missing || readNumber(text, target))
        return true;
      problem = "'" + name + "' needs a whole number, found '" + text + "'";
      return false;
    };
    struct Flag {
      const char *name;
      bool *target;
    };
    const Flag flags[] = {
        {"--describe", &describe},   {"--json", &json},
        {"--bench", &bench},         {"--allow-extra", &allowExtra},
        {"--interpret", &interpret}, {"--help", &help},
        {"--version", &version}};
    bool isFlag = false;
    for (const Flag &flag : flags)
      if (name == flag.name) {
        if (attached) {
          problem = "'" + name + "' takes no value";
          return false;
        }
        *flag.target = isFlag = true;
      }
    if (isFlag)
      continue;
    if (name == "--inputs") {
      inputs.push_back(value());
    } else if (name == "--params") {
      Named named = splitNamed(value());
      if (named.file.empty())
        std::swap(named.name, named.file);
      params.push_back(named);
    } else if (name == "--emit") {
      emits.push_back(splitNamed(value()));
    } else if (name == "--outputs") {
      outputs = value();
    } else if (name == "--trace") {
      trace = value();
    } else if (name == "--replay") {
      replay = value();
    } else if (name == "--state-in") {
      stateIn = value();
    } else if (name == "--state-out") {
      stateOut = value();
    } else if (name == "--threads") {
      if (!number(threads))
        return false;
      if (threads < 1 || threads > 1024) {
        problem = "'--threads' is " + std::to_string(threads) +
                  ", expected 1 to 1024";
        return false;
      }
    } else if (name == "--seed") {
      if (!number(seed))
        return false;
    } else if (name == "--id") {
      if (!number(id))
        return false;
    } else if (name == "--now") {
      if (!number(now))
        return false;
    } else {
      problem = "unknown option '" + name + "'";
      return false;
    }
    if (missing) {
      problem = "'" + name + "' needs a value";
      return false;
    }
  }
  if (help || version)
    return true;
  if (positional.size() > 2) {
    problem = "unexpected argument '" + positional[2] + "'";
    return false;
  }
  if (positional.empty()) {
    problem = "no library given";
    return false;
  }
  library = positional[0];
  if (positional.size() == 2)
    entry = positional[1];
  bool asks = describe || !entry.empty() || !replay.empty() || !emits.empty();
  if (!asks)
    problem = "name an entry to run, or ask for --describe or --replay";
  else if (json && !describe)
    problem = "'--json' belongs with '--describe'";
  else if (bench && entry.empty())
    problem = "'--bench' needs an entry";
  else if (!trace.empty() && entry.empty())
    problem = "'--trace' needs an entry";
  return problem.empty();
}
