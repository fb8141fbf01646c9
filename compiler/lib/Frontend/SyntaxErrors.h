// Parser failures in plain words.
// The error strategy of the second parsing stage: says what was found and what
// was expected in the language's own words, then gives up on the declaration.
#ifndef ROUTE_LIB_FRONTEND_SYNTAXERRORS_H
#define ROUTE_LIB_FRONTEND_SYNTAXERRORS_H

#include "Tokens.h"
#include "antlr4-runtime.h"

namespace route {

/// Thrown inside this library to leave the generated parser.
struct ParseStopped {
  size_t token; // where, as a number of the token list
};

/// The tokens handed to the parser: a whole declaration, or its head and what
/// follows the statements that have been given up.
struct Portion {
  Chunk chunk;
  size_t headEnd; // tokens [chunk.first, headEnd) and [resume, chunk.last)
  size_t resume;
  size_t size() const { return headEnd - chunk.first + chunk.last - resume; }
  /// The number in the token list of the n-th token handed over.
  size_t original(size_t n) const {
    size_t head = headEnd - chunk.first;
    return n < head ? chunk.first + n : resume + (n - head);
  }
};

/// Where parsing failed, in words for a message.
class Place {
public:
  Place(const SourceManager &sources, const TokenList &list, Chunk chunk,
        size_t at)
      : sources(sources), list(list), chunk(chunk), at(at) {}

  size_t index() const { return at; }
  Place next() const { return Place(sources, list, chunk, at + 1); }
  /// The declaration ends here.
  bool atEnd() const { return at >= chunk.last; }
  SourceRange range() const;
  /// "'x'", "a string", "the end of the file".
  std::string found() const;
  /// " after 'x'", or nothing at the beginning.
  std::string after() const;
  /// The word found, for suggestions; empty for anything else.
  std::string word() const;
  bool isKeyword() const;
  bool beginsLine() const;
  bool followsOperand() const;
  bool followsNumber() const;
  /// A clause such as 'per' or 'where' whose value does not follow.
  bool isClauseWithoutOperand() const;
  /// The innermost open bracket when it stands on an earlier line, else a
  /// number past the last token.
  size_t openBracket() const;

private:
  std::string quote(const Token &token) const;
  const Token *before() const {
    return at > chunk.first ? &list.tokens[at - 1] : nullptr;
  }
  const SourceManager &sources;
  const TokenList &list;
  Chunk chunk;
  size_t at;
};

/// Reports the slip that made parsing fail at a token, where one is to be seen
/// on its line.
bool reportSlip(const SourceManager &sources, const TokenList &list,
                Chunk chunk, size_t at, DiagnosticEngine &diags);

/// Reports something at the top level that begins no declaration.
void reportStray(const Place &place, DiagnosticEngine &diags);

class SyntaxErrors : public antlr4::DefaultErrorStrategy {
public:
  SyntaxErrors(const SourceManager &sources, const TokenList &list,
               const Portion &portion, DiagnosticEngine &diags)
      : sources(sources), list(list), portion(portion), chunk(portion.chunk),
        diags(diags) {}

  void reportError(antlr4::Parser *parser,
                   const antlr4::RecognitionException &error) override;
  void recover(antlr4::Parser *, std::exception_ptr) override {
    throw ParseStopped{failedAt};
  }
  antlr4::Token *recoverInline(antlr4::Parser *parser) override;
  void sync(antlr4::Parser *) override {}

private:
  void report(antlr4::Parser *parser, size_t found, bool setIsValid);
  bool inLoopHead(size_t at) const;

  const SourceManager &sources;
  const TokenList &list;
  Portion portion;
  Chunk chunk;
  DiagnosticEngine &diags;
  size_t failedAt = 0;
};

} // namespace route

#endif
