// Random specs over axes inside axes.
// Tokens in documents, documents in batches: columns of each, what descends,
// what is reduced to a parent, copies that meet within one, and choices along
// both.
#include "Spec.h"

#include <vector>

using namespace route::fuzz;

namespace {

class Nested {
public:
  explicit Nested(Choices &choices) : c(choices) {}

  Spec make() {
    axes();
    std::string entries;
    for (uint32_t i = 0, n = c.between(1, 3); i < n; ++i)
      entries += entry("f" + std::to_string(i));
    return {text + entries, false, {}};
  }

private:
  /// The axes from the outermost, with what lies over each.
  void axes() {
    levels = {"doc", "token"};
    if (c.chance(25))
      levels = {"batch", "doc", "token"};
    values.resize(levels.size());
    truths.resize(levels.size());
    for (size_t i = 0; i < levels.size(); ++i) {
      text += "axis " + levels[i] +
              (i + 1 == levels.size() && c.chance(15) ? " = 3" : "") +
              (i ? " in " + levels[i - 1] : "") + columns(i) + "\n";
      if (c.chance(i + 1 == levels.size() ? 90 : 60))
        signal(i);
      if (values[i].empty())
        signal(i);
    }
    experts = c.pick({4u, 1u, 2u, 5u, 8u, 33u});
    text += "pool experts[" + std::to_string(experts) + "]\n";
    if (c.chance(50)) {
      text += "signal l : f32[token, experts]\n";
      logits = "l";
    }
    if (c.chance(40)) {
      text += "param bias : f32[experts] from \"bias\"\n";
      logits += logits.empty() ? "bias" : " + bias";
    }
  }

  /// Columns of an axis, in braces, or nothing.
  std::string columns(size_t level) {
    std::string list, prefix = levels[level].substr(0, 1);
    auto add = [&](const std::string &name, const std::string &type) {
      list += (list.empty() ? " { " : ", ") + prefix + name + " : " + type;
      return prefix + name;
    };
    if (c.chance(30))
      values[level].push_back(add("w", c.pick({"f32", "bf16", "f16"})));
    if (c.chance(25)) {
      std::string n = add("n", c.pick({"u8", "i32", "u32", "i8", "i64"}));
      values[level].push_back(n);
      truths[level].push_back(n + " > 2");
    }
    if (c.chance(20)) {
      std::string k = add("k", "enum { red, green, blue }");
      truths[level].push_back(k + " == green");
      truths[level].push_back(k + " in [red, blue]");
    }
    if (c.chance(20))
      truths[level].push_back(add("b", "bool"));
    if (c.chance(15)) {
      std::string u = add("u", "f32?");
      values[level].push_back("(" + u + " ?? 0.5)");
      truths[level].push_back("known(" + u + ")");
    }
    return list.empty() ? "" : list + " }";
  }

  void signal(size_t level) {
    std::string name = "x" + std::to_string(level);
    if (text.find("signal " + name + " ") != text.npos)
      return;
    text += "signal " + name + " : " +
            std::string(c.pick({"f32", "bf16", "f32"})) + "[" + levels[level] +
            "]\n";
    values[level].push_back(name);
    truths[level].push_back(name + " > 0.5");
  }

  /// Whether `expr` surely lies over `level`: it reads something there and
  /// reduces nothing.
  bool liesOver(const std::string &expr, size_t level) const {
    if (expr.find(" over ") != expr.npos)
      return false;
    for (const auto *read : {&values[level], &truths[level]})
      for (const std::string &one : *read)
        if (expr.find(one) != expr.npos)
          return true;
    return false;
  }

  /// A number, and a truth, that lie over `level` and no axis above alone.
  std::string valueOver(size_t level, unsigned depth = 0) {
    std::string expr = value(level, depth);
    return liesOver(expr, level)
               ? expr
               : "(" + expr + " + 0.0[" + levels[level] + "])";
  }
  std::string truthOver(size_t level, unsigned depth = 0) {
    std::string expr = truth(level, depth);
    return liesOver(expr, level)
               ? expr
               : "(" + expr + " or 0.0[" + levels[level] + "] > 1)";
  }

  size_t last() const { return levels.size() - 1; }

  /// A number over `level`.
  std::string value(size_t level, unsigned depth = 0) {
    if (depth < 3)
      switch (c.below(12)) {
      case 1:
        return "(" + value(level, depth + 1) + c.pick({" + ", " - ", " * "}) +
               value(level, depth + 1) + ")";
      case 2:
        return std::string(c.pick({"abs", "sigmoid", "relu", "floor", "exp"})) +
               "(" + value(level, depth + 1) + ")";
      case 3:
      case 4:
      case 5:
        if (level < last())
          return down(level, depth);
        break;
      case 6:
      case 7:
        if (level > 0) // what a parent has
          return value(level - 1, depth + 1);
        break;
      case 8:
        if (level > 0)
          return down(level - 1, depth);
        break;
      case 9:
        if (level > 0)
          return c.pick({"softmax", "standardize"}) +
                 ("(" + valueOver(level, depth + 1) + " over " + levels[level] +
                  ")");
        break;
      case 10:
        return "(if " + truth(level, depth + 1) + " then " +
               value(level, depth + 1) + " else " + value(level, depth + 1) +
               ")";
      case 11:
        if (level > 0 && c.chance(50)) { // its neighbours in the same parent
          const std::string &axis = levels[level];
          std::string own = "x" + std::to_string(level);
          if (text.find("signal " + own + " ") != text.npos)
            return std::string(c.pick({"sum", "max", "mean"})) + "(" + own +
                   c.pick({" * ", " - "}) + own + "[" + axis + " as " + axis +
                   "'] over " + axis + "')";
        }
        break;
      default:
        break;
      }
    if (values[level].empty())
      return c.pick({"1.0", "0.25"});
    return values[level][c.below(uint32_t(values[level].size()))];
  }

  /// A reduction of something over an axis further in, for each position of
  /// `level`.
  std::string down(size_t level, unsigned depth) {
    size_t from = level + 1;
    while (from < last() && c.chance(40))
      ++from;
    std::string over = " over " + levels[from];
    if (from > level + 1 && c.chance(50))
      over = " over (" + levels[from - 1] + ", " + levels[from] + ")";
    std::string of =
        c.chance(20) ? " of (" + truthOver(from, depth + 1) + ")" : "";
    over += of + " per " + levels[level];
    switch (c.below(5)) {
    case 0:
      return "count(" + truthOver(from, depth + 1) + over + ")";
    case 1:
      return "float(any(" + truthOver(from, depth + 1) + over + "))";
    default:
      return std::string(c.pick({"sum", "mean", "max", "min", "norm"})) + "(" +
             valueOver(from, depth + 1) + over + ")";
    }
  }

  std::string truth(size_t level, unsigned depth = 0) {
    if (depth < 3)
      switch (c.below(8)) {
      case 1:
        return "(" + truth(level, depth + 1) + c.pick({" and ", " or "}) +
               truth(level, depth + 1) + ")";
      case 2:
        return "(" + value(level, depth + 1) + " > " + value(level, depth + 1) +
               ")";
      case 3:
        if (level < last())
          return std::string(c.pick({"any", "all"})) + "(" +
                 truthOver(level + 1, depth + 1) + " over " +
                 levels[level + 1] + " per " + levels[level] + ")";
        break;
      case 4:
        return "not " + truth(level, depth + 1);
      default:
        break;
      }
    if (truths[level].empty())
      return "(" + value(level, 3) + " > 0)";
    return truths[level][c.below(uint32_t(truths[level].size()))];
  }

  /// A key over experts for each position of `level`.
  std::string key(size_t level) {
    std::string scores = logits;
    if (level < last() && logits[0] == 'l')
      scores = "sum(" + logits + " over token per " + levels[level] + ")";
    if (scores.empty())
      return value(level) + " * (order - 1.5)";
    return c.pick({scores, "(" + scores + ") * " + value(level, 1),
                   scores + " up",
                   "-abs(" + scores + " - " + value(level, 1) + ")"});
  }

  std::string entry(const std::string &name) {
    size_t level = c.below(uint32_t(levels.size()));
    const std::string &axis = levels[level];
    std::string head = "(" + parameters() + ") ";
    std::string count = std::to_string(c.between(1, 3));
    switch (c.below(6)) {
    default: {
      std::string body = "route " + name + head + "-> f32[" + axis + "] {\n";
      for (unsigned i = 0; i < 3 && c.chance(40); ++i)
        body += "  emit " + name + "m" + std::to_string(i) + " = " +
                value(c.below(uint32_t(levels.size()))) + "\n";
      return body + "  return " + value(level) + " + 0.0[" + axis + "]\n}\n";
    }
    case 2: // experts
      return "router " + name + head + "{ return choose " + count +
             " of experts per " + axis + mask(level) + " by " + key(level) +
             (c.chance(50) ? " weight " + value(level) : "") + " }\n";
    case 3: // members of each parent
      if (level == last())
        --level;
      return "router " + name + head + "{ return choose " +
             (c.chance(25) ? "all" : count) + " of " + levels[level + 1] +
             " per " + levels[level] + mask(level + 1) + " by " +
             value(level + 1) + c.pick({"", " up"}) +
             (c.chance(50) ? " weight " + value(level + 1) : "") + " }\n";
    case 4: { // of members that were chosen, and experts for what is left
      if (level == last())
        --level;
      std::string best = "  let best = choose " + count + " of " +
                         levels[level + 1] + " per " + levels[level] + " by " +
                         value(level + 1) + "\n";
      std::string end =
          c.pick({std::string("choose 1 of best per " + levels[level] + " by " +
                              value(level + 1, 3) + " up"),
                  "choose " + count + " of experts per " + levels[level + 1] +
                      " where " + levels[level + 1] + " in best by " +
                      key(level + 1)});
      return "router " + name + head + "{\n" + best + "  return " + end +
             "\n}\n";
    }
    case 5: { // a plan, and what its rows have
      std::string plan = "  let p = choose " + count + " of experts per " +
                         axis + mask(level) + " by " + key(level) + "\n";
      std::string what = c.pick({std::string("count(p per " + axis + ")"),
                                 "sum(" + value(level, 1) + " over p per " +
                                     (level ? levels[level - 1] : axis) + ")"});
      std::string over = what[0] == 's' && level ? levels[level - 1] : axis;
      return "route " + name + head + "-> f32[" + over + "] {\n" + plan +
             "  return float(" + what + ")\n}\n";
    }
    }
  }

  std::string mask(size_t level) {
    return c.chance(30) ? " where " + truth(level) : "";
  }

  /// Every signal: what an entry does not read it does not take.
  std::string parameters() {
    std::string list;
    for (size_t i = 0; i < levels.size(); ++i)
      if (std::string name = "x" + std::to_string(i);
          text.find("signal " + name + " ") != text.npos)
        list += (list.empty() ? "" : ", ") + name;
    if (logits[0] == 'l')
      list += list.empty() ? "l" : ", l";
    return list;
  }

  Choices &c;
  std::string text, logits;
  std::vector<std::string> levels;
  /// What is read without more ado, by level.
  std::vector<std::vector<std::string>> values, truths;
  uint32_t experts = 0;
};

} // namespace

Spec route::fuzz::nestedAxes(Choices &choices) {
  return Nested(choices).make();
}
