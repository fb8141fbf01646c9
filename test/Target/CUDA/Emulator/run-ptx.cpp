// run-ptx: one kernel of a PTX file on the emulated GPU, for its tests.
//
//   run-ptx FILE KERNEL BLOCKS THREADS [ARGUMENT...]
//
// An argument is a number (u32), or a buffer on the GPU: u32:1,2,3 or
// f32:0.5,-1 with its values, u32*64 without. Buffers are printed when the
// kernel has ended. `shared=BYTES` gives it shared memory; `early` lets it
// start before the host has waited for the copies of the buffers' values.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
int cuModuleLoadData(void **, const char *);
int cuModuleGetFunction(void **, void *, const char *);
int cuLaunchKernelEx(const void *, void *, void **, void **);
int cuMemAlloc_v2(unsigned long long *, size_t);
int cuMemcpyHtoD_v2(unsigned long long, const void *, size_t);
int cuMemcpyDtoH_v2(void *, unsigned long long, size_t);
}

namespace {
struct Buffer {
  unsigned long long address;
  bool isFloat;
  std::vector<uint32_t> values;
};

[[noreturn]] void fail(const char *what, int code) {
  fprintf(stderr, "%s: error %d\n", what, code);
  exit(1);
}

Buffer makeBuffer(const std::string &text) {
  Buffer made = {0, text[0] == 'f', {}};
  size_t at = text.find_first_of(":*");
  const char *rest = text.c_str() + at + 1;
  if (text[at] == '*') {
    made.values.resize(strtoul(rest, nullptr, 0));
    if (cuMemAlloc_v2(&made.address, made.values.size() * 4))
      fail("cuMemAlloc", 2);
    return made;
  }
  for (char *end; *rest; rest = *end ? end + 1 : end) {
    auto number = static_cast<float>(strtod(rest, &end));
    uint32_t bits = static_cast<uint32_t>(strtoll(rest, nullptr, 0));
    if (made.isFloat)
      memcpy(&bits, &number, 4);
    made.values.push_back(bits);
  }
  size_t size = made.values.size() * 4;
  if (cuMemAlloc_v2(&made.address, size) ||
      cuMemcpyHtoD_v2(made.address, made.values.data(), size))
    fail("cuMemcpyHtoD", 1);
  return made;
}
} // namespace

int main(int argc, char **argv) {
  if (argc < 5)
    fail("usage: run-ptx FILE KERNEL BLOCKS THREADS [ARGUMENT...]", 2);
  std::ifstream file(argv[1]);
  std::stringstream ptx;
  ptx << file.rdbuf();
  void *module, *kernel;
  if (int code = cuModuleLoadData(&module, ptx.str().c_str()))
    fail("cuModuleLoadData", code);
  if (int code = cuModuleGetFunction(&kernel, module, argv[2]))
    fail("cuModuleGetFunction", code);
  struct {
    uint32_t grid[3], block[3], shared;
    void *stream;
    const void *attributes;
    uint32_t numAttributes;
  } config = {{static_cast<uint32_t>(atoi(argv[3])), 1, 1},
              {static_cast<uint32_t>(atoi(argv[4])), 1, 1},
              0,
              nullptr,
              nullptr,
              0};
  const uint64_t early[9] = {6, 1};
  int launches = 1;
  std::vector<Buffer> buffers;
  std::vector<uint64_t> values;
  for (int i = 5; i < argc; ++i) {
    std::string text = argv[i];
    if (text.rfind("shared=", 0) == 0) {
      config.shared = static_cast<uint32_t>(atoi(argv[i] + 7));
    } else if (text == "twice") {
      launches = 2;
    } else if (text.find_first_of(":*") != text.npos) {
      buffers.push_back(makeBuffer(text));
      values.push_back(buffers.back().address);
    } else {
      values.push_back(static_cast<uint64_t>(strtoll(argv[i], nullptr, 0)));
    }
  }
  std::vector<void *> arguments;
  for (uint64_t &value : values)
    arguments.push_back(&value);
  for (int i = 0; i < launches; ++i) {
    if (int code = cuLaunchKernelEx(&config, kernel, arguments.data(), nullptr))
      fail("cuLaunchKernelEx", code);
    config.attributes = early;
    config.numAttributes = 1;
  }
  for (Buffer &buffer : buffers) {
    if (int code = cuMemcpyDtoH_v2(buffer.values.data(), buffer.address,
                                   buffer.values.size() * 4))
      fail("cuMemcpyDtoH", code);
    for (uint32_t value : buffer.values) {
      float number;
      memcpy(&number, &value, 4);
      if (buffer.isFloat)
        printf("%.9g ", static_cast<double>(number));
      else
        printf("%u ", value);
    }
    printf("\n");
  }
  return 0;
}
