// From times to the file of findings that routec reads (`--tuning`).
#ifndef ROUTE_LIB_RUN_FINDINGS_H
#define ROUTE_LIB_RUN_FINDINGS_H

#include <cstdint>
#include <string>
#include <vector>

namespace route {

/// What was measured of the forms of one shape.
struct Finding {
  /// Times at one number of rows.
  struct Point {
    int64_t items, rows;
    std::vector<double> times; ///< us a call, by form; below 0: not measured
  };
  /// A form and the rows up to which it runs; of the last, all.
  struct Limit {
    size_t form;
    int64_t rows;
  };

  std::string shape;
  std::vector<std::string> forms;
  std::vector<int64_t> most; ///< the library's own limits, of the first forms
  std::vector<Point> points; ///< rows ascend

  /// The form that the library takes by itself.
  size_t ownForm(int64_t rows) const;
  /// The forms to take. A change of forms costs a kernel, so it has to be worth
  /// some per cent at one of the points.
  std::vector<Limit> best() const;
};

/// The text of the file.
std::string writeFindings(const std::string &device,
                          const std::vector<Finding> &findings);

} // namespace route

#endif // ROUTE_LIB_RUN_FINDINGS_H
