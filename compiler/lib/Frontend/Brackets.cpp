// Pairing brackets before parsing.
// An unclosed bracket makes every later message wrong, so brackets are paired
// first. When the file as a whole is unbalanced, a declaration that begins at
// the left margin shows where a bracket should have been closed.
#include "RouteParser.h"
#include "Tokens.h"
#include "route/Frontend/Parser.h"

using namespace route;
using llvm::StringRef;
using P = grammar::RouteParser;

namespace {

/// The kind that closes an opening bracket; 0 for anything else.
uint16_t closerOf(uint16_t kind) {
  switch (kind) {
  case P::LPAREN:
  case P::GROUP_PAREN:
    return P::RPAREN;
  case P::LBRACKET:
  case P::GROUP_BRACKET:
    return P::RBRACKET;
  case P::LBRACE:
  case P::GROUP_BRACE:
    return P::RBRACE;
  default:
    return 0;
  }
}

} // namespace

bool route::opensBracket(uint16_t kind) { return closerOf(kind) != 0; }

bool route::closesBracket(uint16_t kind) {
  return kind == P::RPAREN || kind == P::RBRACKET || kind == P::RBRACE;
}

BracketCheck route::checkBrackets(const SourceManager &sources,
                                  const TokenList &list,
                                  DiagnosticEngine &diags) {
  BracketCheck result;
  const std::vector<Token> &tokens = list.tokens;
  auto spell = [&](const Token &token) {
    return ("'" + sources.text(list.range(token)) + "'").str();
  };

  // First pass: is the file balanced and shallow?
  std::vector<size_t> open;
  bool balanced = true;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (closerOf(tokens[i].kind)) {
      open.push_back(i);
      if (open.size() > maxNesting) {
        diags
            .report(diag::nestedTooDeeply, list.range(tokens[i]),
                    "brackets are nested more than " + llvm::Twine(maxNesting) +
                        " deep")
            .note("name parts with 'let'");
        result.tooDeep = true;
        return result;
      }
    } else if (closesBracket(tokens[i].kind)) {
      if (open.empty() ||
          closerOf(tokens[open.back()].kind) != tokens[i].kind) {
        balanced = false;
        break;
      }
      open.pop_back();
    }
  }
  if (balanced && open.empty())
    return result;

  // Second pass: one message a place, starting afresh at each declaration at
  // the left margin.
  open.clear();
  auto markBroken = [&](size_t from, size_t to) {
    result.broken.push_back({from, to});
  };
  size_t region = 0;
  bool bad = false;
  // An indented bracket that is still open when a line begins no further right
  // than its own: its closer is missing, although one of an outer bracket may
  // stand in for it.
  std::optional<std::pair<size_t, size_t>> outgrown;
  StringRef text = sources.text(list.file);
  auto indentOf = [&](size_t at) {
    size_t line = text.rfind('\n', tokens[at].begin) + 1; // npos + 1 is 0
    return text.find_first_not_of(" \t", line) - line;
  };
  auto unclosed = [&](size_t end) {
    if (open.empty())
      return;
    size_t at = outgrown ? outgrown->first : open.back();
    auto message = diags.report(diag::unbalancedBracket, list.range(tokens[at]),
                                spell(tokens[at]) + " is never closed");
    if (outgrown)
      message.label(list.range(tokens[outgrown->second]),
                    "it is still open here");
    else if (end < tokens.size())
      message.label(list.range(tokens[end]),
                    "the next declaration begins here");
    open.clear();
    bad = true;
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].lineStart && !open.empty() && !outgrown &&
        !closesBracket(tokens[i].kind) && indentOf(open.back()) > 0 &&
        indentOf(i) <= indentOf(open.back()))
      outgrown = {open.back(), i};
    bool atMargin = tokens[i].lineStart && beginsDeclaration(tokens[i].kind) &&
                    (tokens[i].begin == 0 ||
                     sources.text(list.file)[tokens[i].begin - 1] == '\n');
    if (atMargin) {
      unclosed(i);
      if (bad)
        markBroken(region, i);
      region = i;
      bad = false;
      outgrown.reset();
    }
    if (closerOf(tokens[i].kind)) {
      open.push_back(i);
    } else if (closesBracket(tokens[i].kind)) {
      if (!open.empty() &&
          closerOf(tokens[open.back()].kind) == tokens[i].kind) {
        open.pop_back();
      } else if (!bad) {
        auto message =
            diags.report(diag::unbalancedBracket, list.range(tokens[i]),
                         open.empty() ? spell(tokens[i]) + " closes nothing"
                                      : spell(tokens[i]) + " does not close " +
                                            spell(tokens[open.back()]));
        if (!open.empty())
          message.label(list.range(tokens[open.back()]), "opened here");
        bad = true;
        open.clear();
      }
    }
  }
  if (!bad)
    unclosed(tokens.size());
  if (bad)
    markBroken(region, tokens.size());
  return result;
}
