// From text to syntax tree.
// Parses declaration by declaration, so that one run shows an error of each and
// no parse tree outlives its declaration. Each is tried with the fast
// prediction mode first; only a declaration that fails is parsed again to say
// why.
#include "route/Frontend/Parser.h"
#include "Builder.h"
#include "SyntaxErrors.h"

using namespace route;
using grammar::RouteParser;

namespace {

struct NestedTooDeeply {
  size_t token;
};

/// Counts how deep rules that nest without brackets are in each other, before
/// the generated parser recurses into them.
class DepthGuard : public antlr4::tree::ParseTreeListener {
public:
  void enterEveryRule(antlr4::ParserRuleContext *context) override {
    if (counts(context) && ++depth > maxNesting)
      throw NestedTooDeeply{context->getStart()->getTokenIndex()};
  }
  void exitEveryRule(antlr4::ParserRuleContext *context) override {
    depth -= counts(context);
  }
  void visitTerminal(antlr4::tree::TerminalNode *) override {}
  void visitErrorNode(antlr4::tree::ErrorNode *) override {}
  void reset() { depth = 0; }

private:
  static bool counts(antlr4::ParserRuleContext *context) {
    size_t rule = context->getRuleIndex();
    // An 'if' after 'else' nests without a form around it.
    bool chained = rule == RouteParser::RuleIfForm &&
                   dynamic_cast<RouteParser::IfFormContext *>(context->parent);
    return rule == RouteParser::RuleForm || rule == RouteParser::RuleBaseType ||
           chained;
  }
  unsigned depth = 0;
};

/// Reports `by price desc`: the word would be a statement of its own, and what
/// is told of that misleads.
void dropOrderWords(const SourceManager &sources, TokenList &list,
                    DiagnosticEngine &diags) {
  using P = grammar::RouteParser;
  const std::vector<Token> &tokens = list.tokens;
  auto endsKey = [&](size_t at) {
    if (tokens[at].lineStart || !endsOperand(tokens[at - 1].kind))
      return false;
    for (size_t i = at; i-- > 0;) {
      if (tokens[i].kind == P::BY)
        return true;
      if (tokens[i].lineStart || tokens[i].kind == P::LET ||
          tokens[i].kind == P::LBRACE || tokens[i].kind == P::RBRACE)
        return false;
    }
    return false;
  };
  for (size_t at = 1; at < tokens.size(); ++at) {
    if (tokens[at].kind != P::ID)
      continue;
    llvm::StringRef word = sources.text(list.range(tokens[at]));
    bool down = word == "desc" || word == "descending";
    bool up = word == "asc" || word == "ascending";
    if ((!down && !up) || !endsKey(at))
      continue;
    diags
        .report(diag::unexpectedToken, list.range(tokens[at]),
                "unexpected '" + word + "' behind a key of 'by'")
        .help(down ? "leave it out: the largest comes first"
                   : "write 'up': the smallest comes first");
    list.dropped.push_back(tokens[at].begin);
  }
}

class ModuleParser {
public:
  ModuleParser(const SourceManager &sources, FileId file,
               DiagnosticEngine &diags)
      : sources(sources), diags(diags), list(tokenize(sources, file, diags)) {}

  void run(ast::Module &module) {
    if (!list.usable)
      return;
    BracketCheck brackets = checkBrackets(sources, list, diags);
    if (brackets.tooDeep)
      return;
    dropOrderWords(sources, list, diags);
    std::vector<Chunk> chunks = splitDeclarations(list.tokens, brackets.broken);
    for (auto [from, to] : brackets.broken)
      if (beginsDeclaration(list.tokens[from].kind))
        lose(Chunk{from, to}, module);
    for (size_t i = 0; i < chunks.size() && !diags.reachedErrorLimit(); ++i) {
      // A sign that was dropped has been reported; what its declaration lacks
      // without it is not news.
      uint32_t begin = i == 0 ? 0 : list.tokens[chunks[i].first].begin;
      uint32_t end = i + 1 < chunks.size()
                         ? list.tokens[chunks[i + 1].first].begin
                         : UINT32_MAX;
      if (llvm::any_of(list.dropped,
                       [&](uint32_t at) { return at >= begin && at < end; })) {
        lose(chunks[i], module);
        continue;
      }
      if (beginsDeclaration(list.tokens[chunks[i].first].kind))
        parse(chunks[i], module);
      else
        reportStray(Place(sources, list, chunks[i], chunks[i].first), diags);
    }
  }

private:
  /// Declarations larger than this are parsed once, the fast way.
  static constexpr size_t ordinarySize = 20000;

  std::vector<std::unique_ptr<antlr4::Token>>
  generatedTokens(const Portion &portion) {
    std::vector<std::unique_ptr<antlr4::Token>> result;
    result.reserve(portion.size() + 1);
    for (size_t n = 0; n < portion.size(); ++n) {
      const Token &from = list.tokens[portion.original(n)];
      auto token = std::make_unique<antlr4::CommonToken>(size_t(from.kind));
      token->setStartIndex(from.begin);
      token->setStopIndex(from.end - 1);
      result.push_back(std::move(token));
    }
    const Token &last = list.tokens[portion.chunk.last - 1];
    auto end = std::make_unique<antlr4::CommonToken>(antlr4::Token::EOF);
    end->setStartIndex(last.end);
    end->setStopIndex(last.end - 1);
    result.push_back(std::move(end));
    return result;
  }

  void parse(Chunk chunk, ast::Module &module) {
    // After a mistake in a body, its head is tried again with the statements
    // from the next one that begins a line, to find the mistakes in those.
    unsigned attempts = chunk.last - chunk.first <= ordinarySize ? 20 : 1;
    Portion portion{chunk, chunk.first, chunk.first};
    for (unsigned i = 0; i < attempts; ++i) {
      std::optional<size_t> failed =
          attempt(portion, i == 0 ? &module : nullptr);
      if (failed && i == 0)
        lose(chunk, module);
      if (!failed || !giveUpStatement(portion, *failed))
        return;
    }
  }

  /// Notes what a declaration that cannot be read would have declared.
  void lose(Chunk chunk, ast::Module &module) const {
    int depth = 0;
    bool expected = true; // behind the word that begins it, and behind commas
    bool items = list.tokens[chunk.first].kind == RouteParser::AXIS;
    for (size_t i = chunk.first + 1; i < chunk.last; ++i) {
      const Token &token = list.tokens[i];
      // Columns of items are names everywhere.
      bool column = items && depth == 1 && i + 1 < chunk.last &&
                    list.tokens[i + 1].kind == RouteParser::COLON;
      if (token.kind == RouteParser::ID && (column || (depth == 0 && expected)))
        module.lost.push_back(
            {sources.text(list.range(token)).str(), list.range(token)});
      expected = depth == 0 && token.kind == RouteParser::COMMA;
      depth += opensBracket(token.kind);
      depth -= closesBracket(token.kind);
    }
  }

  /// Moves a portion past the statement in which parsing failed. Only the
  /// statements directly in the outermost body are told apart.
  bool giveUpStatement(Portion &portion, size_t failed) const {
    const auto &tokens = list.tokens;
    size_t body = portion.chunk.last;
    int depth = 0;
    for (size_t i = portion.chunk.first; i < portion.chunk.last; ++i) {
      uint16_t kind = tokens[i].kind;
      if (depth == 0 && i >= failed)
        return false; // in the head: with other statements it is as wrong
      if (kind == RouteParser::LBRACE && depth == 0)
        body = i;
      bool begins = beginsDeclaration(kind) || kind == RouteParser::RETURN ||
                    kind == RouteParser::ATTR || kind == RouteParser::CONST ||
                    kind == RouteParser::LIVE || kind == RouteParser::BODY ||
                    (endsOperand(i > 0 ? tokens[i - 1].kind : 0) &&
                     (kind == RouteParser::FOR || kind == RouteParser::IF ||
                      kind == RouteParser::CASE));
      if (depth == 1 && i > failed && i > body && tokens[i].lineStart &&
          begins) {
        portion.headEnd = body + 1;
        portion.resume = i;
        return true;
      }
      if (opensBracket(kind))
        ++depth;
      else if (closesBracket(kind))
        --depth;
    }
    return false;
  }

  /// Parses a portion into a module, or only to find mistakes. Returns where it
  /// failed.
  std::optional<size_t> attempt(const Portion &portion, ast::Module *module) {
    using antlr4::atn::PredictionMode;
    try {
      antlr4::ListTokenSource source(generatedTokens(portion));
      antlr4::CommonTokenStream stream(&source);
      RouteParser parser(&stream);
      parser.removeErrorListeners();
      DepthGuard guard;
      parser.addParseListener(&guard);
      auto *simulator =
          parser.getInterpreter<antlr4::atn::ParserATNSimulator>();
      RouteParser::TopLevelContext *tree = nullptr;
      try {
        simulator->setPredictionMode(PredictionMode::SLL);
        parser.setErrorHandler(std::make_shared<antlr4::BailErrorStrategy>());
        tree = parser.topLevel();
      } catch (const antlr4::ParseCancellationException &) {
        // Full prediction of something huge and wrong could take long; the
        // grammar does not need it, so only ordinary sizes get it.
        bool ordinary = portion.size() <= ordinarySize;
        guard.reset();
        parser.reset();
        simulator->setPredictionMode(ordinary ? PredictionMode::LL
                                              : PredictionMode::SLL);
        parser.setErrorHandler(
            std::make_shared<SyntaxErrors>(sources, list, portion, diags));
        tree = parser.topLevel();
      }
      if (module)
        Builder(sources, list.file, diags)
            .addDeclarations(*tree->declaration(), module->decls);
    } catch (const NestedTooDeeply &deep) {
      diags
          .report(diag::nestedTooDeeply,
                  list.range(list.tokens[portion.original(deep.token)]),
                  "this is nested more than " + llvm::Twine(maxNesting) +
                      " deep")
          .note("name parts with 'let'");
    } catch (const ParseStopped &stopped) {
      return stopped.token;
    } catch (const std::exception &) {
      diags.report(diag::unexpectedToken,
                   list.range(list.tokens[portion.chunk.first]),
                   "this declaration cannot be read");
    }
    return std::nullopt;
  }

  const SourceManager &sources;
  DiagnosticEngine &diags;
  TokenList list;
};

} // namespace

std::unique_ptr<ast::Module> route::parseModule(const SourceManager &sources,
                                                FileId file,
                                                DiagnosticEngine &diags) {
  auto module = std::make_unique<ast::Module>();
  module->file = file;
  // Characters, brackets and declarations are checked one after the other; the
  // reader wants messages in the order of the text.
  DiagnosticEngine local(sources);
  ModuleParser(sources, file, local).run(*module);
  std::vector<Diagnostic> messages = local.diagnostics();
  std::vector<size_t> order(messages.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  auto rank = [&](size_t i) {
    return std::tuple(messages[i].code == diag::tooManyErrors,
                      messages[i].range.begin, i);
  };
  llvm::sort(order, [&](size_t a, size_t b) { return rank(a) < rank(b); });
  for (size_t i : order)
    diags.take(std::move(messages[i]));
  return module;
}
