// Random well-typed specs, one file a kind.
#ifndef ROUTE_TEST_FUZZ_SPEC_H
#define ROUTE_TEST_FUZZ_SPEC_H

#include "Choices.h"

#include <string>

namespace route::fuzz {

/// How closely back ends must agree; docs/numerics.md derives it.
struct Tolerance {
  /// The most terms of a sum whose order a back end may choose: 0 where there
  /// is none and every bit is defined.
  int64_t terms = 0;
  /// The rounding unit of the coarsest type that such a sum is rounded to.
  double unit = 0x1p-24;
};

struct Spec {
  std::string text;
  /// Whether inputs must be whole numbers (or none at all), whose sums and
  /// products no order changes: choices hang on them.
  bool whole = false;
  Tolerance tolerance;
};

/// A token router or a route over tokens, on logits or on states.
Spec tokenRouter(Choices &choices);
/// A feed-forward layer whose experts are chosen.
Spec expertLayer(Choices &choices);
/// One whose products a GPU's tensor cores can take: bf16, and sizes that are
/// multiples of 8.
Spec coresLayer(Choices &choices);
/// Routes and routers over axes inside axes.
Spec nestedAxes(Choices &choices);
/// A policy over requests.
Spec requestPolicy(Choices &choices);

} // namespace route::fuzz

#endif // ROUTE_TEST_FUZZ_SPEC_H
