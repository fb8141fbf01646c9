# Writes a small layer of experts on plain weights, one of them transposed, for the differential test.
# usage: generate.py ELEMENT E K H I
import sys

T = sys.argv[1]
E, K, H, I = map(int, sys.argv[2:])
types = dict(x=f"?x{H}x{T}", idx=f"?x{K}xi32", limit="?xi32", w=f"?x{K}xf32", slot_w="?xf32",
             gate=f"{E}x{I}x{H}x{T}", up=f"{E}x{I}x{H}x{T}", down=f"{E}x{I}x{H}x{T}", bias=f"{E}x{I}xf32",
             counts=f"{E}xi32", offsets=f"{E + 1}xi32", perm="?xi32", inv=f"?x{K}xi32", a=f"?x{H + 5}x{T}",
             f="?xf32", h=f"?x{I}x{T}", y=f"?x{H}xf32", out=f"?x{H}x{T}")
outputs = ["counts", "offsets", "perm", "inv", "a", "f", "h", "y", "out"]
t = {name: f"tensor<{type}>" for name, type in types.items()}
round_q = "arith.truncf %q : f32 to bf16" if T == "bf16" else "arith.addf %q, %none : f32"

print("func.func @layer(" + ", ".join(f"%{n}_: memref<{type}>" for n, type in types.items())
      + ") attributes {llvm.emit_c_interface} {")
for name, type in types.items():
    suffix, how = ("0", "restrict writable") if name in outputs else ("", "restrict")
    print(f"  %{name}{suffix} = bufferization.to_tensor %{name}_ {how} : memref<{type}> to tensor<{type}>")
print(f"""
  %counts = ragged.count ins(%idx : {t['idx']}) limit(%limit : {t['limit']}) outs(%counts0 : {t['counts']}) -> {t['counts']}
  %offsets = ragged.offsets ins(%counts : {t['counts']}) outs(%offsets0 : {t['offsets']}) -> {t['offsets']}
  %perm, %inv = ragged.permute ins(%idx, %offsets : {t['idx']}, {t['offsets']}) limit(%limit : {t['limit']})
      outs(%perm0, %inv0 : {t['perm']}, {t['inv']}) -> {t['perm']}, {t['inv']}
  %a = ragged.gather ins(%x, %perm : {t['x']}, {t['perm']}) outs(%a0 : {t['a']}) slots {K} -> {t['a']}
  %f = ragged.gather ins(%slot_w, %perm : {t['slot_w']}, {t['perm']}) outs(%f0 : {t['f']}) slots 1 -> {t['f']}
  %h = ragged.matmul rows(%a : {t['a']}) offsets(%offsets : {t['offsets']}) weights(%gate, %up : {t['gate']}, {t['up']})
      per_expert(%bias : {t['bias']}) per_row(%f : {t['f']}) outs(%h0 : {t['h']}) {{
  ^bb0(%g: f32, %u: f32, %b: f32, %r: f32):
    %c0 = arith.constant 0.0 : f32
    %none = arith.constant -0.0 : f32
    %s = arith.addf %g, %b : f32
    %p = arith.maximumf %s, %c0 : f32
    %m = arith.mulf %p, %u : f32
    %q = arith.mulf %m, %r : f32
    %o = {round_q}
    ragged.yield %o : {T}
  }} -> {t['h']}
  %y = ragged.matmul rows(%h : {t['h']}) offsets(%offsets : {t['offsets']}) weights(%down : {t['down']}) transposed
      outs(%y0 : {t['y']}) {{
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }} -> {t['y']}
  %out = ragged.combine ins(%y, %inv : {t['y']}, {t['inv']}) scale(%w : {t['w']}) outs(%out0 : {t['out']}) -> {t['out']}""")
for name in outputs:
    print(f"  bufferization.materialize_in_destination %{name} in restrict writable %{name}_ : ({t[name]}, memref<{types[name]}>) -> ()")
print("  return\n}")
