// Loading modules and refusing bad ones.
// Every way a descriptor may contradict itself is tried by breaking one field
// of a good one.
#include "Support/Top2.h"

#include <functional>
#include <string>

namespace {

/// A copy of the good descriptor whose tables can be written.
struct Editable {
  route_module_desc module = top2_module;
  std::vector<route_axis_desc> axes{module.axes, module.axes + module.num_axes};
  std::vector<route_param_desc> params{module.params,
                                       module.params + module.num_params};
  std::vector<route_state_desc> states{module.states,
                                       module.states + module.num_states};
  std::vector<route_entry_desc> entries{module.entries,
                                        module.entries + module.num_entries};
  std::vector<route_port_desc> inputs{
      entries[0].inputs, entries[0].inputs + entries[0].num_inputs};
  std::vector<route_port_desc> outputs{
      entries[0].outputs, entries[0].outputs + entries[0].num_outputs};
  std::vector<route_variant_desc> variants{
      entries[0].variants, entries[0].variants + entries[0].num_variants};
  std::vector<route_pool_desc> pools;
  std::vector<route_attribute_desc> attributes;
  std::vector<route_enum_desc> enums;
  std::vector<route_note_desc> notes;
  std::vector<route_budget_desc> budgets;
  std::vector<route_reject_desc> rejects;

  Editable() {
    entries[0].inputs = inputs.data();
    entries[0].outputs = outputs.data();
    entries[0].variants = variants.data();
    module.axes = axes.data();
    module.params = params.data();
    module.states = states.data();
    module.entries = entries.data();
  }
};

/// Breaks the descriptor with `edit` and expects DESCRIPTOR with `part`.
void refuse(const char *part, const std::function<void(Editable &)> &edit,
            route_status code = ROUTE_ERROR_DESCRIPTOR) {
  Editable editable;
  edit(editable);
  route_module *module = nullptr;
  route_error error = {};
  route_status found = route_module_link(&editable.module, &module, &error);
  check::status(part, 0, found, error, code, part);
  CHECK(module == nullptr);
  route_module_release(module);
}

const route_type_desc number = {ROUTE_F32, 0, -1, -1, nullptr};

void testTop() {
  using E = Editable;
  CHECK_STATUS(
      [&] {
        route_module *module;
        return route_module_link(nullptr, &module, &error);
      }(),
      ROUTE_ERROR_NOT_A_MODULE, "not one of a route module");
  CHECK_STATUS(route_module_link(&top2_module, nullptr, &error),
               ROUTE_ERROR_ARGUMENT, "module is null");
  refuse(
      "not one of a route module", [](E &e) { e.module.magic ^= 1; },
      ROUTE_ERROR_NOT_A_MODULE);
  refuse(
      "ABI version 8, this runtime has 7",
      [](E &e) { e.module.abi_version = 8; }, ROUTE_ERROR_ABI_VERSION);
  refuse(
      "descriptor has 8 bytes", [](E &e) { e.module.struct_size = 8; },
      ROUTE_ERROR_ABI_VERSION);
  refuse(
      "needs processor features 0x4000000000000000",
      [](E &e) { e.module.features = uint64_t(1) << 62; }, ROUTE_ERROR_CPU);
  refuse("lacks its name", [](E &e) { e.module.source_hash = nullptr; });
  refuse("null table of axes", [](E &e) { e.module.axes = nullptr; });
  refuse("18446744073709551615 axes", [](E &e) { e.module.num_axes = ~0ull; });
  refuse("parameters, at most", [](E &e) { e.module.num_params = 1u << 30; });
  refuse("state cells, at most", [](E &e) { e.module.num_states = 1u << 30; });
  refuse("entries, at most 4096", [](E &e) { e.module.num_entries = 5000; });
}

void testAxes() {
  using E = Editable;
  refuse("axis without a name", [](E &e) { e.axes[0].name = nullptr; });
  refuse("'token' has a negative size", [](E &e) { e.axes[0].size = -2; });
  refuse("'token' has no such parent: 99", [](E &e) { e.axes[0].parent = 99; });
  refuse("'token' has no such parent: 0", [](E &e) { e.axes[0].parent = 0; });
  refuse("'experts' is nested in itself", [](E &e) {
    e.axes[1].parent = 5;
    e.axes[5].parent = 2;
    e.axes[2].parent = 1;
  });
  refuse("'experts' is nested in itself", [](E &e) {
    e.axes[0].parent = 1; // above 'token' the climb never ends
    e.axes[1].parent = 2;
    e.axes[2].parent = 1;
  });
  refuse("'token' has unknown flags 0x80", [](E &e) { e.axes[0].flags = 128; });
  refuse("ragged axis 'patch' has no parent",
         [](E &e) { e.axes[7].parent = -1; });
  refuse("dynamic axis 'experts' lists members",
         [](E &e) { e.axes[1].size = -1; });
  refuse("9223372036854775807 members",
         [](E &e) { e.axes[1].size = INT64_MAX; });
}

void testParamsAndState() {
  using E = Editable;
  refuse("parameter without a name", [](E &e) { e.params[0].name = ""; });
  refuse("is stored in form 9", [](E &e) { e.params[0].stored = 9; });
  // Blocks of 4-bit numbers are bf16 once bound, 32 along an axis that the
  // checkpoint's tensors have.
  refuse("is stored in blocks of 32",
         [](E &e) { e.params[0].stored = ROUTE_STORED_MXFP4; });
  for (int64_t size : {48, 64})
    refuse("is stored in blocks of 32", [&](E &e) {
      static const uint32_t whole[] = {0};
      e.axes[0] = {"k", size, size, nullptr, nullptr, -1, 0};
      e.params[0].type.element = ROUTE_BF16;
      e.params[0].stored = ROUTE_STORED_MXFP4;
      e.params[0].tensor = size == 64 ? "w.{k}" : "w";
      e.params[0].axes = whole;
      e.params[0].num_axes = 1;
    });
  refuse("checkpoint tensor without a name",
         [](E &e) { e.params[0].tensor = nullptr; });
  refuse("unknown element type 77",
         [](E &e) { e.params[0].type.element = 77; });
  refuse("elements of type text",
         [](E &e) { e.params[0].type.element = ROUTE_TEXT; });
  refuse("over axis 4294967295", [](E &e) {
    static const uint32_t bad[] = {~0u, 0};
    e.params[0].axes = bad;
  });
  refuse("axis 'token' of no static size", [](E &e) {
    static const uint32_t dynamic[] = {0, 2};
    e.params[0].axes = dynamic;
  });
  refuse("17 axes of an array", [](E &e) { e.params[0].num_axes = 17; });
  refuse("'gate' is too large", [](E &e) {
    static const uint32_t many[] = {1, 1, 1, 1, 1, 1, 1, 1};
    e.axes[1].size = int64_t(1) << 15;
    e.axes[1].members = nullptr;
    e.params[0].axes = many;
    e.params[0].num_axes = 8;
  });
  refuse("are not the leading axes of parameter 'norm'",
         [](E &e) { e.params[2].tensor = "layer.{hidden}"; });
  refuse("are not the leading axes of parameter 'norm'",
         [](E &e) { e.params[2].tensor = "{layers}.{image}"; });
  refuse("and no pack function", [](E &e) { e.params[0].pack = nullptr; });
  refuse("packed size 64 and no", [](E &e) { e.params[1].packed_size = 64; });
  refuse("state cell without a name", [](E &e) { e.states[0].name = nullptr; });
  refuse("'uses' has no fixed size", [](E &e) {
    static const uint32_t unbounded[] = {6};
    e.states[1].axes = unbounded;
  });
  refuse("no value to repeat", [](E &e) { e.states[1].initial = nullptr; });
  refuse("unknown flags 0x2", [](E &e) { e.states[1].flags = 2; });
  refuse("'uses' has elements of type text",
         [](E &e) { e.states[1].type.element = ROUTE_TEXT; });
}

void testPeopleTables() {
  using E = Editable;
  refuse("enum without a name", [](E &e) {
    e.enums.push_back({nullptr, nullptr, 0});
    e.module.enums = e.enums.data();
    e.module.num_enums = 1;
  });
  refuse("'colour' has a member without a name", [](E &e) {
    static const char *const members[] = {"red", nullptr};
    e.enums.push_back({"colour", members, 2});
    e.module.enums = e.enums.data();
    e.module.num_enums = 1;
  });
  auto withAttribute = [](E &e, route_attribute_desc attribute) {
    e.attributes.push_back(attribute);
    e.pools.push_back({"pool", e.attributes.data(), 1, 1, 0});
    e.module.pools = e.pools.data();
    e.module.num_pools = 1;
  };
  static const uint32_t experts[] = {1}, images[] = {6};
  refuse("attribute 'a' has no values", [&](E &e) {
    withAttribute(
        e, {"a", number, experts, 1, nullptr, ROUTE_ATTRIBUTE_CONST, -1});
  });
  refuse("attribute 'a' has no fixed size", [&](E &e) {
    withAttribute(e,
                  {"a", number, images, 1, nullptr, ROUTE_ATTRIBUTE_CONST, -1});
  });
  refuse("attribute 'a' has no state cell", [&](E &e) {
    withAttribute(e,
                  {"a", number, experts, 1, nullptr, ROUTE_ATTRIBUTE_LIVE, 9});
  });
  refuse("attribute 'a' has unknown kind 5", [&](E &e) {
    withAttribute(e, {"a", number, experts, 1, nullptr, 5, -1});
  });
  refuse("pool 'pool' is over axis 400", [&](E &e) {
    withAttribute(e,
                  {"a", number, experts, 1, nullptr, ROUTE_ATTRIBUTE_LIVE, 0});
    e.pools[0].axis = 400;
  });
  refuse("note without a name", [](E &e) {
    e.notes.push_back({"", number, nullptr});
    e.module.notes = e.notes.data();
    e.module.num_notes = 1;
  });
  refuse("budget 'day' is incomplete", [](E &e) {
    e.budgets.push_back({"day", "user", nullptr, "$2"});
    e.module.budgets = e.budgets.data();
    e.module.num_budgets = 1;
  });
  refuse("reject reason 'full' has code 0", [](E &e) {
    e.rejects.push_back({"full", 0});
    e.module.rejects = e.rejects.data();
    e.module.num_rejects = 1;
  });
}

void testEntries() {
  using E = Editable;
  refuse("entry without a name", [](E &e) { e.entries[0].name = nullptr; });
  refuse("two entries are named 'gate'",
         [](E &e) { e.entries[2].name = "gate"; });
  refuse("two inputs of entry 'gate' are named", [](E &e) {
    e.inputs.push_back(e.inputs[0]);
    e.entries[0].inputs = e.inputs.data();
    e.entries[0].num_inputs = e.inputs.size();
  });
  refuse("two outputs of entry 'gate' are named",
         [](E &e) { e.outputs[1].name = e.outputs[0].name; });
  refuse("unknown kind 9", [](E &e) { e.entries[0].kind = 9; });
  refuse("item axis 88", [](E &e) { e.entries[0].item_axis = 88; });
  refuse("inputs, at most 512", [](E &e) { e.entries[0].num_inputs = 513; });
  refuse("outputs, at most 511", [](E &e) { e.entries[0].num_outputs = 512; });
  refuse("state reads that do not ascend", [](E &e) {
    static const uint32_t reads[] = {1, 0};
    e.entries[0].reads = reads;
    e.entries[0].num_reads = 2;
  });
  refuse("state writes that do not ascend", [](E &e) {
    static const uint32_t writes[] = {7};
    e.entries[1].writes = writes;
    e.entries[1].num_writes = 1;
  });
  refuse("writes state and is no event", [](E &e) {
    e.entries[0].writes = e.entries[1].writes;
    e.entries[0].num_writes = 2;
  });
  refuse("has no function", [](E &e) { e.variants[0].fn = nullptr; });
  refuse("is for device 7", [](E &e) { e.variants[0].device = 7; });
  refuse("input without a name", [](E &e) { e.inputs[0].name = nullptr; });
  refuse("known bytes over 1 axes", [](E &e) { e.inputs[0].known_axes = 1; });
  refuse("unknown type flags 0x8", [](E &e) { e.inputs[0].type.flags = 8; });
  refuse("is of enum 3", [](E &e) { e.inputs[0].type.enumeration = 3; });
  refuse("holds rows of axis 64", [](E &e) { e.outputs[0].type.rows_of = 64; });
  refuse("holds members as f32",
         [](E &e) { e.outputs[0].type.element = ROUTE_F32; });
  for (uint32_t role :
       {ROUTE_ROLE_OFFSETS, ROUTE_ROLE_ID, ROUTE_ROLE_NOTE, ROUTE_ROLE_NEEDS,
        ROUTE_ROLE_PLAN_INDEX, ROUTE_ROLE_KNOWN})
    refuse("'x' of entry 'gate' cannot have role",
           [&](E &e) { e.inputs[0].role = role; });
  // What says where there are lists goes by their name.
  refuse("'x.unknown' of entry 'gate' cannot have role 10", [](E &e) {
    e.inputs[0] = {"x.unknown", {ROUTE_BOOL, 0, -1, -1, nullptr},
                   nullptr,     0,
                   nullptr,     0,
                   0,           ROUTE_ROLE_KNOWN,
                   -1,          0};
  });
  refuse("'x.known' of entry 'gate' cannot have role 10", [](E &e) {
    e.inputs[0] = {"x.known", {ROUTE_BOOL, 0, -1, -1, nullptr},
                   nullptr,   0,
                   nullptr,   0,
                   0,         ROUTE_ROLE_KNOWN,
                   0,         0};
  });
  refuse("cannot have role 9",
         [](E &e) { e.outputs[0].role = ROUTE_ROLE_HOST; });
  refuse("cannot have role 44", [](E &e) { e.outputs[0].role = 44; });
  refuse("cannot have role 4",
         [](E &e) { e.outputs[1].type.element = ROUTE_I64; });
}

/// Libraries as files; `folder` holds them.
void testLoading(const std::string &folder) {
  route_module *module = nullptr;
  CHECK_STATUS(
      route_module_load((folder + "/nowhere.so").c_str(), &module, &error),
      ROUTE_ERROR_FILE, "cannot load library");
  CHECK_STATUS(route_module_load("nowhere.so", &module, &error),
               ROUTE_ERROR_FILE, "./nowhere.so");
  CHECK_STATUS(route_module_load(nullptr, &module, &error),
               ROUTE_ERROR_ARGUMENT, "null");
  CHECK_STATUS(route_module_load((folder + "/libroute-test-empty.so").c_str(),
                                 &module, &error),
               ROUTE_ERROR_NOT_A_MODULE, "has no symbol 'route_module_v1'");
  CHECK_STATUS(
      route_module_load((folder + "/libroute-test-next_abi.so").c_str(),
                        &module, &error),
      ROUTE_ERROR_ABI_VERSION, "module has ABI version 8");
  CHECK(module == nullptr);
  REQUIRE_OK(route_module_load((folder + "/libroute-test-policy.so").c_str(),
                               &module, &error));
  CHECK_EQUAL(std::string(route_module_descriptor(module)->name), "policy");
  uint32_t entry = 77;
  CHECK_OK(route_module_entry(module, "failure", &entry, &error));
  CHECK_EQUAL(entry, 1u);
  CHECK_STATUS(route_module_entry(module, "picks\n", &entry, &error),
               ROUTE_ERROR_NO_ENTRY, "module 'policy' has no entry 'picks?'");
  CHECK_STATUS(route_module_entry(module, nullptr, &entry, &error),
               ROUTE_ERROR_ARGUMENT, "null");
  route_module_retain(module);
  route_module_release(module);
  CHECK_EQUAL(route_module_descriptor(module)->num_entries, 2u);
  route_module_release(module);
  route_module_release(nullptr);
}

void testNames() {
  CHECK_EQUAL(std::string(route_status_name(ROUTE_ERROR_AXIS)),
              "ROUTE_ERROR_AXIS");
  CHECK_EQUAL(std::string(route_status_name(7777)), "unknown");
  CHECK_EQUAL(std::string(route_element_name(ROUTE_BF16)), "bf16");
  CHECK(route_element_name(0) == nullptr && route_element_name(99) == nullptr);
  CHECK_EQUAL(route_element_size(ROUTE_TEXT), 16u);
  CHECK_EQUAL(route_element_size(99), 0u);
  // Long messages are cut between characters and end with dots.
  std::string name(600, 'x');
  for (size_t i = 0; i + 1 < name.size(); i += 2)
    name.replace(i, 2, "\xc3\xa9");
  route_error error = {};
  route_module *module;
  route_module_load((name + "/" + name).c_str(), &module, &error);
  CHECK(strlen(error.message) < sizeof(error.message));
}

} // namespace

int main(int argc, char **argv) {
  testTop();
  testAxes();
  testParamsAndState();
  testPeopleTables();
  testEntries();
  testLoading(argc > 1 ? argv[1] : ".");
  testNames();
  return finish("module");
}
