// One way to execute a compiled spec.
// The differential fuzzer compares any number of them with the first; a new
// back end is one more implementation.
#ifndef ROUTE_TEST_FUZZ_BACKEND_H
#define ROUTE_TEST_FUZZ_BACKEND_H

#include "Spec.h"
#include "route/io/Values.h"

#include <memory>
#include <string>
#include <vector>

namespace route::fuzz {

/// The clock of every call, ns since 1970: a minute past a round hour.
inline constexpr int64_t firstMoment = 1'700'000'060'000'000'000;

/// Checkpoint files by label; the default file has an empty one.
using Checkpoints = std::vector<std::pair<std::string, std::string>>;

/// What a host pushes into a live column.
struct Push {
  std::string bytes;          ///< row-major, as the cell has them
  std::vector<uint8_t> known; ///< one a value; empty: all are
};

/// A spec with parameters bound and a state of its own. Functions return false
/// with the reason in `why`.
class Backend {
public:
  virtual ~Backend() = default;
  /// Whether it can run an entry on these inputs.
  virtual bool covers(uint32_t entry, const Values &inputs) { return true; }
  /// Runs entry number `entry` of the descriptor. `outputs` has memory for each
  /// output port, which is overwritten as the ABI says: plans padded with -1,
  /// columns with zeros. Events have no outputs.
  virtual bool run(uint32_t entry, Values &inputs, Values &outputs, int64_t now,
                   std::string &why) = 0;
  /// Pushes a live column, state cell number `cell` of the descriptor.
  virtual bool push(uint32_t cell, const Push &values, int64_t now,
                    std::string &why) = 0;
  /// The row-major bytes of state cell number `cell` of the descriptor.
  virtual bool state(uint32_t cell, std::string &bytes, std::string &why) = 0;
};

/// The reference also knows what the descriptor does not say.
class Reference : public Backend {
public:
  enum class Live { No, Known, MayBeUnknown };
  /// Whether a state cell is a live column, and may be pushed as unknown.
  virtual Live live(uint32_t cell) = 0;
  /// Whether a cell is a table, of keys or of a set: the order of its words is
  /// the library's own, and only what is read of it tells.
  virtual bool isTable(uint32_t cell) = 0;
};

/// The interpreter on the spec at `path`: the reference.
std::unique_ptr<Reference> makeInterpreter(const std::string &path,
                                           const route_module_desc &module,
                                           const Checkpoints &checkpoints,
                                           std::string &why);

/// The compiled library, with the best variant that the machine runs.
std::unique_ptr<Backend> makeLibrary(route_module *module,
                                     const Checkpoints &checkpoints,
                                     std::string &why);

/// The library's code for GPUs, on the first one of this machine.
std::unique_ptr<Backend> makeDevice(route_module *module,
                                    const Checkpoints &checkpoints,
                                    std::string &why);

/// A back end that runs `inner` and then changes its last output, to see that
/// it is found out.
std::unique_ptr<Backend> makeWrong(std::unique_ptr<Backend> inner);

/// Empty where each output of `found` is what `reference` says; otherwise the
/// first difference. Whole numbers, texts and choices must be equal, numbers as
/// the tolerance says; any NaN equals any NaN.
std::string difference(const route_entry_desc &entry, const Values &reference,
                       const Values &found, const Tolerance &tolerance);
/// The same for the bytes of a state cell.
std::string difference(const route_state_desc &cell,
                       const std::string &reference, const std::string &found,
                       const Tolerance &tolerance);

} // namespace route::fuzz

#endif // ROUTE_TEST_FUZZ_BACKEND_H
