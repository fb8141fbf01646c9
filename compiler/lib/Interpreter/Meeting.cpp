// Which positions of an array count where its axes meet within a third.
#include "Meeting.h"
#include "route/Interpreter/Machine.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route::interp;

/// The names of what `axis` descends from.
static void collectAbove(const Axis &axis,
                         llvm::SmallVectorImpl<StringAttr> &names) {
  for (const Axis::Parent &parent : axis.parents) {
    if (parent.axis->name && !llvm::is_contained(names, parent.axis->name))
      names.push_back(parent.axis->name);
    collectAbove(*parent.axis, names);
  }
}

namespace {
/// Two axes, and for the positions of each the one on what both descend from.
struct Pair {
  size_t first, second;
  IndexMap ofFirst, ofSecond;
};
} // namespace

FailureOr<std::vector<bool>>
route::interp::findMeeting(llvm::ArrayRef<AxisRef> axes, Location loc) {
  std::vector<Pair> pairs;
  for (size_t i = 0; i < axes.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (!axes[i]->name || !axes[j]->name ||
          findAncestor(axes[i], axes[j]->name) ||
          findAncestor(axes[j], axes[i]->name))
        continue; // one descends from the other
      if (StringAttr name = findUnsizedAbove(axes[i], axes[j]))
        return complainOfSize(name, loc);
      llvm::SmallVector<StringAttr> above;
      collectAbove(*axes[i], above);
      for (StringAttr name : above)
        if (IndexMap ofFirst = descent(*axes[j], name))
          pairs.push_back({j, i, ofFirst, descent(*axes[i], name)});
    }
  std::vector<bool> there;
  if (pairs.empty())
    return there;
  there.resize(countPositions(axes));
  std::vector<int64_t> at(axes.size());
  for (size_t index = 0; index < there.size(); ++index) {
    there[index] = llvm::all_of(pairs, [&](const Pair &pair) {
      return (*pair.ofFirst)[at[pair.first]] ==
             (*pair.ofSecond)[at[pair.second]];
    });
    for (size_t i = axes.size(); i-- > 0;) {
      if (++at[i] < axes[i]->size)
        break;
      at[i] = 0;
    }
  }
  return there;
}
