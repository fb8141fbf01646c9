// Names, strings and ranges.
// The small parts of the tree builder that the others share.
#include "Builder.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"

using namespace route;
using namespace route::ast;

SourceRange Builder::range(antlr4::Token *token) const {
  return {file, uint32_t(token->getStartIndex()),
          uint32_t(token->getStopIndex() + 1)};
}

SourceRange Builder::range(antlr4::ParserRuleContext *ctx) const {
  SourceRange first = range(ctx->getStart());
  antlr4::Token *stop = ctx->getStop();
  // A rule that matched nothing stops before it starts.
  if (!stop || stop->getTokenIndex() < ctx->getStart()->getTokenIndex())
    return {file, first.begin, first.begin};
  return first.to(range(stop));
}

Name Builder::name(antlr4::Token *token) {
  Name result{text(token).str(), range(token)};
  llvm::StringRef spelling = result.text;
  if (spelling.starts_with("`"))
    result.text =
        (spelling.drop_front().take_until([](char c) { return c == '`'; }) +
         spelling.substr(spelling.rfind('`') + 1))
            .str();
  else if (spelling.starts_with("__"))
    diags
        .report(diag::badName, result.range,
                "the name '" + spelling + "' belongs to the compiler")
        .note("names that begin with two underscores are reserved");
  return result;
}

std::vector<Name>
Builder::names(const std::vector<antlr4::tree::TerminalNode *> &nodes) {
  std::vector<Name> result;
  for (antlr4::tree::TerminalNode *node : nodes)
    result.push_back(name(node));
  return result;
}

bool Builder::once(bool taken, antlr4::tree::ParseTree *keyword,
                   llvm::StringRef note) {
  if (!taken)
    return true;
  antlr4::Token *token =
      static_cast<antlr4::tree::TerminalNode *>(keyword)->getSymbol();
  auto message = diags.report(diag::duplicateClause, range(token),
                              "'" + text(token) + "' is given twice");
  if (!note.empty())
    message.note(note);
  return false;
}

void Builder::checkDistinct(llvm::ArrayRef<Name> names) {
  llvm::StringMap<SourceRange> known;
  for (const Name &name : names) {
    auto [first, fresh] = known.try_emplace(name.text, name.range);
    if (!fresh && name)
      diags
          .report(diag::duplicateName, name.range,
                  "'" + name.text + "' is declared twice")
          .label(first->second, "the first one");
  }
}

void Builder::checkDistinct(const std::vector<ColumnPtr> &columns,
                            const std::vector<Name> &before) {
  std::vector<Name> names = before;
  for (const ColumnPtr &column : columns)
    names.push_back(column->name);
  checkDistinct(names);
}

bool Builder::tooDeep(antlr4::ParserRuleContext *ctx) {
  constexpr unsigned limit =
      1024; // tree levels of 256 brackets with what stands between them
  if (depth <= limit)
    return false;
  if (!reportedDepth)
    diags
        .report(diag::nestedTooDeeply, range(ctx->getStart()),
                "this is nested too deeply")
        .note("operators, brackets and statements together may make 1024 "
              "levels; name parts with 'let'");
  reportedDepth = true;
  return true;
}

std::unique_ptr<StringExpr> Builder::string(antlr4::tree::TerminalNode *node) {
  if (!node)
    return nullptr;
  auto result = std::make_unique<StringExpr>();
  result->range = range(node->getSymbol());
  llvm::StringRef body = text(node->getSymbol());
  result->raw = body.consume_front("r");
  // An unclosed string was reported before; it ends with its line.
  bool fenced = body.consume_front("#");
  body.consume_front("\"");
  body.consume_back(fenced ? "\"#" : "\"");
  result->value =
      result->raw ? body.str() : unescape(body, result->range.begin + 1);
  return result;
}

std::string Builder::unescape(llvm::StringRef body, uint32_t at) {
  std::string result;
  auto bad = [&](size_t begin, size_t end, const llvm::Twine &message) {
    diags
        .report(diag::badEscape,
                {file, uint32_t(at + begin), uint32_t(at + end)}, message)
        .note("strings know \\n, \\t, \\r, \\0, \\\\, \\\", \\' and \\u{...}; "
              "r\"...\" knows none");
  };
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      result += body[i];
      continue;
    }
    size_t begin = i++;
    char c = i < body.size() ? body[i] : ' ';
    static constexpr llvm::StringLiteral codes = "ntr0\\\"'";
    static constexpr auto values =
        llvm::StringLiteral::withInnerNUL("\n\t\r\0\\\"'");
    if (size_t known = codes.find(c); known != llvm::StringRef::npos) {
      result += values[known];
      continue;
    }
    if (c != 'u') {
      size_t end = std::min(i + 1, body.size());
      bad(begin, end, "unknown escape '" + body.slice(begin, end) + "'");
      continue;
    }
    size_t close = body.find('}', i);
    llvm::StringRef hex = body.slice(i + 1, close);
    unsigned code = 0;
    if (close == llvm::StringRef::npos || !hex.consume_front("{") ||
        hex.size() > 6 || hex.getAsInteger(16, code) || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000)) {
      bad(begin, std::min(i + 1, body.size()),
          "'\\u' is followed by '{', the number of a character, and '}'");
      continue;
    }
    char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = buffer;
    llvm::ConvertCodePointToUTF8(code, end);
    result.append(buffer, end);
    i = close;
  }
  return result;
}
