// convert-signal-to-llvm: the type of texts, and each question as a call.
#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/ControlFlow/Transforms/StructuralTypeConversions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Transforms/DialectConversion.h"
#include "route/Conversion/SignalToLLVM/Passes.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::signal;

namespace route {
#define GEN_PASS_DEF_CONVERTSIGNALTOLLVM
#include "route/Conversion/SignalToLLVM/Passes.h.inc"
} // namespace route

namespace {
/// A buffer of texts as one of pairs of words.
std::optional<Type> convertBuffer(MemRefType type) {
  if (!isa<TextType>(type.getElementType()))
    return type;
  SmallVector<int64_t> shape(type.getShape());
  shape.push_back(2);
  Type word = IntegerType::get(type.getContext(), 64);
  MemRefLayoutAttrInterface layout;
  if (!type.getLayout().isIdentity()) {
    SmallVector<int64_t> strides;
    int64_t offset;
    if (failed(type.getStridesAndOffset(strides, offset)))
      return std::nullopt;
    auto twice = [](int64_t value) {
      return ShapedType::isDynamic(value) ? value : 2 * value;
    };
    for (int64_t &stride : strides)
      stride = twice(stride);
    strides.push_back(1);
    layout = StridedLayoutAttr::get(type.getContext(), twice(offset), strides);
  }
  return MemRefType::get(shape, word, layout, type.getMemorySpace());
}

template <typename OpTy> struct QuestionPattern : OpConversionPattern<OpTy> {
  QuestionPattern(const TypeConverter &converter, MLIRContext *context,
                  QuestionEmitter &emitter)
      : OpConversionPattern<OpTy>(converter, context), emitter(emitter) {}

  /// The pointer and the size of a converted text.
  static SmallVector<Value> parts(OpBuilder &builder, Location loc,
                                  Value text) {
    auto part = [&](int64_t which) -> Value {
      return LLVM::ExtractValueOp::create(builder, loc, text,
                                          ArrayRef<int64_t>{which});
    };
    return {part(0), part(1)};
  }

  QuestionEmitter &emitter;
};

Value truth(OpBuilder &builder, Location loc, Value number) {
  Value zero = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                        builder.getI64IntegerAttr(0));
  return LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne, number,
                              zero);
}

struct ConstantPattern : QuestionPattern<ConstantOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(ConstantOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value pointer = LLVM::AddressOfOp::create(rewriter, loc,
                                              emitter.getText(op.getValue()));
    Value size = LLVM::ConstantOp::create(
        rewriter, loc, rewriter.getI64Type(),
        rewriter.getI64IntegerAttr(op.getValue().size()));
    Value text = LLVM::PoisonOp::create(
        rewriter, loc, getTypeConverter()->convertType(op.getType()));
    text = LLVM::InsertValueOp::create(rewriter, loc, text, pointer,
                                       ArrayRef<int64_t>{0});
    rewriter.replaceOpWithNewOp<LLVM::InsertValueOp>(op, text, size, 1);
    return success();
  }
};

struct MeasurePattern : QuestionPattern<MeasureOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(MeasureOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> text = parts(rewriter, op.getLoc(), adaptor.getText());
    if (op.getWhat() == MeasureKind::Bytes) {
      rewriter.replaceOp(op, text[1]);
      return success();
    }
    LLVM::LLVMFuncOp function =
        op.getWhat() == MeasureKind::Words
            ? emitter.getWords()
            : emitter.getKernels().get(
                  ("route_text_" + stringifyMeasureKind(op.getWhat())).str());
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(op, function, text);
    return success();
  }
};

struct EstimatePattern : QuestionPattern<EstimateOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(EstimateOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value size = parts(rewriter, loc, adaptor.getText())[1];
    Type f64 = rewriter.getF64Type();
    Value bytes = LLVM::SIToFPOp::create(rewriter, loc, f64, size);
    Value ratio =
        LLVM::ConstantOp::create(rewriter, loc, f64, op.getBytesPerTokenAttr());
    Value tokens = LLVM::FDivOp::create(rewriter, loc, bytes, ratio);
    tokens = LLVM::FCeilOp::create(rewriter, loc, tokens);
    rewriter.replaceOpWithNewOp<LLVM::FPToSIOp>(op, rewriter.getI64Type(),
                                                tokens);
    return success();
  }
};

struct EqualPattern : QuestionPattern<EqualOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(EqualOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> both = parts(rewriter, op.getLoc(), adaptor.getLhs());
    both.append(parts(rewriter, op.getLoc(), adaptor.getRhs()));
    Value same =
        LLVM::CallOp::create(rewriter, op.getLoc(),
                             emitter.getKernels().get("route_text_equal"), both)
            .getResult();
    rewriter.replaceOp(op, truth(rewriter, op.getLoc(), same));
    return success();
  }
};

struct HashPattern : QuestionPattern<HashOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(HashOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(
        op,
        LLVM::CallOp::create(rewriter, op.getLoc(),
                             emitter.getKernels().get("route_text_hash"),
                             parts(rewriter, op.getLoc(), adaptor.getText())));
    return success();
  }
};

/// The answer from the found words: a test of one bit, a test of all, or a
/// population count.
Value answer(OpBuilder &builder, Location loc,
             const text::Scanner::Answer &answer, Value found) {
  Type i64 = builder.getI64Type();
  auto number = [&](uint64_t value) -> Value {
    return LLVM::ConstantOp::create(
        builder, loc, i64,
        builder.getI64IntegerAttr(static_cast<int64_t>(value)));
  };
  std::map<uint32_t, uint64_t> masks;
  for (uint32_t bit : answer.bits)
    masks[bit / 64] |= uint64_t(1) << (bit % 64);
  Value hits = number(0), missing = number(0);
  for (auto [word, mask] : masks) {
    Value value = LLVM::ExtractValueOp::create(builder, loc, found,
                                               ArrayRef<int64_t>{word});
    Value bits = LLVM::AndOp::create(builder, loc, value, number(mask));
    Value absent = LLVM::XOrOp::create(builder, loc, bits, number(mask));
    missing = LLVM::OrOp::create(builder, loc, missing, absent);
    Value count = answer.mode == text::Mode::Count
                      ? LLVM::CtPopOp::create(builder, loc, i64, bits)
                      : bits;
    hits = answer.mode == text::Mode::Count
               ? Value(LLVM::AddOp::create(builder, loc, hits, count))
               : Value(LLVM::OrOp::create(builder, loc, hits, count));
  }
  if (answer.mode == text::Mode::Count)
    return hits;
  return LLVM::ICmpOp::create(
      builder, loc,
      answer.mode == text::Mode::Any ? LLVM::ICmpPredicate::ne
                                     : LLVM::ICmpPredicate::eq,
      answer.mode == text::Mode::Any ? hits : missing, number(0));
}

/// signal.match and signal.scan.
template <typename OpTy> struct ScanPattern : QuestionPattern<OpTy> {
  using QuestionPattern<OpTy>::QuestionPattern;
  LogicalResult
  matchAndRewrite(OpTy op, typename OpTy::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    ArrayAttr predicates;
    if constexpr (std::is_same_v<OpTy, MatchOp>)
      predicates = rewriter.getArrayAttr({op.getPredicate()});
    else
      predicates = op.getPredicates();
    const QuestionEmitter::Scan *scan = this->emitter.getScan(op, predicates);
    if (!scan)
      return failure();
    SmallVector<Value> text = this->parts(rewriter, loc, adaptor.getText());
    Value found =
        LLVM::CallOp::create(rewriter, loc, scan->function, text).getResult();
    SmallVector<Value> results;
    for (const text::Scanner::Answer &entry : scan->scanner.answers)
      results.push_back(answer(rewriter, loc, entry, found));
    rewriter.replaceOp(op, results);
    return success();
  }
};

struct CountPattern : QuestionPattern<CountOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(CountOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LLVM::LLVMFuncOp function = emitter.getCount(op, op.getPattern());
    if (!function)
      return failure();
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(
        op, function, parts(rewriter, op.getLoc(), adaptor.getText()));
    return success();
  }
};

struct DensityPattern : QuestionPattern<DensityOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(DensityOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LLVM::LLVMFuncOp function = emitter.getDensity(op, op.getPatterns());
    if (!function)
      return failure();
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(
        op, function, parts(rewriter, op.getLoc(), adaptor.getText()));
    return success();
  }
};

/// The first element of a buffer.
Value pointerTo(OpBuilder &b, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer);
  Value size =
      arith::ConstantIndexOp::create(b, loc, type.getElementTypeBitWidth() / 8);
  Value offset = arith::MulIOp::create(b, loc, metadata.getOffset(), size);
  Value address = arith::IndexCastOp::create(
      b, loc, b.getI64Type(), arith::AddIOp::create(b, loc, base, offset));
  return LLVM::IntToPtrOp::create(
      b, loc, LLVM::LLVMPointerType::get(b.getContext()), address);
}

struct NgramsPattern : QuestionPattern<NgramsOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(NgramsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResult())
      return rewriter.notifyMatchFailure(op, "bufferize first");
    Location loc = op.getLoc();
    auto number = [&](unsigned width, int64_t value) -> Value {
      Type type = rewriter.getIntegerType(width);
      return LLVM::ConstantOp::create(rewriter, loc, type,
                                      rewriter.getIntegerAttr(type, value));
    };
    Value out = pointerTo(rewriter, loc, op.getOut());

    SmallVector<Value> arguments = parts(rewriter, loc, adaptor.getText());
    bool words = op.getUnit() == UnitKind::Words;
    if (words) {
      arguments.push_back(
          LLVM::AddressOfOp::create(rewriter, loc, emitter.getWordBlocks()));
      arguments.push_back(
          LLVM::AddressOfOp::create(rewriter, loc, emitter.getWordBits()));
    }
    arguments.append(
        {number(64, op.getLo()), number(64, op.getHi()),
         number(64, cast<MemRefType>(op.getOut().getType()).getDimSize(0)),
         number(32, static_cast<int>(op.getHash())), number(64, op.getSeed()),
         number(32, static_cast<int>(op.getWeighting())),
         number(32, static_cast<int>(op.getNorm())), out});
    LLVM::CallOp::create(
        rewriter, loc,
        emitter.getKernels().get(words ? "route_text_word_ngrams"
                                       : "route_text_byte_ngrams"),
        arguments);
    rewriter.eraseOp(op);
    return success();
  }
};

Value elementAt(OpBuilder &b, Location loc, Value buffer, Value index) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  Value i = arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
  return LLVM::GEPOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()),
                             element, pointerTo(b, loc, buffer),
                             ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(i)});
}

/// Room for `words` words, taken once a call of the function.
Value wordsOnStack(OpBuilder &b, Operation *op, int64_t words) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(
      &op->getParentOfType<FunctionOpInterface>().getFunctionBody().front());
  Value count = LLVM::ConstantOp::create(b, op->getLoc(), b.getI64Type(),
                                         b.getI64IntegerAttr(words));
  return LLVM::AllocaOp::create(b, op->getLoc(),
                                LLVM::LLVMPointerType::get(b.getContext()),
                                b.getI64Type(), count);
}

Value wordAt(OpBuilder &b, Location loc, Value words, int64_t i) {
  return LLVM::GEPOp::create(
      b, loc, words.getType(), b.getI64Type(), words,
      ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(static_cast<int32_t>(i))});
}

struct DigestPattern : QuestionPattern<DigestOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(DigestOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value words = wordsOnStack(rewriter, op, 2);
    SmallVector<Value> arguments = parts(rewriter, loc, adaptor.getText());
    arguments.push_back(words);
    LLVM::CallOp::create(rewriter, loc,
                         emitter.getKernels().get("route_text_digest"),
                         arguments);
    SmallVector<Value> results;
    for (int64_t i : {0, 1})
      results.push_back(LLVM::LoadOp::create(rewriter, loc,
                                             rewriter.getI64Type(),
                                             wordAt(rewriter, loc, words, i)));
    rewriter.replaceOp(op, results);
    return success();
  }
};

static Value constantWord(OpBuilder &b, Location loc, int64_t value) {
  return LLVM::ConstantOp::create(b, loc, b.getI64Type(),
                                  b.getI64IntegerAttr(value));
}

/// signal.table_find, _put and _drop.
template <typename OpTy> struct TablePattern : QuestionPattern<OpTy> {
  TablePattern(const TypeConverter &converter, MLIRContext *context,
               QuestionEmitter &emitter, StringRef kernel)
      : QuestionPattern<OpTy>(converter, context, emitter), kernel(kernel) {}

  LogicalResult
  matchAndRewrite(OpTy op, typename OpTy::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    int64_t keys = op.getKey().size();
    Value words = wordsOnStack(rewriter, op, keys);
    for (auto [i, word] : llvm::enumerate(adaptor.getKey()))
      LLVM::StoreOp::create(rewriter, loc, word,
                            wordAt(rewriter, loc, words, i));
    auto number = [&](int64_t value) {
      return constantWord(rewriter, loc, value);
    };
    SmallVector<Value> arguments = {
        elementAt(rewriter, loc, op.getTable(), op.getAt()),
        number(op.getCapacity()), number(keys), number(op.getValues()), words};
    if constexpr (!std::is_same_v<OpTy, TableFindOp>)
      arguments.push_back(pointerTo(rewriter, loc, op.getChanges()));
    auto call = LLVM::CallOp::create(
        rewriter, loc, this->emitter.getKernels().get(kernel), arguments);
    if constexpr (std::is_same_v<OpTy, TableDropOp>) {
      rewriter.eraseOp(op);
    } else {
      // Words of the table are words of the buffer, but that 0 is none.
      Value word = arith::IndexCastOp::create(
          rewriter, loc, rewriter.getIndexType(), call.getResult());
      Value there = arith::CmpIOp::create(
          rewriter, loc, arith::CmpIPredicate::ne, word,
          arith::ConstantIndexOp::create(rewriter, loc, 0));
      Value inBuffer = arith::AddIOp::create(rewriter, loc, word, op.getAt());
      rewriter.replaceOpWithNewOp<arith::SelectOp>(op, there, inBuffer, word);
    }
    return success();
  }

  StringRef kernel;
};

struct TableNextPattern : QuestionPattern<TableNextOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(TableNextOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto number = [&](int64_t value) {
      return constantWord(rewriter, loc, value);
    };
    Value words = wordsOnStack(rewriter, op, 1),
          place = wordAt(rewriter, loc, words, 0);
    LLVM::StoreOp::create(rewriter, loc, number(0), place);
    auto call = LLVM::CallOp::create(
        rewriter, loc, emitter.getKernels().get("route_table_next"),
        ValueRange{elementAt(rewriter, loc, op.getTable(), op.getAt()),
                   number(op.getCapacity()), number(op.getKeys()),
                   number(op.getValues()), adaptor.getEntry(), words});
    Value key = arith::IndexCastOp::create(
        rewriter, loc, rewriter.getIndexType(),
        LLVM::LoadOp::create(rewriter, loc, rewriter.getI64Type(), place));
    rewriter.replaceOp(op,
                       {call.getResult(),
                        arith::AddIOp::create(rewriter, loc, key, op.getAt())});
    return success();
  }
};

struct TableClearPattern : QuestionPattern<TableClearOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(TableClearOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto number = [&](int64_t value) {
      return constantWord(rewriter, loc, value);
    };
    LLVM::CallOp::create(
        rewriter, loc, emitter.getKernels().get("route_table_clear"),
        ValueRange{elementAt(rewriter, loc, op.getTable(), op.getAt()),
                   number(op.getCapacity()), number(op.getKeys()),
                   number(op.getValues()),
                   pointerTo(rewriter, loc, op.getChanges())});
    rewriter.eraseOp(op);
    return success();
  }
};

struct ListChangesPattern : QuestionPattern<ListChangesOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(ListChangesOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    LLVM::CallOp::create(rewriter, op.getLoc(),
                         emitter.getKernels().get("route_changes_list"),
                         pointerTo(rewriter, op.getLoc(), op.getChanges()));
    rewriter.eraseOp(op);
    return success();
  }
};

struct NoteChangePattern : QuestionPattern<NoteChangeOp> {
  using QuestionPattern::QuestionPattern;
  LogicalResult
  matchAndRewrite(NoteChangeOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = cast<MemRefType>(op.getBuffer().getType());
    int64_t bytes = type.getElementTypeBitWidth() / 8;
    Value start = op.getIndex()
                      ? elementAt(rewriter, loc, op.getBuffer(), op.getIndex())
                      : pointerTo(rewriter, loc, op.getBuffer());
    if (!op.getIndex())
      bytes *= type.getNumElements();
    Value size = LLVM::ConstantOp::create(rewriter, loc, rewriter.getI64Type(),
                                          rewriter.getI64IntegerAttr(bytes));
    LLVM::CallOp::create(
        rewriter, loc, emitter.getKernels().get("route_changes_note"),
        ValueRange{pointerTo(rewriter, loc, op.getChanges()), start, size});
    rewriter.eraseOp(op);
    return success();
  }
};

/// A text in memory: two words.
struct LoadPattern : OpConversionPattern<memref::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(memref::LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<TextType>(op.getType()))
      return failure();
    Location loc = op.getLoc();
    auto word = [&](int64_t which) -> Value {
      SmallVector<Value> indices(adaptor.getIndices());
      indices.push_back(arith::ConstantIndexOp::create(rewriter, loc, which));
      return memref::LoadOp::create(rewriter, loc, adaptor.getMemref(),
                                    indices);
    };
    Value pointer = LLVM::IntToPtrOp::create(
        rewriter, loc, LLVM::LLVMPointerType::get(getContext()), word(0));
    Value text = LLVM::PoisonOp::create(
        rewriter, loc, getTypeConverter()->convertType(op.getType()));
    text = LLVM::InsertValueOp::create(rewriter, loc, text, pointer,
                                       ArrayRef<int64_t>{0});
    rewriter.replaceOpWithNewOp<LLVM::InsertValueOp>(op, text, word(1), 1);
    return success();
  }
};

struct StorePattern : OpConversionPattern<memref::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(memref::StoreOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!isa<TextType>(op.getValue().getType()))
      return failure();
    Location loc = op.getLoc();
    auto put = [&](int64_t which, Value word) {
      SmallVector<Value> indices(adaptor.getIndices());
      indices.push_back(arith::ConstantIndexOp::create(rewriter, loc, which));
      memref::StoreOp::create(rewriter, loc, word, adaptor.getMemref(),
                              indices);
    };
    put(0, LLVM::PtrToIntOp::create(
               rewriter, loc, rewriter.getI64Type(),
               LLVM::ExtractValueOp::create(rewriter, loc, adaptor.getValue(),
                                            ArrayRef<int64_t>{0})));
    put(1, LLVM::ExtractValueOp::create(rewriter, loc, adaptor.getValue(),
                                        ArrayRef<int64_t>{1}));
    rewriter.eraseOp(op);
    return success();
  }
};

/// An op that texts or buffers of them only pass through: the same op on what
/// these become.
template <typename OpTy> struct ThroughPattern : OpConversionPattern<OpTy> {
  using OpConversionPattern<OpTy>::OpConversionPattern;
  LogicalResult
  matchAndRewrite(OpTy op, typename OpTy::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Type> types;
    if (failed(this->getTypeConverter()->convertTypes(op->getResultTypes(),
                                                      types)))
      return failure();
    rewriter.replaceOpWithNewOp<OpTy>(op, types, adaptor.getOperands(),
                                      op->getAttrs());
    return success();
  }
};

struct ConvertSignalPass
    : route::impl::ConvertSignalToLLVMBase<ConvertSignalPass> {
  using ConvertSignalToLLVMBase::ConvertSignalToLLVMBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    TypeConverter converter;
    converter.addConversion([](Type type) { return type; });
    converter.addConversion(
        [](MemRefType type) { return convertBuffer(type); });
    converter.addConversion([](TextType type) -> Type {
      return LLVM::LLVMStructType::getLiteral(
          type.getContext(), {LLVM::LLVMPointerType::get(type.getContext()),
                              IntegerType::get(type.getContext(), 64)});
    });

    text::AutomatonLimits limits;
    limits.states = maxStates;
    limits.product = maxProduct;
    QuestionEmitter emitter(getOperation(), limits);
    RewritePatternSet patterns(context);
    patterns.add<ConstantPattern, MeasurePattern, EstimatePattern, EqualPattern,
                 HashPattern, ScanPattern<MatchOp>, ScanPattern<ScanOp>,
                 CountPattern, DensityPattern, NgramsPattern, DigestPattern,
                 TableNextPattern, TableClearPattern, ListChangesPattern,
                 NoteChangePattern>(converter, context, emitter);
    patterns.add<TablePattern<TableFindOp>>(converter, context, emitter,
                                            "route_table_find");
    patterns.add<TablePattern<TablePutOp>>(converter, context, emitter,
                                           "route_table_put");
    patterns.add<TablePattern<TableDropOp>>(converter, context, emitter,
                                            "route_table_drop");
    patterns
        .add<LoadPattern, StorePattern, ThroughPattern<arith::SelectOp>,
             ThroughPattern<memref::AllocOp>, ThroughPattern<memref::CastOp>,
             ThroughPattern<memref::CopyOp>, ThroughPattern<memref::DimOp>>(
            converter, context);

    ConversionTarget target(*context);
    target.markUnknownOpDynamicallyLegal(
        [&](Operation *op) { return converter.isLegal(op); });
    target.addLegalDialect<LLVM::LLVMDialect>();
    target.addIllegalDialect<SignalDialect>();
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return converter.isSignatureLegal(op.getFunctionType()) &&
             converter.isLegal(&op.getBody());
    });
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    populateCallOpTypeConversionPattern(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);
    scf::populateSCFStructuralTypeConversions(converter, patterns);
    cf::populateCFStructuralTypeConversions(converter, patterns);
    if (failed(
            applyFullConversion(getOperation(), target, std::move(patterns))))
      return signalPassFailure();
    passes += emitter.passes;
    tableBytes += emitter.tableBytes;
  }
};
} // namespace
