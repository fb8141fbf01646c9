// Keyword or name, by the neighbours.
// Most words of the language are only special in a few places, and people name
// columns `weight`, `limit`, `state` or `order`. Two names never stand side by
// side in an expression, so the token before and the token after a word tell
// which it is. The rules are listed in docs/language.md.
#include "RouteParser.h"
#include "Tokens.h"
#include "Units.h"

using namespace route;
using P = grammar::RouteParser;

bool route::isWord(uint16_t kind) { return kind >= P::ALL && kind <= P::ID; }

bool route::endsOperand(uint16_t kind) {
  switch (kind) {
  case P::ID:
  case P::NUMBER:
  case P::STRING:
  case P::RPAREN:
  case P::RBRACKET:
  case P::RBRACE:
  case P::TRUE:
  case P::FALSE:
  case P::NONE:
  case P::UNKNOWN:
  case P::UP:
  case P::ALL:
  case P::FIRST:
  case P::POLICY:
  case P::QUESTION:
  case P::DOLLAR:
    return true;
  default:
    return false;
  }
}

const std::vector<std::string> &route::declarationWords() {
  static const std::vector<std::string> words = {
      "import", "axis", "signal", "pool",  "param",   "state", "let", "route",
      "router", "use",  "budget", "notes", "require", "on",    "test"};
  return words;
}

const std::vector<std::string> &route::clauseWords() {
  static const std::vector<std::string> words = {
      "of",    "per",   "where",   "under", "by",   "weight", "else",  "over",
      "until", "carry", "timeout", "need",  "with", "then",   "stale", "from"};
  return words;
}

bool route::beginsDeclaration(uint16_t kind) {
  switch (kind) {
  case P::IMPORT:
  case P::AXIS:
  case P::SIGNAL:
  case P::POOL:
  case P::PARAM:
  case P::STATE:
  case P::LET:
  case P::ROUTE:
  case P::ROUTER:
  case P::USE:
  case P::BUDGET:
  case P::NOTES:
  case P::REQUIRE:
  case P::ON:
  case P::TEST:
    return true;
  default:
    return false;
  }
}

namespace {

constexpr uint16_t none = 0;

/// Keywords after which a new name stands.
bool introducesName(uint16_t kind) {
  switch (kind) {
  case P::AXIS:
  case P::SIGNAL:
  case P::POOL:
  case P::PARAM:
  case P::STATE:
  case P::ROUTE:
  case P::ROUTER:
  case P::USE:
  case P::BUDGET:
  case P::BODY:
  case P::ON:
  case P::NOTE:
  case P::EMIT:
  case P::RULE:
  case P::EVICT:
  case P::WINDOW:
  case P::ATTR:
  case P::CONST:
  case P::LIVE:
  case P::TRUSTED:
  case P::ENUM:
  case P::DOT:
    return true;
  default:
    return false;
  }
}

bool opensParen(uint16_t kind) {
  return kind == P::LPAREN || kind == P::GROUP_PAREN;
}
bool opensSquare(uint16_t kind) {
  return kind == P::LBRACKET || kind == P::GROUP_BRACKET;
}
bool opensBrace(uint16_t kind) {
  return kind == P::LBRACE || kind == P::GROUP_BRACE;
}
bool isAssignment(uint16_t kind) {
  return kind >= P::ASSIGN && kind <= P::DIV_BY;
}

class Settler {
public:
  Settler(llvm::StringRef text, std::vector<Token> &tokens)
      : text(text), tokens(tokens) {}

  void run() {
    joinUnits();
    for (at = 0; at < tokens.size(); ++at) {
      Token &token = tokens[at];
      if (token.kind == P::ID)
        token.kind = isPolicy() ? P::POLICY : P::ID;
      else if (isWord(token.kind) && !isKeyword(token.kind))
        token.kind = P::ID;
      else
        token.kind = settleSign(token);
    }
    joinBudgets();
    joinPaths();
  }

private:
  llvm::StringRef spelling(const Token &token) const {
    return text.slice(token.begin, token.end);
  }
  uint16_t previous(size_t distance = 1) const {
    return at >= distance ? tokens[at - distance].kind : none;
  }
  uint16_t next(size_t distance = 1) const {
    return at + distance < tokens.size() ? tokens[at + distance].kind : none;
  }
  bool nextGlued() const {
    return at + 1 < tokens.size() && tokens[at + 1].glued;
  }
  bool nextIsWord() const { return isWord(next()); }
  bool nextOnNewLine() const {
    return at + 1 < tokens.size() && tokens[at + 1].lineStart;
  }

  /// Can an operand begin with the next token? Words count: they may be names.
  bool nextBeginsOperand() const {
    switch (next()) {
    case P::NUMBER:
    case P::STRING:
    case P::LPAREN:
    case P::MINUS:
    case P::PLUS:
    case P::LBRACE:
      return true;
    case P::LBRACKET:
      return !nextGlued();
    default:
      return nextIsWord();
    }
  }
  /// Does what stands before the next token go on there, or end on this line?
  bool nextGoesOn() const {
    static const uint16_t words[] = {
        P::AND,       P::AS,   P::BY,  P::ELSE, P::IN,    P::OF,   P::OR,
        P::OTHERWISE, P::OVER, P::PER, P::THEN, P::UNDER, P::WITH, P::WHERE};
    return llvm::is_contained(words, next()) || nextOnNewLine();
  }
  /// At the beginning of a statement, a row or a clause.
  bool atBoundary() const {
    uint16_t before = previous();
    return before == none || opensBrace(before) || before == P::COMMA ||
           endsOperand(before);
  }
  /// A clause that could also be a call or an index of something of its name.
  bool clause() const {
    return atBoundary() && nextBeginsOperand() && next() != P::LBRACE &&
           next() != P::MINUS && next() != P::PLUS &&
           !(next() == P::LPAREN && nextGlued());
  }

  /// Brackets and signs mean one thing after an operand and another elsewhere.
  uint16_t settleSign(const Token &token) const {
    bool after = endsOperand(previous());
    bool suffix = after && !token.lineStart && previous() != P::RBRACE;
    switch (token.kind) {
    case P::LPAREN:
      return suffix ? P::LPAREN : P::GROUP_PAREN;
    case P::LBRACKET:
      return suffix ? P::LBRACKET : P::GROUP_BRACKET;
    case P::LBRACE:
      return after ? P::LBRACE : P::GROUP_BRACE;
    case P::PLUS:
      return after ? P::PLUS : P::PREFIX_PLUS;
    case P::MINUS:
      return after ? P::MINUS : P::PREFIX_MINUS;
    default:
      return token.kind;
    }
  }

  /// The commas of `under a, b.c` belong to the list of budgets even among the
  /// arguments of a call.
  void joinBudgets() {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].kind != P::UNDER)
        continue;
      size_t j = i + 1;
      auto is = [&](size_t k, uint16_t kind) {
        return k < tokens.size() && tokens[k].kind == kind;
      };
      while (is(j, P::ID)) {
        if (is(j + 1, P::DOT)) {
          j += 2;
          continue;
        }
        if (!is(j + 1, P::COMMA) || !is(j + 2, P::ID))
          break;
        tokens[j + 1].kind = P::LIST_COMMA;
        j += 2;
      }
    }
  }

  /// The dots of `request.k: 5` belong to the name of what a test gives.
  void joinPaths() {
    auto is = [&](size_t k, uint16_t kind) {
      return k < tokens.size() && tokens[k].kind == kind;
    };
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (!is(i, P::TEST) || !is(i + 1, P::STRING))
        continue;
      i += is(i + 2, P::OF) ? 4 : 2;
      int depth = 0;
      for (; i < tokens.size(); ++i) {
        depth += opensBracket(tokens[i].kind);
        depth -= closesBracket(tokens[i].kind);
        if (depth < 1)
          break;
        if (depth > 1 || !is(i, P::ID) || is(i - 1, P::DOT))
          continue;
        size_t end = i + 1;
        while (is(end, P::DOT) && (is(end + 1, P::ID) || is(end + 1, P::NONE)))
          end += 2;
        if (is(end, P::COLON))
          for (; i + 1 < end; i += 2)
            tokens[i + 1].kind = P::PATH_DOT;
      }
    }
  }

  /// `lru` in `max 64k lru`.
  bool isPolicy() const {
    return at >= 2 && tokens[at - 2].kind == P::MAX &&
           endsOperand(previous()) && !tokens[at].lineStart &&
           llvm::is_contained({"lru", "lfu", "fifo"}, spelling(tokens[at]));
  }

  bool isKeyword(uint16_t kind) const {
    uint16_t before = previous(), after = next();
    if (before == P::DOT || after == P::COLON || isAssignment(after))
      return false;
    if (introducesName(before) && !(kind == P::TRUSTED && nextIsWord()))
      return false;
    switch (kind) {
    // Always keywords, apart from fields and assignments.
    default:
      return true;
    // Declarations and statements that begin with a name.
    case P::AXIS:
    case P::SIGNAL:
    case P::POOL:
    case P::PARAM:
    case P::STATE:
    case P::ROUTE:
    case P::ROUTER:
    case P::USE:
    case P::BUDGET:
    case P::BODY:
    case P::ON:
    case P::ATTR:
    case P::CONST:
    case P::LIVE:
    case P::RULE:
    case P::EVICT:
      return (atBoundary() || tokens[at].lineStart) && nextIsWord() &&
             !nextOnNewLine();
    case P::TRUSTED:
      return (atBoundary() || opensParen(before) || introducesName(before)) &&
             nextIsWord();
    case P::NOTE:
    case P::EMIT:
      return (atBoundary() || before == P::ARROW) && nextIsWord();
    case P::IMPORT:
      return atBoundary() && (nextIsWord() || after == P::STRING);
    case P::TEST:
      return atBoundary() && after == P::STRING;
    case P::NOTES:
      return atBoundary() && after == P::LBRACE;
    case P::EXACT:
      return before == P::LET && (nextIsWord() || after == P::LPAREN);
    case P::KEEP:
    case P::EXPECT:
      return (atBoundary() || before == P::ARROW) && nextBeginsOperand();
    case P::REQUIRE:
    case P::WHEN:
      return atBoundary() && nextBeginsOperand();
    case P::RESERVE:
    case P::CHARGE:
    case P::WINDOW:
    case P::LIMIT:
    case P::LEASE:
    case P::WARN:
    case P::INDEX:
    case P::EXPIRE:
    case P::QUOTA:
      return clause();
    // Clauses after an operand.
    case P::WEIGHT:
    case P::AT:
    case P::TIMEOUT:
    case P::NEED:
    case P::SUBSET:
    case P::STALE:
    case P::EVERY:
      return endsOperand(before) && nextBeginsOperand();
    case P::BY:
      if (!nextBeginsOperand() && after != P::LBRACKET && after != P::DOLLAR)
        return false;
      return endsOperand(before) || before == P::CHOOSE || !nextGoesOn();
    case P::FROM:
      return endsOperand(before) && after == P::STRING;
    case P::CARRY:
      return endsOperand(before) && after == P::LPAREN;
    case P::UP:
      return endsOperand(before) && after != P::DOT &&
             !(nextGlued() && (after == P::LPAREN || after == P::LBRACKET));
    // The count of a choice.
    case P::ALL:
    case P::FIRST:
      return before == P::CHOOSE && (nextIsWord() || after == P::LBRACE);
    case P::LISTED:
    case P::PATH:
      return before == P::CHOOSE && nextBeginsOperand();
    case P::UNTIL:
      return (before == P::CHOOSE || endsOperand(before)) &&
             nextBeginsOperand();
    // Forms.
    case P::CALL:
      return nextIsWord() && !nextOnNewLine();
    case P::PAR:
      return (nextIsWord() || after == P::NUMBER || after == P::LPAREN) &&
             !nextOnNewLine();
    case P::OLD:
      return !endsOperand(before) && nextIsWord() && !nextOnNewLine();
    // Types.
    case P::ENUM:
      return inType() && (nextIsWord() || after == P::LBRACE);
    case P::REF:
      return inType() && nextIsWord();
    case P::SET:
      return inType() && (nextIsWord() || after == P::DOLLAR ||
                          (before != P::COMMA &&
                           (after == P::LBRACKET || after == P::LPAREN)));
    case P::DIM:
      return (opensSquare(before) || before == P::COMMA ||
              opensParen(before)) &&
             (nextIsWord() || after == P::NUMBER);
    case P::MAX:
      return (opensSquare(before) || endsOperand(before)) &&
             (nextIsWord() || after == P::NUMBER);
    }
  }
  bool inType() const {
    switch (previous()) {
    case P::COLON:
    case P::ARROW:
    case P::LPAREN:
    case P::LBRACKET:
    case P::GROUP_PAREN:
    case P::GROUP_BRACKET:
    case P::COMMA:
    case P::REF:
    case P::SET:
      return true;
    default:
      return false;
    }
  }

  /// Makes `5 ms`, `100k tok`, `20k tok/s` and `$5/Mtok` one number. The unit
  /// stands on the same line after at most one space.
  void joinUnits() {
    size_t kept = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      Token number = tokens[i];
      if (number.kind == P::NUMBER) {
        bool unit = endsInUnit(spelling(number));
        if (!unit && i + 1 < tokens.size() && isUnit(tokens[i + 1]) &&
            tokens[i + 1].begin <= number.end + 1 && !tokens[i + 1].lineStart &&
            !isNamed(i + 1)) {
          number.end = tokens[++i].end;
          unit = true;
        }
        if (unit && i + 2 < tokens.size() && tokens[i + 1].kind == P::SLASH &&
            tokens[i + 1].glued && isUnit(tokens[i + 2]) &&
            tokens[i + 2].glued) {
          i += 2;
          number.end = tokens[i].end;
        }
      }
      tokens[kept++] = number;
    }
    tokens.resize(kept);
  }
  bool isUnit(const Token &token) const {
    return isWord(token.kind) && isUnitWord(spelling(token));
  }
  /// `0 s = 3` and `0 s.x`: the word is a name of its own.
  bool isNamed(size_t i) const {
    uint16_t after = i + 1 < tokens.size() ? tokens[i + 1].kind : none;
    return isAssignment(after) || after == P::COLON || after == P::DOT ||
           (tokens[std::min(i + 1, tokens.size() - 1)].glued &&
            (after == P::LBRACKET || after == P::LPAREN));
  }

  llvm::StringRef text;
  std::vector<Token> &tokens;
  size_t at = 0;
};

} // namespace

void route::settleWords(llvm::StringRef text, std::vector<Token> &tokens) {
  Settler(text, tokens).run();
}

std::vector<Chunk> route::splitDeclarations(const std::vector<Token> &tokens,
                                            const std::vector<Chunk> &broken) {
  std::vector<Chunk> chunks;
  int depth = 0;
  size_t nextBroken = 0;
  bool fresh = true;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (nextBroken < broken.size() && i == broken[nextBroken].first) {
      i = broken[nextBroken++].last - 1;
      depth = 0;
      fresh = true;
      continue;
    }
    switch (tokens[i].kind) {
    case P::LPAREN:
    case P::GROUP_PAREN:
    case P::LBRACKET:
    case P::GROUP_BRACKET:
    case P::LBRACE:
    case P::GROUP_BRACE:
      ++depth;
      break;
    case P::RPAREN:
    case P::RBRACKET:
    case P::RBRACE:
      --depth;
      break;
    default:
      break;
    }
    if (fresh || (depth == 0 && beginsDeclaration(tokens[i].kind)))
      chunks.push_back({i, i});
    fresh = false;
    chunks.back().last = i + 1;
  }
  return chunks;
}
