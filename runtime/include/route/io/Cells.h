// State cells from one version of a module to the next.
// A reloaded module may list its rows in another order, have more of them or
// fewer. What a cell holds of a row goes with the row's name.
#ifndef ROUTE_IO_CELLS_H
#define ROUTE_IO_CELLS_H

#include "route/io/SafeTensors.h"

#include <string>
#include <string_view>
#include <vector>

namespace route {

/// What the bytes of a state cell stand for.
struct CellLayout {
  struct Axis {
    std::string name;
    int64_t size = 0;
    std::vector<std::string> members; ///< in order; none: positions are numbers

    bool operator==(const Axis &) const = default;
  };
  uint32_t element = 0; ///< enum route_element
  uint32_t meaning = 0; ///< as in route_state_desc
  std::string unit;
  std::vector<Axis> axes;
  /// What the elements are positions of: rows or members of an enumeration, by
  /// name. Empty: they are numbers.
  std::vector<std::string> values;

  bool operator==(const CellLayout &) const = default;
};

/// The names of positions that are so many under each of `parents`; none where
/// they do not share out.
std::vector<std::string> nestedNames(const std::vector<std::string> &parents,
                                     int64_t size);

CellLayout cellLayout(const route_module_desc &module,
                      const route_state_desc &state);

/// Moves what `source` holds into `target`, which holds what the cell starts
/// as: positions with names go by these, others stay where they are. Returns
/// what does not go over, in words, or nothing; `moved` says whether anything
/// was.
std::string carryCell(const CellLayout &from, const void *source,
                      const CellLayout &to, void *target, bool &moved);

/// The layout as text, for the metadata of a file, and back; false for text
/// that is none.
std::string writeLayout(const CellLayout &layout);
bool readLayout(std::string_view text, CellLayout &layout);
/// The axes and their sizes, for messages.
std::string printShape(const CellLayout &layout);
/// Whether a file's tensor is of that layout.
bool fitsLayout(const FileTensor &tensor, const CellLayout &layout);

} // namespace route

#endif // ROUTE_IO_CELLS_H
