// The one layout of a .route file.
// Works on tokens, so that comments and line breaks stay where people put them.
// Two spaces a level; a line that goes on from the one before is indented once
// more; statements that share a line stand two spaces apart; columns that were
// lined up by hand stay so.
#include "route/Frontend/Format.h"
#include "Columns.h"
#include "RouteParser.h"
#include "Tokens.h"
#include "Units.h"
#include "route/Frontend/Parser.h"

using namespace route;
using P = grammar::RouteParser;

namespace {

bool isBrace(uint16_t kind) {
  return kind == P::LBRACE || kind == P::GROUP_BRACE;
}
/// Tokens that go on with what stands before them.
bool continues(uint16_t kind) {
  switch (kind) {
  case P::OF:
  case P::PER:
  case P::WHERE:
  case P::UNDER:
  case P::BY:
  case P::WEIGHT:
  case P::AT:
  case P::OVER:
  case P::TIMEOUT:
  case P::NEED:
  case P::UNTIL:
  case P::CARRY:
  case P::WITH:
  case P::IN:
  case P::SUBSET:
  case P::AND:
  case P::OR:
  case P::AS:
  case P::STALE:
  case P::FROM:
  case P::THEN:
  case P::EVERY:
  case P::UP:
  case P::ELSE:
  case P::MAX:
  case P::POLICY:
  case P::LPAREN:
  case P::LBRACKET:
  case P::LBRACE:
  case P::LIST_COMMA:
  case P::PATH_DOT:
    return true;
  default:
    return kind >= P::COMMA && kind <= P::GE && kind != P::DOLLAR;
  }
}

class Formatter {
public:
  Formatter(const SourceManager &sources, const TokenList &list)
      : text(sources.text(list.file)), list(list), columns(text) {}

  std::string run() {
    size_t comment = 0;
    for (at = 0; at < list.tokens.size(); ++at) {
      for (; comment < list.comments.size() &&
             list.comments[comment].begin < list.tokens[at].begin;
           ++comment)
        addComment(list.comments[comment]);
      addToken(list.tokens[at]);
    }
    for (; comment < list.comments.size(); ++comment)
      addComment(list.comments[comment]);
    if (!out.empty())
      out += '\n';
    return columns.align(out);
  }

private:
  /// An open bracket: where its lines begin and what it holds.
  struct Level {
    unsigned openIndent = 0;  // of the line with the opening bracket
    unsigned innerIndent = 0; // of the lines inside
    bool budget = false;
    // Cases without braces that still wait for their 'otherwise'; true once an
    // arrow was seen.
    std::vector<bool> cases;
  };

  /// Tokens of one kind, equally deep in brackets, may make a column.
  unsigned depthKind(uint16_t kind) const {
    return unsigned(levels.size()) << 16 | kind;
  }
  uint16_t before() const { return at > 0 ? list.tokens[at - 1].kind : 0; }
  Level &level() { return levels.back(); }

  /// Does a token begin a statement, row, arm or entry of its own when it
  /// begins a line? At the top level only declarations do.
  bool beginsItem(uint16_t kind) {
    uint16_t last = before();
    if (levels.size() == 1)
      return last == 0 || beginsDeclaration(kind);
    return isBrace(last) || last == P::COMMA || followsItem(kind);
  }

  /// Does something new begin right after a complete operand?
  bool followsItem(uint16_t kind) {
    uint16_t last = before();
    if (!endsOperand(last) || closesBracket(kind))
      return false;
    if (kind == P::PER)
      return level().budget;
    if (kind == P::WHEN)
      return !inRuleHead;
    bool afterWindow = at > 1 && list.tokens[at - 2].kind == P::WINDOW &&
                       (kind == P::ID || kind == P::NUMBER ||
                        kind == P::STRING || kind == P::GROUP_PAREN);
    return !afterWindow && !continues(kind);
  }

  void startLine(unsigned indent, bool blank) {
    if (!out.empty())
      out += blank ? "\n\n" : "\n";
    out.append(indent, ' ');
    lineIndent = indent;
  }

  /// Lines between the last thing printed and a position: 0 is the same line.
  unsigned newlinesBefore(uint32_t begin) const {
    return unsigned(text.slice(lastEnd, begin).count('\n'));
  }

  void addComment(SourceRange range) {
    unsigned lines = newlinesBefore(range.begin), gap = 0;
    if (out.empty())
      lines = 0;
    if (lines > 0)
      startLine(level().innerIndent, lines > 1 && !afterOpening());
    else if (!out.empty())
      gap = llvm::StringRef(out).ends_with("\n")  ? 0
            : text.substr(range.begin, 2) == "//" ? 2
                                                  : 1;
    out.append(gap, ' ');
    columns.add(depthKind(0), range.begin, range.end, out.size(), gap);
    out += text.slice(range.begin, range.end).rtrim().str();
    lastEnd = range.end;
    lastIsComment = true;
  }

  bool afterOpening() const { return !lastIsComment && opensBracket(before()); }

  void addToken(const Token &token) {
    unsigned lines = newlinesBefore(token.begin), gap = 0;
    if (out.empty()) {
      startLine(0, false);
    } else if (lines > 0) {
      unsigned indent = level().innerIndent;
      bool item = beginsItem(token.kind);
      bool waiting = !level().cases.empty() && level().cases.back();
      bool alignedElse = token.kind == P::ELSE && before() == P::RBRACE;
      if (closesBracket(token.kind))
        indent = level().openIndent;
      else if (!opensBracket(before()) &&
               (!item || (waiting && token.kind != P::COMMA)) && !alignedElse)
        indent += 2;
      startLine(indent,
                lines > 1 && !afterOpening() && !closesBracket(token.kind));
    } else {
      gap = lastIsComment             ? 1
            : followsItem(token.kind) ? 2
            : needsSpace(token)       ? 1
                                      : 0;
    }
    out.append(gap, ' ');
    columns.add(depthKind(token.kind), token.begin, token.end, out.size(), gap);
    print(token);
    track(token.kind);
    lastEnd = token.end;
    lastIsComment = false;
  }

  void print(const Token &token) {
    // A number and its unit stand one space apart, whatever was written.
    for (char c : text.slice(token.begin, token.end))
      out += c == '\t' && token.kind == P::NUMBER ? ' ' : c;
  }

  void track(uint16_t kind) {
    if (opensBracket(kind)) {
      bool budget =
          isBrace(kind) && at > 1 && list.tokens[at - 2].kind == P::BUDGET;
      if (isBrace(kind) && !level().cases.empty() && !level().cases.back())
        level().cases.pop_back(); // `case subject {`
      levels.push_back({lineIndent, lineIndent + 2, budget, {}});
    } else if (closesBracket(kind)) {
      if (levels.size() > 1)
        levels.pop_back();
    } else if (kind == P::CASE) {
      level().cases.push_back(false);
    } else if (kind == P::ARROW && !level().cases.empty()) {
      level().cases.back() = true;
    } else if (kind == P::OTHERWISE && !level().cases.empty() &&
               level().cases.back()) {
      level().cases.pop_back();
    }
    if (kind == P::RULE)
      inRuleHead = true;
    else if (kind == P::ARROW)
      inRuleHead = false;
  }

  /// Between two tokens on a line that belong to one item.
  bool needsSpace(const Token &token) const {
    uint16_t last = before(), kind = token.kind;
    switch (kind) {
    case P::COMMA:
    case P::LIST_COMMA:
    case P::COLON:
    case P::DOT:
    case P::PATH_DOT:
    case P::RANGE:
    case P::QUESTION:
    case P::RPAREN:
    case P::RBRACKET:
    case P::LPAREN:
    case P::LBRACKET:
      return false;
    case P::RBRACE:
      return !isBrace(last);
    default:
      break;
    }
    switch (last) {
    case P::DOT:
    case P::PATH_DOT:
    case P::RANGE:
    case P::LPAREN:
    case P::GROUP_PAREN:
    case P::LBRACKET:
    case P::GROUP_BRACKET:
    case P::PREFIX_MINUS:
    case P::PREFIX_PLUS:
      return false;
    default:
      break;
    }
    return !inUnitRatio(kind == P::SLASH ? at : last == P::SLASH ? at - 1 : 0);
  }

  /// Is the '/' at `slash` that of `$/tok` or of a glued `tok/s`?
  bool inUnitRatio(size_t slash) const {
    if (slash == 0 || slash + 1 >= list.tokens.size())
      return false;
    const Token &left = list.tokens[slash - 1], &right = list.tokens[slash + 1];
    if (left.kind == P::DOLLAR)
      return true;
    auto isUnit = [&](const Token &t) {
      return isWord(t.kind) && isUnitWord(text.slice(t.begin, t.end));
    };
    return isUnit(left) && isUnit(right) && list.tokens[slash].glued &&
           right.glued;
  }

  llvm::StringRef text;
  const TokenList &list;
  std::string out;
  Columns columns;
  std::vector<Level> levels = {Level()};
  size_t at = 0;
  uint32_t lastEnd = 0;
  unsigned lineIndent = 0;
  bool lastIsComment = false;
  bool inRuleHead = false;
};

} // namespace

std::optional<std::string> route::formatSource(const SourceManager &sources,
                                               FileId file,
                                               DiagnosticEngine &diags) {
  unsigned before = diags.errorCount();
  parseModule(sources, file, diags);
  if (diags.errorCount() != before)
    return std::nullopt;
  DiagnosticEngine silent(sources);
  return Formatter(sources, tokenize(sources, file, silent)).run();
}
