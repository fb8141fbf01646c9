// Driving the hand-written policy module.
// One call of `pick` over a few requests, with every argument at hand.
#ifndef ROUTE_TEST_RUNTIME_POLICY_H
#define ROUTE_TEST_RUNTIME_POLICY_H

#include "Check.h"

/// The module linked into the test (test/Runtime/Modules/policy.c).
extern "C" const route_module_desc policy_module;

namespace policy {

enum Entry { Pick, Failure };
enum Model { Small, Coder, Large };

struct Fixture {
  route_module *module = nullptr;
  route_context *context = nullptr;
  Fixture() {
    REQUIRE_OK(route_module_link(&policy_module, &module, &error));
    REQUIRE_OK(route_context_create(module, nullptr, &context, &error));
  }
  ~Fixture() {
    route_context_release(context);
    route_module_release(module);
  }
  Fixture(const Fixture &) = delete;
};

inline route_text text(const char *s) {
  return {s, static_cast<int64_t>(strlen(s))};
}

/// Three requests: code from a free user, prose from a pro one, prose from a
/// free one. The jail signal is known to be false unless a test says otherwise.
struct PickCall {
  Array<route_text> prompt{
      {3}, {text("def f(): pass"), text("hello there"), text("good morning")}};
  Array<int32_t> tier{{3}, {0, 1, 0}};
  Array<uint8_t> jail{{3}}, jailKnown{{3}, {1, 1, 1}};
  Array<int64_t> maxOut{{3}, {10, 10, 10}};
  Array<float> embed{{3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  Array<uint8_t> embedKnown{{3}, {1, 0, 1}};
  Array<uint64_t> id{{3}, {100, 101, 102}};
  Array<int32_t> index{{3, 1}}, count{{3}}, effort{{3}};
  Array<int64_t> status{{3}};
  Array<route_text> word{{3}};
  Array<uint64_t> needs{{3}};
  Array<float> score{{3}};
  Array<uint8_t> scoreKnown{{3}};
  Workspace workspace{1024};
  route_argument inputs[6], outputs[7];
  route_call call = {};

  PickCall() {
    inputs[0] = {&prompt.tensor, nullptr};
    inputs[1] = {&tier.tensor, nullptr};
    inputs[2] = {&jail.tensor, &jailKnown.tensor};
    inputs[3] = {&maxOut.tensor, nullptr};
    inputs[4] = {&embed.tensor, &embedKnown.tensor};
    inputs[5] = {&id.tensor, nullptr};
    outputs[0] = {&index.tensor, nullptr};
    outputs[1] = {&count.tensor, nullptr};
    outputs[2] = {&status.tensor, nullptr};
    outputs[3] = {&effort.tensor, nullptr};
    outputs[4] = {&word.tensor, nullptr};
    outputs[5] = {&needs.tensor, nullptr};
    outputs[6] = {&score.tensor, &scoreKnown.tensor};
    call.struct_size = sizeof(call);
    call.inputs = inputs;
    call.num_inputs = 6;
    call.outputs = outputs;
    call.num_outputs = 7;
    call.workspace = workspace.data;
    call.workspace_size = workspace.size;
    call.now = 1000;
    call.seed = 7;
  }
};

/// One `failure` of a model.
struct FailureCall {
  Array<int32_t> model;
  route_argument inputs[1];
  route_call call = {};
  explicit FailureCall(int32_t row, int64_t now) : model({}, {row}) {
    inputs[0] = {&model.tensor, nullptr};
    call.struct_size = sizeof(call);
    call.inputs = inputs;
    call.num_inputs = 1;
    call.now = now;
  }
};

} // namespace policy

#endif // ROUTE_TEST_RUNTIME_POLICY_H
