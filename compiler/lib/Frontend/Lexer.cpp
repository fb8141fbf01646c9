// Text to tokens.
// Runs the generated lexer over text that has been checked to be UTF-8, turns
// its code point positions into byte offsets and names every error of the text.
#include "RouteLexer.h"
#include "RouteParser.h"
#include "Tokens.h"
#include "route/Frontend/Parser.h"

using namespace route;
using grammar::RouteParser;

namespace {

/// Byte offsets of code points; the identity for ASCII text.
class OffsetMap {
public:
  explicit OffsetMap(llvm::StringRef text) : size(uint32_t(text.size())) {
    if (llvm::all_of(text, [](char c) { return uint8_t(c) < 0x80; }))
      return;
    for (uint32_t at = 0; at < size; ++at)
      if ((uint8_t(text[at]) & 0xC0) != 0x80)
        offsets.push_back(at);
  }
  uint32_t operator()(size_t codePoint) const {
    if (offsets.empty())
      return uint32_t(std::min<size_t>(codePoint, size));
    return codePoint < offsets.size() ? offsets[codePoint] : size;
  }

private:
  uint32_t size;
  std::vector<uint32_t> offsets;
};

/// Length of the UTF-8 sequence at the start of `text`, 0 when it is none.
size_t sequenceLength(llvm::StringRef text) {
  auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0u; };
  auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  unsigned lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead < 0xE0)
    return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead < 0xF0) {
    bool shortForm = lead == 0xE0 && byte(1) < 0xA0,
         surrogate = lead == 0xED && byte(1) >= 0xA0;
    return continues(1) && continues(2) && !shortForm && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead < 0xF5) {
    bool shortForm = lead == 0xF0 && byte(1) < 0x90,
         tooLarge = lead == 0xF4 && byte(1) >= 0x90;
    return continues(1) && continues(2) && continues(3) && !shortForm &&
                   !tooLarge
               ? 4
               : 0;
  }
  return 0;
}

/// Reports the first byte that is no UTF-8 and up to a few control characters.
bool checkCharacters(llvm::StringRef text, FileId file,
                     DiagnosticEngine &diags) {
  unsigned controls = 0;
  for (uint32_t at = 0; at < text.size();) {
    uint8_t c = text[at];
    SourceRange here{file, at, at + 1};
    size_t length = sequenceLength(text.substr(at, 4));
    if (length == 0) {
      diags
          .report(diag::invalidUtf8, here,
                  "byte 0x" + llvm::Twine::utohexstr(c) +
                      " is not part of a UTF-8 character")
          .help("save the file as UTF-8");
      return false;
    }
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
      auto message = diags.report(
          diag::controlCharacter, here,
          c == 0 ? llvm::Twine("a NUL byte in a source file")
                 : "control character 0x" + llvm::Twine::utohexstr(c) +
                       " in a source file");
      message.note("in a string write an escape such as \\u{" +
                   llvm::Twine::utohexstr(c) + "}");
      if (++controls == 5)
        return false;
    }
    at += length;
  }
  return controls == 0;
}

void reportUnexpected(llvm::StringRef text, SourceRange range,
                      DiagnosticEngine &diags) {
  auto message = diags.report(diag::unexpectedCharacter, range,
                              "unexpected character '" + text + "'");
  if (text == "!" || text == "&" || text == "|" || text == "~")
    message.note("write 'not', 'and', 'or'");
  else if (text == ";")
    message.note("statements need no separator");
  else if (text.starts_with("\\"))
    message.note(
        "in r\"...\" a backslash is a backslash and the next '\"' ends "
        "the string; r#\"...\"# may hold '\"'");
  else if (text == "#")
    message.note("a comment begins with '//'");
  else if (text == "'")
    message.note("strings stand between double quotes; a prime ends a name, as "
                 "in token'");
  else if (text == "%")
    message.note(
        "'%' stands after a number, as in 80%; the remainder is mod(a, b)");
  else if (uint8_t(text[0]) >= 0x80)
    message.note("names are made of ASCII letters, digits and underscores");
}

} // namespace

TokenList route::tokenize(const SourceManager &sources, FileId file,
                          DiagnosticEngine &diags) {
  TokenList list;
  list.file = file;
  llvm::StringRef text = sources.text(file);
  auto fail = [&] {
    list.usable = false;
    return list;
  };
  if (text.size() > SourceManager::maxFileSize) {
    diags.report(diag::fileTooLarge, {file, 0, 0},
                 "the file is larger than 16 MiB");
    return fail();
  }
  if (!checkCharacters(text, file, diags))
    return fail();

  // The generated lexer drops a byte order mark by itself.
  uint32_t skipped = text.consume_front("\xEF\xBB\xBF") ? 3 : 0;
  OffsetMap offset(text);
  antlr4::ANTLRInputStream input(text.str());
  grammar::RouteLexer lexer(&input);
  lexer.removeErrorListeners();
  uint32_t previousEnd = 0, unexpectedEnd = 0;
  unsigned unexpected = 0;
  bool newline = true, spaced = true;
  for (;;) {
    std::unique_ptr<antlr4::Token> raw = lexer.nextToken();
    if (raw->getType() == antlr4::Token::EOF)
      break;
    uint32_t begin = offset(raw->getStartIndex()),
             end = offset(raw->getStopIndex() + 1);
    llvm::StringRef gap = text.slice(previousEnd, begin);
    newline |= gap.contains('\n') || gap.contains('\r');
    spaced |= !gap.empty();
    previousEnd = end;
    SourceRange range{file, begin + skipped, end + skipped};
    uint16_t kind = uint16_t(raw->getType());
    switch (kind) {
    case RouteParser::LINE_COMMENT:
    case RouteParser::BLOCK_COMMENT:
    case RouteParser::OPEN_COMMENT:
      list.comments.push_back(range);
      newline |= kind == RouteParser::LINE_COMMENT;
      spaced = true;
      if (kind == RouteParser::OPEN_COMMENT)
        diags
            .report(diag::unterminatedComment,
                    {file, range.begin, range.begin + 2},
                    "this comment is never closed")
            .note("a comment that begins with '/*' ends with '*/'");
      continue;
    case RouteParser::UNEXPECTED:
      // A run of signs is one error; a file full of them is no source file.
      if (unexpected == 0 || begin != unexpectedEnd)
        reportUnexpected(text.slice(begin, end), range, diags);
      unexpectedEnd = end;
      list.dropped.push_back(range.begin);
      if (++unexpected >= 1000 || diags.reachedErrorLimit())
        return fail();
      continue;
    case RouteParser::OPEN_STRING: {
      auto message = diags.report(diag::unterminatedString,
                                  {file, range.begin, range.begin + 1},
                                  "this string is never closed");
      message.note("a string ends with '\"' on the line where it begins");
      // What looks like a second string may be the rest of a raw one.
      if (!list.tokens.empty() && !newline) {
        size_t line = text.rfind('\n', begin);
        llvm::StringRef before =
            text.slice(line == llvm::StringRef::npos ? 0 : line, begin);
        if (before.contains("r\""))
          message.note("in r\"...\" the next '\"' ends the string; "
                       "r#\"...\"# may hold '\"'");
      }
      kind = RouteParser::STRING;
      break;
    }
    default:
      break;
    }
    list.tokens.push_back({kind, newline, !spaced, range.begin, range.end});
    newline = spaced = false;
    if (list.tokens.size() > maxTokens) {
      diags
          .report(diag::fileTooLarge, range,
                  "the file has more than " + llvm::Twine(maxTokens) +
                      " words and signs")
          .note("a table belongs in a parameter file, named by 'from'");
      return fail();
    }
  }
  settleWords(sources.text(file), list.tokens);
  return list;
}
