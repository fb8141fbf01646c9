// Random feed-forward layers.
// Experts with bodies, shared experts, halves, biases, clamps, members of two
// kinds, and stacks of layers.
#include "Spec.h"

using namespace route::fuzz;

namespace {

class Layer {
public:
  Layer(Choices &choices, bool cores) : c(choices), cores(cores) {}

  Spec make() {
    hidden = cores ? c.pick({64u, 8u, 16u, 72u, 136u})
                   : c.pick({4u, 1u, 3u, 8u, 16u, 17u, 32u, 33u});
    inner = cores ? c.pick({64u, 8u, 24u, 72u, 128u})
                  : c.pick({4u, 1u, 3u, 8u, 16u, 19u, 40u});
    experts = cores ? c.pick({4u, 2u, 3u, 8u})
                    : c.pick({4u, 2u, 3u, 8u, 5u, 16u, 33u});
    state = cores ? "bf16" : c.pick({"f32", "bf16", "f16"});
    weights = cores ? "bf16" : c.pick({"f32", "bf16", "f16"});
    result = c.pick({"f32", "bf16"});
    std::string text = "axis token, hidden = " + std::to_string(hidden) +
                       ", inner = " + std::to_string(inner);
    bool halves = c.chance(20);
    if (halves)
      text += ", half { gate, up }";
    text += "\nsignal x : " + state + "[token, hidden]\n";
    bool mixed = c.chance(20) && experts > 2;
    bool guarded = !mixed && c.chance(10);
    if (mixed)
      text += kinds();
    else
      text += "pool experts[" + std::to_string(experts) + "]" +
              (halves         ? body(true)
               : c.chance(20) ? library()
                              : body(false));
    if (guarded) {
      bool braces = text.compare(text.size() - 2, 2, "}\n") == 0;
      text.insert(text.size() - (braces ? 2 : 1),
                  braces ? "  require weight >= 0.25 else none\n"
                         : " { require weight >= 0.25 else none }");
    }
    bool shared = c.chance(25);
    if (shared)
      text += "use shared = " + std::string(c.pick({"swiglu", "ffn"})) +
              "[hidden, inner]\n";
    text += gate();
    bool dense = !mixed && c.chance(20);
    if (dense)
      text += "param soft : f32[experts, hidden]\n";
    std::string layer = dense
                            ? "sum(sigmoid(x @ soft) * experts(x) over experts)"
                            : "combine(gate(x), experts(x))";
    std::string besides = shared ? " + shared(x)" : "";
    int64_t rounds = 1;
    if (!dense && c.chance(20)) { // only some items, all of them, or again
      uint32_t kind = c.below(3);
      bool all = kind > 0;
      text += "signal ready : bool" + std::string(all ? "" : "[token]") + "\n";
      std::string head =
          "route layer(x, ready) -> " + result + "[token, hidden] ";
      if (kind < 2) {
        text += head + "= if ready then " + layer + " else x" + besides + "\n";
      } else {
        rounds = c.between(2, 3);
        text += head + "{\n  let p = gate(x)\n  let (y, n) = for " +
                std::to_string(rounds) + " carry (y = x, n = 0) until ready" +
                c.pick({"", " and n > 0", " or n > 1"}) +
                " { y = " + c.pick({"", "y + "}) +
                "combine(p, experts(y))  n += 1 }\n" + "  return y" + besides +
                "\n}\n";
      }
    } else {
      text += "route layer(x) -> " + result +
              "[token, hidden] = " + (dense ? "" : c.pick({"", "x + "})) +
              layer + besides + "\n";
    }
    bool coarse = text.find("bf16") != std::string::npos;
    return {text,
            true,
            {rounds * (int64_t(hidden) + inner + experts),
             coarse ? 0x1p-8 : 0x1p-24}};
  }

private:
  std::string library() {
    return " = " + std::string(c.pick({"swiglu", "ffn"})) + "[hidden, inner]\n";
  }

  /// Members of two or three kinds: experts, ways past them, and experts of
  /// another shape.
  std::string kinds() {
    uint32_t others = c.pick({0u, 1u, 2u});
    std::string text = "pool experts { real[" +
                       std::to_string(experts - 1 - (others ? 1 : 0)) +
                       "] = swiglu[hidden, inner]";
    if (others == 1)
      text += ", one[1] = ffn[hidden, inner]";
    if (others == 2)
      text = "route scaled(v) -> f32[hidden] { param s : f32[hidden]  return v "
             "* s }\n" +
             text + ", one[1] = scaled";
    return text + ", past[1] = identity }\n";
  }

  std::string body(bool halves) {
    std::string params, run;
    auto param = [&](const std::string &name, const std::string &axes) {
      params += "  param " + name + " : " + weights + "[" + axes +
                "] from \"experts.{experts}." + name + "\"\n";
      return name;
    };
    auto rounded = [&] { return std::string(c.chance(50) ? " : bf16" : ""); };
    if (halves) {
      param("gate_up",
            c.pick({"hidden, (inner, half)", "(inner, half), hidden"}));
      run +=
          "    let h" + rounded() + " = x @ gate_up" +
          (c.chance(50) ? " + " + param("gate_up_bias", "(inner, half)") : "") +
          "\n";
      run += c.chance(50)
                 ? "    let g = min(h.gate, 3.0)\n    let a" + rounded() +
                       " = (clamp(h.up, -3.0, 3.0) + 1) * g * sigmoid(1.5 * "
                       "g)\n"
                 : "    let a" + rounded() + " = silu(h.gate) * h.up\n";
    } else {
      param("up", c.chance(30) ? "hidden, inner" : "inner, hidden");
      std::string f = c.pick({"silu", "gelu_tanh", "relu", "gelu", "sigmoid"});
      if (c.chance(60)) {
        param("gate", "inner, hidden");
        run += "    let a" + rounded() + " = " + f + "(x @ gate) * (x @ up)\n";
      } else {
        run += "    let a" + rounded() + " = " + f + "(x @ up" +
               (c.chance(40) ? " + " + param("up_bias", "inner") : "") + ")\n";
      }
    }
    param("down", c.chance(30) ? "inner, hidden" : "hidden, inner");
    run += "    return a @ down" +
           (c.chance(40) ? " + " + param("down_bias", "hidden") : "") + "\n";
    return " {\n" + params + "  route run(x) -> " + c.pick({"f32", "bf16"}) +
           "[hidden] {\n" + run + "  }\n}\n";
  }

  std::string gate() {
    uint32_t k = std::min(experts, c.pick({2u, 1u, 4u, 8u}));
    std::string text = "router gate(x) {\n  param w : " +
                       std::string(c.pick({"f32", "bf16"})) +
                       "[experts, hidden] from \"gate.weight\"\n";
    text +=
        "  let l" + std::string(c.chance(30) ? " : bf16" : "") + " = x @ w\n";
    text += "  let s = " +
            std::string(c.pick({"softmax(l over experts)", "sigmoid(l)"})) +
            "\n";
    text += "  return choose " + std::to_string(k) + " of experts per token " +
            (c.chance(20) ? "where s > 0.1 " : "") + "by s " +
            c.pick({"weight s / sum(s over chosen)", "weight s", "",
                    "weight softmax(l over chosen) : bf16"}) +
            "\n}\n";
    return text;
  }

  Choices &c;
  bool cores;
  uint32_t hidden = 0, inner = 0, experts = 0;
  std::string state, weights, result;
};

} // namespace

Spec route::fuzz::expertLayer(Choices &choices) {
  return Layer(choices, /*cores=*/false).make();
}

Spec route::fuzz::coresLayer(Choices &choices) {
  return Layer(choices, /*cores=*/true).make();
}
