// Items as lines of JSON, and back.
// One item a line, columns by the entry's port names. See docs/embedding.md for
// the format; the interpreter's tools read the same files.
#ifndef ROUTE_IO_RECORDS_H
#define ROUTE_IO_RECORDS_H

#include "route/io/SafeTensors.h"
#include "route/io/Values.h"

#include <string_view>

namespace route {

struct ReadOptions {
  const char *label = "records"; ///< the file's name, for messages
  bool allowExtra = false;       ///< columns that no input has are skipped
  /// Inputs that a file beside the records has, which no record may give.
  std::vector<std::string> elsewhere = {};
};

/// Lines of a file. An entry with an item axis is called once with an item a
/// line; one without is called once for each line.
struct RecordLines {
  struct Line {
    std::string_view text;
    uint64_t number; ///< from 1
  };
  std::vector<Line> lines; ///< blank ones left out
  explicit RecordLines(std::string_view text);
};

/// Whether records can give an input: offsets follow from lists, and what lies
/// along a product of axes comes from tensors.
bool recordsGive(const route_module_desc &module, const route_entry_desc &entry,
                 const route_port_desc &port);

/// Reads `lines` as items of `entry` into `inputs` (made for its input ports).
/// Each line has its own of inputs over the item axis and, as lists in lists,
/// over axes nested in it. What is not of the items may stand in any line, and
/// is the same in all that have it. An entry without an item axis takes one
/// line. Errors: RECORD, with the line's number.
route_status readRecords(const route_module_desc &module,
                         const route_entry_desc &entry,
                         std::span<const RecordLines::Line> lines,
                         const ReadOptions &options, Values &inputs,
                         route_error *error);

/// Appends a line for each item (one line without an item axis), then one more
/// under the key "all" for outputs that are not over the item axis.
void writeRecords(const route_module_desc &module,
                  const route_entry_desc &entry, const Values &outputs,
                  const int64_t *axisSizes, std::string &text);

/// Fills inputs from tensors by port name; NAME.known holds known bytes, and a
/// text is NAME.offsets (i64, one more than there are texts) with NAME.bytes;
/// where NAME.offsets is an input of its own, NAME.bytes.offsets with it. Ports
/// without a tensor stay as they are. Errors: RECORD.
route_status readTensors(const route_module_desc &module,
                         const route_entry_desc &entry, const SafeTensors &file,
                         const ReadOptions &options, Values &inputs,
                         route_error *error);

/// Adds every output by its port name, in the same form.
void writeTensors(const Values &outputs, SafeTensorsWriter &writer);

} // namespace route

#endif // ROUTE_IO_RECORDS_H
