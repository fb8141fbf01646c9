// Runs the examples of docs/text.md.
// A line `call = result` in a block fenced with ```text-example is a test: the
// call is evaluated by name, as the interpreter does.
//
// text-documentation-test FILE
#include "route/Text/Functions.h"
#include "route/Text/Scanner.h"

#include <cmath>
#include <cstdio>
#include <fstream>

using namespace route::text;

namespace {
/// A reader of one example: name("text", ..., key: value, ...) = result.
class Example {
public:
  explicit Example(const std::string &line) : rest(line) {}

  bool parse() {
    while (!rest.empty() && (std::isalnum(rest[0]) || rest[0] == '_'))
      name += take();
    if (!accept("("))
      return false;
    while (!accept(")")) {
      accept(",");
      skip();
      if (rest.empty())
        return false;
      if (rest[0] == '"') {
        texts.push_back(string());
        continue;
      }
      std::string key;
      while (!rest.empty() && (std::isalnum(rest[0]) || rest[0] == '_'))
        key += take();
      if (key.empty() || !accept(":"))
        return false;
      attrs[key] = value();
    }
    return accept("=") && (skip(), !rest.empty());
  }

  /// The text behind '='.
  std::string expected() const { return rest; }

  std::string name;
  std::vector<std::string> texts;
  TextAttrs attrs;

private:
  char take() {
    char c = rest[0];
    rest.erase(0, 1);
    return c;
  }
  void skip() {
    while (!rest.empty() && rest[0] == ' ')
      take();
  }
  bool accept(const std::string &what) {
    skip();
    if (rest.compare(0, what.size(), what) != 0)
      return false;
    rest.erase(0, what.size());
    return true;
  }
  /// "..." with \n, \t, \", \\ and \xNN; r"..." as it stands.
  std::string string() {
    bool raw = rest[0] == 'r';
    if (raw)
      take();
    take();
    std::string result;
    while (!rest.empty() && rest[0] != '"') {
      char c = take();
      if (c == '\\' && !raw) {
        c = take();
        if (c == 'n')
          c = '\n';
        if (c == 't')
          c = '\t';
        if (c == 'x') {
          c = static_cast<char>(std::stoi(rest.substr(0, 2), nullptr, 16));
          rest.erase(0, 2);
        }
      }
      result += c;
    }
    take();
    return result;
  }
  TextAttr value() {
    skip();
    if (rest[0] == '"' || rest.compare(0, 2, "r\"") == 0)
      return string();
    if (accept("[")) {
      std::vector<std::string> list;
      while (!accept("]")) {
        accept(",");
        skip();
        list.push_back(string());
      }
      return list;
    }
    std::string word;
    while (!rest.empty() && rest[0] != ',' && rest[0] != ')')
      word += take();
    if (word == "true" || word == "false")
      return word == "true";
    char *end = nullptr;
    double number = std::strtod(word.c_str(), &end);
    if (*end != '\0')
      return word;
    if (word.find('.') == std::string::npos)
      return static_cast<int64_t>(number);
    return number;
  }

  std::string rest;
};

std::string show(const TextValue &value) {
  if (auto *truth = std::get_if<bool>(&value))
    return *truth ? "true" : "false";
  if (auto *count = std::get_if<int64_t>(&value))
    return std::to_string(*count);
  auto number = [](float x) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.6g", x);
    return std::string(buffer);
  };
  if (auto *ratio = std::get_if<float>(&value))
    return number(*ratio);
  std::string result = "[";
  for (float x : std::get<std::vector<float>>(value))
    result += (result.size() > 1 ? ", " : "") + number(x);
  return result + "]";
}
} // namespace

int main(int argc, char **argv) {
  std::ifstream file(argc > 1 ? argv[1] : "");
  std::string line;
  bool inside = false;
  int examples = 0, failures = 0;
  while (std::getline(file, line)) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```text-example";
      continue;
    }
    if (!inside || line.empty())
      continue;
    ++examples;
    Example example(line);
    std::string found;
    if (!example.parse()) {
      found = "an example that does not parse";
    } else {
      std::vector<std::string_view> texts(example.texts.begin(),
                                          example.texts.end());
      std::string error;
      auto value =
          evaluateTextFunction(example.name, example.attrs, texts, error);
      found = value ? show(*value) : "error: " + error;
      // The automata must say the same.
      std::string ignored;
      if (auto predicate = textPredicate(example.name, example.attrs, ignored);
          predicate && value) {
        auto scanner = buildScanner({*predicate}, AutomatonLimits(), ignored);
        int64_t fast = scanner ? scanner->scan(texts[0])[0] : -1;
        int64_t slow = std::holds_alternative<bool>(*value)
                           ? std::get<bool>(*value)
                           : std::get<int64_t>(*value);
        if (fast != slow)
          found += " but the scan says " + std::to_string(fast);
      }
    }
    if (found == example.expected())
      continue;
    ++failures;
    std::printf("%s\n  found %s\n", line.c_str(), found.c_str());
  }
  std::printf("%d examples, %d failures\n", examples, failures);
  return examples == 0 || failures != 0;
}
