// Damaged files and traces never crash.
// Mutates good safetensors files and traces at random, many times; every one
// must be read or refused with a message. Arguments: seed, rounds.
#include "Support/Policy.h"
#include "Support/Top2.h"
#include "route/io/Records.h"

#include <random>

namespace {

std::mt19937_64 random_;

uint64_t below(uint64_t limit) { return random_() % limit; }

/// A few edits: bits, interesting bytes, cuts, copies and insertions.
std::string mutate(std::string bytes) {
  static const char *const tokens[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       "\"",
                                       ",",
                                       ":",
                                       "-1",
                                       "1e999",
                                       "null",
                                       "0",
                                       "\\u0000",
                                       "18446744073709551615",
                                       "9223372036854775807",
                                       "\"dtype\":\"F32\",",
                                       "\xff\xff\xff\xff\xff\xff\xff\x7f"};
  for (uint64_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    size_t at = below(bytes.size());
    switch (below(6)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(below(256));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(at, tokens[below(std::size(tokens))]);
      break;
    case 4:
      bytes.erase(at, 1 + below(16));
      break;
    case 5:
      bytes.insert(at, bytes.substr(below(bytes.size()), below(40)));
      break;
    }
  }
  return bytes;
}

/// Fixes the header's length so that mutations reach past it.
std::string withLength(std::string bytes, uint64_t dataSize) {
  if (bytes.size() < 8 + dataSize)
    return bytes;
  uint64_t length = bytes.size() - 8 - dataSize;
  memcpy(bytes.data(), &length, 8);
  return bytes;
}

} // namespace

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
  uint64_t rounds = argc > 2 ? strtoull(argv[2], nullptr, 10) : 20000;
  printf("fuzz: seed %llu, %llu rounds\n",
         static_cast<unsigned long long>(seed),
         static_cast<unsigned long long>(rounds));
  random_.seed(seed);

  top2::Fixture f, hostile(false);
  std::string good = f.main;
  uint64_t headerSize;
  memcpy(&headerSize, good.data(), 8);
  uint64_t read = 0, refused = 0;
  auto judge = [&](route_status status, const route_error &error) {
    status ? ++refused : ++read;
    if (status && (!error.message[0] || error.code != status))
      check::failed(__FILE__, __LINE__, "an error without a message");
  };
  for (uint64_t i = 0; i < rounds; ++i) {
    std::string bytes = mutate(good);
    if (below(2))
      bytes = withLength(bytes, good.size() - 8 - headerSize);
    route_error error = {};
    route::SafeTensors tensors;
    route_status status =
        tensors.parse(bytes.data(), bytes.size(), "fuzz", &error);
    judge(status, error);
    // What was read lies within the file.
    if (!status)
      for (const route::FileTensor &tensor : tensors.tensors())
        CHECK(tensor.data >= bytes.data() &&
              tensor.data + tensor.size <= bytes.data() + bytes.size());
    if (i % 16 == 0) {
      hostile.main = bytes;
      route_status status = hostile.create(&error);
      judge(status, error);
    }
  }

  std::vector<char> buffer(1 << 14);
  auto traced = [&](route_context *context, uint32_t entry, route_call &call) {
    route_trace trace = {buffer.data(), buffer.size(), 0};
    call.trace = &trace;
    REQUIRE_OK(route_decide(context, entry, &call, &error));
    return std::string(buffer.data(), trace.size);
  };
  top2::GateCall gate(3);
  policy::Fixture p;
  policy::PickCall pick;
  std::string gateTrace = traced(f.context, top2::Gate, gate.call);
  std::string pickTrace = traced(p.context, policy::Pick, pick.call);
  for (uint64_t i = 0; i < rounds; ++i) {
    bool first = below(2);
    std::string bytes = mutate(first ? gateTrace : pickTrace);
    route_error error = {};
    judge(route_replay(first ? f.context : p.context, bytes.data(),
                       bytes.size(), &error),
          error);
  }
  const std::string records =
      R"({"prompt": "def f",
                    "tier" : "free", "jail" : false, "id" : 3
})"
      "\n"
      R"({"prompt": "h\u0001i", "tier": 1, "jail": null, "max_out": -5, "id": 4})"
      "\n"
      R"({"tier": "pro", "prompt": "x", "embed": [1e30, "inf", -2], "id": 5})";
  const route_entry_desc &entry = policy_module.entries[policy::Pick];
  for (uint64_t i = 0; i < rounds; ++i) {
    std::string bytes = mutate(records);
    route_error error = {};
    route::RecordLines lines(bytes);
    route::Values inputs(entry.inputs, entry.num_inputs);
    route::ReadOptions options;
    options.allowExtra = below(2);
    route_status status = route::readRecords(policy_module, entry, lines.lines,
                                             options, inputs, &error);
    judge(status, error);
    if (status || lines.lines.size() != 3)
      continue;
    // What was read fits the entry.
    const route_argument *arguments = inputs.arguments();
    for (size_t port = 0; port < entry.num_inputs; ++port)
      pick.inputs[port] = arguments[port];
    pick.call.trace = nullptr;
    CHECK_OK(route_decide(p.context, policy::Pick, &pick.call, &error));
  }

  printf("fuzz: %llu read, %llu refused\n",
         static_cast<unsigned long long>(read),
         static_cast<unsigned long long>(refused));
  CHECK(read > 0 && refused > rounds);
  return finish("fuzz");
}
