// What a module says of itself, for tools.
// The whole descriptor, indices resolved to names.
#include "../core/CheckModule.h"
#include "Names.h"
#include "route/io/Describe.h"
#include "route/io/Scalars.h"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

using namespace route;

namespace {

class JsonDescriber {
public:
  explicit JsonDescriber(const route_module_desc &module)
      : module(module), json(buffer) {
    json.SetIndent(' ', 2);
    json.SetFormatOptions(rapidjson::kFormatSingleLineArray);
  }
  std::string run();

private:
  void key(const char *name) { json.Key(name); }
  void string(const char *name, const char *value) {
    key(name);
    json.String(value);
  }
  void number(const char *name, int64_t value) {
    key(name);
    json.Int64(value);
  }
  void names(const char *name, const char *const *list, uint64_t count) {
    key(name);
    json.StartArray();
    for (const char *item : table(list, count))
      json.String(item);
    json.EndArray();
  }
  void raw(const std::string &text) {
    json.RawValue(text.data(), text.size(), rapidjson::kStringType);
  }
  void element(const route_type_desc &type, const void *source) {
    std::string text;
    writeElement(module, type, static_cast<const char *>(source), text);
    raw(text);
  }
  void type(const route_type_desc &type, const uint32_t *axes,
            uint64_t numAxes);
  template <typename T, typename Body>
  void list(const char *name, const T *items, uint64_t count, Body body) {
    key(name);
    json.StartArray();
    for (const T &item : table(items, count)) {
      json.StartObject();
      body(item);
      json.EndObject();
    }
    json.EndArray();
  }
  void attribute(const route_attribute_desc &item);
  void ports(const char *name, const route_port_desc *items, uint64_t count);
  void cells(const char *name, const uint32_t *items, uint64_t count);
  void entry(const route_entry_desc &item);

  const route_module_desc &module;
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> json;
};

} // namespace

void JsonDescriber::type(const route_type_desc &type, const uint32_t *axes,
                         uint64_t numAxes) {
  string("element", route_element_name(type.element));
  key("axes");
  json.StartArray();
  for (uint32_t axis : table(axes, numAxes))
    json.String(module.axes[axis].name);
  json.EndArray();
  if (type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN) {
    key("may_be_unknown");
    json.Bool(true);
  }
  if (type.enumeration >= 0)
    string("enum", module.enums[type.enumeration].name);
  if (type.rows_of >= 0)
    string("rows_of", module.axes[type.rows_of].name);
  // Values are written as records have them: money in dollars.
  if (isMoney(type)) {
    string("unit", type.unit + 1);
    string("memory_unit", type.unit);
  } else if (type.unit) {
    string("unit", type.unit);
  }
}

void JsonDescriber::attribute(const route_attribute_desc &item) {
  string("name", item.name);
  string("kind", attributeKindName(item.kind));
  type(item.type, item.axes, item.num_axes);
  uint64_t bytes;
  if (!item.values ||
      !arrayBytes(module, item.type, item.axes, item.num_axes, bytes))
    return;
  key("values");
  json.StartArray();
  uint64_t size = route_element_size(item.type.element);
  for (uint64_t at = 0; at < bytes; at += size)
    element(item.type, static_cast<const char *>(item.values) + at);
  json.EndArray();
}

void JsonDescriber::ports(const char *name, const route_port_desc *items,
                          uint64_t count) {
  list(name, items, count, [&](const route_port_desc &port) {
    string("name", port.name);
    const char *role = roleName(port.role);
    string("role", role ? role : "data");
    type(port.type, port.axes, port.num_axes);
    if (port.role == ROUTE_ROLE_OFFSETS)
      string("of", module.axes[port.subject].name);
    else if (port.role == ROUTE_ROLE_NOTE)
      string("of", module.notes[port.subject].name);
    else if (port.subject >= 0)
      number("plan", port.subject);
    if (port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)
      number("known_axes", port.known_axes);
    if (port.timeout_ns)
      number("timeout_ns", port.timeout_ns);
    if (port.initial) {
      key("default");
      element(port.type, port.initial);
    }
  });
}

void JsonDescriber::cells(const char *name, const uint32_t *items,
                          uint64_t count) {
  key(name);
  json.StartArray();
  for (uint32_t cell : table(items, count))
    json.String(module.states[cell].name);
  json.EndArray();
}

void JsonDescriber::entry(const route_entry_desc &item) {
  string("name", item.name);
  string("kind", kindName(item.kind));
  if (item.summary)
    string("summary", item.summary);
  if (item.item_axis >= 0)
    string("item_axis", module.axes[item.item_axis].name);
  ports("inputs", item.inputs, item.num_inputs);
  ports("outputs", item.outputs, item.num_outputs);
  cells("reads", item.reads, item.num_reads);
  cells("writes", item.writes, item.num_writes);
  list("variants", item.variants, item.num_variants,
       [&](const route_variant_desc &variant) {
         string("name", variant.name);
         string("device", variant.device == ROUTE_DEVICE_CUDA ? "cuda" : "cpu");
         key("features");
         json.Uint64(variant.features);
         if (!variant.num_host_ports && !variant.host_fn)
           return;
         key("begins_on_cpu");
         json.Bool(variant.host_fn != nullptr);
         key("host_ports");
         json.StartArray();
         for (uint32_t port : table(variant.host_ports, variant.num_host_ports))
           json.String(portName(item, port));
         json.EndArray();
       });
  if (runsOnCopies(module, item)) {
    key("runs_on_copies");
    json.Bool(true);
  }
}

std::string JsonDescriber::run() {
  json.StartObject();
  string("name", module.name);
  number("abi_version", module.abi_version);
  string("source_hash", module.source_hash);
  string("compiler_version", module.compiler_version);
  string("unicode_version", module.unicode_version);
  string("target", module.target);
  key("features");
  json.Uint64(module.features);
  list("axes", module.axes, module.num_axes, [&](const route_axis_desc &axis) {
    string("name", axis.name);
    number("size", axis.size);
    if (axis.max_size >= 0)
      number("max_size", axis.max_size);
    if (axis.derived_size) {
      key("derived");
      json.Bool(true);
    }
    if (axis.parent >= 0)
      string("parent", module.axes[axis.parent].name);
    if (axis.flags & ROUTE_AXIS_RAGGED) {
      key("ragged");
      json.Bool(true);
    }
    if (axis.members)
      names("members", axis.members, static_cast<uint64_t>(axis.size));
  });
  list("enums", module.enums, module.num_enums,
       [&](const route_enum_desc &item) {
         string("name", item.name);
         names("members", item.members, item.num_members);
       });
  list("pools", module.pools, module.num_pools,
       [&](const route_pool_desc &pool) {
         string("name", pool.name);
         string("axis", module.axes[pool.axis].name);
         list("attributes", pool.attributes, pool.num_attributes,
              [&](const route_attribute_desc &item) { attribute(item); });
       });
  list("params", module.params, module.num_params,
       [&](const route_param_desc &item) {
         string("name", item.name);
         string("tensor", item.tensor);
         if (item.file)
           string("file", item.file);
         type(item.type, item.axes, item.num_axes);
         number("layout", item.layout);
         if (item.stored == ROUTE_STORED_MXFP4)
           string("stored", "mxfp4");
       });
  list("state", module.states, module.num_states,
       [&](const route_state_desc &item) {
         string("name", item.name);
         type(item.type, item.axes, item.num_axes);
         if (item.tensor)
           string("tensor", item.tensor);
       });
  list("notes", module.notes, module.num_notes,
       [&](const route_note_desc &item) {
         string("name", item.name);
         type(item.type, nullptr, 0);
         if (item.initial) {
           key("default");
           element(item.type, item.initial);
         }
       });
  list("budgets", module.budgets, module.num_budgets,
       [&](const route_budget_desc &item) {
         string("name", item.name);
         string("per", item.per);
         string("window", item.window);
         string("limit", item.limit);
       });
  list("rejects", module.rejects, module.num_rejects,
       [&](const route_reject_desc &item) {
         string("reason", item.reason);
         number("code", item.code);
       });
  list("entries", module.entries, module.num_entries,
       [&](const route_entry_desc &item) { entry(item); });
  if (const route_device_code_desc *code = module.device_code) {
    number("device_binaries", code->num_binaries);
    list("kernels", code->kernels, code->num_kernels,
         [&](const route_kernel_desc &item) {
           string("name", item.name);
           number("shared_bytes", item.shared_bytes);
           if (item.blocks_per_processor)
             number("blocks_per_processor", item.blocks_per_processor);
           key("waits");
           json.Bool((item.flags & ROUTE_KERNEL_WAITS) != 0);
         });
  }
  json.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

std::string route::describeJson(const route_module_desc &module) {
  return JsonDescriber(module).run();
}
