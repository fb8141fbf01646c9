// Random token routers.
// Scores, biases, groups, masks, every form of choice, weights, second choices,
// joined plans, commit handlers, and reductions.
#include "Spec.h"

#include <array>

using namespace route::fuzz;

namespace {

std::string number(uint32_t value) { return std::to_string(value); }

class TokenRouter {
public:
  explicit TokenRouter(Choices &choices) : c(choices) {}

  Spec make() {
    axes();
    logits();
    scores();
    if (c.chance(25))
      reductions();
    else
      router();
    std::string pool = grouped ? number(experts / groups) + "] in group"
                               : number(experts) + "]";
    return {axis + "\n" + signals +
                (hosted ? "" : "pool experts[" + pool + "\n") +
                (spare ? "pool spare[" + number(spare) + "]\n" : "") + entry,
            contracts,
            {}};
  }

private:
  void axes() {
    experts = c.pick({4u, 2u, 1u, 3u, 5u, 8u, 16u, 17u, 32u, 33u, 64u, 129u});
    axis = "axis token";
    hosted = c.chance(12);
    if (hosted) {
      axis += ", experts";
      return;
    }
    grouped = experts % 2 == 0 && experts > 2 && c.chance(25);
    if (grouped) {
      groups = experts % 4 == 0 && c.chance(50) ? 4 : 2;
      axis += ", group = " + number(groups);
    }
  }

  std::string parameter(const std::string &name, const std::string &type) {
    if (hosted)
      return input(name, type);
    local += "  " + std::string(c.chance(30) ? "state " : "param ") + name +
             " : " + type + " from \"" + name + ".weight\"\n";
    return name;
  }

  /// What the scores start from: given logits, or states against a matrix.
  void logits() {
    std::string type = c.pick({"f32", "bf16", "f16"});
    if (hosted || c.chance(60)) {
      signals += "signal l : " + type + "[token, experts]\n";
      arguments = "l";
      logit = "l";
      return;
    }
    uint32_t hidden = c.pick({4u, 1u, 3u, 8u, 17u, 32u, 40u});
    axis += ", hidden = " + number(hidden);
    signals += "signal x : " + type + "[token, hidden]\n";
    arguments = "x";
    local += "  param w : " + std::string(c.pick({"f32", "bf16"})) +
             "[experts, hidden] from \"w.weight\"\n";
    contracts = true;
    logit = "x @ w";
    if (c.chance(15)) {
      local += "  param v : bf16[experts, hidden] from \"v.weight\"\n";
      std::string when = input("easy", c.pick({"bool[token]", "bool"}));
      logit = "(if " + when + " then x @ w else x @ v)";
    }
    if (c.chance(10)) // what no item has a part in
      logit += " + " + shared("inner");
    if (c.chance(30))
      logit += " + " + parameter("b", "f32[experts]");
    local += "  let l" + std::string(c.chance(30) ? " : bf16" : "") + " = " +
             logit + "\n";
    logit = "l";
  }

  /// A product of parameters, over experts and what axes `type` has besides
  /// an inner one.
  std::string shared(const std::string &type) {
    axis += ", inner = " + number(c.pick({4u, 1u, 8u, 17u}));
    local += "  param about : " + std::string(c.pick({"f32", "bf16"})) +
             "[experts, inner]\n  param along : " +
             std::string(c.pick({"f32", "bf16"})) + "[" + type +
             "]\n  let shared" + std::string(c.chance(30) ? " : bf16" : "") +
             " = about @ along\n";
    contracts = true;
    return "shared";
  }

  /// An elementwise function of `x`.
  std::string map(const std::string &x) {
    switch (c.below(24)) {
    case 0:
      return x;
    case 1:
      return "sigmoid(" + x + ")";
    case 2:
      return "tanh(" + x + ")";
    case 3:
      return "exp(" + x + ")";
    case 4:
      return "silu(" + x + ")";
    case 5:
      return "softplus(" + x + ")";
    case 6:
      return "relu(" + x + ")";
    case 7:
      return "abs(" + x + ")";
    case 8:
      return "gelu(" + x + ")";
    case 9:
      return "gelu_tanh(" + x + ")";
    case 10:
      return "erf(" + x + ")";
    case 11:
      return "sqrt(abs(" + x + "))";
    case 12:
      return "log(" + x + ")";
    case 13:
      return "clamp(" + x + ", -1.5, 2)";
    case 14:
      return "max(" + x + ", 0.25)";
    case 15:
      return "(if " + x + " > 0 then " + x + " else 2 * " + x + ")";
    case 16:
      return "floor(" + x + " / 2)";
    case 17:
      return "round(" + x + " * 0.75)";
    case 18:
      return "sign(" + x + ")";
    case 19:
      return "exp2(" + x + ")";
    case 20:
      return "rsqrt(abs(" + x + ") + 1)";
    case 21:
      return "log2(abs(" + x + ") + 0.5)";
    case 22:
      return "trunc(" + x + ")";
    default:
      return "(" + x + ") ^ 2";
    }
  }

  void scores() {
    std::string s =
        c.chance(40) ? "softmax(" + logit + " over experts)" : map(logit);
    if (c.chance(25))
      s = map(s);
    if (c.chance(10))
      s = "standardize(" + s + " over experts)";
    local += "  let s" +
             std::string(c.chance(20) ? c.pick({" : f32", " : bf16", " : f16"})
                                      : "") +
             " = " + s + "\n";
  }

  /// How near an item is to each expert.
  std::string nearness() {
    axis += ", dim = " + number(c.pick({3u, 1u, 8u, 40u}));
    std::string e = input("e", c.pick({"f32[token, dim]", "bf16[token, dim]"}));
    std::string m = shared("dim, inner");
    return c.pick({"-sum(abs(" + e + " - " + m + ") over dim)",
                   "sum(" + e + " * " + m + " over dim) up",
                   "max(" + e + " - " + m + " over dim)"});
  }

  std::string key() {
    if (!hosted && local.find("let shared") == local.npos && c.chance(10))
      return nearness();
    switch (c.below(8)) {
    case 0:
    case 1:
      return "s";
    case 2:
      return "s + " + parameter("bias", "f32[experts]");
    case 3:
      return "-s";
    case 4:
      return "s up";
    case 5:
      return "(round(s * 2), s up)";
    case 6:
      return "(s > 0.5, " + logit + ")";
    default:
      return "(" + map("s") + ")";
    }
  }

  std::string mask() {
    switch (c.below(6)) {
    case 0:
      return "s > 0";
    case 1:
      return input("allowed", "bool[token, experts]");
    case 2:
      return input("open", "bool[experts]");
    case 3:
      return "not " + input("easy", "bool[token]") +
             " or s >= mean(s over experts)";
    case 4:
      return "s == max(s over experts)";
    default:
      return "not is_nan(s) and s < 1e6";
    }
  }

  /// What the pairs of a candidate with what was chosen add up to.
  std::string pairs() {
    std::string kind = c.pick({"sum", "max", "mean"});
    return kind + "(" + parameter("likeness", "f32[experts, experts']") +
           " over experts' of chosen)";
  }

  std::string weight(const std::string &chosen) {
    std::string text;
    switch (c.below(6)) {
    case 0:
      return "";
    case 1:
      text = "s";
      break;
    case 2:
      text = "s / (sum(s over " + chosen + ") + 1e-20) * 2.5";
      break;
    case 3:
      text = "softmax(" + logit + " over " + chosen + ")";
      break;
    case 4:
      text = "s / max(s over " + chosen + ")";
      break;
    default:
      text = "sigmoid(s) * count(" + chosen + ")";
      break;
    }
    return " weight " + text + (c.chance(25) ? " : bf16" : "");
  }

  std::string count() {
    uint32_t most = c.pick({2u, 1u, 4u, 8u, 17u});
    if (!hosted)
      most = std::min(experts, most);
    if (c.chance(10))
      return "min(" + input("n", "u32[token]") + ", " + number(most) + ")";
    return number(most);
  }

  /// A signal of the router, declared once.
  std::string input(const std::string &name, const std::string &type) {
    if (signals.find("signal " + name + " ") == std::string::npos) {
      signals += "signal " + name + " : " + type + "\n";
      arguments += ", " + name;
    }
    return name;
  }

  /// What may end a choice. Products are of whole numbers, so that sums of them
  /// may end one too.
  std::string singleEnd() {
    switch (c.below(5)) {
    case 0:
      return "count(chosen) " + std::string(c.pick({">=", ">", "=="})) + " " +
             c.pick({"2", "1", "0", "5", "17"});
    case 1:
      return input("most", c.pick({"i64[token]", "i64"})) + " <= count(chosen)";
    case 2:
      return input("ready", "bool[token]");
    case 3:
      return "sum(s over chosen) " + std::string(c.pick({">=", ">"})) + " " +
             (c.chance(30) ? input("bound", "f32[token]") : "0.75");
    default:
      return "max(s over chosen) > 0.5";
    }
  }

  std::string ending() {
    std::string text = singleEnd();
    for (unsigned more = 0; more < 3 && c.chance(40); ++more)
      text = "(" + text + ")" + c.pick({" or ", " and "}) + singleEnd();
    return text;
  }

  /// One choice of experts a token.
  std::string choice() {
    switch (hosted ? c.between(3, 11) : c.below(12)) {
    case 0:
    case 1:
      return "choose until " + ending() + " of experts per token by " + key() +
             weight("chosen");
    case 2: {
      std::string id = input("id", "u8[token]");
      uint32_t rows = 7;
      axis += ", entry = " + number(rows) + ", place = 2";
      local += "  param table : u32[entry, place] from \"table\"\n";
      return "choose listed table[entry: " + id + "] of experts per token" +
             weight("chosen");
    }
    case 3:
      return "choose all of experts per token where " + mask() + " by " +
             key() + weight("chosen");
    case 4:
      if (!contracts)
        return "choose " + count() + " of experts per token by s - 0.5 * " +
               (c.chance(50) ? std::string("sum(s over chosen)") : pairs()) +
               weight("chosen");
      break;
    default:
      break;
    }
    std::string text = "choose " + count() + " of experts per token";
    if (grouped && c.chance(70)) {
      local += "  let best = choose " + number(c.between(1, 2)) +
               " of experts per (token, group) by s\n";
      local += "  let ranked = choose " + number(c.between(1, groups)) +
               " of group per token by " +
               c.pick({"sum(s over best per (token, group))",
                       "max(s over best per (token, group))"}) +
               "\n";
      text += " where group in ranked";
      if (c.chance(20))
        text += " and " + mask();
    } else if (c.chance(30)) {
      text += " where " + mask();
    }
    return text + " by " + key() + weight("chosen");
  }

  /// A choice from, or for, the rows of the plan `first`.
  std::string furtherChoice() {
    std::string weights = c.chance(40) ? " weight s" : "";
    switch (hosted ? c.between(1, 5) : c.below(6)) {
    case 0: { // for each row, of another pool
      spare = c.pick({3u, 1u, 2u, 5u, 20u});
      local += "  param near : f32[spare, experts] from \"near\"\n";
      std::string count = number(c.between(1, std::min(spare, 3u)));
      std::string mask = c.chance(30) ? " where near > 0" : "";
      return "choose " + count + " of spare per first" + mask + " by " +
             c.pick({"near", "near + s", "near * s up", "(s, near)",
                     "near * first.rank"}) +
             weights;
    }
    case 1: // for each row, of the same pool
      return "choose " + number(c.between(1, 2)) + " of experts per first by " +
             c.pick({"s", "s - first.rank"}) + weights;
    case 2: // of all items together
      return "choose " + number(c.between(1, 3)) + " of first by " +
             c.pick({"s", "s up", "(first.rank, s)"}) + weights;
    case 3: // of other items
      return "choose 1 of first per experts by " +
             std::string(c.pick({"s", "-first.rank"})) + weights;
    case 4: // experts choose tokens, and these among them
      local += "  let taken = choose " + number(c.between(1, 3)) +
               " of token per experts where token in first by s\n";
      return "choose 1 of taken per token by " +
             std::string(c.pick({"s", "-taken.rank", "s up"})) + weights;
    default:
      local += "  let some = choose all of first per token where s > 0 by s\n";
      return "choose 1 of some by s" + weights;
    }
  }

  void router() {
    std::string last = choice();
    if (c.chance(20)) {
      local += "  let first = " + last + "\n";
      last = furtherChoice();
    } else if (c.chance(15)) {
      local += "  let first = " + last + "\n";
      last = c.pick({"choose 1 of first per token by s",
                     "choose 2 of first per token by -first.rank weight s",
                     "first ++ (choose 1 of experts per token where not "
                     "(experts in first) by s weight s)"});
    }
    if (!hosted && c.chance(15)) {
      local += "  let p = " + last + "\n";
      local += "  state load : f32[experts] = " +
               std::string(c.pick({"0", "2", "-0.5"})) + "\n";
      local += "  on commit {\n    let used = count(p per experts)\n"
               "    load += " +
               std::string(c.pick({"used", "sign(mean(used over experts) - "
                                           "used) * 0.25"})) +
               "\n  }\n";
      last = "p";
    }
    entry = "router gate(" + arguments + ") {\n" + local + "  return " + last +
            "\n}\n";
  }

  /// A reduction by name, and its type, or none: a row has no written type over
  /// axes.
  std::string reduction(const std::string &over, std::string &type) {
    std::string kind =
        c.pick({"sum", "mean", "max", "min", "any", "all", "count", "argmax",
                "argmin", "product", "norm", "mode"});
    std::string operand = "s";
    if (kind == "any" || kind == "all" || kind == "count")
      operand = c.pick({"s > 0.5", "s < 0.25"});
    else if (kind == "mode")
      operand = "int(round(s))";
    else if (c.chance(30))
      operand = "1 - s";
    type = kind == "any" || kind == "all" ? "bool" : "f32";
    if (kind == "count" || kind == "mode")
      type = "i64";
    if (kind == "argmax" || kind == "argmin")
      type = "";
    return kind + "(" + operand + over + ")";
  }

  /// Routes without a choice: reductions, of which all but one leave as
  /// metrics. Those that begin alike share what they begin with.
  void reductions() {
    std::string over = grouped && c.chance(50)
                           ? " over experts per (token, group)"
                           : " over experts";
    bool perGroup = over.size() > 15;
    std::string type, other;
    for (unsigned i = 0; i < 4 && c.chance(70); ++i)
      local += "  emit more" + std::to_string(i) + " = " +
               reduction(over, other) + "\n";
    std::string value = reduction(over, type);
    entry = "route stat(" + arguments + ") " +
            (type.empty() ? ""
                          : "-> " + type + "[token" +
                                (perGroup ? ", group" : "") + "] ") +
            "{\n" + local + "  return " + value + "\n}\n";
  }

  Choices &c;
  std::string axis, signals, local, entry, arguments, logit;
  uint32_t experts = 0, groups = 0, spare = 0;
  bool grouped = false;
  /// Whether the call brings the experts, and says how many there are.
  bool hosted = false;
  bool contracts = false;
};

} // namespace

Spec route::fuzz::tokenRouter(Choices &choices) {
  return TokenRouter(choices).make();
}
