// Reads the PTX that LLVM writes, a regular part of the language.
// What an instruction is, others decide; one that nobody knows spoils its
// kernel alone, and only when that is launched.
#include "Machine.h"

#include <algorithm>
#include <cctype>
#include <string_view>

using namespace emulator;

uint8_t emulator::sizeOf(const std::string &type) {
  static const std::map<std::string, uint8_t> special = {
      {"bf16", 2}, {"f16x2", 4}, {"bf16x2", 4}};
  if (auto found = special.find(type); found != special.end())
    return found->second;
  if (type.size() < 2 || !strchr("busf", type[0]))
    return 0;
  int bits = atoi(type.c_str() + 1);
  return bits % 8 || bits > 64 ? 0 : static_cast<uint8_t>(bits / 8);
}

namespace {

struct Token {
  std::string_view text;
  uint32_t line;
};

/// What is wrong with a statement.
struct Unknown {
  std::string text;
};

std::vector<Token> tokenize(std::string_view ptx) {
  std::vector<Token> tokens;
  uint32_t line = 1;
  auto isWord = [&](size_t at) {
    return at < ptx.size() && (isalnum(static_cast<unsigned char>(ptx[at])) ||
                               strchr("_$%.", ptx[at]));
  };
  for (size_t at = 0; at < ptx.size();) {
    size_t end = at + 1;
    if (ptx[at] == '\n') {
      ++line;
    } else if (ptx.substr(at, 2) == "//") {
      end = std::min(ptx.find('\n', at), ptx.size());
    } else if (ptx[at] == '"') {
      end = std::min(ptx.find('"', at + 1), ptx.size() - 1) + 1;
      tokens.push_back({ptx.substr(at, end - at), line});
    } else if (!isspace(static_cast<unsigned char>(ptx[at]))) {
      if (isWord(at)) // "L1::evict_last" is one word
        while (isWord(end) || ptx.substr(end, 2) == "::")
          end += isWord(end) ? 1 : 2;
      tokens.push_back({ptx.substr(at, end - at), line});
    }
    at = end;
  }
  tokens.push_back({"", line});
  return tokens;
}

Name splitName(std::string_view text) {
  Name parts;
  for (size_t at = 0, end; at <= text.size(); at = end + 1) {
    end = std::min(text.find('.', at), text.size());
    parts.emplace_back(text.substr(at, end - at));
  }
  return parts;
}

/// A name without the rounding that is everybody's.
std::string plainName(const Name &name) {
  std::string plain;
  for (const std::string &part : name)
    if (part != "rn")
      plain += (plain.empty() ? "" : ".") + part;
  return plain;
}

class Parser {
public:
  Parser(const char *ptx, Memory &memory, Module &module)
      : tokens(tokenize(ptx)), memory(memory), module(module) {}
  void parse();

private:
  struct Variable {
    std::string name, space;
    uint64_t alignment = 1, count = 1;
    uint8_t element = 0;
    bool unsized = false;
  };

  std::string_view peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)].text;
  }
  std::string take() {
    std::string text(peek());
    at += at + 1 < tokens.size();
    return text;
  }
  bool takeIf(std::string_view text) {
    bool is = peek() == text;
    at += is;
    return is;
  }
  void expect(std::string_view text) {
    if (!takeIf(text))
      throw Unknown{"'" + std::string(peek()) + "' instead of '" +
                    std::string(text) + "'"};
  }
  void skipTo(std::string_view text) {
    while (!peek().empty() && !takeIf(text))
      ++at;
  }

  Variable parseVariable();
  void declare(const Variable &variable);
  void parseKernel();
  void parseBody();
  void parseRegisters();
  void parseStatement();
  void parseTargets(std::vector<std::string> &labels);
  void parseOperands(const Name &name, Instruction &made, bool &grouped);
  Operand parseOperand(uint8_t width);
  uint64_t parseNumber();
  bool decode(const Name &name, bool grouped, Instruction &made);

  Operand room(uint8_t width) {
    Operand made = {kernel->registerBytes, width};
    kernel->registerBytes += std::max<uint32_t>(width, 1) * kLanes;
    return made;
  }
  Operand constant(Kernel::Constant::What what, uint64_t value, uint8_t width);
  /// A register that nobody reads.
  Operand sink(uint8_t width) { return {0, width}; }

  std::vector<Token> tokens;
  size_t at = 0;
  Memory &memory;
  Module &module;

  std::map<std::string, uint64_t> globals;
  std::vector<Variable> shared; ///< of the module: any kernel may use them

  // Of the kernel at hand.
  Kernel *kernel = nullptr;
  std::map<std::string, uint64_t> addresses;
  std::map<std::string, uint8_t>
      ranges; ///< of registers, by what they begin with
  std::map<std::string, Operand> registers;
  std::map<std::tuple<int, uint64_t, uint8_t>, Operand> constants;
  std::map<std::string, uint32_t> labels;
  std::map<std::string, std::vector<std::string>> tables;
  /// Which labels the targets of an instruction are.
  std::vector<std::pair<uint32_t, std::vector<std::string>>> branches;
  /// Of the braces that are open inside the kernel, the last; labels within
  /// belong to them.
  std::vector<std::string> scopes;
  unsigned numScopes = 0;
};

/// .global .align 4 .b8 name[64], up to what follows it.
Parser::Variable Parser::parseVariable() {
  Variable made;
  bool pointer = false;
  while (peek().substr(0, 1) == ".") {
    std::string word = take().substr(1);
    uint8_t size = sizeOf(word);
    if (word == "align") {
      uint64_t alignment = parseNumber();
      if (!pointer) // that of what it points to
        made.alignment = alignment;
    } else if (word == "ptr") {
      pointer = true;
    } else if (size) {
      made.element = size;
      made.alignment = std::max<uint64_t>(made.alignment, size);
    } else if (!pointer) {
      made.space = word;
    }
  }
  made.name = take();
  if (takeIf("[")) {
    made.unsized = peek() == "]";
    made.count = made.unsized ? 0 : parseNumber();
    expect("]");
  }
  return made;
}

/// Gives a variable of a kernel, or one that it may use, an address. None is
/// aligned better than it says.
void Parser::declare(const Variable &variable) {
  auto place = [&](uint64_t behind) {
    uint64_t a = variable.alignment;
    return (behind / (2 * a) + 1) * 2 * a + a;
  };
  uint64_t size = variable.count * variable.element;
  if (variable.space == "shared") {
    uint64_t behind = kernel->shared.empty() ? 0
                                             : kernel->shared.back().offset +
                                                   kernel->shared.back().size;
    addresses[variable.name] = place(behind);
    kernel->shared.push_back({place(behind), size, variable.alignment});
  } else {
    addresses[variable.name] = place(kernel->localBytes);
    kernel->localBytes = place(kernel->localBytes) + size;
  }
}

uint64_t Parser::parseNumber() {
  bool minus = takeIf("-");
  std::string text = take();
  if (text.empty() || !isdigit(static_cast<unsigned char>(text[0])))
    throw Unknown{"'" + text + "' is no number"};
  bool bits = text.size() > 2 && strchr("fFdD", text[1]); // 0f3F800000
  uint64_t value = bits ? strtoull(text.c_str() + 2, nullptr, 16)
                        : strtoull(text.c_str(), nullptr, 0);
  return minus ? -value : value;
}

void Parser::parse() {
  while (!peek().empty()) {
    std::string word(peek());
    if (word == ".entry") {
      parseKernel();
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      Variable made = parseVariable();
      if (made.space == "shared") {
        shared.push_back(made);
      } else {
        uint64_t size = made.count * made.element;
        uint64_t address = memory.allocate(size, made.alignment);
        module.variables.push_back(address);
        globals[made.name] = address;
        auto *bytes = reinterpret_cast<uint8_t *>(address);
        memset(bytes, 0, size);
        memory.find(address)->note(0, size, memory.clock);
        if (takeIf("=")) {
          bool list = takeIf("{");
          for (uint64_t i = 0; i < made.count && peek() != "}"; ++i) {
            uint64_t value = parseNumber();
            memcpy(bytes + i * made.element, &value, made.element);
            takeIf(",");
          }
          if (list)
            expect("}");
        }
      }
      expect(";");
    } else if (word == ".visible" || word == ".extern" || word == ".weak") {
      ++at;
    } else if (word == ".version" || word == ".target" ||
               word == ".address_size") {
      uint32_t line = tokens[at].line;
      while (tokens[at].line == line && !peek().empty())
        ++at;
    } else {
      throw Unknown{"'" + word + "' is not known"};
    }
  }
}

void Parser::parseKernel() {
  expect(".entry");
  std::string name = take();
  kernel = &module.kernels[name];
  kernel->name = name;
  kernel->registerBytes = 8 * kLanes; // the sink
  addresses = globals;
  ranges.clear(), registers.clear(), constants.clear();
  labels.clear(), tables.clear(), branches.clear();
  if (takeIf("("))
    for (bool more = peek() != ")"; more; more = takeIf(",")) {
      Variable made = parseVariable();
      uint64_t offset = (kernel->parameterBytes + made.alignment - 1) /
                        made.alignment * made.alignment,
               size = made.count * made.element;
      addresses[made.name] = offset;
      kernel->parameters.push_back({offset, size});
      kernel->parameterBytes = offset + size;
    }
  for (const Variable &each : shared)
    if (!each.unsized)
      declare(each);
  while (peek() != "{" && !peek().empty()) {
    bool clusters = peek() == ".reqnctapercluster";
    ++at;
    if (clusters)
      kernel->cluster = static_cast<uint32_t>(parseNumber());
  }
  // Those without a size are one, behind the others.
  Variable open;
  open.space = "shared";
  for (const Variable &each : shared)
    if (each.unsized)
      open.alignment = std::max(open.alignment, each.alignment);
  declare(open);
  for (const Variable &each : shared)
    if (each.unsized)
      addresses[each.name] = addresses[open.name];
  parseBody();
}

void Parser::parseBody() {
  expect("{");
  scopes = {""};
  while (!scopes.empty()) {
    if (peek().empty())
      throw Unknown{"a kernel without an end"};
    if (takeIf("{")) {
      scopes.push_back("#" + std::to_string(++numScopes));
    } else if (takeIf("}")) {
      scopes.pop_back();
    } else if (!kernel->lacks.empty()) {
      ++at;
    } else {
      size_t start = at;
      try {
        parseStatement();
      } catch (const Unknown &unknown) {
        kernel->lacks = unknown.text + " (line " +
                        std::to_string(tokens[start].line) + " of the PTX)";
      }
    }
  }
  if (!kernel->lacks.empty())
    return;
  for (auto &[instruction, names] : branches)
    for (const std::string &name : names) {
      auto scoped = labels.find(name);
      kernel->code[instruction].targets.push_back(
          scoped != labels.end() ? scoped->second
                                 : labels.at(name.substr(0, name.find('#'))));
    }
}

void Parser::parseRegisters() {
  std::string type = take().substr(1);
  uint8_t width = type == "pred" ? 0 : sizeOf(type);
  if (!width && type != "pred")
    throw Unknown{"registers of '" + type + "'"};
  do {
    std::string name = take();
    if (takeIf("<")) {
      ranges[name] = width;
      skipTo(">");
    } else {
      registers[name] = room(width ? width : 4);
      registers[name].width = width;
    }
  } while (takeIf(","));
  expect(";");
}

void Parser::parseTargets(std::vector<std::string> &names) {
  do
    names.push_back(take());
  while (takeIf(","));
}

void Parser::parseStatement() {
  if (takeIf(".reg"))
    return parseRegisters();
  if (peek() == ".local" || peek() == ".shared") {
    declare(parseVariable());
    return expect(";");
  }
  if (peek().substr(0, 1) == ".")
    return skipTo(";"); // says nothing to us
  if (peek(1) == ":") {
    std::string name = take();
    ++at;
    labels[name + scopes.back()] = static_cast<uint32_t>(kernel->code.size());
    if (takeIf(".branchtargets")) {
      parseTargets(tables[name]);
      expect(";");
    }
    return;
  }
  Instruction made;
  made.line = tokens[at].line;
  const char *first = peek().data();
  if (takeIf("@")) {
    made.guarded = true;
    made.negated = takeIf("!");
    made.guard = parseOperand(0);
  }
  std::string word = take();
  Name name = splitName(word);
  if (name[0] == "bra" || name[0] == "brx") {
    made.kind = Kind::Branch;
    std::vector<std::string> names;
    if (name[0] == "brx") {
      made.indexed = true;
      made.operands.push_back(parseOperand(8));
      expect(",");
      names = tables.at(take());
    } else {
      parseTargets(names);
    }
    for (std::string &each : names)
      each += scopes.back();
    branches.emplace_back(kernel->code.size(), names);
  } else if (name[0] == "ret" || name[0] == "exit") {
    made.kind = Kind::Exit;
  } else {
    bool grouped = false;
    parseOperands(name, made, grouped);
    if (!decode(name, grouped, made) ||
        (made.guarded && made.kind != Kind::Plain))
      throw Unknown{"no '" + word + "'"};
  }
  made.text = std::string(first, peek().data());
  expect(";");
  kernel->code.push_back(std::move(made));
}

void Parser::parseOperands(const Name &name, Instruction &made, bool &grouped) {
  auto known = operations().find(plainName(name));
  auto add = [&](Operand operand) {
    made.operands.push_back(operand);
    made.count = static_cast<uint8_t>(made.operands.size());
  };
  auto width = [&]() -> uint8_t {
    return known != operations().end() &&
                   made.count < known->second.widths.size()
               ? known->second.widths[made.count]
               : 8;
  };
  unsigned addresses = 0;
  for (bool more = peek() != ";"; more; more = takeIf(",")) {
    if (takeIf("{")) {
      grouped = true;
      do
        add(parseOperand(width()));
      while (takeIf(","));
      expect("}");
    } else if (takeIf("[")) {
      if (addresses == made.offsets.size())
        throw Unknown{"more addresses than there is room for"};
      add(parseOperand(8));
      if (takeIf("+"))
        made.offsets[addresses] = static_cast<int64_t>(parseNumber());
      ++addresses;
      // Of a tensor map: where in it.
      if (takeIf(",")) {
        expect("{");
        do
          add(parseOperand(4));
        while (takeIf(","));
        expect("}");
      }
      expect("]");
    } else {
      add(parseOperand(width()));
      if (takeIf("|"))
        add(parseOperand(0));
    }
    if (!made.results)
      made.results = made.count;
  }
}

Operand Parser::constant(Kernel::Constant::What what, uint64_t value,
                         uint8_t width) {
  if (!width) // a predicate
    return {constant(what, value ? ~uint64_t(0) : 0, 4).at, 0};
  auto [found, isNew] = constants.try_emplace({what, value, width});
  if (isNew) {
    found->second = room(width);
    kernel->constants.push_back({what, found->second, value});
  }
  return found->second;
}

Operand Parser::parseOperand(uint8_t width) {
  using C = Kernel::Constant;
  if (takeIf("_"))
    return sink(width);
  if (peek() == "-" || isdigit(static_cast<unsigned char>(peek()[0])))
    return constant(C::Value, parseNumber(), width);
  std::string name = take();
  static const std::map<std::string, std::pair<C::What, uint64_t>> special = {
      {"%tid.x", {C::Thread, 0}},      {"%tid.y", {C::Value, 0}},
      {"%tid.z", {C::Value, 0}},       {"%ntid.x", {C::Threads, 0}},
      {"%ntid.y", {C::Value, 1}},      {"%ntid.z", {C::Value, 1}},
      {"%ctaid.x", {C::Block, 0}},     {"%ctaid.y", {C::Value, 0}},
      {"%ctaid.z", {C::Value, 0}},     {"%nctaid.x", {C::Blocks, 0}},
      {"%nctaid.y", {C::Value, 1}},    {"%nctaid.z", {C::Value, 1}},
      {"%laneid", {C::Lane, 0}},       {"%warpid", {C::Warp, 0}},
      {"WARP_SZ", {C::Value, kLanes}}, {"%cluster_ctarank", {C::Rank, 0}}};
  if (auto found = special.find(name); found != special.end())
    return constant(found->second.first, found->second.second,
                    std::max<uint8_t>(width, 4));
  if (auto found = registers.find(name); found != registers.end())
    return found->second;
  if (auto found = addresses.find(name); found != addresses.end()) {
    uint64_t value = found->second;
    if (takeIf("+"))
      value += parseNumber();
    return constant(C::Value, value, width);
  }
  auto range = ranges.find(name.substr(0, name.find_first_of("0123456789")));
  if (range == ranges.end())
    throw Unknown{"no '" + name + "'"};
  Operand made = room(range->second ? range->second : 4);
  made.width = range->second;
  return registers[name] = made;
}

/// Packs or unpacks: the bytes of one side are those of the other.
void moveParts(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes, [&](unsigned lane) {
    uint64_t whole = 0;
    unsigned shift = 0;
    for (unsigned i = what.results; i < what.count; ++i) {
      whole |= warp.get(what.operands[i], lane) << shift;
      shift += 8 * what.operands[i].width;
    }
    shift = 0;
    for (unsigned i = 0; i < what.results; ++i) {
      warp.set(what.operands[i], lane, whole >> shift);
      shift += 8 * what.operands[i].width;
    }
  });
}

bool Parser::decode(const Name &name, bool grouped, Instruction &made) {
  if (name[0] == "mov" && grouped) {
    made.step = moveParts;
    // Parts that nobody reads, and numbers, are as wide as the other parts.
    const bool packs = made.results == 1;
    const unsigned parts = packs ? made.count - 1u : made.results;
    for (unsigned i = 0; i < parts; ++i)
      made.operands[i + packs].width =
          static_cast<uint8_t>(sizeOf(name[1]) / parts);
    return true;
  }
  if (decodeMemory(name, made) || decodeConversion(name, made) ||
      decodeSync(name, made) || decodeTensorCores(name, made))
    return true;
  auto found = operations().find(plainName(name));
  if (found == operations().end() || found->second.widths.size() != made.count)
    return false;
  for (unsigned i = 0; i < made.count; ++i)
    if (made.operands[i].width != found->second.widths[i])
      return false;
  made.step = found->second.step;
  return true;
}

} // namespace

void emulator::parseModule(const char *ptx, Memory &memory, Module &module) {
  try {
    Parser(ptx, memory, module).parse();
  } catch (const Unknown &unknown) {
    throw Fault{kInvalidPtx, "the PTX cannot be read: " + unknown.text};
  }
}
