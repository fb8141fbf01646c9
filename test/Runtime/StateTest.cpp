// State, events, traces and replay.
// What events do and when it is seen; that a trace replays to the byte and a
// changed one does not.
#include "Support/Policy.h"
#include "Support/Top2.h"

#include <algorithm>

namespace {

std::vector<float> readBias(route_context *context) {
  std::vector<float> bias(8);
  CHECK_OK(route_state_read(context, top2::Bias, bias.data(), 32, &error));
  return bias;
}
std::vector<uint32_t> readUses(route_context *context) {
  std::vector<uint32_t> uses(8);
  CHECK_OK(route_state_read(context, top2::Uses, uses.data(), 32, &error));
  return uses;
}

void testEvents() {
  top2::Fixture f;
  CHECK(readBias(f.context) == std::vector<float>(8, 0.5f));
  CHECK(readUses(f.context) == std::vector<uint32_t>(8, 1));
  CHECK_EQUAL(route_context_epoch(f.context), 0u);
  CHECK_EQUAL(route_state_size(f.context, top2::Bias), 32u);
  CHECK_EQUAL(route_state_size(f.context, 44), 0u);

  // Each event is seen by the next; every copy of the state is caught up.
  std::vector<float> bias(8, 0.5f);
  std::vector<uint32_t> uses(8, 1);
  for (int i = 0; i < 7; ++i) {
    int32_t a = i, b = (i + 3) % 8;
    top2::CommitCall commit({a, b});
    CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
    for (int32_t row : {a, b}) {
      bias[static_cast<size_t>(row)] -= 0.25f;
      uses[static_cast<size_t>(row)] += 1;
    }
    CHECK(readBias(f.context) == bias);
    CHECK(readUses(f.context) == uses);
    CHECK_EQUAL(route_context_epoch(f.context), static_cast<uint64_t>(i + 1));
  }
  // An event that fails has not happened, and leaves nothing for the next.
  top2::CommitCall failing({0, 1}, 12);
  for (int i = 0; i < 2; ++i) {
    CHECK_STATUS(route_emit(f.context, top2::Commit, &failing.call, &error),
                 ROUTE_ERROR_ENTRY_FAILED, "'gate.commit' failed with code 12");
    CHECK(readBias(f.context) == bias);
  }
  top2::CommitCall commit({6, 7});
  CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
  bias[6] -= 0.25f;
  bias[7] -= 0.25f;
  CHECK(readBias(f.context) == bias);
  CHECK_EQUAL(route_context_epoch(f.context), 8u);

  // Deciding reads it: push expert 1 above expert 4 for column 0.
  std::vector<float> pushed(8, 0.0f);
  pushed[1] = 100;
  CHECK_OK(route_state_write(f.context, top2::Bias, pushed.data(), 32, &error));
  top2::GateCall call(1);
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(call.index[0], 1);
  CHECK_EQUAL(call.index[1], 4);
  CHECK_EQUAL(call.weight[0], 0.0f);

  CHECK_STATUS(route_state_write(f.context, 5, pushed.data(), 32, &error),
               ROUTE_ERROR_NO_STATE, "there is no state cell 5");
  CHECK_STATUS(route_state_write(f.context, 0, pushed.data(), 31, &error),
               ROUTE_ERROR_NO_STATE, "'bias' has 32 bytes, not 31");
  CHECK_STATUS(route_state_read(f.context, 0, nullptr, 32, &error),
               ROUTE_ERROR_ARGUMENT, "null");
}

void testAdopt() {
  top2::Fixture old, next;
  top2::CommitCall commit({2, 3});
  CHECK_OK(route_emit(old.context, top2::Commit, &commit.call, &error));
  std::vector<std::string> lost;
  route_adopt_fn note = [](void *host, const char *cell, const char *what) {
    static_cast<std::vector<std::string> *>(host)->push_back(std::string(cell) +
                                                             ": " + what);
  };
  CHECK_OK(route_context_adopt(next.context, old.context, note, &lost, &error));
  CHECK(lost.empty());
  CHECK(readUses(next.context) == readUses(old.context));
  CHECK(readBias(next.context) == readBias(old.context));
  policy::Fixture other;
  CHECK_OK(
      route_context_adopt(other.context, old.context, note, &lost, &error));
  CHECK(std::find(lost.begin(), lost.end(), "bias: it is gone") != lost.end());
  CHECK(std::find(lost.begin(), lost.end(), "models.cool: it is new") !=
        lost.end());
  CHECK_OK(route_context_adopt(other.context, old.context, nullptr, nullptr,
                               &error));
  // Who is told of a loss may write both.
  struct Both {
    route_context *first, *second;
    int calls;
  } both = {old.context, other.context, 0};
  route_adopt_fn writeBoth = [](void *host, const char *, const char *) {
    Both &each = *static_cast<Both *>(host);
    ++each.calls;
    for (route_context *context : {each.first, each.second}) {
      std::string cell(route_state_size(context, 0), '\0');
      CHECK_OK(route_state_read(context, 0, cell.data(), cell.size(), &error));
      CHECK_OK(route_state_write(context, 0, cell.data(), cell.size(), &error));
    }
  };
  CHECK_OK(route_context_adopt(other.context, old.context, writeBoth, &both,
                               &error));
  CHECK(both.calls > 1);
  CHECK_STATUS(
      route_context_adopt(old.context, old.context, nullptr, nullptr, &error),
      ROUTE_ERROR_ARGUMENT, "two different contexts");
}

/// Traces the call into a buffer that fits exactly.
std::string traced(route_call &call, auto &&run) {
  std::string bytes(16, '\0');
  route_trace trace = {bytes.data(), bytes.size(), 0};
  call.trace = &trace;
  CHECK_STATUS(run(&error), ROUTE_ERROR_TRACE_SPACE, "its buffer has 16");
  bytes.assign(trace.size, '\0');
  trace = {bytes.data(), bytes.size(), 0};
  CHECK_OK(run(&error));
  CHECK_EQUAL(trace.size, bytes.size());
  call.trace = nullptr;
  return bytes;
}

void testReplayGate() {
  top2::Fixture f;
  top2::GateCall call(6);
  std::string trace = traced(call.call, [&](route_error *error) {
    return route_decide(f.context, top2::Gate, &call.call, error);
  });
  CHECK_OK(route_replay(f.context, trace.data(), trace.size(), &error));
  // The state has moved on; the trace holds what the decision saw.
  top2::CommitCall commit({4, 4, 4, 4});
  CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
  CHECK_OK(route_replay(f.context, trace.data(), trace.size(), &error));

  // An event's trace holds the state before and after, and replay leaves the
  // live state alone. A trace that does not fit undoes the event.
  uint64_t epoch = route_context_epoch(f.context);
  std::string event = traced(commit.call, [&](route_error *error) {
    return route_emit(f.context, top2::Commit, &commit.call, error);
  });
  CHECK_EQUAL(route_context_epoch(f.context), epoch + 1);
  CHECK_OK(route_replay(f.context, event.data(), event.size(), &error));
  CHECK_EQUAL(route_context_epoch(f.context), epoch + 1);

  // Any change shows: inputs, state and outputs alike.
  size_t found = 0;
  for (size_t i = 112; i < trace.size(); i += 4) {
    std::string changed = trace;
    changed[i] ^= 0x40;
    found += route_replay(f.context, changed.data(), changed.size(), nullptr) !=
             ROUTE_OK;
  }
  CHECK(found > 0);
  std::string changed = trace;
  changed[changed.size() - 1] ^= 1;
  CHECK_STATUS(route_replay(f.context, changed.data(), changed.size(), &error),
               ROUTE_ERROR_REPLAY_MISMATCH, "replaying 'gate' gave");
  changed = trace + std::string(8, '\0');
  CHECK_STATUS(route_replay(f.context, changed.data(), changed.size(), &error),
               ROUTE_ERROR_REPLAY_MISMATCH, "they differ from byte");

  CHECK_STATUS(route_replay(f.context, nullptr, 8, &error),
               ROUTE_ERROR_ARGUMENT, "null");
  CHECK_STATUS(route_replay(f.context, "ROUTE", 5, &error),
               ROUTE_ERROR_TRACE_FORMAT, "this is no trace");
  CHECK_STATUS(route_replay(f.context, trace.data(), 128, &error),
               ROUTE_ERROR_TRACE_FORMAT, "damaged at byte 112");
  CHECK_STATUS(route_replay(f.context, trace.data(), 200, &error),
               ROUTE_ERROR_TRACE_FORMAT, "damaged");
  policy::Fixture other;
  CHECK_STATUS(route_replay(other.context, trace.data(), trace.size(), &error),
               ROUTE_ERROR_TRACE_MODULE, "source 001122334455, expected ffee");
}

void testReplayPolicy() {
  policy::Fixture f;
  policy::PickCall p;
  p.inputs[3] = p.inputs[5] = {nullptr, nullptr};
  p.call.id = 41;
  std::string trace = traced(p.call, [&](route_error *error) {
    return route_decide(f.context, policy::Pick, &p.call, error);
  });
  CHECK(trace.find("good morning") != std::string::npos);
  policy::FailureCall failure(policy::Large, 5000);
  CHECK_OK(route_emit(f.context, policy::Failure, &failure.call, &error));
  CHECK_OK(route_replay(f.context, trace.data(), trace.size(), &error));
  // The model that failed cools down, then comes back.
  auto statusAt = [&](int64_t now) {
    p.call.now = now;
    CHECK_OK(route_decide(f.context, policy::Pick, &p.call, &error));
    return p.status[1];
  };
  CHECK_EQUAL(statusAt(6000), 429);
  CHECK_EQUAL(statusAt(5000 + INT64_C(30000000000)), 0);
  policy::FailureCall nobody(3, 0);
  CHECK_STATUS(route_emit(f.context, policy::Failure, &nobody.call, &error),
               ROUTE_ERROR_TENSOR_VALUE, "has member 3 at 0, expected 0 to 2");
}

/// A trace of no items has no bytes for its outputs, and replays.
void testReplayOfNoItems() {
  policy::Fixture f;
  policy::PickCall p;
  for (route_argument *list : {p.inputs, p.outputs})
    for (int i = 0; i < (list == p.inputs ? 6 : 7); ++i)
      list[i].tensor->shape[0] = 0;
  for (route_tensor *known :
       {&p.jailKnown.tensor, &p.embedKnown.tensor, &p.scoreKnown.tensor})
    known->shape[0] = 0;
  std::string trace = traced(p.call, [&](route_error *error) {
    return route_decide(f.context, policy::Pick, &p.call, error);
  });
  CHECK_OK(route_replay(f.context, trace.data(), trace.size(), &error));
}

} // namespace

int main() {
  testEvents();
  testAdopt();
  testReplayGate();
  testReplayPolicy();
  testReplayOfNoItems();
  return finish("state");
}
