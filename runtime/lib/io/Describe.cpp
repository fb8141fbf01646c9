// What a module says of itself, for people.
// One line a thing, in the order of the descriptor.
#include "route/io/Describe.h"
#include "../core/CheckModule.h"
#include "Names.h"
#include "route/io/Scalars.h"

using namespace route;

std::string route::describeType(const route_module_desc &module,
                                const route_type_desc &type,
                                const uint32_t *axes, uint64_t numAxes) {
  std::string text;
  if (type.enumeration >= 0)
    text = module.enums[type.enumeration].name;
  else if (type.rows_of >= 0)
    text = std::string("ref ") + module.axes[type.rows_of].name;
  else
    text = route_element_name(type.element);
  for (uint64_t i = 0; i < numAxes; ++i)
    text += std::string(i ? ", " : "[") + module.axes[axes[i]].name;
  if (numAxes)
    text += ']';
  if (type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)
    text += '?';
  if (isMoney(type))
    text += std::string(" in ") + (type.unit + 1) + ", in memory " + type.unit;
  else if (type.unit)
    text += std::string(" in ") + type.unit;
  return text;
}

namespace {

class TextDescriber {
public:
  explicit TextDescriber(const route_module_desc &module) : module(module) {}
  std::string run();

private:
  void line(const std::string &name, const std::string &what) {
    std::string padded = "  " + name;
    if (padded.size() < 24)
      padded.resize(24, ' ');
    text += padded + " " + what + "\n";
  }
  void heading(const char *title, uint64_t count) {
    if (count)
      text += std::string(title) + "\n";
  }
  static std::string list(const char *const *names, uint64_t count) {
    std::string result;
    for (uint64_t i = 0; i < count; ++i) {
      if (i == 12)
        return result + ", ...";
      result += (i ? ", " : "") + std::string(names[i]);
    }
    return result;
  }
  void axis(const route_axis_desc &axis);
  void port(const char *direction, const route_port_desc &port);
  void entry(const route_entry_desc &entry);

  const route_module_desc &module;
  std::string text;
};

} // namespace

void TextDescriber::axis(const route_axis_desc &axis) {
  std::string what = axis.size >= 0      ? std::to_string(axis.size)
                     : axis.derived_size ? "derived"
                                         : "dynamic";
  if (axis.size < 0 && axis.max_size >= 0)
    what += ", at most " + std::to_string(axis.max_size);
  if (axis.parent >= 0)
    what +=
        std::string(axis.flags & ROUTE_AXIS_RAGGED ? ", ragged in " : ", in ") +
        module.axes[axis.parent].name;
  if (axis.members)
    what += ": " + list(axis.members, static_cast<uint64_t>(axis.size));
  line(axis.name, what);
}

void TextDescriber::port(const char *direction, const route_port_desc &port) {
  std::string what = describeType(module, port.type, port.axes, port.num_axes);
  if (const char *role = roleName(port.role))
    what += std::string(", ") + role;
  if (port.role == ROUTE_ROLE_HOST && port.timeout_ns)
    what += ", waited for " + std::to_string(port.timeout_ns / 1000) + " us";
  if (port.initial) {
    what += ", default ";
    writeElement(module, port.type, static_cast<const char *>(port.initial),
                 what);
  }
  line(std::string("  ") + direction + " " + port.name, what);
}

void TextDescriber::entry(const route_entry_desc &entry) {
  std::string what = kindName(entry.kind);
  if (entry.item_axis >= 0)
    what += std::string(", an item a ") + module.axes[entry.item_axis].name;
  if (entry.summary)
    what += std::string(": ") + entry.summary;
  line(entry.name, what);
  for (const route_port_desc &item : table(entry.inputs, entry.num_inputs))
    port("in ", item);
  for (const route_port_desc &item : table(entry.outputs, entry.num_outputs))
    port("out", item);
  auto cells = [&](const char *verb, const uint32_t *list, uint64_t count) {
    std::string names;
    for (uint32_t cell : table(list, count))
      names +=
          (names.empty() ? "" : ", ") + std::string(module.states[cell].name);
    if (count)
      line(std::string("  ") + verb, names);
  };
  cells("reads", entry.reads, entry.num_reads);
  cells("writes", entry.writes, entry.num_writes);
  std::string variants;
  for (const route_variant_desc &variant :
       table(entry.variants, entry.num_variants))
    variants += (variants.empty() ? "" : ", ") + std::string(variant.name);
  if (!variants.empty())
    line("  variants", variants);
  for (const route_variant_desc &variant :
       table(entry.variants, entry.num_variants)) {
    std::string ports;
    for (uint32_t port : table(variant.host_ports, variant.num_host_ports))
      ports += (ports.empty() ? "" : ", ") + std::string(portName(entry, port));
    std::string what;
    if (variant.host_fn)
      what = "begins with a part for the CPU";
    if (!ports.empty())
      what += (what.empty() ? "" : "; ") + ("in the host's memory: " + ports);
    if (!what.empty())
      line(std::string("  ") + variant.name, what);
  }
  if (runsOnCopies(module, entry))
    line(std::string("  ") + module.device_code->architecture,
         "runs on the CPU; tensors on the GPU are copied, and waited for");
}

std::string TextDescriber::run() {
  text = std::string("module ") + module.name + "\n";
  line("source", module.source_hash);
  line("compiler", module.compiler_version);
  line("target", module.target);
  if (*module.unicode_version)
    line("unicode", module.unicode_version);
  if (const route_device_code_desc *code = module.device_code;
      code && code->num_kernels)
    line(
        code->architecture,
        code->num_binaries
            ? "machine code, and PTX"
            : "PTX alone: the driver, of CUDA 12.0 (525) or later, compiles it "
              "when a context is made");
  heading("axes", module.num_axes);
  for (const route_axis_desc &item : table(module.axes, module.num_axes))
    axis(item);
  heading("enums", module.num_enums);
  for (const route_enum_desc &item : table(module.enums, module.num_enums))
    line(item.name, list(item.members, item.num_members));
  heading("pools", module.num_pools);
  for (const route_pool_desc &pool : table(module.pools, module.num_pools)) {
    line(pool.name, std::string("over ") + module.axes[pool.axis].name);
    for (const route_attribute_desc &item :
         table(pool.attributes, pool.num_attributes))
      line(std::string("  ") + attributeKindName(item.kind) + " " + item.name,
           describeType(module, item.type, item.axes, item.num_axes));
  }
  heading("parameters", module.num_params);
  auto from = [](const char *tensor, const char *file) {
    return std::string(", from ") + tensor +
           (file ? std::string(" in ") + file : "");
  };
  for (const route_param_desc &item : table(module.params, module.num_params))
    line(item.name, describeType(module, item.type, item.axes, item.num_axes) +
                        from(item.tensor, item.file));
  heading("state", module.num_states);
  for (const route_state_desc &item : table(module.states, module.num_states))
    line(item.name, describeType(module, item.type, item.axes, item.num_axes) +
                        (item.tensor ? from(item.tensor, item.file) : ""));
  heading("notes", module.num_notes);
  for (const route_note_desc &item : table(module.notes, module.num_notes))
    line(item.name, describeType(module, item.type, nullptr, 0));
  heading("budgets", module.num_budgets);
  for (const route_budget_desc &item :
       table(module.budgets, module.num_budgets))
    line(item.name, std::string(item.limit) + " per " +
                        (*item.per ? item.per : "module") + ", window " +
                        item.window);
  heading("rejections", module.num_rejects);
  for (const route_reject_desc &item :
       table(module.rejects, module.num_rejects))
    line(item.reason, std::to_string(item.code));
  heading("entries", module.num_entries);
  for (const route_entry_desc &item : table(module.entries, module.num_entries))
    entry(item);
  return text;
}

std::string route::describeText(const route_module_desc &module) {
  return TextDescriber(module).run();
}
