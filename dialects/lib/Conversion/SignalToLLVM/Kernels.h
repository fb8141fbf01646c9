// What the conversion puts into a module: kernels, tables and questions.
#ifndef ROUTE_LIB_CONVERSION_SIGNALTOLLVM_KERNELS_H
#define ROUTE_LIB_CONVERSION_SIGNALTOLLVM_KERNELS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "route/Text/Scanner.h"

namespace route::signal {

/// Clones kernels into a module, each once, with what they refer to.
class KernelLibrary {
public:
  explicit KernelLibrary(mlir::ModuleOp module) : module(module) {}

  /// The function of Kernels.h called `name`.
  mlir::LLVM::LLVMFuncOp get(llvm::StringRef name);

private:
  mlir::ModuleOp source(llvm::StringRef name);
  void clone(mlir::Operation *symbol, mlir::ModuleOp from);

  mlir::ModuleOp module;
  llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> sources;
};

/// Emits tables and the functions that walk them. Functions take a pointer and
/// a size; equal questions share one.
class QuestionEmitter {
public:
  QuestionEmitter(mlir::ModuleOp module, text::AutomatonLimits limits)
      : module(module), limits(limits), kernels(module) {}

  /// A function from a text to array<words x i64> of found bits.
  struct Scan {
    mlir::LLVM::LLVMFuncOp function;
    text::Scanner scanner;
  };
  /// Reports at `op` and returns null when the automaton cannot be built.
  const Scan *getScan(mlir::Operation *op, mlir::ArrayAttr predicates);
  /// A function from a text to an i64 count, an f32 density.
  mlir::LLVM::LLVMFuncOp getCount(mlir::Operation *op, mlir::Attribute pattern);
  mlir::LLVM::LLVMFuncOp getDensity(mlir::Operation *op,
                                    mlir::ArrayAttr patterns);
  mlir::LLVM::LLVMFuncOp getWords();

  KernelLibrary &getKernels() { return kernels; }
  mlir::LLVM::GlobalOp getText(llvm::StringRef text);
  /// The tables of text::wordTables().
  mlir::LLVM::GlobalOp getWordBlocks();
  mlir::LLVM::GlobalOp getWordBits();

  unsigned passes = 0;
  uint64_t tableBytes = 0;

private:
  template <typename T>
  mlir::LLVM::GlobalOp addTable(const llvm::Twine &name,
                                llvm::ArrayRef<T> values);
  mlir::LLVM::GlobalOp addGlobal(const llvm::Twine &name, mlir::Type type,
                                 mlir::Attribute value, uint64_t bytes);
  std::string freshName(const llvm::Twine &stem);
  mlir::LLVM::LLVMFuncOp addFunction(const llvm::Twine &name,
                                     mlir::Type result);
  llvm::SmallVector<mlir::Value> tableArguments(mlir::OpBuilder &builder,
                                                llvm::StringRef name,
                                                const text::ByteTable &table);
  mlir::LLVM::LLVMFuncOp addFinder(const llvm::Twine &stem,
                                   const text::Finder &finder);

  mlir::ModuleOp module;
  text::AutomatonLimits limits;
  KernelLibrary kernels;
  llvm::DenseMap<mlir::Attribute, std::unique_ptr<Scan>> scans;
  llvm::DenseMap<mlir::Attribute, mlir::LLVM::LLVMFuncOp> finders;
  mlir::LLVM::LLVMFuncOp words;
  llvm::StringMap<mlir::LLVM::GlobalOp> texts;
  mlir::LLVM::GlobalOp wordBlocks, wordBits;
};

} // namespace route::signal

#endif // ROUTE_LIB_CONVERSION_SIGNALTOLLVM_KERNELS_H
