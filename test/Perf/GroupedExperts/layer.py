# Writes a layer of gated experts as ragged IR: what a compiled module holds for one, in buffers the caller gives.
def layer(E, K, H, I, element, name="layer"):
    """IR of @pack_in, @pack_out and @<name>: E experts, K chosen of them, widths H and I, f32 or bf16."""
    pair = 2 if element == "bf16" else 1

    def panels(n, k):
        tail = "x2" if pair == 2 else ""
        return f"memref<{E}x{-(-n // 16)}x{-(-k // pair)}x16{tail}x{element}>"

    def packing(name, n, k):
        return f"""
func.func @{name}(%w: memref<{E}x{n}x{k}x{element}>, %p: {panels(n, k)}) attributes {{llvm.emit_c_interface}} {{
  ragged.pack ins(%w : memref<{E}x{n}x{k}x{element}>) outs(%p : {panels(n, k)})
  return
}}"""

    round_h = "%r = arith.truncf %v : f32 to bf16" if pair == 2 else "%r = arith.addf %v, %zero : f32"
    gated = """
    %one = arith.constant 1.0 : f32
    %zero = arith.constant -0.0 : f32
    %n = arith.negf %g : f32
    %e = math.exp %n : f32
    %d = arith.addf %e, %one : f32
    %s = arith.divf %g, %d : f32
    %v = arith.mulf %s, %u : f32
"""
    return packing("pack_in", I, H) + packing("pack_out", H, I) + f"""
func.func @{name}(%x: memref<?x{H}x{element}>, %idx: memref<?x{K}xi32>, %w: memref<?x{K}xf32>,
    %gate: {panels(I, H)}, %up: {panels(I, H)}, %down: {panels(H, I)},
    %counts: memref<{E}xi32>, %offsets: memref<{E + 1}xi32>, %perm: memref<?xi32>, %inv: memref<?x{K}xi32>,
    %a: memref<?x{H}x{element}>, %h: memref<?x{I}x{element}>, %y: memref<?x{H}xf32>, %out: memref<?x{H}x{element}>)
    attributes {{llvm.emit_c_interface}} {{
  ragged.count ins(%idx : memref<?x{K}xi32>) outs(%counts : memref<{E}xi32>)
  ragged.offsets ins(%counts : memref<{E}xi32>) outs(%offsets : memref<{E + 1}xi32>)
  ragged.permute ins(%idx, %offsets : memref<?x{K}xi32>, memref<{E + 1}xi32>) outs(%perm, %inv : memref<?xi32>, memref<?x{K}xi32>)
  ragged.gather ins(%x, %perm : memref<?x{H}x{element}>, memref<?xi32>) outs(%a : memref<?x{H}x{element}>) slots {K}
  ragged.matmul rows(%a : memref<?x{H}x{element}>) offsets(%offsets : memref<{E + 1}xi32>)
      weights(%gate, %up : {panels(I, H)}, {panels(I, H)}) depth {H} outs(%h : memref<?x{I}x{element}>) {{
  ^bb0(%g: f32, %u: f32):{gated}
    {round_h}
    ragged.yield %r : {element}
  }}
  ragged.matmul rows(%h : memref<?x{I}x{element}>) offsets(%offsets : memref<{E + 1}xi32>)
      weights(%down : {panels(H, I)}) depth {I} outs(%y : memref<?x{H}xf32>) {{
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }}
  ragged.combine ins(%y, %inv : memref<?x{H}xf32>, memref<?x{K}xi32>) scale(%w : memref<?x{K}xf32>) outs(%out : memref<?x{H}x{element}>)
  return
}}
"""
if __name__ == "__main__":
    import sys
    E, K, H, I = map(int, sys.argv[1:5])
    print(layer(E, K, H, I, sys.argv[5]))
