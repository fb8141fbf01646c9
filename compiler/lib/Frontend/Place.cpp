// Where parsing failed, in words.
// Describes the token at which the parser gave up and what stands around it.
#include "RouteParser.h"
#include "SyntaxErrors.h"

using namespace route;
using P = grammar::RouteParser;

bool Place::isClauseWithoutOperand() const {
  if (atEnd() || !followsOperand())
    return false;
  switch (list.tokens[at].kind) {
  case P::OF:
  case P::PER:
  case P::WHERE:
  case P::UNDER:
  case P::BY:
  case P::OVER:
  case P::IN:
  case P::AND:
  case P::OR:
    break;
  default:
    return false;
  }
  if (at + 1 >= chunk.last)
    return true;
  switch (list.tokens[at + 1].kind) {
  case P::RPAREN:
  case P::RBRACKET:
  case P::RBRACE:
  case P::COMMA:
  case P::ARROW:
    return true;
  default:
    return false;
  }
}

SourceRange Place::range() const {
  // What is missing at the end of a declaration is missing after its last
  // token.
  if (atEnd() && before())
    return {list.file, before()->end, before()->end};
  return list.range(list.tokens[at]);
}

std::string Place::quote(const Token &token) const {
  llvm::StringRef text = sources.text(list.range(token));
  if (token.kind == P::STRING)
    return "a string";
  return text.size() > 40 ? ("'" + text.take_front(37) + "...'").str()
                          : ("'" + text + "'").str();
}

std::string Place::found() const {
  return at < list.tokens.size() ? quote(list.tokens[at])
                                 : "the end of the file";
}

std::string Place::after() const {
  return before() ? " after " + quote(*before()) : "";
}

std::string Place::word() const {
  return !atEnd() && isWord(list.tokens[at].kind)
             ? sources.text(list.range(list.tokens[at])).str()
             : "";
}

bool Place::isKeyword() const {
  return !word().empty() && list.tokens[at].kind != P::ID;
}

bool Place::beginsLine() const { return !atEnd() && list.tokens[at].lineStart; }

bool Place::followsOperand() const {
  return before() && endsOperand(before()->kind);
}

bool Place::followsNumber() const {
  return before() && before()->kind == P::NUMBER && !word().empty() &&
         !isKeyword() && !list.tokens[at].lineStart;
}

size_t Place::openBracket() const {
  size_t nowhere = list.tokens.size();
  int depth = 0;
  for (size_t i = std::min(at, chunk.last); i-- > chunk.first;) {
    switch (list.tokens[i].kind) {
    case P::RPAREN:
    case P::RBRACKET:
    case P::RBRACE:
      ++depth;
      break;
    case P::LPAREN:
    case P::GROUP_PAREN:
    case P::LBRACKET:
    case P::GROUP_BRACKET: {
      if (depth-- > 0)
        break;
      for (size_t k = i + 1; k <= at && k < chunk.last; ++k)
        if (list.tokens[k].lineStart)
          return i;
      return nowhere;
    }
    case P::LBRACE:
    case P::GROUP_BRACE:
      if (depth-- == 0)
        return nowhere; // a block, whose beginning says little
      break;
    default:
      break;
    }
  }
  return nowhere;
}
