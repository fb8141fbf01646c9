// Driving the hand-written top-2 module.
// Its parameters, its contexts and its calls, for the tests that use it.
#ifndef ROUTE_TEST_RUNTIME_TOP2_H
#define ROUTE_TEST_RUNTIME_TOP2_H

#include "Check.h"
#include "route/io/SafeTensors.h"

/// The module linked into the test (test/Runtime/Modules/top2.c).
extern "C" const route_module_desc top2_module;

namespace top2 {

enum Entry { Gate, Commit, Fill, PerImage };
enum Cell { Bias, Uses };

/// gate.weight: row e is e+1 in column e%4, so that scores are easy to foresee.
inline std::vector<float> gateWeight() {
  std::vector<float> w(8 * 4, 0.0f);
  for (size_t e = 0; e < 8; ++e)
    w[e * 4 + e % 4] = static_cast<float>(e + 1);
  return w;
}

/// The default checkpoint; `skip` leaves one tensor out.
inline route::SafeTensorsWriter checkpoint(const char *skip = "") {
  route::SafeTensorsWriter writer;
  auto add = [&](const char *name, std::vector<int64_t> shape,
                 const std::vector<float> &values) {
    if (strcmp(name, skip) != 0)
      writer.add(name, ROUTE_F32, shape, values.data(),
                 values.size() * sizeof(float));
  };
  add("gate.weight", {8, 4}, gateWeight());
  add("gate.scale", {8}, std::vector<float>(8, 1.0f));
  add("gate.bias", {8}, std::vector<float>(8, 0.5f));
  return writer;
}

inline route::SafeTensorsWriter norms(const char *skip = "") {
  route::SafeTensorsWriter writer;
  const int64_t shape[] = {4};
  const float low[] = {1, 2, 3, 4}, high[] = {5, 6, 7, 8};
  if (strcmp(skip, "layer.0.low") != 0)
    writer.add("layer.0.low", ROUTE_F32, shape, low, sizeof(low));
  if (strcmp(skip, "layer.1.high") != 0)
    writer.add("layer.1.high", ROUTE_F32, shape, high, sizeof(high));
  return writer;
}

/// A context of the linked module; files live as long as this.
struct Fixture {
  std::string main = checkpoint().serialise(), other = norms().serialise();
  route_file files[2];
  route_context_options options = {};
  route_module *module = nullptr;
  route_context *context = nullptr;

  explicit Fixture(bool create = true) {
    options.struct_size = sizeof(options);
    options.files = files;
    options.num_files = 2;
    refresh();
    REQUIRE_OK(route_module_link(&top2_module, &module, &error));
    if (create)
      REQUIRE_OK(route_context_create(module, &options, &context, &error));
  }
  ~Fixture() {
    route_context_release(context);
    route_module_release(module);
  }
  Fixture(const Fixture &) = delete;
  void refresh() {
    files[0] = {nullptr, nullptr, main.data(), main.size()};
    files[1] = {"norms.safetensors", nullptr, other.data(), other.size()};
  }
  /// Creates a context from the files as they now are.
  route_status create(route_error *error) {
    refresh();
    route_context *made = nullptr;
    route_status status = route_context_create(module, &options, &made, error);
    route_context_release(made);
    return status;
  }
};

/// Arguments of one call of `gate` for T tokens.
struct GateCall {
  Array<float> x;
  Array<int32_t> index, count;
  Array<int64_t> status;
  Array<float> weight;
  Workspace workspace;
  route_argument inputs[1], outputs[4];
  route_call call = {};

  explicit GateCall(int64_t tokens, int64_t workers = 1)
      : x({tokens, 4}), index({tokens, 2}), count({tokens}), status({tokens}),
        weight({tokens, 2}), workspace(static_cast<uint64_t>(workers) * 32) {
    for (size_t i = 0; i < x.values.size(); ++i)
      x[i] = i % 4 == (i / 4) % 4 ? 1.0f : 0.0f;
    inputs[0] = {&x.tensor, nullptr};
    outputs[0] = {&index.tensor, nullptr};
    outputs[1] = {&count.tensor, nullptr};
    outputs[2] = {&status.tensor, nullptr};
    outputs[3] = {&weight.tensor, nullptr};
    call.struct_size = sizeof(call);
    call.inputs = inputs;
    call.num_inputs = 1;
    call.outputs = outputs;
    call.num_outputs = 4;
    call.workspace = workspace.data;
    call.workspace_size = workspace.size;
  }
  /// Token t has its 1 in column t % 4: experts t%4+4 (score t%4+5) and t%4.
  void checkPlan() {
    for (size_t t = 0; t < count.values.size(); ++t) {
      int32_t column = static_cast<int32_t>(t % 4);
      CHECK_EQUAL(index[2 * t], column + 4);
      CHECK_EQUAL(index[2 * t + 1], column);
      CHECK_EQUAL(weight[2 * t], static_cast<float>(column + 5));
      CHECK_EQUAL(count[t], 2);
      CHECK_EQUAL(status[t], 0);
    }
  }
};

/// Arguments of one `gate.commit`.
struct CommitCall {
  Array<int32_t> index, count, code;
  route_argument inputs[3];
  route_call call = {};

  CommitCall(std::vector<int32_t> rows, int32_t failWith = 0)
      : index({static_cast<int64_t>(rows.size() / 2), 2}, rows),
        count({static_cast<int64_t>(rows.size() / 2)},
              std::vector<int32_t>(rows.size() / 2, 2)),
        code({}, {failWith}) {
    inputs[0] = {&index.tensor, nullptr};
    inputs[1] = {&count.tensor, nullptr};
    inputs[2] = {&code.tensor, nullptr};
    call.struct_size = sizeof(call);
    call.inputs = inputs;
    call.num_inputs = 3;
  }
};

} // namespace top2

#endif // ROUTE_TEST_RUNTIME_TOP2_H
