// Words and signs of a file.
// What the lexer hands to the parser and to the formatter: tokens with byte
// ranges, in which words have been settled as keywords or names. Private to the
// front end; kinds are those of the generated parser.
#ifndef ROUTE_LIB_FRONTEND_TOKENS_H
#define ROUTE_LIB_FRONTEND_TOKENS_H

#include "route/Diagnostics/Diagnostic.h"
#include <vector>

namespace route {

struct Token {
  uint16_t kind = 0;      // of grammar::RouteParser
  bool lineStart = false; // the first token on its line
  bool glued = false;     // no space or comment before it
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct TokenList {
  FileId file;
  std::vector<Token> tokens;         // without an end marker
  std::vector<SourceRange> comments; // in order
  std::vector<uint32_t> dropped;     // offsets of signs that were left out
  bool usable = true; // false: the text could not be cut into tokens

  SourceRange range(const Token &token) const {
    return {file, token.begin, token.end};
  }
};

/// Cuts a file into tokens and reports what is wrong with its characters,
/// strings, comments and brackets.
TokenList tokenize(const SourceManager &sources, FileId file,
                   DiagnosticEngine &diags);

/// Decides for each word whether it is a keyword or a name, joins numbers with
/// their units, and marks brackets that begin a line.
void settleWords(llvm::StringRef text, std::vector<Token> &tokens);

/// A half-open range of token numbers.
struct Chunk {
  size_t first = 0;
  size_t last = 0;
};

struct BracketCheck {
  bool tooDeep = false;
  std::vector<Chunk> broken; // where brackets do not pair; not to be parsed
};
/// Pairs brackets and reports those without partner and nesting beyond the
/// limit.
BracketCheck checkBrackets(const SourceManager &sources, const TokenList &list,
                           DiagnosticEngine &diags);

/// Cuts tokens into top-level declarations. The first chunk may hold what
/// stands before any declaration. Broken ranges are left out.
std::vector<Chunk> splitDeclarations(const std::vector<Token> &tokens,
                                     const std::vector<Chunk> &broken);

/// The words of declarations, and those of clauses, for suggestions.
const std::vector<std::string> &declarationWords();
const std::vector<std::string> &clauseWords();
/// The words that begin a declaration at the top of a file.
bool beginsDeclaration(uint16_t kind);
/// Whether an operand may end with this token.
bool endsOperand(uint16_t kind);
/// Whether a token is an opening or a closing bracket of any kind.
bool opensBracket(uint16_t kind);
bool closesBracket(uint16_t kind);
/// Whether a token is a word: a name or any keyword.
bool isWord(uint16_t kind);

} // namespace route

#endif
