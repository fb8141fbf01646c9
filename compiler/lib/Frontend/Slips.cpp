// What people write who know other languages, or mistype.
// Looked for on the line where parsing failed, so that nothing which parses is
// judged: the parser may give up before the mistake or behind it, and what it
// expected there says little of what was meant.
#include "RouteParser.h"
#include "SyntaxErrors.h"
#include "llvm/ADT/STLExtras.h"

using namespace route;
using P = grammar::RouteParser;

namespace {

class Slips {
public:
  Slips(const SourceManager &sources, const TokenList &list, Chunk chunk,
        size_t at, DiagnosticEngine &diags)
      : sources(sources), list(list), tokens(list.tokens), chunk(chunk), at(at),
        diags(diags) {
    first = std::min(at, chunk.last - 1);
    while (first > chunk.first && !tokens[first].lineStart)
      --first;
    last = std::min(at + 1, chunk.last);
    while (last < chunk.last && !tokens[last].lineStart)
      ++last;
  }

  bool report() const {
    if (misspeltWord() || noRule() || ruleEnds() || ternary() || resultType())
      return true;
    for (size_t i = first; i < last; ++i)
      if (equals(i) || countWithoutOf(i) || topCount(i) || bareReject(i) ||
          orderBy(i) || strayComma(i) || infixWord(i) || wordAsName(i) ||
          notesWithoutBraces(i) || otherStatement(i))
        return true;
    return false;
  }

private:
  uint16_t kind(size_t i) const {
    return i >= chunk.first && i < chunk.last ? tokens[i].kind : 0;
  }
  /// A token on the line; 0 beyond it.
  uint16_t kindOnLine(size_t i) const { return i < last ? kind(i) : 0; }
  std::string text(size_t i) const {
    return sources.text(list.range(tokens[i])).str();
  }
  std::string after(size_t i) const {
    return Place(sources, list, chunk, i).after();
  }
  DiagnosticBuilder unexpected(size_t i) const {
    return diags.report(diag::unexpectedToken, list.range(tokens[i]),
                        "unexpected '" + text(i) + "'" + after(i));
  }
  DiagnosticBuilder expected(const llvm::Twine &what, size_t i) const {
    return diags.report(diag::unexpectedToken, list.range(tokens[i]),
                        "expected " + what + after(i) + ", found '" + text(i) +
                            "'");
  }

  /// `choose 2 of experts whre x > 3 by s`: two operands side by side before
  /// the failure, on its line, the second one nearly a word of the language.
  bool misspeltWord() const {
    for (size_t i = std::min(at + 1, chunk.last); i-- > chunk.first + 1;) {
      bool suspicious =
          kind(i) == P::ID && !tokens[i].lineStart &&
          endsOperand(kind(i - 1)) && i + 1 < chunk.last &&
          !tokens[i + 1].lineStart &&
          (i == at || isWord(kind(i + 1)) || kind(i + 1) == P::NUMBER);
      if (suspicious) {
        std::string word = text(i);
        auto near = nearestName(word, clauseWords());
        // Names stand next to each other for other reasons too: be strict.
        if (near && word.size() > 2 &&
            llvm::StringRef(word).edit_distance(*near) <=
                std::max<size_t>(1, word.size() / 3)) {
          unexpected(i).help("did you mean '" + *near + "'?");
          return true;
        }
      }
      if (tokens[i].lineStart)
        return false;
    }
    return false;
  }

  /// Whether the brace at a failure is that of a choice, and of no loop or
  /// condition around it.
  bool opensRules() const {
    if (kind(at) != P::LBRACE)
      return false;
    int depth = 0;
    for (size_t i = at; i-- > chunk.first;) {
      if (closesBracket(kind(i)))
        ++depth;
      else if (opensBracket(kind(i)) && depth-- == 0)
        return false;
      if (depth == 0 && kind(i) == P::CHOOSE)
        for (size_t k = i; k-- > chunk.first;) {
          if (kind(k) == P::FOR || kind(k) == P::IF || kind(k) == P::CASE)
            return false;
          if (tokens[k + 1].lineStart || opensBracket(kind(k)) ||
              closesBracket(kind(k)))
            return true;
        }
    }
    return false;
  }

  /// `choose first { if c -> x }`: the brace is right, what follows it is not.
  bool noRule() const {
    size_t next = at + 1;
    if (!opensRules() || next >= chunk.last || kind(next) == P::RBRACE ||
        llvm::is_contained({P::WHEN, P::RULE, P::OTHERWISE}, kind(next)))
      return false;
    auto message = diags.report(
        diag::unexpectedToken, list.range(tokens[next]),
        "expected a rule" + after(next) + ", found " +
            (kind(next) == P::STRING ? "a string" : "'" + text(next) + "'"));
    static const std::vector<std::string> begins = {"when", "rule",
                                                    "otherwise"};
    auto near =
        kind(next) == P::ID ? nearestName(text(next), begins) : std::nullopt;
    if (near && llvm::StringRef(text(next)).edit_distance(*near) <= 1)
      message.help("did you mean '" + *near + "'?");
    else
      message.help("rules are written: when c -> x  otherwise -> y");
    return true;
  }

  /// `when c -> x, when d -> y`, `else -> y`.
  bool ruleEnds() const {
    if (kind(at) == P::COMMA &&
        llvm::is_contained({P::WHEN, P::RULE, P::OTHERWISE}, kind(at + 1))) {
      unexpected(at).help("leave it out: rules stand one after the other");
      return true;
    }
    if (kind(at) != P::ELSE || kind(at + 1) != P::ARROW)
      return false;
    unexpected(at).help("what is left is 'otherwise -> …'");
    return true;
  }

  /// `c ? x : y`
  bool ternary() const {
    if (kind(at) != P::QUESTION || at == chunk.first ||
        !endsOperand(kind(at - 1)))
      return false;
    unexpected(at).help("write: if c then x else y");
    return true;
  }

  /// `when tier = pro`, `tier === pro`, `when c => x`.
  bool equals(size_t i) const {
    if (kind(i) != P::ASSIGN || i == chunk.first)
      return false;
    if (kindOnLine(i + 1) == P::GT && tokens[i + 1].glued) {
      unexpected(i).help("an arrow is written '->'");
      return true;
    }
    if (kind(i - 1) != P::EQ && !inCondition(i))
      return false;
    unexpected(i).help("values are compared with '=='");
    return true;
  }

  /// Whether what stands before a `=` is a condition, or a value already.
  bool inCondition(size_t sign) const {
    if (!endsOperand(kind(sign - 1)))
      return false;
    for (size_t i = sign; i-- > first;) {
      // Two operands side by side: another statement.
      if (i + 1 < sign && endsOperand(kind(i)) &&
          (kind(i + 1) == P::ID || kind(i + 1) == P::NUMBER))
        return false;
      switch (kind(i)) {
      case P::WHERE:
      case P::WHEN:
      case P::IF:
      case P::UNTIL:
      case P::EXPECT:
      case P::AND:
      case P::OR:
      case P::NOT:
        return true;
      case P::ASSIGN:
        return sign == at;
      case P::LBRACE:
      case P::GROUP_BRACE:
      case P::RBRACE:
      case P::LET:
      case P::EMIT:
      case P::ARROW:
      case P::THEN:
      case P::ELSE:
      case P::CARRY:
      case P::COLON:
        return false;
      default:
        break;
      }
    }
    return false;
  }

  /// `choose 2 experts`, `choose 1 from models`.
  bool countWithoutOf(size_t i) const {
    if (kind(i) != P::CHOOSE ||
        !llvm::is_contained({P::NUMBER, P::ID, P::ALL}, kindOnLine(i + 1)) ||
        (kindOnLine(i + 2) != P::ID && kindOnLine(i + 2) != P::IN))
      return false;
    bool instead = kind(i + 2) == P::IN ||
                   (text(i + 2) == "from" && kindOnLine(i + 3) == P::ID);
    std::string from =
        instead ? kindOnLine(i + 3) == P::ID ? text(i + 3) : "…" : text(i + 2);
    expected("'of'", i + 2)
        .help("write: choose " + text(i + 1) + " of " + from);
    return true;
  }

  /// `choose top 2 of models`
  bool topCount(size_t i) const {
    if (kind(i) != P::CHOOSE || kindOnLine(i + 1) != P::ID ||
        text(i + 1) != "top" || kindOnLine(i + 2) != P::NUMBER)
      return false;
    unexpected(i + 1).help("leave it out: the largest come first");
    return true;
  }

  /// `mean(x, over token)`, `x ** 2`
  bool strayComma(size_t i) const {
    if (kind(i) == P::COMMA &&
        llvm::is_contained({P::OVER, P::OF, P::PER}, kind(i + 1))) {
      unexpected(i).help("leave it out: sum(x over token)");
      return true;
    }
    if (kind(i) != P::STAR || kindOnLine(i + 1) != P::STAR ||
        !tokens[i + 1].glued)
      return false;
    unexpected(i + 1).help("a power is written x ^ 2");
    return true;
  }

  /// `reject 429`
  bool bareReject(size_t i) const {
    if (kind(i) != P::ID || text(i) != "reject" ||
        kindOnLine(i + 1) != P::NUMBER)
      return false;
    expected("'('", i + 1).help("write: reject(" + text(i + 1) + ")");
    return true;
  }

  /// `router pick(request): models`
  bool resultType() const {
    bool route =
        kind(chunk.first) == P::ROUTE || kind(chunk.first) == P::ROUTER;
    if (!route || kind(at) != P::COLON || kind(at - 1) != P::RPAREN)
      return false;
    for (size_t i = chunk.first; i < at; ++i)
      if (kind(i) == P::LBRACE || kind(i) == P::ASSIGN)
        return false;
    unexpected(at).help("what it gives stands behind '->'");
    return true;
  }

  /// `order by price`
  bool orderBy(size_t i) const {
    if (kind(i) != P::ID || kindOnLine(i + 1) != P::BY ||
        !llvm::is_contained({"order", "ordered", "sort", "sorted"}, text(i)))
      return false;
    unexpected(i).help("leave it out: 'by' alone gives the key");
    return true;
  }

  /// `tier is pro`, `prompt matches r"x"`: two operands side by side, the
  /// second one an operator elsewhere.
  bool infixWord(size_t i) const {
    if (kind(i) != P::ID || tokens[i].lineStart || i == chunk.first ||
        !endsOperand(kind(i - 1)) ||
        !(isWord(kindOnLine(i + 1)) ||
          llvm::is_contained({P::NUMBER, P::STRING, P::GROUP_PAREN, P::LPAREN},
                             kindOnLine(i + 1))))
      return false;
    static const struct {
      std::vector<llvm::StringRef> words;
      const char *help;
    } operators[] = {
        {{"is", "equals", "eq"}, "values are compared with '=='"},
        {{"isnt", "ne", "neq"}, "values are compared with '!='"},
        {{"matches", "match", "like"},
         "a text is searched by regex(x, r\"…\")"},
        {{"contains", "includes", "has"},
         "a text is searched by contains(x, \"…\"), a list asked by 'in'"},
        {{"between"}, "a range is asked by 'in': n in 3..5"}};
    std::string word = text(i);
    for (const auto &[words, help] : operators)
      if (llvm::is_contained(words, word)) {
        unexpected(i).help(help);
        return true;
      }
    return false;
  }

  /// `where per == acme`: a word of clauses where an operand is compared.
  bool wordAsName(size_t i) const {
    static const uint16_t words[] = {P::AS,    P::ELSE, P::IN,   P::OF,
                                     P::OVER,  P::PER,  P::THEN, P::UNDER,
                                     P::WHERE, P::WITH};
    if (!llvm::is_contained(words, kind(i)) || endsOperand(kind(i - 1)) ||
        !llvm::is_contained({P::EQ, P::NE, P::LT, P::LE, P::GT, P::GE},
                            kindOnLine(i + 1)))
      return false;
    unexpected(i).help("a name that is a word of the language stands in "
                       "backticks: `" +
                       text(i) + "`");
    return true;
  }

  /// `by price with effort: high`
  bool notesWithoutBraces(size_t i) const {
    if (kind(i) != P::WITH || kindOnLine(i + 1) != P::ID ||
        kindOnLine(i + 2) != P::COLON)
      return false;
    expected("'{'", i + 1)
        .help("notes stand in braces: with { " + text(i + 1) + ": … }");
    return true;
  }

  /// `while c { … }` and `try { … }` in a body.
  bool otherStatement(size_t i) const {
    if (kind(i) != P::ID || i == chunk.first ||
        !llvm::is_contained({P::ROUTE, P::ROUTER, P::ON}, kind(chunk.first)) ||
        !(tokens[i].lineStart || kind(i - 1) == P::LBRACE ||
          endsOperand(kind(i - 1))))
      return false;
    std::string word = text(i);
    if (word == "while" && kindOnLine(i + 1) != 0)
      unexpected(i).help("a loop has a bound: for t in 1..3 { … }");
    else if (word == "try" && kind(i + 1) == P::LBRACE)
      unexpected(i).help(
          "what a call gave is asked: case a { ok -> …  failed(c) -> … }");
    else
      return false;
    return true;
  }

  const SourceManager &sources;
  const TokenList &list;
  const std::vector<Token> &tokens;
  Chunk chunk;
  size_t at;          // where parsing failed
  size_t first, last; // the line around it
  DiagnosticEngine &diags;
};

} // namespace

bool route::reportSlip(const SourceManager &sources, const TokenList &list,
                       Chunk chunk, size_t at, DiagnosticEngine &diags) {
  return Slips(sources, list, chunk, at, diags).report();
}
