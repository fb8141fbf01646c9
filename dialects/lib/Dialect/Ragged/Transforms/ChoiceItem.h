// The item that a block chooses for: its candidates, and their keys as words.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_CHOICEITEM_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_CHOICEITEM_H

#include "KernelBody.h"

namespace route::ragged {

/// One item of a choice in a kernel that has a block for each, whose arguments
/// are the operands of the choice.
class ChoiceItem {
public:
  using Value = mlir::Value;
  using Values = mlir::SmallVector<Value>;

  ChoiceItem(KernelBody &k, ChooseOp op);

  /// Works out which item the block has, and what it chooses among.
  void find();

  /// Unsigned words of a candidate's keys; their order, most significant first,
  /// is that of choice.
  unsigned numWords() const { return words.size(); }
  Value word(unsigned w, Value candidate) {
    return wordOf(w, keyOf(w, candidate));
  }
  /// The key that word `w` comes from, and the word of such a key.
  mlir::Type keyType(unsigned w) {
    return mlir::getElementTypeOrSelf(op.getKeys()[words[w].first]);
  }
  Value keyOf(unsigned w, Value candidate) {
    return read(words[w].first, candidate);
  }
  Value wordOf(unsigned w, Value key);

  bool hasMasks() { return !op.getMasks().empty(); }
  Value masksAllow(Value candidate);

  /// Where the chosen one of a rank goes.
  Values placeOf(Value rank);

  Value indices, counts; ///< the results
  Values place;          ///< of the item among all
  Value begin, span;     ///< its candidates: the first, and how many
  Value rows, capacity;  ///< how many it may choose; how many have a place

private:
  /// Operand `i` for the item and, where it depends on it, `candidate`.
  Value read(unsigned i, Value candidate);
  Value flip(Value x, int64_t mask);

  KernelBody &k;
  mlir::ImplicitLocOpBuilder &b;
  ChooseOp op;
  /// The key and its part that each word comes from.
  mlir::SmallVector<std::pair<unsigned, unsigned>> words;
  Values mapped;
};

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_CHOICEITEM_H
