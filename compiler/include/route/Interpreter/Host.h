// What the interpreter asks of the outside: call-outs with their outcomes.
#ifndef ROUTE_INTERPRETER_HOST_H
#define ROUTE_INTERPRETER_HOST_H

#include "route/Interpreter/Array.h"
#include "llvm/ADT/StringRef.h"

namespace route::interp {

/// How a call-out ended.
struct HostResult {
  enum class Outcome { Ok, Failed, Timeout };
  Outcome outcome = Outcome::Failed;
  /// With Failed: the code the program sees.
  int64_t code = 503;
  /// With Ok: one array a result, axes by place.
  std::vector<Array> values;
  /// Nanoseconds that the call took; the clock moves on by it.
  int64_t tookNs = 0;
};

/// The host of a run. Implementations script tests or stand for a service.
class HostInterface {
public:
  virtual ~HostInterface() = default;
  /// Calls `name` (a host function, or `pool.body` for a row's body, whose row
  /// is the first argument).
  virtual HostResult call(llvm::StringRef name, llvm::ArrayRef<Array> args,
                          int64_t timeoutNs) = 0;
};

} // namespace route::interp

#endif
