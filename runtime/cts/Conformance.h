// What any compiled module must keep.
// Checks of the contract in route_module.h that need no knowledge of what a
// module computes: inputs are made up from its descriptor.
#ifndef ROUTE_CTS_CONFORMANCE_H
#define ROUTE_CTS_CONFORMANCE_H

#include "../lib/core/Support.h"
#include "route/io/SafeTensors.h"
#include "route/io/Values.h"

#include <random>
#include <set>
#include <string>
#include <vector>

namespace route::cts {

/// Values the inputs are drawn from.
enum class Style {
  Wild,    ///< ties, NaN, infinities, denormals, odd texts, unknown values
  Exact,   ///< small whole numbers, whose sums are exact in any order
  Special, ///< these, NaN and infinities: sums that no order changes
};

/// Makes up inputs and checkpoints from a descriptor.
class Generator {
public:
  Generator(const route_module_desc &module, uint64_t seed)
      : module(module), random(seed) {}

  /// Sizes for the dynamic axes an entry's inputs are over, at most `most`.
  std::vector<int64_t> sizes(const route_entry_desc &entry, int64_t most);
  /// Values for every input at these sizes. Ids are always given.
  Values inputs(const route_entry_desc &entry,
                const std::vector<int64_t> &sizes, Style style);
  /// Safetensors files with every tensor the module binds, by label.
  std::vector<std::pair<std::string, std::string>> checkpoints(Style style);

private:
  uint64_t below(uint64_t limit) { return random() % limit; }
  void element(const route_type_desc &type, const route_port_desc *port,
               int64_t rows, Style style, char *target,
               std::deque<std::string> *texts);
  void planPadding(const route_entry_desc &entry,
                   const std::vector<int64_t> &sizes, Values &values);

  const route_module_desc &module;
  std::mt19937_64 random;
};

struct Options {
  uint64_t seed = 1;
  int rounds = 4;                    ///< of made-up inputs an entry
  int64_t mostItems = 48;            ///< on a dynamic axis
  const route_file *files = nullptr; ///< instead of made-up checkpoints
  uint64_t numFiles = 0;
};

/// One failed check: "gate: output 'p' is not written everywhere (seed 3)".
struct Report {
  std::vector<std::string> failures;
  uint64_t checks = 0; ///< made, failed or not
  /// Outputs that hang on other items by the spec: "gate: output 'p'".
  std::set<std::string> together;
};

/// Runs every check on every entry. Returns an error only where the module
/// cannot be run at all.
route_status checkConformance(route_module *module, const Options &options,
                              Report &report, route_error *error);

} // namespace route::cts

#endif // ROUTE_CTS_CONFORMANCE_H
