// The hand-written top-2 module with code for GPUs, for the fake driver.
#ifndef ROUTE_TEST_RUNTIME_DEVICETOP2_H
#define ROUTE_TEST_RUNTIME_DEVICETOP2_H

#include "FakeDriver.h"
#include "Top2.h"

#include <algorithm>
#include <cstring>

namespace device {

using namespace fake;
using top2::GateCall;

/// Tensor maps: of a stack of matrices, of one without rows, of no rank.
alignas(64) inline unsigned char maps[3][128];
inline short mapped[1];
inline bool makeBadMap = false;
inline int64_t gridOfLarge = 7;

inline bool isFilledWith(const unsigned char (&map)[128], unsigned char byte) {
  return std::all_of(map, map + 128,
                     [&](unsigned char other) { return other == byte; });
}

/// Launches two kernels, the first with the address of parameter 0, the second
/// with that of the one in 4 bits, and makes the maps.
inline int32_t gateOnDevice(const route_invocation *call) {
  const void *param = call->params[0];
  const void *four = call->params[top2_module.num_params];
  void *arguments[] = {&param}, *others[] = {&four};
  route_launcher *launcher = call->env->launcher;
  launcher->launch(launcher, 1, gridOfLarge, 128, arguments);
  launcher->launch(launcher, 0, 0, 32, arguments); // no blocks: nothing
  launcher->launch(launcher, 0, 5, 32, others);    // as many as there is room
  // A stack of 2 matrices of 24 rows of 64 elements, from the fourth on.
  route_tensor_map_request request = {
      mapped,      3 * 24 * 72,      ROUTE_BF16,  3,
      {2, 24, 64}, {24 * 72, 72, 1}, {1, 16, 64}, 0};
  memset(maps, 1, sizeof(maps));
  launcher->tensor_map(launcher, &request, maps[0]);
  request.sizes[1] = 0;
  launcher->tensor_map(launcher, &request, maps[1]);
  request.rank = 1;
  if (makeBadMap)
    launcher->tensor_map(launcher, &request, maps[2]);
  return 0;
}

inline const route_kernel_desc kernels[] = {
    {"small", 0, 1, 0, 0}, {"large", 65536, 0, ROUTE_KERNEL_WAITS, 0}};
inline const route_device_binary refused[] = {{"cubin", 5}};
inline const route_device_code_desc code = {
    "sm_90a", "ptx", 3, refused, 1, kernels, 2, 0, nullptr, nullptr};

/// top2 with code for GPUs and a parameter of 2 x 64 numbers in 4 bits, a pair
/// of tensors for each row.
struct Fixture : top2::Fixture {
  route_module_desc desc = top2_module;
  std::vector<route_axis_desc> axes;
  std::vector<route_param_desc> params;
  const uint32_t fourAxes[2] = {static_cast<uint32_t>(top2_module.num_axes),
                                static_cast<uint32_t>(top2_module.num_axes) +
                                    1};
  std::vector<route_entry_desc> entries;
  std::vector<route_variant_desc> variants;

  Fixture() : top2::Fixture(false) {
    entries.assign(desc.entries, desc.entries + desc.num_entries);
    variants.assign(entries[0].variants,
                    entries[0].variants + entries[0].num_variants);
    variants.push_back({"sm_90a", gateOnDevice, 0, ROUTE_DEVICE_CUDA, 0,
                        nullptr, 0, nullptr, nullptr});
    entries[0].variants = variants.data();
    entries[0].num_variants = variants.size();
    desc.entries = entries.data();
    desc.device_code = &code;

    axes.assign(desc.axes, desc.axes + desc.num_axes);
    axes.push_back({"rows", 2, 2, nullptr, nullptr, -1, 0});
    axes.push_back({"columns", 64, 64, nullptr, nullptr, -1, 0});
    desc.axes = axes.data();
    desc.num_axes = axes.size();
    params.assign(desc.params, desc.params + desc.num_params);
    params.push_back({"four",
                      nullptr,
                      "four.{rows}",
                      {ROUTE_BF16, 0, -1, -1, nullptr},
                      fourAxes,
                      2,
                      0,
                      nullptr,
                      ROUTE_LAYOUT_ROW_MAJOR,
                      ROUTE_STORED_MXFP4});
    desc.params = params.data();
    desc.num_params = params.size();
    route::SafeTensorsWriter writer = top2::checkpoint();
    // 0x21 is 0.5 and 1, 0xf7 is 6 and -6; scale 128 is 2, 126 is 1/2.
    const std::string blocks[] = {std::string(32, '\x21'),
                                  std::string(32, '\xf7')};
    const std::string scales[] = {"\x80\x7e", "\x7e\x80"};
    for (size_t row = 0; row < 2; ++row) {
      std::string name = "four." + std::to_string(row);
      const int64_t shape[] = {2, 16};
      writer.add(name + "_blocks", ROUTE_U8, shape, blocks[row].data(), 32);
      writer.add(name + "_scales", ROUTE_U8, {shape, 1}, scales[row].data(), 2);
    }
    main = writer.serialise();
    refresh();
    route_module_release(module);
    REQUIRE_OK(route_module_link(&desc, &module, &error));
    options.flags = ROUTE_CONTEXT_CUDA;
  }
};

/// Tensors that claim to be on the GPU.
struct DeviceCall : GateCall {
  DeviceCall() : GateCall(3) {
    for (route_tensor *t : {&x.tensor, &index.tensor, &count.tensor,
                            &status.tensor, &weight.tensor})
      t->device.device_type =
          static_cast<decltype(t->device.device_type)>(ROUTE_DEVICE_CUDA);
    call.stream = this;
  }
};

} // namespace device

#endif
