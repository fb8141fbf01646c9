// The C and C++ header of a compiled library.
#include "route/Library/Library.h"
#include "route/route_module.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace route;

/// `name` as a C identifier: other characters become underscores, what is not
/// ASCII its bytes in hexadecimal.
static std::string identifier(llvm::StringRef name) {
  std::string result;
  for (unsigned char c : name)
    if (c < 0x80)
      result += llvm::isAlnum(c) ? static_cast<char>(c) : '_';
    else
      result += llvm::utohexstr(c, /*LowerCase=*/true);
  return result;
}

/// What every name of the file begins with: of the library's name, neither
/// reserved in C (`_x`) nor among the runtime's (`route_x`).
static std::string prefixOf(llvm::StringRef name) {
  std::string result = identifier(name);
  llvm::StringRef stem = result;
  if (stem.empty() || !llvm::isAlpha(stem.front()) ||
      stem.equals_insensitive("route") ||
      stem.starts_with_insensitive("route_"))
    result.insert(0, "lib");
  return result;
}

static std::string upper(llvm::StringRef name) {
  return llvm::StringRef(identifier(name)).upper();
}

static bool mayBeUnknown(const PortSchema &port) {
  return port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN;
}

static llvm::StringRef elementName(uint32_t element) {
  static constexpr llvm::StringLiteral names[] = {
      "?",   "bool", "i8",  "i16",  "i32", "i64", "u8",   "u16",
      "u32", "u64",  "f16", "bf16", "f32", "f64", "text", "handle"};
  return element < std::size(names) ? names[element] : names[0];
}

namespace {
class HeaderWriter {
public:
  HeaderWriter(llvm::raw_ostream &out, const Schema &schema,
               const LibraryOptions &options)
      : out(out), schema(schema), prefix(prefixOf(options.name)),
        name(options.name) {}

  void write() {
    std::string guard = "ROUTEC_" + upper(prefix) + "_H";
    out << "/* " << name
        << ": what routec compiled, for C and C++ hosts. Generated; do not "
           "edit. */\n"
        << "#ifndef " << guard << "\n#define " << guard
        << "\n\n#include \"route/route.h\"\n\n"
        << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    writeRows();
    writeStates();
    for (auto [i, entry] : llvm::enumerate(schema.entries))
      writeEntry(entry, i);
    out << "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* "
        << guard << " */\n";
  }

private:
  /// `name`, or with a number behind it where C does not tell it apart from one
  /// before: `gpt-4o` and `gpt_4o`, `a` and `A` of enumerators.
  static std::string unused(std::set<std::string> &taken, std::string name) {
    std::string stem = name;
    for (unsigned i = 2; !taken.insert(name).second; ++i)
      name = stem + "_" + std::to_string(i);
    return name;
  }
  std::string unused(std::string name) {
    return unused(identifiers, std::move(name));
  }

  void writeNames(llvm::StringRef what,
                  const std::vector<std::string> &members) {
    if (members.empty())
      return;
    std::string stem = prefix + "_" + identifier(what);
    out << "enum " << unused(stem) << " {\n";
    for (auto [i, member] : llvm::enumerate(members))
      out << "  " << unused(upper(stem) + "_" + upper(member)) << " = " << i
          << (i + 1 < members.size() ? ",\n" : "\n");
    out << "};\n\n";
  }

  /// The lists that a note is one of, which are no names.
  void writeLists(const EnumSchema &enumeration) {
    out << "/* " << enumeration.name << ":\n";
    for (auto [i, list] : llvm::enumerate(enumeration.members)) {
      out << " *   " << i << ' ';
      for (size_t c = 0; c < list.size(); ++c) // nothing in it ends the comment
        out << (c && list[c] == '/' && list[c - 1] == '*' ? " /"
                                                          : list.substr(c, 1));
      out << '\n';
    }
    out << " */\n\n";
  }

  /// Named positions: rows of pools, labels of axes and enums.
  void writeRows() {
    for (const AxisSchema &axis : schema.axes)
      writeNames(axis.name, axis.members);
    for (const EnumSchema &enumeration : schema.enums)
      if (enumeration.lists)
        writeLists(enumeration);
      else if (!enumeration.ofAxis) // those of the axis stand above
        writeNames(enumeration.name, enumeration.members);
  }

  /// State cells by their numbers, as route_state_read wants them.
  void writeStates() {
    if (schema.states.empty())
      return;
    out << "/* State, for route_state_read and route_state_write:\n";
    for (const StateSchema &state : schema.states) {
      out << "   *   " << state.name << ": ";
      writeType(state.type, state.axes);
      out << '\n';
    }
    out << "   */\nenum {\n";
    for (auto [i, state] : llvm::enumerate(schema.states))
      out << "  " << unused(upper(prefix) + "_STATE_" + upper(state.name))
          << " = " << i << ",\n";
    out << "  " << unused(upper(prefix) + "_NUM_STATES") << " = "
        << schema.states.size() << "\n};\n\n";
  }

  /// `u32[user = 3] in tok`.
  void writeType(const TypeSchema &type, const std::vector<uint32_t> &axes) {
    out << elementName(type.element) << '[';
    llvm::interleaveComma(axes, out, [&](uint32_t axis) {
      out << schema.axes[axis].name;
      if (schema.axes[axis].size >= 0)
        out << " = " << schema.axes[axis].size;
    });
    out << ']';
    if (!type.unit.empty())
      out << " in " << type.unit;
  }

  void writePort(llvm::StringRef parameter, const PortSchema &port) {
    out << "   *   " << port.name << ": ";
    writeType(port.type, port.axes);
    if (mayBeUnknown(port))
      out << ", may be unknown: known_" << parameter
          << " says where it is known; null: everywhere";
    switch (port.role) {
    case ROUTE_ROLE_PLAN_INDEX:
      out << ", chosen positions on "
          << (port.type.rowsOf >= 0 ? schema.axes[port.type.rowsOf].name : "?")
          << ", -1 past the count";
      break;
    case ROUTE_ROLE_PLAN_COUNT:
      out << ", how many are chosen";
      break;
    case ROUTE_ROLE_PLAN_STATUS:
      out << ", 0 or the code of the refusal";
      for (const RejectSchema &reject : schema.rejects)
        out << (&reject == schema.rejects.data() ? ": " : ", ") << reject.code
            << ' ' << reject.reason;
      break;
    case ROUTE_ROLE_PLAN_COLUMN:
      out << ", a column of the plan";
      break;
    case ROUTE_ROLE_KNOWN:
      out << ", where there is a list; nowhere where it and the lists are null";
      break;
    }
    out << '\n';
  }

  void writeEntry(const EntrySchema &entry, unsigned number) {
    std::string stem = unused(prefix + "_" + identifier(entry.name)),
                constant = unused(upper(stem));
    out << "/*===--- " << entry.name << " ---===*/\n\n";
    out << "enum { " << constant << " = " << number << " };\n";
    auto ports = [&](llvm::StringRef kind,
                     const std::vector<PortSchema> &list) {
      out << "enum {\n";
      for (auto [i, port] : llvm::enumerate(list))
        out << "  "
            << unused(constant + "_" + upper(kind) + "_" + upper(port.name))
            << " = " << i << ",\n";
      out << "  " << unused(constant + "_NUM_" + upper(kind) + "S") << " = "
          << list.size() << "\n};\n";
    };
    ports("input", entry.inputs);
    ports("output", entry.outputs);
    // Parameters of the function: `known_NAME` beside `NAME`.
    std::set<std::string> taken = {"context", "call", "error"};
    auto named = [&](llvm::StringRef kind,
                     const std::vector<PortSchema> &list) {
      return llvm::map_to_vector(list, [&](const PortSchema &port) {
        return unused(taken, (kind + "_" + identifier(port.name)).str());
      });
    };
    llvm::SmallVector<std::string> ins = named("in", entry.inputs),
                                   outs = named("out", entry.outputs);
    bool decides = entry.kind == ROUTE_ENTRY_ROUTER;
    out << "\n/* Runs " << entry.name
        << " on borrowed tensors. An input left out (null) takes its default "
           "or is unknown, where it may be.\n   * In:\n";
    for (auto [port, parameter] : llvm::zip_equal(entry.inputs, ins))
      writePort(parameter, port);
    out << "   * Out:\n";
    for (auto [port, parameter] : llvm::zip_equal(entry.outputs, outs))
      writePort(parameter, port);
    out << "   * `call` carries workspace, seed, time and threads; its "
           "arguments are set here. */\n";
    out << "static inline route_status " << stem
        << "(route_context *context, route_call call";
    auto parameters = [&](llvm::ArrayRef<std::string> names,
                          const std::vector<PortSchema> &list) {
      for (auto [port, parameter] : llvm::zip_equal(list, names)) {
        out << ",\n    const route_tensor *" << parameter;
        if (mayBeUnknown(port))
          out << ",\n    const route_tensor *known_" << parameter;
      }
    };
    parameters(ins, entry.inputs);
    parameters(outs, entry.outputs);
    out << ",\n    route_error *error) {\n";
    auto arguments = [&](llvm::ArrayRef<std::string> names,
                         llvm::StringRef field,
                         const std::vector<PortSchema> &list) {
      if (list.empty())
        return;
      out << "  route_argument " << field << '[' << list.size() << "] = {";
      llvm::interleaveComma(llvm::zip_equal(list, names), out, [&](auto each) {
        auto [port, parameter] = each;
        out << '{' << parameter << ", "
            << (mayBeUnknown(port) ? "known_" + parameter : "0") << '}';
      });
      out << "};\n  call." << field << " = " << field << ";\n";
    };
    arguments(ins, "inputs", entry.inputs);
    arguments(outs, "outputs", entry.outputs);
    out << "  call.struct_size = sizeof call;\n  call.num_inputs = "
        << entry.inputs.size()
        << ";\n  call.num_outputs = " << entry.outputs.size() << ";\n  return "
        << (entry.kind == ROUTE_ENTRY_EVENT ? "route_emit"
            : decides                       ? "route_decide"
                                            : "route_forward")
        << "(context, " << number << ", &call, error);\n}\n\n";
  }

  llvm::raw_ostream &out;
  const Schema &schema;
  std::string prefix;
  llvm::StringRef name;
  std::set<std::string> identifiers; ///< of the file, so far
};
} // namespace

std::string route::emitHeader(const Schema &schema,
                              const LibraryOptions &options) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  HeaderWriter(stream, schema, options).write();
  return text;
}
