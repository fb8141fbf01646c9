// RE2 syntax to a tree.
// A recursive-descent parser of RE2's syntax. RE2's own parser is not part of
// its installed headers, and only its tree would serve an automaton that also
// holds keywords.
#include "route/Text/Regex.h"

namespace route::text {

RegexPtr makeSet(CodepointSet set) {
  auto node = std::make_unique<Regex>(Regex::Set);
  node->set = std::move(set);
  return node;
}

RegexPtr makeAssert(Assertion assertion) {
  auto node = std::make_unique<Regex>(Regex::Assert);
  node->assertion = assertion;
  return node;
}

uint64_t shortestMatch(const Regex &regex) {
  uint64_t result = 0;
  switch (regex.kind) {
  case Regex::Empty:
  case Regex::Assert:
    return 0;
  case Regex::Set:
    return 1;
  case Regex::Concat:
    for (const RegexPtr &child : regex.children)
      result += shortestMatch(*child);
    return result;
  case Regex::Alternate:
    result = UINT64_MAX;
    for (const RegexPtr &child : regex.children)
      result = std::min(result, shortestMatch(*child));
    return result;
  case Regex::Repeat:
    return regex.min == 0 ? 0 : regex.min * shortestMatch(*regex.children[0]);
  }
  return 0;
}

namespace {
constexpr int maxRepeat = 1000;
constexpr int maxDepth = 200;

struct Flags {
  bool ignoreCase = false, multiLine = false, dotAll = false, swapGreed = false;
};

struct NamedSet {
  const char *name;
  CodepointSet set;
};

const std::vector<NamedSet> &posixClasses() {
  static const std::vector<NamedSet> classes = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 0x7F}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
  };
  return classes;
}

class Parser {
public:
  Parser(std::string_view text, bool ignoreCase, std::string &error)
      : input(text), error(error) {
    flags.ignoreCase = ignoreCase;
  }

  RegexPtr run() {
    for (size_t at = 0; at < input.size();) {
      Decoded next = decode(input, at);
      if (!next.valid)
        return fail("the pattern is not valid UTF-8");
      at += next.size;
    }
    RegexPtr tree = alternation(0);
    if (tree && pos < input.size())
      return fail("unexpected ')'");
    return tree;
  }

private:
  RegexPtr fail(const std::string &message) {
    if (error.empty())
      error = message;
    return nullptr;
  }
  std::string quote(size_t from) const {
    return "'" + std::string(input.substr(from, pos - from)) + "'";
  }
  bool atEnd() const { return pos >= input.size(); }
  bool looking(std::string_view what) const {
    return input.substr(pos, what.size()) == what;
  }
  bool accept(std::string_view what) {
    if (!looking(what))
      return false;
    pos += what.size();
    return true;
  }
  char32_t take() {
    Decoded next = decode(input, pos);
    pos += next.size;
    return next.codepoint;
  }

  RegexPtr literal(char32_t c) const {
    CodepointSet set{{c, c}};
    return makeSet(flags.ignoreCase ? closeOverCase(set) : set);
  }

  RegexPtr alternation(int depth) {
    if (depth > maxDepth)
      return fail("groups nest deeper than 200");
    auto result = std::make_unique<Regex>(Regex::Alternate);
    do {
      RegexPtr branch = concatenation(depth);
      if (!branch)
        return nullptr;
      result->children.push_back(std::move(branch));
    } while (accept("|"));
    return result->children.size() == 1 ? std::move(result->children[0])
                                        : std::move(result);
  }

  RegexPtr concatenation(int depth) {
    auto result = std::make_unique<Regex>(Regex::Concat);
    while (!atEnd() && !looking("|") && !looking(")")) {
      if (accept("\\Q")) {
        while (!atEnd() && !accept("\\E"))
          result->children.push_back(literal(take()));
        // A repetition after \E applies to the last quoted character.
        if (!result->children.empty() && !repetition(result->children.back()))
          return nullptr;
        continue;
      }
      RegexPtr item = atom(depth);
      if (!item || !repetition(item))
        return nullptr;
      result->children.push_back(std::move(item));
    }
    if (result->children.empty())
      return std::make_unique<Regex>(Regex::Empty);
    return result->children.size() == 1 ? std::move(result->children[0])
                                        : std::move(result);
  }

  /// Parses {n}, {n,} or {n,m}; anything else in braces is literal text.
  bool counted(int &min, int &max) {
    size_t start = pos;
    auto number = [&](int &value) {
      size_t from = pos;
      value = 0;
      while (!atEnd() && input[pos] >= '0' && input[pos] <= '9' &&
             pos - from < 8)
        value = value * 10 + (input[pos++] - '0');
      return pos > from;
    };
    bool ok = accept("{") && number(min);
    if (ok && accept(",")) {
      if (!number(max))
        max = Regex::unbounded;
    } else {
      max = min;
    }
    if (ok && accept("}"))
      return true;
    pos = start;
    return false;
  }

  /// Wraps `item` in the repetition that follows, if one does.
  bool repetition(RegexPtr &item) {
    bool repeated = false;
    size_t start = pos;
    while (true) {
      int min = 0, max = Regex::unbounded;
      if (accept("*")) {
      } else if (accept("+")) {
        min = 1;
      } else if (accept("?")) {
        max = 1;
      } else if (!counted(min, max)) {
        return true;
      }
      if (repeated)
        return fail("repetition " + quote(start) + " follows a repetition"),
               false;
      if (min > maxRepeat || max > maxRepeat ||
          (max != Regex::unbounded && min > max))
        return fail("repetition " + quote(start) +
                    " is out of range; at most 1000"),
               false;
      bool lazy = accept("?");
      repeated = true;
      auto node = std::make_unique<Regex>(Regex::Repeat);
      node->min = min;
      node->max = max;
      node->greedy = lazy == flags.swapGreed;
      node->children.push_back(std::move(item));
      item = std::move(node);
    }
  }

  RegexPtr atom(int depth) {
    size_t start = pos;
    char32_t c = take();
    switch (c) {
    case '(':
      return group(depth);
    case '[':
      return bracket(start);
    case '.':
      return makeSet(flags.dotAll ? CodepointSet::all()
                                  : CodepointSet{{'\n', '\n'}}.complement());
    case '^':
      return makeAssert(flags.multiLine ? Assertion::BeginLine
                                        : Assertion::BeginText);
    case '$':
      return makeAssert(flags.multiLine ? Assertion::EndLine
                                        : Assertion::EndText);
    case '*':
    case '+':
    case '?':
      return fail("repetition " + quote(start) + " has nothing to repeat");
    case '\\':
      return escape(start);
    case '{': {
      int min, max;
      pos = start;
      if (counted(min, max))
        return fail("repetition " + quote(start) + " has nothing to repeat");
      pos = start + 1;
      return literal(c);
    }
    default:
      return literal(c);
    }
  }

  RegexPtr group(int depth) {
    Flags saved = flags;
    if (accept("?")) {
      size_t start = pos - 2;
      if (accept("P<") ||
          (looking("<") && !looking("<=") && !looking("<!") && accept("<"))) {
        size_t name = pos;
        while (!atEnd() &&
               (std::isalnum(static_cast<unsigned char>(input[pos])) ||
                input[pos] == '_'))
          ++pos;
        if (pos == name || !accept(">"))
          return fail("a group name is letters, digits and '_' closed by '>'");
      } else if (!groupFlags(start)) {
        return nullptr;
      } else if (accept(")")) {
        return std::make_unique<Regex>(
            Regex::Empty); // flags hold to the end of the enclosing group
      } else if (!accept(":")) {
        return fail("unknown group " + quote(start));
      }
    }
    RegexPtr inner = alternation(depth + 1);
    if (!inner)
      return nullptr;
    if (!accept(")"))
      return fail("missing closing ')'");
    flags = saved;
    return inner;
  }

  /// The letters of (?i-s) and the like, up to ')' or ':'.
  bool groupFlags(size_t start) {
    bool value = true, any = false;
    while (!atEnd() && !looking(")") && !looking(":")) {
      char32_t c = take();
      if (c == '-' && value) {
        value = any = false;
        continue;
      }
      any = true;
      if (c == 'i')
        flags.ignoreCase = value;
      else if (c == 'm')
        flags.multiLine = value;
      else if (c == 's')
        flags.dotAll = value;
      else if (c == 'U')
        flags.swapGreed = value;
      else
        return fail("unknown group " + quote(start)), false;
    }
    if (!any && !value)
      return fail("unknown group " + quote(start)), false;
    return true;
  }

  /// \d, \pL and the like. Returns 1 when `set` is one, 0 when the escape is
  /// none, -1 after an error. `pos` is behind the backslash.
  int classEscape(CodepointSet &set) {
    size_t start = pos - 1;
    char c = atEnd() ? '\0' : input[pos];
    bool negate = c == 'D' || c == 'S' || c == 'W' || c == 'P';
    if (c == 'd' || c == 'D') {
      set = {{'0', '9'}};
    } else if (c == 's' || c == 'S') {
      set = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    } else if (c == 'w' || c == 'W') {
      set = posixClasses()[12].set;
    } else if (c == 'p' || c == 'P') {
      ++pos;
      std::string_view name = input.substr(pos, 1);
      if (accept("{")) {
        size_t close = input.find('}', pos);
        if (close == std::string_view::npos)
          return fail("missing closing '}' after " + quote(start)), -1;
        name = input.substr(pos, close - pos);
        pos = close + 1;
      } else if (!atEnd()) {
        ++pos;
      }
      if (!name.empty() && name[0] == '^') {
        name.remove_prefix(1);
        negate = !negate;
      }
      std::optional<CodepointSet> found = property(name);
      if (!found)
        return fail("unknown character property " + quote(start)), -1;
      set = flags.ignoreCase ? closeOverCase(*found) : *found;
      if (negate)
        set = set.complement();
      return 1;
    } else {
      return 0;
    }
    ++pos;
    if (flags.ignoreCase)
      set = closeOverCase(set);
    if (negate)
      set = set.complement();
    return 1;
  }

  static int hexDigit(char c) {
    if (c >= '0' && c <= '9')
      return c - '0';
    char low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
  }

  /// One escaped character; `pos` is behind the backslash at `start`.
  bool charEscape(size_t start, char32_t &c) {
    if (atEnd())
      return fail("trailing '\\'"), false;
    char32_t e = take();
    switch (e) {
    case 'a':
      c = 7;
      return true;
    case 'f':
      c = '\f';
      return true;
    case 'n':
      c = '\n';
      return true;
    case 'r':
      c = '\r';
      return true;
    case 't':
      c = '\t';
      return true;
    case 'v':
      c = '\v';
      return true;
    case 'x':
      return hexEscape(start, c);
    default:
      break;
    }
    if (e >= '0' && e <= '7') {
      // \1 to \7 alone would be a backreference; \0 and two digits are octal.
      bool octal =
          e == '0' || (!atEnd() && input[pos] >= '0' && input[pos] <= '7');
      if (!octal)
        return fail("unknown escape " + quote(start)), false;
      c = e - '0';
      for (int i = 0;
           i < 2 && !atEnd() && input[pos] >= '0' && input[pos] <= '7'; ++i)
        c = c * 8 + (input[pos++] - '0');
      return true;
    }
    if (e < 0x80 && !std::isalnum(static_cast<int>(e))) {
      c = e;
      return true;
    }
    return fail("unknown escape " + quote(start)), false;
  }

  bool hexEscape(size_t start, char32_t &c) {
    c = 0;
    int digits = 0;
    if (accept("{")) {
      for (; !atEnd() && hexDigit(input[pos]) >= 0 && c <= maxCodepoint;
           ++digits)
        c = c * 16 + hexDigit(input[pos++]);
      if (digits == 0 || c > maxCodepoint || !accept("}"))
        return fail("unknown escape " + quote(start)), false;
      return true;
    }
    for (; digits < 2 && !atEnd() && hexDigit(input[pos]) >= 0; ++digits)
      c = c * 16 + hexDigit(input[pos++]);
    return digits == 2 ? true : (fail("unknown escape " + quote(start)), false);
  }

  RegexPtr escape(size_t start) {
    CodepointSet set;
    int found = classEscape(set);
    if (found != 0)
      return found > 0 ? makeSet(std::move(set)) : nullptr;
    if (accept("b"))
      return makeAssert(Assertion::AsciiBoundary);
    if (accept("B"))
      return makeAssert(Assertion::NotAsciiBoundary);
    if (accept("A"))
      return makeAssert(Assertion::BeginText);
    if (accept("z"))
      return makeAssert(Assertion::EndText);
    if (looking("C"))
      return fail("'\\C' matches half a character, which a text has not");
    char32_t c;
    return charEscape(start, c) ? literal(c) : nullptr;
  }

  /// [[:alpha:]] and [[:^alpha:]]: 1 found, 0 none, -1 error.
  int posixClass(CodepointSet &set) {
    size_t close =
        looking("[:") ? input.find(":]", pos + 2) : std::string_view::npos;
    if (close == std::string_view::npos)
      return 0;
    size_t start = pos;
    std::string_view name = input.substr(pos + 2, close - pos - 2);
    pos = close + 2;
    bool negate = !name.empty() && name[0] == '^';
    name.remove_prefix(negate);
    for (const NamedSet &known : posixClasses())
      if (name == known.name) {
        set = flags.ignoreCase ? closeOverCase(known.set) : known.set;
        if (negate)
          set = set.complement();
        return 1;
      }
    return fail("unknown character class " + quote(start)), -1;
  }

  /// The rest of a bracket expression whose '[' is at `start`.
  RegexPtr bracket(size_t start) {
    CodepointSet set;
    bool negate = accept("^");
    for (bool first = true; first || !looking("]"); first = false) {
      if (atEnd())
        return pos = std::min(pos, input.size()),
               fail("missing closing ']' after " + quote(start));
      // '-' is literal first and last; RE2 rejects it elsewhere.
      if (looking("-") && !first && !looking("-]"))
        return fail(
            "'-' inside a class stands first, last or between two characters");
      CodepointSet part;
      int found = posixClass(part);
      size_t itemStart = pos;
      if (found == 0 && accept("\\")) {
        found = classEscape(part);
        if (found == 0)
          pos = itemStart;
      }
      if (found < 0)
        return nullptr;
      if (found > 0) {
        set.add(part);
        continue;
      }
      char32_t low, high;
      if (!bracketChar(low))
        return nullptr;
      high = low;
      if (looking("-") && !looking("-]")) {
        ++pos;
        if (atEnd())
          return fail("missing closing ']' after " + quote(start));
        if (!bracketChar(high))
          return nullptr;
        if (high < low)
          return fail("range " + quote(itemStart) + " is the wrong way round");
      }
      CodepointSet range{{low, high}};
      set.add(flags.ignoreCase ? closeOverCase(range) : range);
    }
    ++pos;
    return makeSet(negate ? set.complement() : std::move(set));
  }

  bool bracketChar(char32_t &c) {
    size_t start = pos;
    if (accept("\\"))
      return charEscape(start, c);
    c = take();
    return true;
  }

  std::string_view input;
  std::string &error;
  size_t pos = 0;
  Flags flags;
};
} // namespace

RegexPtr parseRegex(std::string_view pattern, bool ignoreCase,
                    std::string &error) {
  error.clear();
  return Parser(pattern, ignoreCase, error).run();
}

} // namespace route::text
