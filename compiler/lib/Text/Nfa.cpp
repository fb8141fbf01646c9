// Patterns as a nondeterministic automaton.
// Thompson's construction for trees, and a direct one for keywords, whose
// foldings may take several characters for one.
#include "route/Text/Nfa.h"

#include <algorithm>

namespace route::text {

/// Nodes one pattern may need; a{1000}{1000} must not fill the memory.
static constexpr size_t maxNodes = 40000;

static bool isAsciiWord(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z') || c == '_';
}

uint8_t contextOf(char32_t codepoint) {
  uint8_t result = 0;
  if (codepoint == '\n')
    result |= context::newline;
  if (isAsciiWord(codepoint))
    result |= context::asciiWord;
  if (wordCharacters().contains(codepoint))
    result |= context::word;
  return result;
}

bool holds(Assertion assertion, uint8_t before, uint8_t after) {
  bool wordBefore = before & context::asciiWord,
       wordAfter = after & context::asciiWord;
  switch (assertion) {
  case Assertion::BeginText:
    return before & context::edge;
  case Assertion::EndText:
    return after & context::edge;
  case Assertion::BeginLine:
    return before & (context::edge | context::newline);
  case Assertion::EndLine:
    return after & (context::edge | context::newline);
  case Assertion::AsciiBoundary:
    return wordBefore != wordAfter;
  case Assertion::NotAsciiBoundary:
    return wordBefore == wordAfter;
  case Assertion::NotAfterWord:
    return !(before & context::word);
  case Assertion::NotBeforeWord:
    return !(after & context::word);
  }
  return false;
}

uint8_t contextUsed(Assertion assertion) {
  switch (assertion) {
  case Assertion::BeginText:
  case Assertion::EndText:
    return context::edge;
  case Assertion::BeginLine:
  case Assertion::EndLine:
    return context::edge | context::newline;
  case Assertion::AsciiBoundary:
  case Assertion::NotAsciiBoundary:
    return context::asciiWord;
  case Assertion::NotAfterWord:
  case Assertion::NotBeforeWord:
    return context::word;
  }
  return 0;
}

bool decidedBefore(Assertion assertion) {
  return assertion == Assertion::BeginText ||
         assertion == Assertion::BeginLine ||
         assertion == Assertion::NotAfterWord;
}

uint32_t Nfa::node(Kind kind, uint32_t operand, uint32_t out, uint32_t other) {
  nodes.push_back({kind, operand, out, other});
  if (kind == Assert)
    used |= contextUsed(static_cast<Assertion>(operand));
  return nodes.size() - 1;
}

uint32_t Nfa::internSet(const CodepointSet &set) {
  auto [entry, fresh] = setNumbers.try_emplace(set.ranges(), sets.size());
  if (fresh)
    sets.push_back(set);
  return entry->second;
}

uint32_t Nfa::compile(const Regex &tree, uint32_t next) {
  if (nodes.size() > limit)
    return next; // add() reports it
  switch (tree.kind) {
  case Regex::Empty:
    return next;
  case Regex::Set:
    return node(Chars, internSet(tree.set), next);
  case Regex::Assert:
    return node(Assert, static_cast<uint32_t>(tree.assertion), next);
  case Regex::Concat:
    for (auto child = tree.children.rbegin(); child != tree.children.rend();
         ++child)
      next = compile(**child, next);
    return next;
  case Regex::Alternate: {
    uint32_t result = compile(*tree.children.back(), next);
    for (size_t i = tree.children.size() - 1; i-- > 0;) {
      uint32_t branch = compile(*tree.children[i], next);
      result = node(Split, 0, branch, result);
    }
    return result;
  }
  case Regex::Repeat:
    return compileRepeat(tree, next);
  }
  return next;
}

uint32_t Nfa::compileRepeat(const Regex &tree, uint32_t next) {
  const Regex &body = *tree.children[0];
  auto split = [&](uint32_t again, uint32_t leave) {
    return tree.greedy ? node(Split, 0, again, leave)
                       : node(Split, 0, leave, again);
  };
  uint32_t result = next;
  if (tree.max == Regex::unbounded) {
    uint32_t loop = split(next, next);
    uint32_t again = compile(body, loop);
    (tree.greedy ? nodes[loop].out : nodes[loop].other) = again;
    result = loop;
    // x+ shares the loop's body; x{3,} needs two copies in front of it.
    if (tree.min > 0)
      result = again;
    for (int i = 1; i < tree.min && nodes.size() <= limit; ++i)
      result = compile(body, result);
    return result;
  }
  for (int i = tree.min; i < tree.max && nodes.size() <= limit; ++i)
    result = split(compile(body, result), next);
  for (int i = 0; i < tree.min && nodes.size() <= limit; ++i)
    result = compile(body, result);
  return result;
}

static std::u32string characters(const std::string &text) {
  std::vector<char32_t> all = decodeAll(text);
  return std::u32string(all.begin(), all.end());
}

static bool hasHan(const std::u32string &text) {
  static const CodepointSet han = property("Han").value_or(CodepointSet());
  for (char32_t c : text)
    if (han.contains(c))
      return true;
  return false;
}

static bool hasLetterDigitOrUnderscore(const std::u32string &text) {
  static const CodepointSet letters = property("L").value_or(CodepointSet());
  static const CodepointSet digits = property("Nd").value_or(CodepointSet());
  for (char32_t c : text)
    if (letters.contains(c) || digits.contains(c) || c == '_')
      return true;
  return false;
}

KeywordEnds boundedEnds(const Pattern &keyword) {
  std::u32string text = characters(keyword.text);
  if (text.empty() || keyword.boundary == Boundary::None)
    return {};
  if (keyword.boundary == Boundary::Ascii) {
    bool bounded = hasLetterDigitOrUnderscore(text) && !hasHan(text);
    return {bounded, bounded};
  }
  return {wordCharacters().contains(text.front()),
          wordCharacters().contains(text.back())};
}

uint32_t Nfa::compileKeyword(const Pattern &pattern, uint32_t next) {
  KeywordEnds ends = boundedEnds(pattern);
  bool ascii = pattern.boundary == Boundary::Ascii;
  auto assertion = [&](Assertion kind, uint32_t to) {
    return node(Assert, static_cast<uint32_t>(kind), to);
  };
  if (pattern.anchor == Anchor::End)
    next = assertion(Assertion::EndText, next);
  if (ends.last)
    next = assertion(
        ascii ? Assertion::AsciiBoundary : Assertion::NotBeforeWord, next);

  std::u32string folded = foldText(characters(pattern.text), pattern.fold);
  unsigned longest = longestFold(pattern.fold);
  // at[i] matches folded[i..]; some positions cannot be reached or left.
  constexpr uint32_t none = UINT32_MAX;
  std::vector<uint32_t> at(folded.size() + 1, none);
  at[folded.size()] = next;
  for (size_t i = folded.size(); i-- > 0;)
    for (unsigned length = 1; length <= longest && i + length <= folded.size();
         ++length) {
      if (at[i + length] == none)
        continue;
      CodepointSet set;
      if (pattern.fold == Fold::Exact)
        set = {{folded[i], folded[i]}};
      else if (pattern.fold == Fold::Simple)
        set = closeOverCase({{folded[i], folded[i]}});
      else if (const CodepointSet *sources =
                   unfold(folded.substr(i, length), pattern.fold))
        set = *sources;
      if (set.empty())
        continue;
      uint32_t step = node(Chars, internSet(set), at[i + length]);
      at[i] = at[i] == none ? step : node(Split, 0, step, at[i]);
    }
  uint32_t start = at[0];
  if (ends.first)
    start = assertion(
        ascii ? Assertion::AsciiBoundary : Assertion::NotAfterWord, start);
  if (pattern.anchor == Anchor::Start)
    start = assertion(Assertion::BeginText, start);
  return start;
}

std::string Nfa::add(const Pattern &pattern, uint32_t id) {
  if (pattern.kind == Pattern::Expression) {
    std::string error;
    if (pattern.fold == Fold::Full || pattern.fold == Fold::Nfkc)
      return "a regular expression takes simple case folding only";
    RegexPtr tree =
        parseRegex(pattern.text, pattern.fold == Fold::Simple, error);
    return tree ? add(*tree, id) : error;
  }
  if (pattern.text.empty())
    return "an empty keyword";
  for (size_t at = 0; at < pattern.text.size();) {
    Decoded next = decode(pattern.text, at);
    if (!next.valid)
      return "the keyword is not valid UTF-8";
    at += next.size;
  }
  if (pattern.text.size() > maxNodes / 4)
    return "the keyword has " + std::to_string(pattern.text.size()) +
           " bytes; at most " + std::to_string(maxNodes / 4);
  limit = SIZE_MAX;
  uint32_t match = node(Match, id, 0);
  starts.push_back(compileKeyword(pattern, match));
  return "";
}

std::string Nfa::add(const Regex &tree, uint32_t id) {
  uint32_t first = nodes.size();
  limit = first + maxNodes;
  uint32_t match = node(Match, id, 0);
  uint32_t start = compile(tree, match);
  if (nodes.size() > limit)
    return "the pattern repeats too much: more than " +
           std::to_string(maxNodes) + " automaton nodes";
  starts.push_back(start);
  expressions.push_back({first, static_cast<uint32_t>(nodes.size())});
  return "";
}

std::vector<Pattern> longestFirst(std::span<const Pattern> keywords) {
  std::vector<std::pair<size_t, size_t>> order; // length, place
  for (size_t i = 0; i < keywords.size(); ++i)
    order.push_back({decodeAll(keywords[i].text).size(), i});
  std::sort(order.begin(), order.end(), [](auto a, auto b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<Pattern> result;
  for (auto [length, place] : order)
    result.push_back(keywords[place]);
  return result;
}

std::string checkPattern(const Pattern &pattern) {
  Nfa scratch;
  return scratch.add(pattern, 0);
}

} // namespace route::text
