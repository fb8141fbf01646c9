// A JSON value of bounded depth.
// The parser is RapidJSON's iterative one, so that no input can exhaust the
// stack; the handler keeps its own stack of open values.
#include "route/io/Json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

using namespace route;

namespace {

class Builder {
public:
  Builder(Json &root, unsigned maxDepth) : root(root), maxDepth(maxDepth) {}

  bool Null() { return make(Json::Kind::Null); }
  bool Bool(bool b) {
    make(Json::Kind::Bool)->boolean = b;
    return true;
  }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t i) {
    if (i >= 0)
      return Uint64(static_cast<uint64_t>(i));
    make(Json::Kind::Signed)->integer = i;
    return true;
  }
  bool Uint64(uint64_t u) {
    make(Json::Kind::Unsigned)->natural = u;
    return true;
  }
  bool Double(double) { return false; }
  /// Numbers arrive as written, so that decimal fractions stay exact.
  bool RawNumber(const char *s, rapidjson::SizeType size, bool) {
    const char *end = s + size;
    uint64_t natural;
    auto whole = std::from_chars(s, end, natural);
    if (whole.ec == std::errc() && whole.ptr == end)
      return Uint64(natural);
    int64_t integer;
    whole = std::from_chars(s, end, integer);
    if (whole.ec == std::errc() && whole.ptr == end)
      return Int64(integer);
    Json *made = make(Json::Kind::Double);
    made->text.assign(s, size);
    made->number = std::strtod(made->text.c_str(), nullptr);
    tooLarge = std::isinf(made->number);
    return !tooLarge;
  }
  bool String(const char *s, rapidjson::SizeType size, bool) {
    make(Json::Kind::String)->text.assign(s, size);
    return true;
  }
  bool StartObject() { return open(Json::Kind::Object); }
  bool Key(const char *s, rapidjson::SizeType size, bool) {
    stack.back()->keys.emplace_back(s, size);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(Json::Kind::Array); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  bool tooDeep = false, tooLarge = false;

private:
  Json *make(Json::Kind kind) {
    Json &made = stack.empty() ? root : stack.back()->elements.emplace_back();
    made.kind = kind;
    return &made;
  }
  bool open(Json::Kind kind) {
    tooDeep = stack.size() >= maxDepth;
    if (tooDeep)
      return false;
    // A parent's elements do not move while a child is open.
    stack.push_back(make(kind));
    return true;
  }
  bool close() {
    stack.pop_back();
    return true;
  }

  Json &root;
  unsigned maxDepth;
  std::vector<Json *> stack;
};

} // namespace

bool route::parseJson(std::string_view text, unsigned maxDepth, Json &value,
                      std::string &message) {
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream memory(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream>
      stream(memory);
  Builder builder(value, maxDepth);
  rapidjson::Reader reader;
  rapidjson::ParseResult result = reader.Parse<flags>(stream, builder);
  if (!result.IsError())
    return true;
  message = "column " + std::to_string(result.Offset() + 1) + ": ";
  if (builder.tooDeep) {
    message += "nests deeper than " + std::to_string(maxDepth);
    return false;
  }
  if (builder.tooLarge) {
    message += "the number is beyond the largest one there is";
    return false;
  }
  // In the style of this project's messages: lower case, no full stop.
  std::string reason = rapidjson::GetParseError_En(result.Code());
  if (!reason.empty() && reason.back() == '.')
    reason.pop_back();
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z')
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  message += reason;
  return false;
}
