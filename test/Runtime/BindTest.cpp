// Binding parameters from checkpoints.
// One test for each way a checkpoint may be wrong, and for stacking, packing,
// shards and files on disk where it is right.
#include "Support/Top2.h"
#include "route/io/Files.h"

#include <unistd.h>

namespace {

using top2::Fixture;

/// A file of these header bytes and so many data bytes.
std::string file(const std::string &header, size_t data = 0) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return bytes + header + std::string(data, '\0');
}

void testFormat() {
  auto parse = [](const std::string &bytes, route_error *error) {
    route::SafeTensors tensors;
    return tensors.parse(bytes.data(), bytes.size(), "f", error);
  };
  const std::string good =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  CHECK_OK(parse(file(good, 8), &error));
  CHECK_OK(parse(file("{}"), &error));
  CHECK_OK(parse(file(R"({"__metadata__":{"k":"v"}})"), &error));
  CHECK_OK(parse(file(good + "   ", 8), &error));
  CHECK_OK(parse(
      file(R"({"a":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}})", 1),
      &error));

  CHECK_STATUS(parse("", &error), ROUTE_ERROR_TRUNCATED, "0 bytes");
  CHECK_STATUS(parse(std::string(7, 'x'), &error), ROUTE_ERROR_TRUNCATED,
               "at least 8");
  CHECK_STATUS(parse(std::string(9, '\xff'), &error), ROUTE_ERROR_HEADER,
               "claims 18446744073709551615 bytes");
  CHECK_STATUS(parse(file(good, 8).substr(0, 30), &error),
               ROUTE_ERROR_TRUNCATED, "the file has 22 after");
  CHECK_STATUS(parse(file(good, 7), &error), ROUTE_ERROR_TRUNCATED,
               "'a' ends at byte 8, the data at 7");
  CHECK_STATUS(parse(file(good, 9), &error), ROUTE_ERROR_OVERLAP,
               "the tensors end at byte 8, the data at 9");

  auto bad = [&](const std::string &header, route_status code, const char *part,
                 size_t data = 16) {
    CHECK_STATUS(parse(file(header, data), &error), code, part);
  };
  auto tensor = [](const char *fields) {
    return std::string(R"({"a":{)") + fields + "}}";
  };
  constexpr route_status H = ROUTE_ERROR_HEADER;
  bad("", H, "header byte 0");
  bad("[]", H, "a list where none belongs");
  bad("7", H, "a number where none belongs");
  bad(R"("text")", H, "a string where none belongs");
  bad("null", H, "kind that does not belong");
  bad(R"({"a":3})", H, "a number where none belongs");
  bad(R"({"a":{}})", H, "lacks dtype, shape or data_offsets");
  bad(tensor(R"("dtype":"F32","shape":[4])"), H, "lacks dtype");
  bad(tensor(R"("dtype":"F32","dtype":"F32")"), H, "a field twice");
  bad(tensor(R"("strides":[1])"), H, "a field besides");
  bad(tensor(R"("dtype":"Q4","shape":[4],"data_offsets":[0,16])"), H,
      "unknown type 'Q4'");
  bad(tensor(R"("dtype":"F32","shape":[-4],"data_offsets":[0,16])"), H,
      "kind that does not belong");
  bad(tensor(R"("dtype":"F32","shape":[4.0],"data_offsets":[0,16])"), H,
      "kind that does not belong");
  bad(tensor(R"("dtype":"F32","shape":[1e400],"data_offsets":[0,16])"), H,
      "header byte");
  bad(tensor(
          R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,16])"),
      H, "too large");
  bad(tensor(
          R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
      H, "overflows: [4294967296, 4294967296]");
  bad(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,12])"), H,
      "its type and shape need 16");
  bad(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"), H,
      "spans bytes 16 to 0");
  bad(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0])"), H,
      "not two numbers");
  bad(tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,8,16])"), H,
      "a number where none belongs");
  bad(tensor(R"("dtype":"F32","shape":[[4]],"data_offsets":[0,16])"), H,
      "a list where none belongs");
  bad(tensor(R"("dtype":{},"shape":[4],"data_offsets":[0,16])"), H,
      "an object where none belongs");
  bad("{\"\xff\":{}}", H, "header byte");
  std::string dimensions = "1";
  for (int i = 0; i < 64; ++i)
    dimensions += ",1";
  bad(tensor((R"("dtype":"F32","shape":[)" + dimensions +
              R"(],"data_offsets":[0,4])")
                 .c_str()),
      H, "more than 64 dimensions");
  bad(std::string(1 << 20, '['), H, "a list where none belongs");
  bad(R"({"__metadata__":{"a":)" + std::string(1 << 20, '{'), H,
      "an object where none belongs");
  bad(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      ROUTE_ERROR_OVERLAP, "'b' begins at byte 4, the one before it ends at 8",
      12);
  bad(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      ROUTE_ERROR_OVERLAP, "'a' begins at byte 4", 12);
  bad(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      ROUTE_ERROR_DUPLICATE, "two tensors named 'a'", 8);
}

/// Replaces one tensor of the default checkpoint.
void replace(Fixture &f, const char *name, uint32_t element,
             std::vector<int64_t> shape, size_t bytes) {
  route::SafeTensorsWriter writer = top2::checkpoint(name);
  std::string zeros(bytes, '\0');
  writer.add(name, element, shape, zeros.data(), bytes);
  f.main = writer.serialise();
}

void testWrongTensors() {
  {
    Fixture f(false);
    CHECK_OK(f.create(&error));
    f.main = top2::checkpoint("gate.weight").serialise();
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_MISSING,
                 "parameter 'gate' is missing: the checkpoint has no tensor "
                 "'gate.weight'");
    f.main = top2::checkpoint("gate.bias").serialise();
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_MISSING,
                 "state cell 'bias' is missing");
    f.main = top2::checkpoint().serialise();
    f.other = top2::norms("layer.1.high").serialise();
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_MISSING,
                 "no tensor 'layer.1.high'");
  }
  {
    Fixture f(false);
    replace(f, "gate.weight", ROUTE_F32, {4, 8}, 128);
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_SHAPE,
                 "has shape [4, 8], expected [experts=8, hidden=4]");
    replace(f, "gate.weight", ROUTE_F32, {32}, 128);
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_SHAPE, "shape [32]");
    replace(f, "gate.weight", ROUTE_BF16, {8, 4}, 64);
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_TYPE,
                 "has type BF16, expected F32");
    replace(f, "gate.bias", ROUTE_F64, {8}, 64);
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_TYPE,
                 "state cell 'bias': tensor 'gate.bias' has type F64");
  }
  {
    Fixture f(false);
    route::SafeTensorsWriter writer = top2::checkpoint();
    const int64_t shape[] = {1};
    const float value = 0;
    writer.add("spare", ROUTE_F32, shape, &value, sizeof(value));
    f.main = writer.serialise();
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_EXTRA,
                 "nothing binds tensor 'spare'");
    f.options.flags = ROUTE_CONTEXT_ALLOW_EXTRA;
    CHECK_OK(f.create(&error));
    f.options.flags = 64;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_ARGUMENT,
                 "unknown context flags 0x40");
  }
  {
    Fixture f(false);
    f.options.num_files = 1;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_MISSING,
                 "is in file 'norms.safetensors', which was not given");
    f.options.num_files = 0;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_PARAM_MISSING,
                 "needs a parameter file, and none was given");
    f.options.num_files = 1;
    f.options.files = nullptr;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_ARGUMENT, "null files");
    f.options.files = f.files;
    f.options.struct_size = 3;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_ARGUMENT, "struct size 3");
  }
}

void testShards() {
  Fixture f(false);
  std::string first = top2::checkpoint("gate.bias").serialise();
  route::SafeTensorsWriter rest;
  const int64_t shape[] = {8};
  float bias[8] = {};
  rest.add("gate.bias", ROUTE_F32, shape, bias, sizeof(bias));
  std::string second = rest.serialise();
  route_file files[] = {
      {nullptr, nullptr, first.data(), first.size()},
      {"norms.safetensors", nullptr, f.other.data(), f.other.size()},
      {nullptr, nullptr, second.data(), second.size()}};
  f.options.files = files;
  f.options.num_files = 3;
  route_context *context = nullptr;
  CHECK_OK(route_context_create(f.module, &f.options, &context, &error));
  route_context_release(context);
  files[0].data = f.main.data();
  files[0].size = f.main.size();
  CHECK_STATUS(route_context_create(f.module, &f.options, &context, &error),
               ROUTE_ERROR_DUPLICATE, "tensor named 'gate.bias'");
  files[0] = {nullptr, nullptr, nullptr, 0};
  CHECK_STATUS(route_context_create(f.module, &f.options, &context, &error),
               ROUTE_ERROR_ARGUMENT, "neither path nor data");
}

/// Files on disk, and tensors at odd offsets, give the same as memory.
void testFiles(const std::string &folder) {
  Fixture f(false);
  std::string path = folder + "/top2.safetensors";
  CHECK_OK(route::writeFile(path.c_str(), f.main, &error));
  f.files[0] = {nullptr, path.c_str(), nullptr, 0};
  route_context *context = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &context, &error));
  top2::GateCall call(5);
  CHECK_OK(route_decide(context, top2::Gate, &call.call, &error));
  call.checkPlan();
  route_context_release(context);

  f.files[0].path = "/nowhere/x.safetensors";
  CHECK_STATUS(route_context_create(f.module, &f.options, &context, &error),
               ROUTE_ERROR_FILE, "cannot open '/nowhere/x.safetensors'");
  f.files[0].path = folder.c_str();
  CHECK_STATUS(route_context_create(f.module, &f.options, &context, &error),
               ROUTE_ERROR_FILE, "is not a file");
  CHECK_OK(route::writeFile(path.c_str(), "", &error));
  f.files[0].path = path.c_str();
  CHECK_STATUS(route_context_create(f.module, &f.options, &context, &error),
               ROUTE_ERROR_TRUNCATED, "has 0 bytes");
  unlink(path.c_str());

  // The header's length decides where data begins: try every alignment.
  uint64_t headerSize;
  memcpy(&headerSize, f.main.data(), 8);
  for (uint64_t pad = 1; pad <= 4; ++pad) {
    std::string shifted = f.main;
    shifted.insert(8 + headerSize, pad, ' ');
    uint64_t padded = headerSize + pad;
    memcpy(shifted.data(), &padded, 8);
    f.files[0] = {nullptr, nullptr, shifted.data(), shifted.size()};
    REQUIRE_OK(route_context_create(f.module, &f.options, &context, &error));
    CHECK_OK(route_decide(context, top2::Gate, &call.call, &error));
    call.checkPlan();
    route_context_release(context);
  }
}

/// Element `i` of the parameter that entry `fill` copies out.
float normOf(route_context *context, size_t i) {
  Array<float> x({8, 4});
  Array<int32_t> table({8, 2});
  Array<float> norm({2, 4});
  route_argument inputs[] = {{&x.tensor, nullptr}};
  route_argument outputs[] = {{&table.tensor, nullptr},
                              {&norm.tensor, nullptr}};
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs;
  call.num_inputs = 1;
  call.outputs = outputs;
  call.num_outputs = 2;
  CHECK_OK(route_forward(context, top2::Fill, &call, &error));
  return norm[i];
}

/// Stacked tensors land in member order.
void testStack() {
  Fixture f;
  for (size_t i = 0; i < 8; ++i)
    CHECK_EQUAL(normOf(f.context, i), static_cast<float>(i + 1));
}

/// Parameters in the host's memory: read there, packed where that is wanted.
void testGiven() {
  Fixture f(false);
  f.main = top2::checkpoint("gate.weight").serialise();
  f.refresh();
  Array<float> gate({8, 4}, top2::gateWeight());
  Array<float> norm({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  std::vector<route_param> params = {{"norm", &norm.tensor},
                                     {"gate", &gate.tensor}};
  f.options.num_files = 1;
  auto create = [&](route_error *error) {
    f.options.params = params.data();
    f.options.num_params = params.size();
    return f.create(error);
  };
  f.options.params = params.data();
  f.options.num_params = 2;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  top2::GateCall call(5);
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  call.checkPlan();
  CHECK_EQUAL(normOf(f.context, 5), 6.0f);
  // What does not pack is read in the host's own memory, what does is a copy.
  std::swap(norm[0], norm[7]);
  CHECK_EQUAL(normOf(f.context, 0), 8.0f);
  std::swap(norm[0], norm[7]);
  gate.values.assign(32, 0.0f);
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  call.checkPlan();

  CHECK_OK(create(&error));
  // One that a file has too is one too many.
  f.main = top2::checkpoint().serialise();
  CHECK_STATUS(create(&error), ROUTE_ERROR_PARAM_EXTRA,
               "nothing binds tensor 'gate.weight'");
  f.main = top2::checkpoint("gate.weight").serialise();
  params.push_back({"norm", &norm.tensor});
  CHECK_STATUS(create(&error), ROUTE_ERROR_DUPLICATE,
               "parameter 'norm' is given twice");
  params[2].name = "bias"; // state, of another shape
  CHECK_STATUS(create(&error), ROUTE_ERROR_PARAM_SHAPE,
               "the tensor of state cell 'bias' has shape [2, 4]");
  params[2].name = "biases";
  CHECK_STATUS(create(&error), ROUTE_ERROR_PARAM_EXTRA,
               "has no parameter 'biases'");
  params[2].name = nullptr;
  CHECK_STATUS(create(&error), ROUTE_ERROR_ARGUMENT, "no name or no tensor");
  params[2] = {"scale", nullptr};
  CHECK_STATUS(create(&error), ROUTE_ERROR_ARGUMENT, "no name or no tensor");
  params.pop_back();

  auto bad = [&](route_status code, const char *part, auto change) {
    const route_tensor before = norm.tensor;
    change(norm.tensor);
    CHECK_STATUS(create(&error), code, part);
    norm.tensor = before;
  };
  using Tensor = route_tensor;
  bad(ROUTE_ERROR_PARAM_TYPE, "'norm' has type i32, expected f32",
      [](Tensor &t) { t.dtype = route_element_dtype(ROUTE_I32); });
  bad(ROUTE_ERROR_PARAM_SHAPE, "has shape [2], expected [layers=2, hidden=4]",
      [](Tensor &t) { t.ndim = 1; });
  bad(ROUTE_ERROR_PARAM_SHAPE, "has shape []",
      [](Tensor &t) { t.shape = nullptr; });
  bad(ROUTE_ERROR_PARAM_SHAPE, "has shape []", [](Tensor &t) { t.ndim = -1; });
  int64_t turned[] = {4, 2}, strides[] = {1, 2};
  bad(ROUTE_ERROR_PARAM_SHAPE, "has shape [4, 2]",
      [&](Tensor &t) { t.shape = turned; });
  bad(ROUTE_ERROR_TENSOR_STRIDES, "'norm' is not contiguous and row-major",
      [&](Tensor &t) { t.strides = strides; });
  auto on = [](int device) {
    return [=](Tensor &t) {
      t.device.device_type =
          static_cast<decltype(t.device.device_type)>(device);
    };
  };
  bad(ROUTE_ERROR_TENSOR_DEVICE, "without ROUTE_CONTEXT_CUDA", on(2));
  bad(ROUTE_ERROR_TENSOR_DEVICE, "on no CPU and no NVIDIA GPU", on(8));
  bad(ROUTE_ERROR_TENSOR_MISSING, "has elements but no data",
      [](Tensor &t) { t.data = nullptr; });
  bad(ROUTE_ERROR_TENSOR_ALIGNMENT, "is not aligned to its element",
      [](Tensor &t) { t.byte_offset = 2; });
  f.options.params = nullptr;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_ARGUMENT, "null parameters");
}

} // namespace

int main(int argc, char **argv) {
  testFormat();
  testWrongTensors();
  testShards();
  testFiles(argc > 1 ? argv[1] : ".");
  testStack();
  testGiven();
  return finish("bind");
}
