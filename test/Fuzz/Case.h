// One case: a spec, compiled and run on made-up inputs by every back end.
#ifndef ROUTE_TEST_FUZZ_CASE_H
#define ROUTE_TEST_FUZZ_CASE_H

#include "Spec.h"

namespace route::fuzz {

enum class Verdict {
  Agrees,     ///< all back ends agree
  Refused,    ///< the compiler does not cover it and says so with R0900
  IllTyped,   ///< another error: the generator's mistake, or the checker's
  Differs,    ///< two back ends disagree, or one fails
  BadMessage, ///< an error without a place, or in the words of the IR
  Crashes,
  Hangs
};
const char *nameOf(Verdict verdict);
/// Whether a case with this verdict is a defect.
bool isDefect(Verdict verdict);

struct Report {
  Verdict verdict = Verdict::Agrees;
  std::string details;   ///< a message, or what differs and on which inputs
  unsigned onDevice = 0; ///< calls on a GPU
};

struct CaseOptions {
  std::string folder;     ///< for the spec and its library
  std::string cpu;        ///< as routec's --cpu
  uint64_t seed = 1;      ///< of inputs and parameters
  bool check = false;     ///< only look whether the spec is well-typed
  bool plant = false;     ///< add a back end that is wrong
  bool cuda = false;      ///< and one for GPUs
  std::string disabled;   ///< as routec's --disable-pass; empty: none
  std::string precision;  ///< as routec's --gate-precision; empty: none
  int64_t most = 40;      ///< items of a batch
  unsigned seconds = 120; ///< of processor time before a case hangs
};

/// Compiles and runs `spec` in a process of its own.
Report runCase(const Spec &spec, const CaseOptions &options);

/// Only compiles `text`, which may be anything: it must become a library that
/// loads, or end in errors that faultOf() finds no fault with.
Report compileCase(const std::string &text, const CaseOptions &options);

/// What is wrong with an error message of routec, or empty: it must have a code
/// and a place, and speak of the spec and not of the IR.
std::string faultOf(const std::string &messages);

} // namespace route::fuzz

#endif // ROUTE_TEST_FUZZ_CASE_H
