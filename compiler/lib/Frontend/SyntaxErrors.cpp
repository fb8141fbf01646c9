// Parser failures in plain words.
// Maps the parser's state at a failure to one message. Sets of token kinds
// never reach the user: they are summed up as an expression, a type, a name, a
// statement, or the one or two signs that could stand there.
#include "SyntaxErrors.h"
#include "RouteParser.h"
#include "llvm/ADT/STLExtras.h"

using namespace route;
using P = grammar::RouteParser;

namespace {

/// The tokens that could have stood at the point of failure.
class Expected {
public:
  Expected(antlr4::Parser *parser, bool valid)
      : vocabulary(parser->getVocabulary()) {
    if (valid)
      set = parser->getExpectedTokens();
  }
  bool has(size_t kind) const { return set.contains(kind); }
  bool end() const { return set.contains(antlr4::Token::EOF); }
  bool expression() const {
    return has(P::NUMBER) && has(P::STRING) && has(P::CASE);
  }
  bool statement() const { return expression() && has(P::LET); }
  bool type() const { return has(P::ENUM) && has(P::DOLLAR); }
  bool operators() const { return has(P::STAR); }
  bool onlyCloser() const {
    return set.size() > 0 && llvm::all_of(set.toList(), [](ssize_t kind) {
             return kind == P::RPAREN || kind == P::RBRACKET;
           });
  }
  bool name() const {
    return has(P::ID) && llvm::all_of(set.toList(), [](ssize_t kind) {
             return kind == P::ID || kind == P::NONE ||
                    kind == P::GROUP_PAREN || kind == P::LPAREN ||
                    kind == P::EXACT;
           });
  }
  /// Words, without quotes, for suggestions.
  std::vector<std::string> words() const {
    std::vector<std::string> list;
    for (ssize_t kind : set.toList())
      if (kind >= P::ALL && kind < P::ID)
        list.push_back(unquoted(kind));
    return list;
  }
  /// "')' or ','" for the signs and words among `kinds` that are expected;
  /// empty when there are none or too many to help.
  std::string list(llvm::ArrayRef<size_t> kinds) const {
    std::vector<std::string> parts;
    for (size_t kind : kinds)
      if (has(kind))
        parts.push_back(describe(kind));
    return join(parts);
  }
  std::string everything() const {
    std::vector<std::string> parts;
    for (ssize_t kind : set.toList())
      if (kind != P::GROUP_PAREN && kind != P::GROUP_BRACKET &&
          kind != P::GROUP_BRACE)
        parts.push_back(describe(size_t(kind)));
    return join(parts);
  }

private:
  std::string unquoted(size_t kind) const {
    return llvm::StringRef(vocabulary.getLiteralName(kind)).trim('\'').str();
  }
  std::string describe(size_t kind) const {
    switch (kind) {
    case P::ID:
      return "a name";
    case P::NUMBER:
      return "a number";
    case P::STRING:
      return "a string";
    default:
      return "'" + unquoted(kind) + "'";
    }
  }
  static std::string join(std::vector<std::string> parts) {
    if (parts.empty() || parts.size() > 4)
      return "";
    // "',' or ')'" reads better than the other way round.
    std::rotate(parts.begin(), llvm::find(parts, "','"), parts.end());
    std::string text = parts.front();
    for (size_t i = 1; i < parts.size(); ++i)
      text += (i + 1 == parts.size() ? " or " : ", ") + parts[i];
    return text;
  }

  const antlr4::dfa::Vocabulary &vocabulary;
  antlr4::misc::IntervalSet set;
};

} // namespace

void route::reportStray(const Place &place, DiagnosticEngine &diags) {
  std::string word = place.word();
  // A word of the language that does not begin what it should.
  if (llvm::is_contained(declarationWords(), word)) {
    Place next = place.next();
    llvm::StringRef missing = word == "test"      ? "a string"
                              : word == "import"  ? "a path or a file"
                              : word == "notes"   ? "'{'"
                              : word == "require" ? "a condition"
                                                  : "a name";
    diags.report(diag::expectedName, next.range(),
                 "expected " + missing + next.after() + ", found " +
                     next.found());
    return;
  }
  auto message = diags.report(diag::expectedDeclaration, place.range(),
                              "expected a declaration, found " + place.found());
  if (llvm::is_contained({"def", "fn", "func", "fun", "function"}, word))
    message.help("a function is written: let f(x) = …, and what the library "
                 "offers: route f(x) { … }");
  else
    message.suggest(word, declarationWords());
}

namespace {

/// One failure: where it is and what could stand there.
struct Failure {
  DiagnosticEngine &diags;
  const TokenList &list;
  const Place &place;
  const Expected &expected;
  size_t rule; // of the grammar

  bool isAt(size_t kind) const {
    return !place.atEnd() && list.tokens[place.index()].kind == kind;
  }
  DiagnosticBuilder say(diag::Code code, const llvm::Twine &what) const {
    auto message =
        diags.report(code, place.range(), what + ", found " + place.found());
    if (size_t open = place.openBracket(); open < list.tokens.size())
      message.label(list.range(list.tokens[open]), "opened here");
    return message;
  }
  /// Where a name, or something that begins with one, could stand.
  void sayName(diag::Code code, const llvm::Twine &what) const {
    auto message = say(code, what + place.after());
    if (place.isKeyword())
      message.help("to use this word as a name, write `" + place.word() + "`");
  }
  void unexpected() const {
    auto message =
        place.atEnd()
            ? diags.report(diag::unexpectedToken, place.range(),
                           "something is missing" + place.after() + " before " +
                               place.found())
            : diags.report(diag::unexpectedToken, place.range(),
                           "unexpected " + place.found() + place.after());
    message.suggest(place.word(), expected.words());
    if (place.followsNumber())
      message.note("units are ns, us, ms, s, min, h, tok, ktok, Mtok, Gtok, B, "
                   "kB, MB, GB, TB, KiB, MiB, GiB, TiB");
  }
  /// The tokens that are expected, or that something else is not.
  void expects(const std::string &tokens) const {
    if (tokens.empty())
      unexpected();
    else
      say(diag::unexpectedToken, "expected " + tokens + place.after())
          .suggest(place.word(), expected.words());
  }

  bool reportNextWord() const;
  bool reportClause() const;
  void reportExpected() const;
};

} // namespace

/// Where the mistake is the word behind the failure.
bool Failure::reportNextWord() const {
  // `choose 2 of experts per` and nothing more: the word is not the mistake.
  if (place.isClauseWithoutOperand()) {
    Place next = place.next();
    diags.report(diag::expectedExpression, next.range(),
                 "expected an expression" + next.after() + ", found " +
                     next.found());
    return true;
  }
  return false;
}

/// Places with words of their own.
bool Failure::reportClause() const {
  if (rule == P::RuleBudgetDecl && expected.has(P::RBRACE)) {
    const std::string clauses[] = {"reserve", "charge", "per", "window",
                                   "limit",   "lease",  "warn"};
    if (llvm::is_contained(clauses, place.word())) {
      // Before a sign the word is a name, to which something is added.
      diags
          .report(diag::unknownWord, place.range(),
                  "'" + place.word() + "' is no clause here")
          .help("a clause is followed by its value; a negative one stands in "
                "parentheses: (-1)");
      return true;
    }
    say(diag::unknownWord, "expected a clause of the budget")
        .note("the clauses are reserve, charge, per, window, limit, lease and "
              "warn")
        .suggest(place.word(), clauses);
    return true;
  }
  if (rule == P::RulePoolBraces || expected.has(P::BODY)) {
    say(diag::expectedDeclaration,
        "expected a row, an attribute or a declaration of the pool")
        .suggest(place.word(),
                 {"attr", "const", "live", "state", "body", "param", "pool",
                  "route", "router", "index", "expire", "quota", "evict",
                  "require", "let", "axis"});
    return true;
  }
  if (rule == P::RuleArmBraces) {
    say(diag::badCase, "expected an arm 'pattern -> value' or '}'");
    return true;
  }
  if (rule == P::RuleCaseForm && expected.has(P::OTHERWISE)) {
    say(diag::badCase, "expected another arm or 'otherwise'" + place.after())
        .note("a case without braces ends with 'otherwise'");
    return true;
  }
  if (expected.end() && place.beginsLine()) {
    reportStray(place, diags);
    return true;
  }
  return false;
}

/// What could stand here, summed up.
void Failure::reportExpected() const {
  bool inBraces = rule == P::RuleBraces && expected.has(P::RBRACE);
  if (inBraces && place.followsOperand()) {
    unexpected();
  } else if (expected.operators() || expected.end()) {
    std::string next =
        expected.list({P::COMMA, P::RPAREN, P::RBRACKET, P::RBRACE, P::ASSIGN,
                       P::THEN, P::LBRACE, P::ARROW});
    expects(expected.statement() || expected.end() ? "" : next);
  } else if (expected.statement() || inBraces) {
    say(diag::expectedStatement, "expected a statement or '}'" + place.after());
  } else if (expected.expression()) {
    sayName(diag::expectedExpression, "expected an expression");
  } else if (expected.type()) {
    sayName(diag::expectedType, "expected a type");
  } else if (expected.name()) {
    sayName(diag::expectedName, "expected a name");
  } else {
    expects(expected.everything());
  }
}

void SyntaxErrors::reportError(antlr4::Parser *parser,
                               const antlr4::RecognitionException &error) {
  antlr4::Token *offending = error.getOffendingToken();
  size_t found = offending ? offending->getTokenIndex()
                           : parser->getCurrentToken()->getTokenIndex();
  // The expected set belongs to the token where a decision began.
  report(parser, found, found == parser->getCurrentToken()->getTokenIndex());
}

antlr4::Token *SyntaxErrors::recoverInline(antlr4::Parser *parser) {
  report(parser, parser->getCurrentToken()->getTokenIndex(), true);
  throw ParseStopped{failedAt};
}

void SyntaxErrors::report(antlr4::Parser *parser, size_t found,
                          bool setIsValid) {
  size_t at = failedAt = portion.original(found);
  Place place(sources, list, chunk, at);
  if (reportSlip(sources, list, chunk, at, diags))
    return;
  Expected expected(parser, setIsValid);
  Failure failure{diags, list, place, expected,
                  parser->getContext()->getRuleIndex()};
  if (failure.reportNextWord())
    return;
  if (!place.followsOperand() && expected.onlyCloser())
    return failure.sayName(diag::expectedExpression, "expected an expression");
  if (failure.isAt(P::WHERE) && inLoopHead(at)) {
    diags.report(diag::unexpectedToken, place.range(), "a loop has no 'where'")
        .help("choose its rows before it: let rows = choose all of … where …")
        .note("'for m in rows' then goes through them in the order of the "
              "choice");
    return;
  }
  if (!failure.reportClause())
    failure.reportExpected();
}

/// Whether a token stands between a 'for' and its body.
bool SyntaxErrors::inLoopHead(size_t at) const {
  for (size_t i = at; i-- > chunk.first;) {
    uint16_t kind = list.tokens[i].kind;
    if (kind == P::FOR)
      return true;
    if (opensBracket(kind) || kind == P::RBRACE || kind == P::CHOOSE)
      return false;
  }
  return false;
}
