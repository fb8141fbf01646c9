// A JSON value of bounded depth.
// Built from RapidJSON's events: its own document class does not compile with
// current compilers in the packaged release, and has no limit on depth.
#ifndef ROUTE_IO_JSON_H
#define ROUTE_IO_JSON_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace route {

struct Json {
  enum class Kind : uint8_t {
    Null,
    Bool,
    Signed,   ///< a whole number below zero
    Unsigned, ///< a whole number from zero on
    Double,   ///< any other number
    String,
    Array,
    Object
  };
  Kind kind = Kind::Null;
  union {
    bool boolean;
    int64_t integer;      ///< Signed
    uint64_t natural = 0; ///< Unsigned
    double number;        ///< Double
  };
  std::string text;              ///< String; Double: the number as written
  std::vector<Json> elements;    ///< Array; Object: values
  std::vector<std::string> keys; ///< Object: as they stand, twice or not

  bool isNumber() const {
    return kind == Kind::Signed || kind == Kind::Unsigned ||
           kind == Kind::Double;
  }
  /// Any number as a double.
  double asDouble() const {
    return kind == Kind::Signed     ? static_cast<double>(integer)
           : kind == Kind::Unsigned ? static_cast<double>(natural)
                                    : number;
  }
};

/// Parses all of `text`; false with a message that names the column. Arrays and
/// objects may nest `maxDepth` deep.
bool parseJson(std::string_view text, unsigned maxDepth, Json &value,
               std::string &message);

} // namespace route

#endif // ROUTE_IO_JSON_H
