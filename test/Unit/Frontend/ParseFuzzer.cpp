// The parser and the formatter under libFuzzer, built on demand.
// Its arguments are a corpus of .route files. docs/testing.md says how.
#include "CheckText.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  std::string problem = route::checkText(text, /*mustParse=*/false);
  if (problem.empty())
    return 0;
  std::fprintf(stderr, "%s\n", problem.c_str());
  std::abort();
}
