// Text functions by name.
// Reads the attributes of a text function call, checks them, and calls its
// meaning: the interpreter's door to this library.
#include "route/Text/Functions.h"

#include <algorithm>

namespace route::text {

namespace {
/// The attributes of one call. Each get() marks its attribute as known; done()
/// reports the others.
class Reader {
public:
  Reader(std::string_view name, const TextAttrs &attrs, std::string &error)
      : name(name), attrs(attrs), error(error) {
    error.clear();
  }

  template <typename T>
  std::optional<T> get(const std::string &key, const char *kind) {
    known.push_back(key);
    auto found = attrs.find(key);
    if (found == attrs.end())
      return std::nullopt;
    if (const T *value = std::get_if<T>(&found->second))
      return *value;
    fail("'" + key + "' of '" + std::string(name) + "' is no " + kind);
    return std::nullopt;
  }

  template <typename T> T required(const std::string &key, const char *kind) {
    std::optional<T> value = get<T>(key, kind);
    if (!value && error.empty())
      fail("'" + std::string(name) + "' needs '" + key + "'");
    return value.value_or(T());
  }

  /// One of several words; the first is the default.
  template <typename T>
  T choice(const std::string &key,
           std::initializer_list<std::pair<const char *, T>> words) {
    std::optional<std::string> value = get<std::string>(key, "word");
    if (!value)
      return words.begin()->second;
    std::string expected;
    for (auto &[word, result] : words) {
      if (*value == word)
        return result;
      expected += (expected.empty() ? "'" : ", '") + std::string(word) + "'";
    }
    fail("'" + key + "' of '" + std::string(name) + "' is '" + *value +
         "'; expected one of " + expected);
    return words.begin()->second;
  }

  void fail(const std::string &message) {
    if (error.empty())
      error = message;
  }

  bool done() {
    for (auto &[key, value] : attrs)
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail("'" + std::string(name) + "' has no option '" + key + "'");
    return error.empty();
  }

private:
  std::string_view name;
  const TextAttrs &attrs;
  std::string &error;
  std::vector<std::string> known;
};

Fold readFold(Reader &reader, bool foldByDefault) {
  if (foldByDefault)
    return reader.choice<Fold>("case", {{"fold", Fold::Simple},
                                        {"exact", Fold::Exact},
                                        {"full", Fold::Full},
                                        {"nfkc", Fold::Nfkc}});
  return reader.choice<Fold>("case", {{"exact", Fold::Exact},
                                      {"fold", Fold::Simple},
                                      {"full", Fold::Full},
                                      {"nfkc", Fold::Nfkc}});
}

Boundary readBoundary(Reader &reader, bool wordByDefault) {
  if (wordByDefault)
    return reader.choice<Boundary>("boundary", {{"word", Boundary::Word},
                                                {"ascii", Boundary::Ascii},
                                                {"none", Boundary::None}});
  return reader.choice<Boundary>("boundary", {{"none", Boundary::None},
                                              {"word", Boundary::Word},
                                              {"ascii", Boundary::Ascii}});
}

std::vector<Pattern> readKeywords(Reader &reader) {
  auto texts =
      reader.required<std::vector<std::string>>("patterns", "list of texts");
  Fold fold = readFold(reader, true);
  Boundary boundary = readBoundary(reader, true);
  std::vector<Pattern> patterns;
  for (std::string &text : texts)
    patterns.push_back(
        {Pattern::Keyword, std::move(text), fold, boundary, Anchor::None});
  return patterns;
}

Pattern readExpression(Reader &reader) {
  Pattern pattern;
  pattern.kind = Pattern::Expression;
  pattern.text = reader.required<std::string>("pattern", "text");
  pattern.fold = reader.choice<Fold>(
      "case", {{"exact", Fold::Exact}, {"fold", Fold::Simple}});
  return pattern;
}

Pattern readLiteral(Reader &reader, Anchor anchor) {
  Pattern pattern;
  pattern.text = reader.required<std::string>("pattern", "text");
  pattern.fold = readFold(reader, false);
  pattern.boundary = readBoundary(reader, false);
  pattern.anchor = anchor;
  return pattern;
}

bool checkPatterns(Reader &reader, std::span<const Pattern> patterns) {
  for (const Pattern &pattern : patterns) {
    std::string problem = checkPattern(pattern);
    if (!problem.empty())
      reader.fail("pattern '" + pattern.text + "': " + problem);
  }
  return reader.done();
}

std::optional<NgramOptions> readNgrams(Reader &reader) {
  NgramOptions options;
  if (auto n = reader.get<int64_t>("n", "number"))
    options.lo = options.hi = *n;
  options.lo = reader.get<int64_t>("lo", "number").value_or(options.lo);
  options.hi = reader.get<int64_t>("hi", "number")
                   .value_or(std::max(options.lo, options.hi));
  options.dim = reader.required<int64_t>("dim", "number");
  options.seed =
      static_cast<uint64_t>(reader.get<int64_t>("seed", "number").value_or(0));
  options.unit = reader.choice<Unit>(
      "unit", {{"bytes", Unit::Bytes}, {"words", Unit::Words}});
  options.hash = reader.choice<Hash>(
      "hash", {{"xxh3", Hash::Xxh3}, {"fnv1a", Hash::Fnv1a}});
  options.weighting =
      reader.choice<Weighting>("weighting", {{"count", Weighting::Count},
                                             {"binary", Weighting::Binary},
                                             {"log", Weighting::Log}});
  options.norm =
      reader.choice<Norm>("norm", {{"none", Norm::None}, {"l2", Norm::L2}});
  std::string problem = checkNgrams(options);
  if (!problem.empty())
    reader.fail(problem);
  if (!reader.done())
    return std::nullopt;
  return options;
}

constexpr std::pair<const char *, Measure> measureNames[] = {
    {"bytes", Measure::Bytes},   {"chars", Measure::Chars},
    {"words", Measure::Words},   {"lines", Measure::Lines},
    {"digits", Measure::Digits}, {"uppers", Measure::Uppers},
    {"puncts", Measure::Puncts}, {"spaces", Measure::Spaces},
    {"wide", Measure::Wide},     {"fences", Measure::Fences},
    {"fenced", Measure::Fenced}};
} // namespace

std::optional<Predicate> textPredicate(std::string_view name,
                                       const TextAttrs &attrs,
                                       std::string &error) {
  Reader reader(name, attrs, error);
  Predicate result;
  if (name == "keywords") {
    result.patterns = readKeywords(reader);
    result.mode = reader.choice<Mode>(
        "mode",
        {{"any", Mode::Any}, {"all", Mode::All}, {"count", Mode::Count}});
  } else if (name == "regex") {
    result.patterns.push_back(readExpression(reader));
  } else if (name == "contains") {
    result.patterns.push_back(readLiteral(reader, Anchor::None));
  } else if (name == "starts") {
    result.patterns.push_back(readLiteral(reader, Anchor::Start));
  } else if (name == "ends") {
    result.patterns.push_back(readLiteral(reader, Anchor::End));
  } else {
    error = "'" + std::string(name) + "' is no text predicate";
    return std::nullopt;
  }
  if (!checkPatterns(reader, result.patterns))
    return std::nullopt;
  return result;
}

std::optional<TextValue>
evaluateTextFunction(std::string_view name, const TextAttrs &attrs,
                     std::span<const std::string_view> args,
                     std::string &error) {
  size_t wanted = name == "equal" ? 2 : 1;
  if (args.size() != wanted) {
    error = "'" + std::string(name) + "' takes " + std::to_string(wanted) +
            (wanted == 1 ? " text" : " texts") + ", found " +
            std::to_string(args.size());
    return std::nullopt;
  }
  std::string_view text = args[0];
  Reader reader(name, attrs, error);
  for (auto [measureName, what] : measureNames)
    if (name == measureName)
      return reader.done() ? std::optional<TextValue>(measure(what, text))
                           : std::nullopt;
  if (name == "equal")
    return reader.done() ? std::optional<TextValue>(args[0] == args[1])
                         : std::nullopt;
  if (name == "structure")
    return reader.done() ? std::optional<TextValue>(structure(text))
                         : std::nullopt;
  if (name == "estimate") {
    double ratio = 4.0;
    auto given = attrs.find("bytes_per_token");
    if (given != attrs.end() && std::holds_alternative<int64_t>(given->second))
      ratio = static_cast<double>(
          reader.required<int64_t>("bytes_per_token", "number"));
    else if (given != attrs.end())
      ratio = reader.required<double>("bytes_per_token", "number");
    if (error.empty() && !(ratio >= 1.0 / 1024 && ratio <= 1e6))
      reader.fail("'bytes_per_token' of 'estimate' is out of range");
    return reader.done() ? std::optional<TextValue>(estimate(text, ratio))
                         : std::nullopt;
  }
  if (name == "count_of") {
    Pattern pattern = readExpression(reader);
    std::string problem;
    if (RegexPtr tree = parseRegex(pattern.text, false, problem);
        tree && shortestMatch(*tree) == 0)
      reader.fail("regular expression '" + pattern.text +
                  "' may match the empty text");
    if (!checkPatterns(reader, {&pattern, 1}))
      return std::nullopt;
    return TextValue(countOf(pattern, text));
  }
  if (name == "density") {
    std::vector<Pattern> keywords = readKeywords(reader);
    for (const Pattern &keyword : keywords)
      if (keyword.fold == Fold::Full || keyword.fold == Fold::Nfkc)
        reader.fail("'case' of 'density' is 'fold' or 'exact'");
    if (!checkPatterns(reader, keywords))
      return std::nullopt;
    return TextValue(density(keywords, text));
  }
  if (name == "ngrams") {
    std::optional<NgramOptions> options = readNgrams(reader);
    return options ? std::optional<TextValue>(ngrams(text, *options))
                   : std::nullopt;
  }
  std::optional<Predicate> predicate = textPredicate(name, attrs, error);
  if (!predicate) {
    if (error == "'" + std::string(name) + "' is no text predicate")
      error = "'" + std::string(name) + "' is no text function";
    return std::nullopt;
  }
  int64_t result = answer(*predicate, text);
  return predicate->mode == Mode::Count ? TextValue(result)
                                        : TextValue(result != 0);
}

} // namespace route::text
