// Row programs as IR text, for benchmarks and for differential tests.
#ifndef ROUTE_TEST_PERF_PROGRAMS_H
#define ROUTE_TEST_PERF_PROGRAMS_H

#include <string>

namespace route::test {

/// Replaces every "${NAME}" by its value.
inline std::string
fill(std::string text,
     std::initializer_list<std::pair<const char *, std::string>> values) {
  for (auto &[name, value] : values) {
    std::string key = std::string("${") + name + "}";
    for (size_t at; (at = text.find(key)) != std::string::npos;)
      text.replace(at, key.size(), value);
  }
  return text;
}

/// Softmax over E experts, then the best K: indices, weights, counts.
///   softmax(x: [T,E] of `type`, idx: [T,K] i32, w: [T,K] f32, n: [E] i32)
inline std::string softmaxTop(int experts, int k,
                              const std::string &type = "f32") {
  std::string logits =
      type == "f32"
          ? ""
          : "%l = arith.extf %x : tensor<${E}x${TYPE}> to tensor<${E}xf32>";
  return fill(R"(
#id = affine_map<(d0) -> (d0)>
#r0 = affine_map<(d0) -> ()>
func.func @softmax(%in: memref<?x${E}x${TYPE}>, %idx: memref<?x${K}xi32>, %w: memref<?x${K}xf32>, %cnt: memref<${E}xi32>) {
  row.program ins(%in : memref<?x${E}x${TYPE}>) outs(%idx, %w : memref<?x${K}xi32>, memref<?x${K}xf32>)
      acc(%cnt : memref<${E}xi32>) {
  ^bb0(${ARG}: tensor<${E}x${TYPE}>):
    %ninf = arith.constant 0xFF800000 : f32
    %e0 = tensor.empty() : tensor<f32>
    %e1 = tensor.empty() : tensor<${E}xf32>
    ${LOGITS}
    %m0 = linalg.fill ins(%ninf : f32) outs(%e0 : tensor<f32>) -> tensor<f32>
    %m = linalg.generic {indexing_maps = [#id, #r0], iterator_types = ["reduction"]}
      ins(%l : tensor<${E}xf32>) outs(%m0 : tensor<f32>) {
    ^bb0(%a: f32, %b: f32):
      %c = arith.maximumf %a, %b : f32
      linalg.yield %c : f32
    } -> tensor<f32>
    %e = linalg.generic {indexing_maps = [#id, #r0, #id], iterator_types = ["parallel"]}
      ins(%l, %m : tensor<${E}xf32>, tensor<f32>) outs(%e1 : tensor<${E}xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %c = arith.subf %a, %b : f32
      %d = math.exp %c : f32
      linalg.yield %d : f32
    } -> tensor<${E}xf32>
    %s = row.sum butterfly %e : tensor<${E}xf32> -> tensor<f32>
    %p = linalg.generic {indexing_maps = [#id, #r0, #id], iterator_types = ["parallel"]}
      ins(%e, %s : tensor<${E}xf32>, tensor<f32>) outs(%e1 : tensor<${E}xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %c = arith.divf %a, %b : f32
      linalg.yield %c : f32
    } -> tensor<${E}xf32>
    %i, %n = row.choose by(%p : tensor<${E}xf32>) : tensor<${K}xi32>, tensor<i32>
    %g = row.take %p[%i] : tensor<${E}xf32>, tensor<${K}xi32> -> tensor<${K}xf32>
    %t = row.tally %i : tensor<${K}xi32> -> tensor<${E}xi32>
    row.yield %i, %g, %t : tensor<${K}xi32>, tensor<${K}xf32>, tensor<${E}xi32>
  }
  return
}
)",
              {{"LOGITS", logits},
               {"ARG", type == "f32" ? "%l" : "%x"},
               {"TYPE", type},
               {"E", std::to_string(experts)},
               {"K", std::to_string(k)}});
}

/// DeepSeek-V3's router: sigmoid scores, a bias on the key only, the best 4 of
/// 8 groups by the sum of their best 2 keys, then 8 of 256, weights from the
/// scores, renormalised and scaled by 2.5.
///   grouped(x: [T,256] f32, bias: [256] f32, idx: [T,8] i32, w: [T,8] f32)
inline std::string groupedSigmoid() {
  return R"(
#id = affine_map<(d0) -> (d0)>
#r0 = affine_map<(d0) -> ()>
#id2 = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @grouped(%in: memref<?x256xf32>, %bias: memref<256xf32>, %idx: memref<?x8xi32>, %w: memref<?x8xf32>) {
  row.program ins(%in : memref<?x256xf32>) uniform(%bias : memref<256xf32>)
      outs(%idx, %w : memref<?x8xi32>, memref<?x8xf32>) {
  ^bb0(%l: tensor<256xf32>, %b: tensor<256xf32>):
    %s = row.unary sigmoid %l : tensor<256xf32>
    %key = arith.addf %s, %b : tensor<256xf32>
    %grouped = tensor.expand_shape %key [[0, 1]] output_shape [8, 32] : tensor<256xf32> into tensor<8x32xf32>
    %best, %nb = row.choose by(%grouped : tensor<8x32xf32>) : tensor<8x2xi32>, tensor<8xi32>
    %two = row.take %grouped[%best] : tensor<8x32xf32>, tensor<8x2xi32> -> tensor<8x2xf32>
    %score = row.sum sequential %two : tensor<8x2xf32> -> tensor<8xf32>
    %groups, %ng = row.choose by(%score : tensor<8xf32>) : tensor<4xi32>, tensor<i32>
    %open = row.contains %groups : tensor<4xi32> -> tensor<8xi1>
    %e1 = tensor.empty() : tensor<8x32xi1>
    %mask2 = linalg.generic {indexing_maps = [#row, #id2], iterator_types = ["parallel", "parallel"]}
      ins(%open : tensor<8xi1>) outs(%e1 : tensor<8x32xi1>) {
    ^bb0(%a: i1, %o: i1):
      linalg.yield %a : i1
    } -> tensor<8x32xi1>
    %mask = tensor.collapse_shape %mask2 [[0, 1]] : tensor<8x32xi1> into tensor<256xi1>
    %i, %n = row.choose by(%key : tensor<256xf32>) where(%mask : tensor<256xi1>) : tensor<8xi32>, tensor<i32>
    %g = row.take %s[%i] : tensor<256xf32>, tensor<8xi32> -> tensor<8xf32>
    %sum = row.sum sequential %g : tensor<8xf32> -> tensor<f32>
    %e2 = tensor.empty() : tensor<8xf32>
    %weights = linalg.generic {indexing_maps = [#id, #r0, #id], iterator_types = ["parallel"]}
      ins(%g, %sum : tensor<8xf32>, tensor<f32>) outs(%e2 : tensor<8xf32>) {
    ^bb0(%a: f32, %c: f32, %o: f32):
      %tiny = arith.constant 1.0e-20 : f32
      %scale = arith.constant 2.5 : f32
      %d = arith.addf %c, %tiny : f32
      %q = arith.divf %a, %d : f32
      %r = arith.mulf %q, %scale : f32
      linalg.yield %r : f32
    } -> tensor<8xf32>
    row.yield %i, %weights : tensor<8xi32>, tensor<8xf32>
  }
  return
}
)";
}

} // namespace route::test

#endif // ROUTE_TEST_PERF_PROGRAMS_H
