// Questions: constant tables, and a small function that asks the kernel.
// Stack slots live in these functions, so that a question in a loop does not
// grow the stack.
#include "Kernels.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;
using namespace route::signal;

std::string QuestionEmitter::freshName(const Twine &stem) {
  std::string name = stem.str();
  for (unsigned i = 0; SymbolTable::lookupSymbolIn(module, name); ++i)
    name = (stem + "_" + Twine(i)).str();
  return name;
}

LLVM::GlobalOp QuestionEmitter::addGlobal(const Twine &name, Type type,
                                          Attribute value, uint64_t bytes) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  tableBytes += bytes;
  return LLVM::GlobalOp::create(builder, module.getLoc(), type,
                                /*isConstant=*/true, LLVM::Linkage::Internal,
                                freshName(name), value, /*alignment=*/64);
}

template <typename T>
LLVM::GlobalOp QuestionEmitter::addTable(const Twine &name,
                                         ArrayRef<T> values) {
  Type element = IntegerType::get(module.getContext(), 8 * sizeof(T));
  auto tensor =
      RankedTensorType::get({static_cast<int64_t>(values.size())}, element);
  return addGlobal(name, LLVM::LLVMArrayType::get(element, values.size()),
                   DenseElementsAttr::getFromRawBuffer(
                       tensor, {reinterpret_cast<const char *>(values.data()),
                                values.size() * sizeof(T)}),
                   values.size() * sizeof(T));
}

LLVM::GlobalOp QuestionEmitter::getText(StringRef value) {
  LLVM::GlobalOp &global = texts[value];
  if (!global)
    global = addTable<char>("route_text", ArrayRef(value.data(), value.size()));
  return global;
}

LLVM::GlobalOp QuestionEmitter::getWordBlocks() {
  if (!wordBlocks)
    wordBlocks =
        addTable<uint8_t>("route_word_blocks", text::wordTables().blocks);
  return wordBlocks;
}

LLVM::GlobalOp QuestionEmitter::getWordBits() {
  if (!wordBits)
    wordBits = addTable<uint8_t>("route_word_bits", text::wordTables().bits);
  return wordBits;
}

/// An internal function (ptr, i64) -> result with an entry block.
LLVM::LLVMFuncOp QuestionEmitter::addFunction(const Twine &name, Type result) {
  MLIRContext *context = module.getContext();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = LLVM::LLVMFunctionType::get(
      result, {LLVM::LLVMPointerType::get(context), builder.getI64Type()});
  auto function = LLVM::LLVMFuncOp::create(
      builder, module.getLoc(), freshName(name), type, LLVM::Linkage::Internal);
  function.addEntryBlock(builder);
  return function;
}

static Value constant(OpBuilder &builder, Location loc, unsigned width,
                      int64_t value) {
  Type type = builder.getIntegerType(width);
  return LLVM::ConstantOp::create(builder, loc, type,
                                  builder.getIntegerAttr(type, value));
}

/// The arguments of ROUTE_TEXT_TABLE.
SmallVector<Value>
QuestionEmitter::tableArguments(OpBuilder &builder, StringRef name,
                                const text::ByteTable &table) {
  Location loc = module.getLoc();
  SmallVector<Value> result;
  auto add = [&](LLVM::GlobalOp global) {
    result.push_back(LLVM::AddressOfOp::create(builder, loc, global));
  };
  add(addTable<uint32_t>(name + "_bytes", table.bytes));
  add(addTable<uint32_t>(name + "_rows", table.rows));
  add(addTable<uint32_t>(name + "_comb", table.comb));
  result.push_back(constant(builder, loc, 32, table.classCount));
  add(addTable<uint16_t>(name + "_outcomes", table.outcomes));
  Value null = LLVM::ZeroOp::create(
      builder, loc, LLVM::LLVMPointerType::get(builder.getContext()));
  if (table.forkMasks.empty()) {
    result.append({null, null});
  } else {
    add(addTable<uint64_t>(name + "_fork_masks", table.forkMasks));
    add(addTable<uint32_t>(name + "_fork_sides", table.forkSides));
  }
  if (table.readsWords) {
    add(getWordBlocks());
    add(getWordBits());
  } else {
    result.append({null, null});
  }
  return result;
}

const QuestionEmitter::Scan *QuestionEmitter::getScan(Operation *op,
                                                      ArrayAttr predicates) {
  std::unique_ptr<Scan> &entry = scans[predicates];
  if (entry)
    return entry.get();
  std::vector<text::Predicate> asked;
  for (auto predicate : predicates.getAsRange<PredicateAttr>())
    asked.push_back(toPredicate(predicate));
  std::string error;
  std::optional<text::Scanner> scanner =
      text::buildScanner(asked, limits, error);
  if (!scanner) {
    emitNotice(op->getLoc(), Notice::patternTooLarge) << error;
    return nullptr;
  }
  entry = std::make_unique<Scan>();
  entry->scanner = std::move(*scanner);
  passes += entry->scanner.passes.size();

  int64_t words = entry->scanner.words;
  Location loc = module.getLoc();
  auto i64 = IntegerType::get(module.getContext(), 64);
  auto resultType = LLVM::LLVMArrayType::get(i64, words);
  LLVM::LLVMFuncOp function = addFunction("route_scan", resultType);
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  auto pointer = LLVM::LLVMPointerType::get(module.getContext());
  Value slots = constant(builder, loc, 64, 4 * words);
  Value found = LLVM::AllocaOp::create(builder, loc, pointer, i64, slots);
  Value result = LLVM::ZeroOp::create(builder, loc, resultType);
  for (const text::Scanner::Pass &pass : entry->scanner.passes) {
    Value size = function.getArgument(1);
    if (!pass.gate.empty()) {
      // A pass on demand reads nothing while nothing asks for it. What it looks
      // for is never empty.
      Value zero = constant(builder, loc, 64, 0), asked = zero;
      for (size_t w = 0; w < pass.gate.size(); ++w) {
        Value word = LLVM::ExtractValueOp::create(
            builder, loc, result, ArrayRef<int64_t>{static_cast<int64_t>(w)});
        Value mask =
            constant(builder, loc, 64, static_cast<int64_t>(pass.gate[w]));
        asked = LLVM::OrOp::create(
            builder, loc, asked, LLVM::AndOp::create(builder, loc, word, mask));
      }
      Value any = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne,
                                       asked, zero);
      size = LLVM::SelectOp::create(builder, loc, any, size, zero);
    }
    SmallVector<Value> arguments = {function.getArgument(0), size};
    arguments.append(tableArguments(builder, function.getName(), pass.table));
    LLVM::GlobalOp masks =
        addTable<uint64_t>(function.getName() + "_masks", pass.masks);
    arguments.push_back(LLVM::AddressOfOp::create(builder, loc, masks));
    arguments.push_back(
        constant(builder, loc, 32, static_cast<int32_t>(pass.table.start)));
    arguments.push_back(
        constant(builder, loc, 32, static_cast<int32_t>(pass.table.middle)));
    arguments.push_back(constant(builder, loc, 64, words));
    arguments.push_back(found);
    LLVM::CallOp::create(builder, loc, kernels.get("route_text_scan"),
                         arguments);
    for (int64_t w = 0; w < words; ++w) {
      Value at = LLVM::GEPOp::create(builder, loc, pointer, i64, found,
                                     ArrayRef<LLVM::GEPArg>(int32_t(w)));
      Value word = LLVM::LoadOp::create(builder, loc, i64, at);
      Value before = LLVM::ExtractValueOp::create(builder, loc, result, w);
      word = LLVM::OrOp::create(builder, loc, before, word);
      result = LLVM::InsertValueOp::create(builder, loc, result, word, w);
    }
  }
  LLVM::ReturnOp::create(builder, loc, result);
  entry->function = function;
  return entry.get();
}

/// A function to an i64 count, or to an f32 density if the finder has lengths.
LLVM::LLVMFuncOp QuestionEmitter::addFinder(const Twine &stem,
                                            const text::Finder &finder) {
  MLIRContext *context = module.getContext();
  Location loc = module.getLoc();
  auto i64 = IntegerType::get(context, 64);
  auto pointer = LLVM::LLVMPointerType::get(context);
  bool density = !finder.lengths.empty();
  Type f32 = Float32Type::get(context);
  LLVM::LLVMFuncOp function =
      addFunction(stem, density ? f32 : static_cast<Type>(i64));
  std::string name = function.getName().str();
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Value null = LLVM::ZeroOp::create(builder, loc, pointer);
  Value lengths = null, covered = null;
  if (density) {
    covered = LLVM::AllocaOp::create(builder, loc, pointer, i64,
                                     constant(builder, loc, 64, 1));
    lengths = LLVM::AddressOfOp::create(
        builder, loc, addTable<uint32_t>(name + "_lengths", finder.lengths));
  }
  Value size = function.getArgument(1);
  SmallVector<Value> arguments = {function.getArgument(0), size};
  arguments.append(tableArguments(builder, name, finder.table));
  arguments.push_back(
      constant(builder, loc, 32, static_cast<int32_t>(finder.table.start)));
  arguments.push_back(LLVM::AddressOfOp::create(
      builder, loc, addTable<uint32_t>(name + "_resume", finder.table.resume)));
  arguments.append({lengths, covered});
  Value result = LLVM::CallOp::create(builder, loc,
                                      kernels.get("route_text_find"), arguments)
                     .getResult();
  if (density) {
    Value one = constant(builder, loc, 64, 1);
    Value atLeastOne = LLVM::SMaxOp::create(builder, loc, size, one);
    Value inside = LLVM::LoadOp::create(builder, loc, i64, covered);
    // The bytes inside an empty text are 0, and so is 0 over 1.
    result = LLVM::FDivOp::create(
        builder, loc, LLVM::SIToFPOp::create(builder, loc, f32, inside),
        LLVM::SIToFPOp::create(builder, loc, f32, atLeastOne));
  }
  LLVM::ReturnOp::create(builder, loc, result);
  return function;
}

LLVM::LLVMFuncOp QuestionEmitter::getCount(Operation *op, Attribute pattern) {
  LLVM::LLVMFuncOp &function = finders[pattern];
  if (function)
    return function;
  std::string error;
  auto finder =
      text::buildFinder(toPattern(cast<PatternAttr>(pattern)), limits, error);
  if (!finder)
    return emitNotice(op->getLoc(), Notice::patternTooLarge) << error, nullptr;
  return function = addFinder("route_count", *finder);
}

LLVM::LLVMFuncOp QuestionEmitter::getDensity(Operation *op,
                                             ArrayAttr patterns) {
  LLVM::LLVMFuncOp &function = finders[patterns];
  if (function)
    return function;
  std::vector<text::Pattern> keywords;
  for (auto pattern : patterns.getAsRange<PatternAttr>())
    keywords.push_back(toPattern(pattern));
  std::string error;
  auto finder = text::buildKeywordFinder(keywords, limits, error);
  if (!finder)
    return emitNotice(op->getLoc(), Notice::patternTooLarge) << error, nullptr;
  return function = addFinder("route_density", *finder);
}

LLVM::LLVMFuncOp QuestionEmitter::getWords() {
  if (!words)
    words = addFinder("route_words", text::wordFinder());
  return words;
}
