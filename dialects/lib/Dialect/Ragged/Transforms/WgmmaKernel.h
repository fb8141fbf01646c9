// The kernel of a grouped matmul on Hopper's tensor cores.
// What chooses its tiles, and the emitter.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAKERNEL_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAKERNEL_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

namespace route::ragged {

/// How a matmul is cut into tiles. A tile is up to `tokens` rows of one expert
/// by `columns()` columns of each weight.
struct WgmmaTiles {
  int64_t weights;     ///< products of a gated unit
  int64_t parts;       ///< columns of a weight for one of the result: 1 or 2
  int64_t blocks;      ///< 64-column blocks of each weight for a warpgroup
  int64_t tokens;      ///< a multiple of 16
  int64_t stages;      ///< tiles along K in flight
  int64_t depth;       ///< numbers of a row of a tile along K
  int64_t outputBytes; ///< of an element of the result
  int64_t experts;
  int64_t splits; ///< shares of K whose sums are added up in their order
  bool areMany;   ///< too many for a cluster
  bool cluster;   ///< shares have a block each, of one cluster
  bool spread;    ///< shares have a block each, anywhere; else, without either,
                  ///< they come one after the other
  /// Whether offsets may be a list of none: all rows are the first expert's.
  bool alsoDense = false;
  /// Whether blocks that stay are in clusters of two and take two tiles at a
  /// time, which share weights or rows: each brings half of those to both.
  bool pairs = false;
  /// Whether blocks with a share that is spread are in clusters of two: they
  /// have the same share of neighbouring rows, and each brings half of its
  /// weights to both.
  bool pairedShares = false;
  /// Whether a kernel behind this one may await its rows, expert by expert:
  /// both warpgroups that multiply count the rows of each tile that they have
  /// ended.
  bool tells = false;
  /// Whether this one may await its rows so.
  bool awaits = false;

  static constexpr int64_t kWarpgroups = 2; ///< that multiply
  static constexpr int64_t kThreads = 128 * (kWarpgroups + 1);
  static constexpr int64_t kRowBytes = 128; ///< of a tile along K
  static constexpr int64_t kBlockBytes = 64 * kRowBytes;
  static constexpr int64_t kMaxShared = 232448; ///< of a block on sm_90
  static constexpr int64_t kMostBlocks = 16;    ///< of a cluster
  static constexpr int64_t kMostStages = 8;
  static constexpr int64_t kSpreadSteps = 7; ///< of a share that is spread
  static constexpr int64_t kMostSpread = 32; ///< shares that are spread

  /// Whether there are counters of experts' rows, told or awaited.
  bool countsRows() const { return tells || awaits; }
  /// How often a row of `columns` results is counted where it is told of.
  int64_t tellings(int64_t columns) const {
    return kWarpgroups * llvm::divideCeil(columns, outputs());
  }
  /// Whether blocks are in clusters of two, for either reason.
  bool inTwos() const { return pairs || pairedShares; }
  /// Rows of all tiles of an expert but the last, at least.
  int64_t step() const { return tokens > 128 ? tokens - 32 : tokens; }
  int64_t columns() const { return 64 * blocks * kWarpgroups; }
  int64_t outputs() const { return columns() / parts; }
  /// Columns of a weight that are brought at once, unless it is transposed.
  int64_t boxColumns() const { return inTwos() ? columns() / 2 : columns(); }
  int64_t weightBytes() const { return weights * columns() * kRowBytes; }
  int64_t stageBytes() const { return weightBytes() + tokens * kRowBytes; }
  /// Where results of 16 bits are turned round: 64 rows by 64 columns each.
  int64_t stagingBytes() const {
    return outputBytes == 2 ? kWarpgroups * 64 * 64 * 2 : 0;
  }
  int64_t barrierOffset() const {
    return stages * stageBytes() + stagingBytes();
  }
  /// Two barriers and four words: which tile comes next; two more of a pair:
  /// what it shares, and the number that its second block is told.
  int64_t tileOffset() const { return barrierOffset() + 16 * stages; }
  int64_t tableOffset() const { return tileOffset() + 48; }
  int64_t sharedBytes() const { return tableOffset() + 8 * (experts + 1) + 64; }

  /// Steps along K of a share but the last, which may have fewer.
  int64_t depthOf(int64_t inner) const {
    return llvm::divideCeil(llvm::divideCeil(inner, depth), splits);
  }
  /// Numbers of the matmul in kRowBytes.
  static int64_t depthIn(MatmulOp op);
  /// Shares of K for a dense product with few columns, such as a router's: at
  /// most `splits` in a cluster, and the less the fewer steps along K; or more,
  /// which are spread, where those would be longer than what a block can have
  /// under way. And whether that is so.
  static std::pair<int64_t, bool> sharesOf(MatmulOp op, int64_t splits);
  /// Whether tensor cores are for this matmul: of 16 bits or marked kTf32Attr,
  /// and not too small.
  static bool isCandidate(MatmulOp op, int64_t splits);
  /// Why they cannot run such a matmul; empty where they can.
  static std::string objectionTo(MatmulOp op);
  /// The tiles for a matmul, with up to `tokens` rows, and that many blocks of
  /// columns for a warpgroup (0: the usual number); failure where it is no
  /// candidate, where there is an objection, or where tiles do not fit shared
  /// memory and registers.
  static mlir::FailureOr<WgmmaTiles> choose(MatmulOp op, int64_t tokens,
                                            int64_t splits, int64_t blocks = 0);
  /// Whether two blocks had better take such tiles together.
  bool canPair(MatmulOp op) const;
  /// The same with a block for each share, of a cluster or anywhere.
  WgmmaTiles inCluster() const;
  WgmmaTiles spreadOut(int64_t inner) const;
  /// Rows up to which tiles that have `blocks` blocks for their shares and
  /// columns have `fewStep()` rows and not `step()`: small batches have more
  /// blocks then, as long as all run at once.
  int64_t fewRows(int64_t blocks) const;
  int64_t fewStep() const { return std::min<int64_t>(tokens, 64); }
};

/// On a matmul of f32 whose numbers have no more than the bits of tf32, and
/// whose rows lie along K.
inline constexpr llvm::StringLiteral kTf32Attr = "ragged.tf32";

/// On an empty loop in a kernel that ends with all columns of a row together:
/// over the rows of the result that the loop's warp may go on with. The value
/// is an array of i64: the first thread of the warps that have such rows, how
/// many warps those are, and bytes of shared memory in use, at whose start the
/// row's columns are; with 0 they are in the result alone.
inline constexpr llvm::StringLiteral kItemsAttr = "ragged.items";

/// On a matmul whose tiles had better take gathered rows from where the gather
/// would.
inline constexpr llvm::StringLiteral kGathersAttr = "ragged.gathers";

/// On a matmul that had better begin with an expert's rows when the matmul that
/// makes them has ended those.
inline constexpr llvm::StringLiteral kAwaitsAttr = "ragged.awaits";

/// The matmul that makes the rows of `op`, expert by expert as `op` reads them,
/// if the two may overlap: nothing else happens in between, and what `op`
/// writes is nothing that the other one still reads; else null.
MatmulOp awaitedBy(MatmulOp op);

/// The gather that makes the rows of `op`, if copies of a kernel's threads can
/// do without those rows; else null.
GatherOp gatherOf(MatmulOp op);

/// Whether the kernel of a product over experts could run a dense one as well,
/// as its first expert.
bool canShareKernel(MatmulOp grouped, MatmulOp dense);

/// Emits the kernel of `op`. Its arguments: a tensor map for each weight, two
/// of the rows (boxes of 64 and of 16 rows), then `op`'s other operands. With
/// the gather that would make the rows, its items and where each row is from
/// come instead of the rows' maps. Behind the offsets comes a buffer of one
/// zero, by which whoever is free takes the next tile, and where rows are told
/// of or awaited one with a zero for each expert; then the last argument is
/// how often each row is counted, 0 where this call does not. A dense product
/// whose tiles are `alsoDense` has them all the same. Of tiles that are spread
/// the last argument is `sums` alone, where each share leaves its own: row by
/// row, share by share, weight by weight.
mlir::LLVM::LLVMFuncOp emitWgmmaKernel(mlir::ModuleOp module, MatmulOp op,
                                       const WgmmaTiles &tiles,
                                       llvm::StringRef stem,
                                       GatherOp gather = {},
                                       mlir::Value sums = {});

/// Emits the kernel that adds those up, a block for each row. Its arguments:
/// `sums`, then `op`'s operands behind the offsets.
mlir::LLVM::LLVMFuncOp emitAdditionKernel(mlir::ModuleOp module, MatmulOp op,
                                          const WgmmaTiles &tiles,
                                          llvm::StringRef stem,
                                          mlir::Value sums);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAKERNEL_H
