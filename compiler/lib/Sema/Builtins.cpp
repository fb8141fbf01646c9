// Functions of the language.
// Elementwise functions, draws, matches and text functions. Reductions are in
// Reductions.cpp; what can be written in the language is in the library.
#include "BuiltinNames.h"
#include "Elaborator.h"
#include "Unsigned.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Refusals.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

static std::optional<UnaryKind> unaryNamed(StringRef name) {
  return llvm::StringSwitch<std::optional<UnaryKind>>(name)
      .Case("abs", UnaryKind::abs)
      .Case("sign", UnaryKind::sign)
      .Case("exp", UnaryKind::exp)
      .Case("exp2", UnaryKind::exp2)
      .Cases({"log", "ln"}, UnaryKind::log)
      .Case("log2", UnaryKind::log2)
      .Case("sqrt", UnaryKind::sqrt)
      .Case("rsqrt", UnaryKind::rsqrt)
      .Case("tanh", UnaryKind::tanh)
      .Case("sigmoid", UnaryKind::sigmoid)
      .Case("softplus", UnaryKind::softplus)
      .Case("silu", UnaryKind::silu)
      .Case("gelu", UnaryKind::gelu)
      .Case("gelu_tanh", UnaryKind::gelu_tanh)
      .Case("relu", UnaryKind::relu)
      .Case("erf", UnaryKind::erf)
      .Case("floor", UnaryKind::floor)
      .Case("ceil", UnaryKind::ceil)
      .Case("round", UnaryKind::round)
      .Case("trunc", UnaryKind::trunc)
      .Case("is_nan", UnaryKind::is_nan)
      .Default(std::nullopt);
}

/// Functions that keep the unit of their operand.
static bool keepsUnit(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::abs:
  case UnaryKind::floor:
  case UnaryKind::ceil:
  case UnaryKind::round:
  case UnaryKind::trunc:
  case UnaryKind::relu:
    return true;
  default:
    return false;
  }
}

/// Functions that count something in a text, and add up over several.
static bool isTextCount(StringRef name) {
  return llvm::is_contained({"bytes", "chars", "words", "lines", "digits",
                             "uppers", "puncts", "spaces", "wide", "fences",
                             "fenced", "estimate"},
                            name);
}

/// What the argument behind the text is called, for functions that have one.
static StringRef textPatternKey(StringRef name) {
  return llvm::StringSwitch<StringRef>(name)
      .Cases({"regex", "contains", "starts", "ends", "count_of"}, "pattern")
      .Cases({"keywords", "density"}, "patterns")
      .Default("");
}

static bool isTextFunction(StringRef name) {
  return isTextCount(name) || !textPatternKey(name).empty() ||
         name == "ngrams" || name == "structure";
}

std::vector<std::string> route::sema::builtinNames() {
  return {"abs",      "all",      "any",        "argmax", "argmin",
          "bands",    "bytes",    "ceil",       "chars",  "clamp",
          "combine",  "conf",     "contains",   "cosine", "count",
          "count_of", "density",  "digits",     "ends",   "entropy",
          "erf",      "estimate", "exp",        "exp2",   "fenced",
          "fences",   "float",    "floor",      "gelu",   "gelu_tanh",
          "gumbel",   "hit",      "identity",   "int",    "is_nan",
          "keywords", "known",    "lines",      "ln",     "log",
          "log2",     "max",      "mean",       "min",    "mod",
          "mode",     "nearest",  "ngrams",     "norm",   "normal",
          "pow",      "product",  "prototypes", "puncts", "random",
          "regex",    "reject",   "relu",       "ring",   "round",
          "rsqrt",    "sigmoid",  "sign",       "silu",   "skip",
          "softmax",  "softplus", "spaces",     "sqrt",   "standardize",
          "starts",   "stop",     "structure",  "sum",    "tanh",
          "trunc",    "uppers",   "wide",       "words"};
}

bool Elaborator::isBuiltin(StringRef name) {
  return unaryNamed(name) || isReductionName(name) || isTextFunction(name) ||
         llvm::is_contained({"combine", "clamp",    "pow",        "mod",
                             "known",   "hit",      "conf",       "stop",
                             "random",  "gumbel",   "normal",     "reject",
                             "bands",   "nearest",  "prototypes", "float",
                             "int",     "identity", "skip",       "ring"},
                            name);
}

/// `reject(code, reason)`: no row, and why.
Value Elaborator::evalReject(const CallExpr &expr) {
  Value refusal = Value::ofKind(Kind::Refusal);
  refusal.number = 403;
  for (const Arg &arg : expr.args) {
    if (StringRef reason = plainName(arg.value.get()); !reason.empty()) {
      refusal.text = reason.str();
      continue;
    }
    auto code = evalConstant(*arg.value);
    if (!code)
      return Value();
    if (*code < 1 || *code > 999 || *code != int(*code))
      return fail(diag::badSize, arg.value->range,
                  "a refusal's code is a whole number from 1 to 999");
    refusal.number = *code;
  }
  addReason(*module, int64_t(refusal.number), refusal.text);
  return refusal;
}

Value Elaborator::callUnary(StringRef name, UnaryKind kind, const Value &arg,
                            SourceRange range) {
  mlir::Value ir = asArray(arg, range, e.f32());
  if (!ir)
    return Value();
  if (!isNumber(e.elementOf(ir)))
    return fail(diag::typeMismatch, range,
                "'" + name + "' takes a number, found " + describe(arg));
  if (!arg.unit.isNone() && !keepsUnit(kind) && kind != UnaryKind::sign &&
      kind != UnaryKind::is_nan)
    return fail(diag::unitMismatch, range,
                "'" + name + "' takes a plain number, found " + arg.unit.str());
  bool whole = isa<mlir::IntegerType>(e.valueTypeOf(ir));
  bool rounds = kind == UnaryKind::floor || kind == UnaryKind::ceil ||
                kind == UnaryKind::round || kind == UnaryKind::trunc;
  bool natural = isU64(e.elementOf(ir));
  if (whole && (rounds || (natural && kind == UnaryKind::abs)))
    return arg;
  if (natural && kind == UnaryKind::sign)
    return Value::array(e.cast(
        e.compare(CompareKind::ne, e.bits(ir), e.constantInt(e.i64(), 0)),
        e.i64()));
  if (whole && kind != UnaryKind::abs && kind != UnaryKind::sign)
    ir = e.cast(ir, e.f32());
  return Value::array(e.unary(kind, ir), keepsUnit(kind) ? arg.unit : Unit());
}

/// The remainder of two u64.
static mlir::Value naturalRemainder(irgen::Emitter &e, mlir::Value a,
                                    mlir::Value b) {
  a = e.bits(a), b = e.bits(b);
  auto binary = [&](BinaryKind kind, mlir::Value x, mlir::Value y) {
    return e.binary(kind, x, y);
  };
  mlir::Value zero = e.constantInt(e.i64(), 0),
              most = e.constantInt(e.i64(), INT64_MAX),
              one = e.constantInt(e.i64(), 1);
  auto unlessBelow = [&](mlir::Value x) { // x, or x - b where that is natural
    return e.select(e.compare(CompareKind::ge, flipSign(e, x), flipSign(e, b)),
                    binary(BinaryKind::sub, x, b), x);
  };
  // a is `a with the other sign bit` + 2^63; what is left of both is below 2b.
  mlir::Value rest = binary(BinaryKind::mod, flipSign(e, a), b),
              half = binary(BinaryKind::mod, most, b);
  half = unlessBelow(binary(BinaryKind::add, half, one));
  mlir::Value small = unlessBelow(binary(BinaryKind::add, rest, half));
  // A divisor of 2^63 and more goes into it once or not at all.
  return e.cast(
      e.select(e.compare(CompareKind::lt, b, zero), unlessBelow(a), small),
      e.builder.getIntegerType(64, false));
}

/// max, min or mod of `a` and `b`. Beside a u64 what is below zero counts as
/// zero, but for what is divided.
static mlir::Value binaryOf(irgen::Emitter &e, BinaryKind kind, mlir::Value a,
                            mlir::Value b) {
  if (!isU64(e.elementOf(a)) && !isU64(e.elementOf(b)))
    return e.binary(kind, a, b);
  if (kind == BinaryKind::mod && !isU64(e.elementOf(a))) {
    // -n leaves r, and so n leaves b - r.
    mlir::Value size = e.unary(UnaryKind::abs, a),
                zero = e.constantInt(e.i64(), 0),
                rest = e.bits(naturalRemainder(e, size, b)),
                other = e.binary(BinaryKind::sub, e.bits(b), rest);
    mlir::Value turned =
        e.binary(BinaryKind::logical_and, e.compare(CompareKind::lt, a, zero),
                 e.compare(CompareKind::ne, rest, zero));
    return e.cast(e.select(turned, other, rest), e.valueTypeOf(b));
  }
  a = natural(e, a), b = natural(e, b);
  if (kind == BinaryKind::mod)
    return naturalRemainder(e, a, b);
  return disordered(e, e.binary(kind, ordered(e, a), ordered(e, b)));
}

/// A random number: the first constant is the site; the rest are keys of the
/// draw.
Value Elaborator::evalDraw(StringRef name, const CallExpr &expr,
                           const std::vector<Value> &args) {
  int64_t site = -1;
  llvm::SmallVector<mlir::Value> keys;
  AxisList axes;
  for (size_t i = 0; i < args.size(); ++i) {
    if (i == 0 && args[i].is(Kind::Number)) {
      const double number = args[i].number;
      if (number < 0 || number != std::floor(number) || number >= 0x1p32)
        return fail(
            diag::argumentMismatch, expr.args[i].value->range,
            "the site of a draw is a whole number from 0 to 4294967295");
      site = int64_t(number);
      continue;
    }
    mlir::Value key = asArray(args[i], expr.args[i].value->range, e.i64());
    if (!key)
      return Value();
    keys.push_back(key);
  }
  if (!e.align(keys))
    return fail(diag::ambiguousDescent, expr.range,
                "the keys of this draw have no one meeting place");
  for (mlir::Value key : keys)
    for (AxisInfo *axis : e.axesOf(key))
      if (!e.has(axes, axis))
        axes.push_back(axis);
  draws = true;
  if (site < 0)
    site = firstFreeSite + drawPlace(cx.drawPath, expr.range);
  auto kind = name == "gumbel"   ? DrawKind::gumbel
              : name == "normal" ? DrawKind::normal
                                 : DrawKind::uniform;
  return Value::array(DrawOp::create(
      e.builder, e.loc, e.arrayType(e.f32(), axes), kind, site, keys));
}

Value Elaborator::callBuiltin(StringRef name, const CallExpr &expr) {
  if (isTextFunction(name))
    return textFunction(name, expr);
  if (name == "bands")
    return evalBands(expr);
  if (name == "nearest")
    return evalNearest(expr);
  if (name == "cosine")
    return evalCosine(expr);
  if (name == "ring")
    return evalRing(expr);
  if (name == "skip") { // `skip(this)`: the row that stands for passing it over
    if (expr.args.size() != 1)
      return fail(diag::argumentMismatch, expr.range,
                  "'skip' takes rows of a pool");
    Value rows = eval(*expr.args[0].value);
    return rows.isError() ? rows : Value::group(Kind::Skipped, {rows});
  }
  if (name == "prototypes")
    return fail(diag::wrongKind, expr.range,
                "prototypes stand in 'nearest' or 'cosine', beside what they "
                "are compared with");
  if (name == "reject")
    return evalReject(expr);
  if (isReductionName(name) &&
      !((name == "max" || name == "min") && expr.args.size() == 2))
    return evalReduction(name, expr);
  std::vector<Value> args;
  if (!evalArgs(expr, args))
    return Value();
  for (const Value &arg : args)
    if (arg.is(Kind::Lazy) && !cx.along && !cx.forceDense)
      return lazily(expr);
  auto expects = [&](size_t count) {
    if (args.size() == count)
      return true;
    error(diag::argumentMismatch, expr.range,
          "'" + name + "' takes " + llvm::Twine(count) + " argument" +
              (count == 1 ? "" : "s") + ", found " + llvm::Twine(args.size()));
    return false;
  };
  if (auto kind = unaryNamed(name)) {
    if (!expects(1))
      return Value();
    return callUnary(name, *kind, args[0], expr.args[0].value->range);
  }
  if (name == "max" || name == "min" || name == "pow" || name == "mod") {
    if (!expects(2))
      return Value();
    if (name == "pow")
      return arithmetic(ast::BinaryOp::Pow, args[0], args[1], expr.range,
                        expr.args[0].value->range, expr.args[1].value->range);
    mlir::Value a, b;
    Unit unit;
    if (!prepare(args[0], args[1], expr.args[0].value->range,
                 expr.args[1].value->range, a, b, &unit, true, expr.range,
                 ("'" + name + "'").str()))
      return Value();
    if (!isNumber(e.elementOf(a)))
      return fail(diag::typeMismatch, expr.range,
                  "'" + name + "' takes numbers, found " + describe(args[0]));
    auto kind = name == "max"   ? BinaryKind::max
                : name == "min" ? BinaryKind::min
                                : BinaryKind::mod;
    return Value::array(binaryOf(e, kind, a, b), unit);
  }
  if (name == "clamp") {
    if (!expects(3))
      return Value();
    Value value = args[0];
    for (unsigned i : {1u, 2u}) {
      mlir::Value a, b;
      Unit unit;
      if (!prepare(value, args[i], expr.args[0].value->range,
                   expr.args[i].value->range, a, b, &unit, true, expr.range,
                   "'clamp'"))
        return Value();
      if (!isNumber(e.elementOf(a)))
        return fail(diag::typeMismatch, expr.range,
                    "'clamp' takes numbers, found " + describe(args[0]));
      value = Value::array(
          binaryOf(e, i == 1 ? BinaryKind::max : BinaryKind::min, a, b), unit);
    }
    return value;
  }
  if (name == "known") {
    if (!expects(1))
      return Value();
    mlir::Value ir = asArray(args[0], expr.args[0].value->range);
    if (!ir)
      return Value();
    if (!e.isRange(ir))
      return Value::array(e.constantInt(e.i1(), 1));
    return Value::array(KnownOp::create(e.builder, e.loc,
                                        e.typeOf(ir).withElement(e.i1()), ir));
  }
  if (name == "hit" || name == "conf") {
    if (!expects(1))
      return Value();
    if (name == "conf" && args[0].is(Kind::Match))
      return Value::array(e.computing((*args[0].parts)[1].ir));
    mlir::Value truth = asArray(args[0], expr.range, e.i1());
    if (!truth)
      return Value();
    if (!isTruth(e.elementOf(truth)))
      return fail(diag::typeMismatch, expr.range,
                  "'" + name + "' takes a match or a condition, found " +
                      describe(args[0]));
    return Value::array(e.cast(truth, e.f32()));
  }
  if (name == "stop" || name == "identity") {
    if (!expects(1))
      return Value();
    return args[0];
  }
  if (name == "float" || name == "int") {
    if (!expects(1))
      return Value();
    mlir::Type target = name == "int" ? e.i64() : e.f32();
    mlir::Value ir = asArray(args[0], expr.range, target);
    if (!ir)
      return Value();
    if (!isNumber(e.elementOf(ir)) && !isTruth(e.elementOf(ir)))
      return fail(diag::typeMismatch, expr.range,
                  "'" + name + "' takes a number, found " + describe(args[0]));
    return Value::array(e.cast(ir, target));
  }
  if (name == "random" || name == "gumbel" || name == "normal")
    return evalDraw(name, expr, args);
  return fail(diag::wrongKind, expr.range,
              "'" + name + "' means nothing in this place");
}

/// The lines of a file beside the spec, read when it is compiled: words or
/// phrases. Spaces around them and empty lines do not count.
std::optional<std::vector<std::string>>
Elaborator::wordsOf(const StringExpr &file) {
  llvm::SmallString<256> path(
      llvm::sys::path::parent_path(sources.name(file.range.file)));
  llvm::sys::path::append(path, file.value);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer) {
    error(diag::importNotFound, file.range,
          "cannot read '" + llvm::Twine(path) + "'")
        .note(buffer.getError().message());
    return std::nullopt;
  }
  std::vector<std::string> words;
  llvm::SmallVector<StringRef> lines;
  (*buffer)->getBuffer().split(lines, '\n');
  for (StringRef line : lines)
    if (!line.trim().empty())
      words.push_back(line.trim().str());
  if (words.empty() || words.size() > 100'000) {
    error(diag::badSize, file.range,
          words.empty() ? "'" + file.value + "' holds no words"
                        : "'" + file.value + "' holds more than 100000 words");
    return std::nullopt;
  }
  return words;
}

/// The element type of a text function's result. Arguments that it refuses are
/// an error at the place of the one that the message quotes. Null on error.
mlir::Type Elaborator::textResult(StringRef name,
                                  mlir::DictionaryAttr arguments, size_t texts,
                                  const CallExpr &expr) {
  std::string why;
  auto attrs = signal::toTextAttrs(arguments);
  std::vector<std::string_view> empty(texts);
  std::optional<text::TextValue> answer;
  if (mlir::succeeded(attrs))
    answer = text::evaluateTextFunction(name.str(), *attrs, empty, why);
  if (answer) {
    if (std::holds_alternative<bool>(*answer))
      return e.i1();
    return std::holds_alternative<int64_t>(*answer) ? e.i64() : e.f32();
  }
  SourceRange at = expr.range;
  auto quotes = [&](StringRef word) {
    return StringRef(why).contains(("'" + word + "'").str());
  };
  for (const Arg &arg : expr.args) {
    if (arg.name && quotes(arg.name.text))
      at = arg.value->range;
    const Expr *written = arg.value.get();
    if (auto *text = dyn_cast<StringExpr>(written); text && quotes(text->value))
      at = text->range;
    if (auto *list = dyn_cast<ListExpr>(written))
      for (const Arg &entry : list->entries)
        if (auto *text = dyn_cast<StringExpr>(entry.value.get());
            text && quotes(text->value))
          at = text->range;
  }
  error(diag::badTextArgument, at,
        why.empty() ? "'" + name.str() + "' takes texts, words and numbers"
                    : why);
  return {};
}

/// A call of a text function as far as its arguments are read.
struct Elaborator::TextCall {
  llvm::SmallVector<mlir::Value> operands; // the texts
  mlir::Value known;                       // where they are
  const Expr *pattern = nullptr;           // what is looked for
  llvm::SmallVector<mlir::NamedAttribute> arguments;
};

bool Elaborator::textArgument(StringRef name, const Arg &arg, TextCall &call) {
  StringRef patternKey = textPatternKey(name);
  auto add = [&](StringRef key, mlir::Attribute value) {
    call.arguments.push_back(e.builder.getNamedAttr(key, value));
  };
  auto refuse = [&](diag::Code code, SourceRange range,
                    const llvm::Twine &message) {
    error(code, range, message);
    return false;
  };
  const Expr &written = *arg.value;
  StringRef key = arg.name.text == "file" ? patternKey : arg.name.text;
  if (arg.name && llvm::any_of(call.arguments, [&](mlir::NamedAttribute given) {
        return given.getName() == key;
      }))
    return refuse(diag::duplicateName, written.range,
                  "'" + name + "' is told '" + key + "' twice");
  if (auto *file = dyn_cast<StringExpr>(&written);
      file && arg.name.text == "file") {
    auto words = wordsOf(*file);
    if (!words)
      return false;
    if (patternKey != "patterns" || call.pattern)
      return refuse(diag::argumentMismatch, arg.value->range,
                    "'" + name + "' takes no " +
                        (call.pattern ? "second list" : "file"));
    call.pattern = &written;
    add("patterns",
        e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(*words)));
    return true;
  }
  // Behind the text, by place or by name: what is looked for.
  if (arg.name ? arg.name.text == patternKey
               : !patternKey.empty() && !call.operands.empty()) {
    if (call.pattern)
      return refuse(diag::argumentMismatch, written.range,
                    "'" + name + "' takes one " + patternKey);
    call.pattern = &written;
  }
  if (auto *text = dyn_cast<StringExpr>(&written);
      text && (arg.name || call.pattern == &written)) {
    add(arg.name ? StringRef(arg.name.text) : patternKey,
        e.builder.getStringAttr(text->value));
    return true;
  }
  if (auto *list = dyn_cast<ListExpr>(&written)) {
    llvm::SmallVector<mlir::Attribute> values;
    for (const Arg &entry : list->entries) {
      auto *text = dyn_cast<StringExpr>(entry.value.get());
      if (!text)
        return refuse(diag::typeMismatch, entry.value->range, "expected text");
      values.push_back(e.builder.getStringAttr(text->value));
    }
    if (!arg.name && call.pattern != &written)
      return refuse(diag::typeMismatch, written.range,
                    "'" + name + "' reads text, found a list");
    add(arg.name ? StringRef(arg.name.text) : patternKey,
        e.builder.getArrayAttr(values));
    return true;
  }
  if (call.pattern == &written)
    return refuse(diag::notConstant, written.range,
                  patternKey == "pattern"
                      ? "'" + name + "' looks for a text in quotes"
                      : "'" + name + "' looks for a list of texts in quotes");
  if (arg.name) {
    if (StringRef word = plainName(&written); !word.empty()) {
      add(arg.name.text, e.builder.getStringAttr(word));
    } else if (isa<NoneExpr>(&written)) { // a word of its own elsewhere
      add(arg.name.text, e.builder.getStringAttr("none"));
    } else if (auto *truth = dyn_cast<BoolExpr>(&written)) {
      add(arg.name.text, e.builder.getBoolAttr(truth->value));
    } else {
      auto number = evalConstant(written);
      if (!number)
        return false;
      if (*number == double(int64_t(*number)))
        add(arg.name.text, e.builder.getI64IntegerAttr(int64_t(*number)));
      else
        add(arg.name.text, e.builder.getF64FloatAttr(*number));
    }
    return true;
  }
  Value value = eval(written);
  mlir::Value ir = asArray(value, written.range);
  if (!ir)
    return false;
  if (!isa<TextType>(e.valueTypeOf(ir)))
    return refuse(diag::typeMismatch, written.range,
                  "'" + name + "' reads text, found " + describe(value));
  if (e.isRange(ir)) { // computed on empty text, and unknown there
    mlir::Value here =
        KnownOp::create(e.builder, e.loc, e.typeOf(ir).withElement(e.i1()), ir);
    call.known =
        call.known ? e.binary(BinaryKind::logical_and, call.known, here) : here;
    ir = knownValue(ir);
  }
  call.operands.push_back(ir);
  return true;
}

/// The axis of a vector of features: the one that the declared type adds, or
/// one known by its size.
bool Elaborator::featureAxis(StringRef name, const CallExpr &expr,
                             TextCall &text, AxisInfo *&feature) {
  for (AxisInfo *axis : wantedAxes)
    if (llvm::none_of(text.operands, [&](mlir::Value operand) {
          return e.has(e.axesOf(operand), axis);
        }))
      feature = axis;
  int64_t size = name == "structure" ? 8 : -1;
  for (mlir::NamedAttribute given : text.arguments)
    if (auto number = dyn_cast<mlir::IntegerAttr>(given.getValue());
        number && given.getName() == "dim" && name == "ngrams")
      size = number.getInt();
  if (size != -1 && feature && feature->size != size) {
    error(diag::badSize, expr.range,
          "'" + name + "' gives " + llvm::Twine(size) +
              " numbers a text, which do not fit axis '" + feature->name + "'");
    return false;
  }
  if (!feature && size >= 1 && size <= 1 << 24)
    feature = sizedAxis(size, expr.range);
  if (size == -1 && (!feature || feature->size < 1)) {
    error(diag::missingType, expr.range,
          "'ngrams' needs the number of its features")
        .note("ngrams(text, dim: 64) says it, or the type of the signal: "
              "signal grams : f32[gram] = ngrams(text), with a size for "
              "'gram'");
    return false;
  }
  if (size == -1)
    text.arguments.push_back(e.builder.getNamedAttr(
        "dim", e.builder.getI64IntegerAttr(feature->size)));
  return true;
}

Value Elaborator::textFunction(StringRef name, const CallExpr &expr) {
  TextCall text;
  for (const Arg &arg : expr.args)
    if (!textArgument(name, arg, text))
      return Value();
  if (text.operands.empty())
    return fail(diag::argumentMismatch, expr.range,
                "'" + name + "' reads text, found none");
  AxisInfo *feature = nullptr;
  if (name == "ngrams" || name == "structure")
    if (!featureAxis(name, expr, text, feature))
      return Value();
  auto dictionary = text.arguments.empty()
                        ? mlir::DictionaryAttr()
                        : e.builder.getDictionaryAttr(text.arguments);
  bool counts = isTextCount(name);
  mlir::Type element =
      textResult(name, dictionary, counts ? 1 : text.operands.size(), expr);
  if (!element)
    return Value();
  auto call = [&](llvm::ArrayRef<mlir::Value> inputs) -> mlir::Value {
    AxisList axes;
    for (mlir::Value input : inputs)
      for (AxisInfo *axis : e.axesOf(input))
        if (!e.has(axes, axis))
          axes.push_back(axis);
    if (feature)
      axes.push_back(feature);
    return TextFnOp::create(e.builder, e.loc, e.arrayType(element, axes), name,
                            inputs, dictionary);
  };
  auto finished = [&](mlir::Value result, Unit unit = {}) {
    if (text.known) {
      mlir::Type range = irgen::Emitter::ranged(true, e.valueTypeOf(result));
      result =
          e.select(text.known,
                   CastOp::create(e.builder, e.loc,
                                  e.typeOf(result).withElement(range), result),
                   e.unknown(e.valueTypeOf(result)));
    }
    return gatherIfAlong(Value::array(result, unit));
  };
  if (!counts)
    return finished(call(text.operands));
  // Counts of several texts add up; bytes and tokens are quantities.
  mlir::Value total;
  for (mlir::Value operand : text.operands) {
    mlir::Value one = call({operand});
    total = total ? e.binary(BinaryKind::add, total, one) : one;
  }
  if (name == "bytes")
    return finished(e.cast(total, e.f64()), Unit::of(Unit::Byte));
  if (name == "estimate")
    return finished(e.cast(total, e.f64()), Unit::of(Unit::Token));
  return finished(total);
}
