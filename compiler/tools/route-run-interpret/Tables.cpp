// Tables as Tables.h of the text library lays them out.
// They are made by the same functions that compiled code calls.
#include "Tables.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Library/Element.h"
#include "route/Text/Tables.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::interp;

static void addKey(SmallVectorImpl<int64_t> &words, const Element &element) {
  if (std::holds_alternative<std::string>(element)) {
    StringRef text = element.asText();
    int64_t digest[2];
    route_text_digest(text.bytes_begin(), text.size(), digest);
    words.append(digest, digest + 2);
  } else if (!element.asList().empty()) { // a digest that was read
    for (const Element &word : element.asList())
      words.push_back(word.asInt());
  } else if (const float *number = std::get_if<float>(&element)) {
    float value = std::isnan(*number) ? NAN : *number;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    words.push_back(bits);
  } else if (const double *number = std::get_if<double>(&element)) {
    double value = std::isnan(*number) ? double(NAN) : *number;
    memcpy(&words.emplace_back(), &value, sizeof(value));
  } else {
    words.push_back(element.asInt());
  }
}

/// The capacity of a table of `words` words.
static int64_t capacityOf(int64_t words, int64_t keys, int64_t values) {
  int64_t low = 1, high = words;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (route_table_words(middle, keys, values) < words)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static Element elementFrom(Type type, const int64_t *word) {
  return readBuffer(libraryElement(type), reinterpret_cast<const char *>(word),
                    0);
}

void route::writeTable(const KeyedState &keyed, StateOp state, int64_t words,
                       int64_t *data) {
  std::fill_n(data, words, 0);
  std::vector<const KeyedState::Cell *> cells;
  for (const auto &[text, cell] : keyed.cells)
    cells.push_back(&cell);
  llvm::sort(cells, [](auto *a, auto *b) { return a->written < b->written; });
  Type type = cast<ArrayType>(state.getType()).getElementType();
  for (const KeyedState::Cell *cell : cells) {
    SmallVector<int64_t> key;
    for (const Element &element : cell->key)
      addKey(key, element);
    std::vector<Element> elements = cell->value.elements();
    int64_t values = elements.size(),
            capacity = capacityOf(words, key.size(), values);
    int64_t at = route_table_put(data, capacity, key.size(), values, key.data(),
                                 nullptr);
    for (const Element &element : elements) {
      if (const int64_t *number = std::get_if<int64_t>(&element))
        data[at] = *number;
      else
        writeBuffer(libraryElement(type), reinterpret_cast<char *>(data + at),
                    0, element);
      ++at;
    }
  }
}

FailureOr<KeyedState> route::readTable(Machine &machine, StateOp state,
                                       int64_t words, const int64_t *data) {
  KeyedState result;
  if (std::all_of(data, data + words, [](int64_t word) { return word == 0; }))
    return result;
  auto type = cast<ArrayType>(state.getType());
  auto initial = machine.initialState(state);
  if (failed(initial))
    return failure();
  // Of a text the two words of its digest are all that is known.
  SmallVector<Type> types;
  Type word = IntegerType::get(state.getContext(), 64);
  for (Type type : getKeys(state).getAsValueRange<TypeAttr>())
    types.append(isa<TextType>(type) ? 2 : 1,
                 isa<TextType>(type) ? word : type);
  int64_t keys = types.size(), values = initial->size(),
          capacity = capacityOf(words, keys, values);
  if (route_table_words(capacity, keys, values) != words)
    return emitError(state.getLoc(), "state '")
           << state.getSymName()
           << "' has keys with axes: the interpreter cannot go on from what "
              "was saved";
  int64_t at = 0, left = capacity;
  for (int64_t entry = 0;
       left-- &&
       (entry = route_table_next(data, capacity, keys, values, entry, &at));) {
    KeyedState::Cell cell;
    std::string text;
    for (Type key : types) {
      cell.key.push_back(elementFrom(key, data + at++));
      text += keyText(cell.key.back(), key);
    }
    auto value =
        machine.allocate(type.getElementType(), initial->axes, state.getLoc());
    if (failed(value))
      return failure();
    for (int64_t i = 0; i < values; ++i)
      value->buffer->set(i, elementFrom(type.getElementType(), data + at++));
    cell.value = *value;
    cell.written = ++result.clock;
    result.cells[text] = std::move(cell);
  }
  return result;
}

void route::writeSets(const Array &sets, int64_t words, int64_t *data) {
  for (const Element &set : sets.elements()) {
    std::fill_n(data, words, 0);
    for (const Element &member : set.asList()) {
      SmallVector<int64_t> key;
      addKey(key, member);
      route_table_put(data, capacityOf(words, key.size(), 0), key.size(), 0,
                      key.data(), nullptr);
    }
    data += words;
  }
}

void route::readSets(Array &sets, int64_t words, const int64_t *data) {
  Type member = memberTypeOf(sets.elementType);
  // Of a text the two words of its digest are all that is known, and enough to
  // look for it.
  int64_t keys = isa<TextType>(member) ? 2 : 1;
  int64_t count = sets.size();
  for (int64_t i = 0; i < count; ++i, data += words) {
    std::vector<Element> members;
    int64_t capacity = capacityOf(words, keys, 0), at = 0, left = capacity;
    for (int64_t entry = 0;
         left-- &&
         (entry = route_table_next(data, capacity, keys, 0, entry, &at));) {
      if (keys == 1)
        members.push_back(elementFrom(member, data + at));
      else
        members.push_back(std::make_shared<const std::vector<Element>>(
            std::vector<Element>{data[at], data[at + 1]}));
    }
    sets.buffer->set(
        i, std::make_shared<const std::vector<Element>>(std::move(members)));
  }
}
