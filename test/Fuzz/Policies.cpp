// Random request policies.
// Columns of many types, text predicates, host signals that may be unknown,
// units, rules, notes, live and state columns, budgets, rows taken one by one,
// loops, handlers.
#include "Spec.h"

#include <vector>

using namespace route::fuzz;

namespace {

class Policy {
public:
  explicit Policy(Choices &choices) : c(choices) {}

  Spec make() {
    items();
    messages();
    signalsOfText();
    signalsOfHost();
    pool();
    if (c.chance(30))
      text += "notes { effort: enum { low, mid, top } = low" +
              std::string(c.chance(50) ? ", depth: u8 = 3" : "") + " }\n";
    bool notes = text.find("notes {") != std::string::npos;
    if (c.chance(45))
      declareBudgets();
    router(notes, text.find("depth: u8") != std::string::npos);
    if (c.chance(25))
      loop();
    if (tallying && !keyed)
      text += "on feedback(reward) { for m in models by price up { m.won = "
              "m.won * 0.5 + reward  rounds += 1 } for " +
              std::string(c.pick({"3", "0", "1"})) + " { rounds += 2 } }\n";
    if (cooling)
      text += "on failure(m, code) { if code == timeout or code >= 429 { "
              "m.cool = now + 30 s } }\n";
    if (counting || keyed || spoken)
      text +=
          std::string("on dispatch(m) {") + (counting ? " m.sent += 1" : "") +
          (keyed ? std::string(
                       c.pick({"  last += key  used[key] += 1  m.seen += key",
                               "  if key > 2 { used[key] += 2 }  last = m.seen",
                               "  spent[key, m] += 0.5  m.seen += key"}))
                 : "") +
          (spoken ? "  heard += sum(toks over message)" : "") + " }\n";
    if (keyed)
      text += std::string("on feedback(reward) { ") +
              c.pick({"last -= key", "used[key] = 0",
                      "last = []  spent[key, models.m0] += reward"}) +
              " }\n";
    if (doubtful)
      text += "on push(m) { m.peak = max(m.peak, m.load ?? 0.25) }\n";
    return {text, false, {}};
  }

private:
  void items() {
    text = "axis request { prompt : text, max_out : tokens = 256 tok";
    truth = {"max_out > 1k tok"};
    score = {"0.25"};
    if (c.chance(25)) { // amounts of all items, summed in f64
      truth.push_back(c.pick({"sum(max_out over request) > 2k tok",
                              "mean(max_out over request) < 300 tok",
                              "max_out > mean(max_out over request)"}));
      score.push_back("max_out / sum(max_out over request)");
    }
    if (c.chance(50)) {
      text += ", tier : enum { free, pro, staff }" +
              std::string(c.chance(40) ? " = free" : "");
      truth.push_back("tier == pro");
      truth.push_back("tier != free");
      truth.push_back("tier in [free, staff]");
    }
    if (c.chance(40)) {
      std::string type =
          c.pick({"u8", "i8", "u16", "i32", "u32", "i64", "u64"});
      text += ", n : " + type;
      truth.push_back("n > 3");
      truth.push_back("n < 8 or n == 100");
      truth.push_back("n in [1, 2, 4]");
      truth.push_back("n in 2..5");
      score.push_back("n");
    }
    if (c.chance(40)) {
      text += ", grade : " + std::string(c.pick({"f32", "f64", "bf16", "f16"}));
      truth.push_back("grade >= 0.5");
      score.push_back("grade");
    }
    if (c.chance(30)) {
      text += ", urgent : bool" + std::string(c.chance(50) ? " = false" : "");
      truth.push_back("urgent");
    }
    if (c.chance(25)) {
      text += ", cap : money?";
      truth.push_back("cap > $2");
      truth.push_back("known(cap)");
      truth.push_back("(cap ?? $1) < $3");
    }
    if (c.chance(20)) {
      text += ", trusted team : text";
      truth.push_back("team == \"api\"");
      trusted.push_back("team");
    }
    if (c.chance(20)) {
      text += ", trusted seat : " + std::string(c.pick({"u32", "f32", "i64"}));
      trusted.push_back("seat");
    }
    if (c.chance(20)) {
      text += ", tags : " + std::string(c.pick({"[text]", "set text"}));
      truth.push_back("\"api\" in tags");
      truth.push_back("not (prompt in tags)");
      truth.push_back("(\"A\" in tags or \"\" in tags)");
    }
    if (c.chance(20)) {
      text += ", ids : " + std::string(c.pick({"[u64]", "set u64"})) +
              ", want : " + std::string(c.pick({"set u64", "[u64]"}));
      truth.push_back("ids subset want");
      truth.push_back("2 in ids");
      truth.push_back("not (want subset ids)");
    }
    tried = c.chance(20);
    if (tried)
      text += ", tried : " +
              std::string(c.pick({"set models", "[ref models]", "[models]"}));
    keyed = c.chance(30);
    if (keyed) {
      text += ", key : u64";
      truth.push_back("key in last");
      truth.push_back("used[key] > 1");
      score.push_back("used[key]");
    }
    text += " }\n";
  }

  /// An axis inside the items, and what of it tells of its item.
  void messages() {
    if (!c.chance(25))
      return;
    text += "axis message in request { body : text, toks : tokens";
    auto add = [&](std::vector<std::string> &to, const std::string &value) {
      to.push_back(value);
    };
    add(truth, "sum(toks over message per request) > 2k tok");
    add(truth, "max(toks over message per request) >= max_out");
    add(truth,
        "any(contains(body, pattern: \"api\") over message per request)");
    add(score, "count(toks > max_out over message per request)");
    add(score, "mean(words(body) over message per request)");
    if (c.chance(50)) {
      text += ", role : enum { user, system }";
      add(truth, "all(role == user over message per request)");
      add(score, "sum(toks over message of (role == system) per request) / 1k "
                 "tok");
    }
    if (c.chance(30)) {
      text += ", grade_of : f32?";
      add(truth, "any(known(grade_of) over message per request)");
      add(truth, "max(grade_of ?? 0 over message per request) > 1");
    }
    text += " }\n";
    spoken = true;
  }

  void signal(const std::string &name, const std::string &value) {
    text += "signal " + name + " = " + value + "\n";
  }

  void signalsOfText() {
    if (c.chance(50)) {
      signal("code", c.pick({"regex(prompt, r\"```|\\bdef\\b|#include\")",
                             "contains(prompt, pattern: \"api\")",
                             "keywords(prompt, patterns: [\"def\", \"api\"])",
                             "regex(prompt, r\"^h.*o$|\\x{9519}\")",
                             "keywords(prompt, patterns: [\"hello\", "
                             "\"there\"], mode: all)"}));
      truth.push_back("code");
      truth.push_back("not code");
      match.push_back("code");
    }
    if (c.chance(50)) {
      signal("length", c.pick({"estimate(prompt)",
                               "estimate(prompt, bytes_per_token: 3)"}));
      truth.push_back("length < 4 tok");
      sized = true;
    }
    if (c.chance(30)) {
      signal("size",
             c.pick({"words(prompt)", "chars(prompt)", "lines(prompt)"}));
      truth.push_back("size > 2");
      score.push_back("size");
    }
    if (c.chance(15)) {
      signal("much", "bytes(prompt) >= 10 B");
      truth.push_back("much");
    }
  }

  void signalsOfHost() {
    if (c.chance(40)) {
      signal("jail", "host.jail(prompt) at 0.5 timeout 20 ms" +
                         std::string(c.chance(30) ? " else true" : ""));
      truth.push_back("jail");
      truth.push_back("jail ?? true");
      match.push_back("jail");
    }
    if (c.chance(30)) {
      text += "signal topic : enum { law, code_help, other } = "
              "host.topic(prompt) timeout 5 ms\n";
      truth.push_back("topic == law");
      truth.push_back("(topic == other) ?? false");
    }
    if (c.chance(25)) {
      text += "signal mood : f32 = host.mood(prompt) timeout 5 ms\n";
      truth.push_back("mood > 0");
      truth.push_back("(mood ?? 0.5) < 1");
      score.push_back("mood ?? 0");
    }
    if (c.chance(25) && !match.empty()) {
      std::string sum = "0.6 * hit(" + match[c.below(match.size())] + ")";
      if (c.chance(60))
        sum += " + 0.5 * conf(" + match[c.below(match.size())] + ")";
      signal("risk",
             "bands(" + sum + ", [fine: < 0.35, odd: < 0.7, bad: >= 0.7])");
      truth.push_back("risk == bad");
      truth.push_back("(risk == fine) ?? false");
    }
  }

  void pool() {
    uint32_t rows = c.pick({3u, 2u, 1u, 5u, 9u});
    text +=
        "pool models {\n  attr price : $/tok, context : tokens, quality : " +
        std::string(c.pick({"ratio", "f32"})) + "\n";
    named = c.chance(25);
    if (named)
      text += "  attr vendor : text\n";
    cooling = c.chance(30);
    counting = c.chance(20);
    live = c.chance(25);
    tallying = c.chance(20);
    if (tallying)
      text += "  state won : f32 = 0\n";
    if (cooling)
      text +=
          "  state cool : time = " + std::string(c.pick({"0", "1", "7.5"})) +
          " s\n";
    if (counting)
      text += "  state sent : u32 = " +
              std::string(c.pick({"0", "3", "4000000000"})) + "\n";
    if (live)
      text += "  live queue : tokens" +
              std::string(c.pick({" = 4 tok", "", " stale 10 s else 2 tok"})) +
              "\n";
    doubtful = c.chance(20); // pushed, and unknown where it was not
    if (doubtful)
      text += "  live load : " +
              std::string(c.pick({"f32 stale 10 s", "f32?", "u8?",
                                  "f32? stale 5 s", "f64 stale 12 s"})) +
              "\n  state peak : f64 = 0\n";
    if (keyed)
      text += "  state seen : set u64 max 3\n";
    for (uint32_t i = 0; i < rows; ++i) {
      static const char *const prices[] = {"$0.20/Mtok", "$1/Mtok", "$0/Mtok",
                                           "$5/Mtok"};
      static const char *const contexts[] = {"8k", "1k", "128Ki", "300"};
      static const char *const qualities[] = {"0.5", "0.75", "0.9", "0"};
      members.push_back("m" + std::to_string(i));
      text += "  " + members.back() + " { price: " + prices[c.below(4)] +
              ", context: " + contexts[c.below(4)] +
              ", quality: " + qualities[c.below(4)] +
              (named ? std::string(", vendor: \"") +
                           c.pick({"api", "", "A", "hello there"}) + "\""
                     : "") +
              " }\n";
    }
    text += "}\n";
    if (tallying)
      text += "state rounds : u32 = 0\n";
    if (keyed)
      text += "state last : set u64 max " +
              std::string(c.pick({"2", "1", "8"})) +
              "\nstate used : u32[key] = 0 max " +
              std::string(c.pick({"3", "1", "16"})) +
              "\nstate spent : f32[key, models] = 0 max 4\n";
    if (spoken)
      text += "state heard : tokens = 0 tok\n";
    text += "let cost(m) = m.price * max_out" +
            std::string(sized && c.chance(50) ? " + m.price * length" : "") +
            "\n";
  }

  /// Budgets of a call, with keys of all kinds.
  void declareBudgets() {
    uint32_t count = c.between(1, 3);
    for (uint32_t i = 0; i < count; ++i) {
      std::string name = "b" + std::to_string(i);
      std::vector<std::string> keys = {"m", "m.price", "m.quality"};
      for (const std::string &column : trusted) {
        keys.push_back(column);
        keys.push_back("(m, " + column + ")");
        keys.push_back("(" + column + ", m.context)");
      }
      std::string key =
          c.chance(30) ? "" : "  per " + keys[c.below(keys.size())];
      text +=
          "budget " + name + " { " +
          c.pick({std::string("reserve 1  limit ") +
                      c.pick({"3", "1", "12", "2.5"}),
                  std::string("reserve cost  limit ") +
                      c.pick({"$0.006", "$0.01", "$0.1", "$100"}),
                  std::string("reserve max_out  limit ") +
                      c.pick({"2k tok", "1500 tok", "20k tok"}),
                  std::string("reserve m.quality * 2  limit 3 + quality"),
                  std::string("reserve m.context + max_out  limit 140k tok")}) +
          key + "  window " + c.pick({"batch", "batch", "call"}) + " }\n";
      budgets.push_back(name);
    }
  }

  /// Some of the budgets, or nothing.
  std::string under(uint32_t percent = 60) {
    std::string list;
    for (const std::string &name : budgets)
      if (c.chance(percent))
        list += (list.empty() ? " under " : ", ") + name;
    return list;
  }

  /// A key that hangs on the rows chosen so far.
  std::string greedyKey() {
    return c.pick(
        {"quality - 0.5 * max(quality over chosen)",
         "abs(quality - 0.6) - sum(quality over chosen)",
         "(count(chosen) * quality, price up)",
         "quality - 0.5 * sum(if models.price == models.price[models as "
         "models'] then models.quality else 0.25 over models' of chosen)",
         "(min(abs(models.quality - models.quality[models as models']) over "
         "models' of (models' in chosen)), quality)",
         "quality * (if count(chosen) > 0 then 0.5 - price * max_out / "
         "$0.01 else 1)"});
  }

  std::string ending() {
    return "until " +
           c.pick({std::string("sum(models.quality over chosen) >= 0.9"),
                   std::string("count(chosen) >= 2"),
                   std::string("max(models.quality over chosen) > 0.6"),
                   std::string("sum(models.quality * models.quality[models as "
                               "models'] over (models, models') of chosen) > "
                               "0.8"),
                   "max(models.quality over chosen) > 0.8 or " + condition(1)});
  }

  /// A router that a route asks round by round, and its handler.
  void loop() {
    text += "state turns : f32[models] = 0\n"
            "router turn(request, bar : f32) -> models {\n  let p = choose " +
            std::string(c.pick({"1", "2", "all"})) + " of models where " +
            mask() + under(40) + " by quality - bar\n" +
            "  on commit { turns = turns * 0.5 + float(count(p per models))" +
            std::string(c.chance(40) ? "  for 2 { turns += sum(sum(p.quality "
                                       "over p) over request) * 0.25 }"
                                     : "") +
            " }\n  return p\n}\n";
    text += "route asked(request) -> f32 {\n  return " +
            std::string(c.pick({"for 3", "for m in models",
                                "for m in models by quality up"})) +
            " carry (n = 0.0)" +
            std::string(c.chance(50) ? " until n > 1.5" : "") +
            " { let q = turn(request, n)  n += sum(sum(q.quality over q) over "
            "request)"
            " * 0.5 + 0.25 }\n}\n";
  }

  std::string condition(unsigned depth = 0) {
    if (depth < 2) {
      switch (c.below(6)) {
      case 3:
        return "(" + condition(depth + 1) + " and " + condition(depth + 1) +
               ")";
      case 4:
        return "(" + condition(depth + 1) + " or " + condition(depth + 1) + ")";
      case 5:
        return "not (" + condition(depth + 1) + ")";
      default:
        break;
      }
    }
    return truth[c.below(truth.size())];
  }

  std::string mask() {
    std::string all = sized && c.chance(60) ? "length + max_out <= context"
                                            : "max_out <= context";
    if (cooling)
      all += " and cool <= now";
    if (live && c.chance(50))
      all += " and queue < 100 tok";
    if (doubtful && c.chance(40))
      all += c.pick({" and load < 3", " and not (load > 2)",
                     " and (load ?? 1) < 2", " and peak < 3"});
    if (tried && c.chance(60))
      all += " and not (this in tried)";
    if (keyed && c.chance(40))
      all += c.pick({" and not (key in seen)", " and spent[key, models] < 1"});
    if (named && c.chance(50))
      all += c.pick({std::string(" and contains(vendor, pattern: \"a\")"),
                     std::string(" and not (vendor == prompt)"),
                     std::string(" and regex(vendor, r\"^a|^$\")"),
                     text.find(", tags : ") != text.npos
                         ? std::string(" and not (vendor in tags)")
                         : std::string(" and vendor != \"api\"")});
    if (c.chance(25))
      all += " and (" + condition(1) + ")";
    if (c.chance(20))
      all += " and quality >= 0.5";
    return all;
  }

  std::string key() {
    std::string dollars =
        c.pick({"quality - cost / $0.05", "quality", "cost up", "price",
                "-cost", "(quality, cost up)", "(price up, context, order up)",
                "cost - mean(cost over models)",
                "quality - cost / sum(cost over models)"});
    if (dollars == "quality" && c.chance(50))
      dollars += " * (" + score[c.below(score.size())] + ")";
    if (named && c.chance(20))
      return c.pick({"(contains(vendor, pattern: \"h\"), quality)",
                     "(bytes(vendor) up, price)",
                     "(vendor == prompt, order up)"});
    if (counting && c.chance(30))
      return "(sent up, " + (dollars[0] == '(' ? "quality" : dollars) + ")";
    if (live && c.chance(30))
      return "queue up";
    if (doubtful && c.chance(30))
      return c.pick({"load up", "(peak, load)", "quality - (load ?? 1)"});
    if (keyed && c.chance(20))
      return "(spent[key, models] up, order)";
    return dollars;
  }

  std::string member() { return members[c.below(members.size())]; }

  std::string target(bool notes, bool depth) {
    std::string value;
    switch (c.below(4)) {
    case 0:
      value = member();
      break;
    case 1: {
      value = "{ " + member();
      std::string other = member();
      if (value.find(other) == std::string::npos)
        value += ", " + other;
      value += " }";
      break;
    }
    default:
      value = "choose " + (budgets.empty() || c.chance(70)
                               ? "1" + under(15) + " by " + key()
                               : "2" + under(30) + " by " + greedyKey());
    }
    if (notes && c.chance(40))
      value += " with { effort: " + std::string(c.pick({"mid", "top"})) +
               (depth && c.chance(50) ? ", depth: 7" : "") + " }";
    return value;
  }

  /// What a choice is from: the pool, or the rows that the caller lists.
  std::string from() { return tried && c.chance(30) ? "tried" : "models"; }

  void router(bool notes, bool depth) {
    std::string end;
    switch (c.below(5)) {
    case 0:
      break;
    case 1:
      end = " else reject(429)";
      break;
    case 2:
      end = " else none";
      break;
    case 3:
      end = " else " + member();
      break;
    default:
      end = " else choose 1 of models by cost up else reject(503)";
    }
    text += "router pick(request) -> models {\n";
    uint32_t rules = c.between(1, 4);
    switch (c.below(3)) {
    case 0:
      text += "  choose " +
              (c.chance(25) ? ending()
                            : c.pick({std::string("1"), std::string("2"),
                                      std::string("9"), std::string("all")})) +
              " of " + from() + " where " + mask() + under() + " by " +
              (c.chance(25) ? greedyKey() : key()) +
              (c.chance(30) ? " weight quality" : "") + end + "\n";
      break;
    case 1:
      text += "  choose first where " + mask() + under(40) + " {\n";
      for (uint32_t i = 0; i < rules; ++i)
        text +=
            "    when " + condition() + " -> " + target(notes, depth) + "\n";
      if (c.chance(70))
        text += "    otherwise -> " + target(notes, depth) + "\n";
      text += "  }" + end + "\n";
      break;
    default:
      text += "  choose 1 of rules by " +
              std::string(c.pick({"(tier up, conf)", "conf",
                                  "(conf, tier up, name up)", "order"})) +
              under(40) + " {\n";
      for (uint32_t i = 0; i < rules; ++i)
        text += "    rule r" + std::to_string(i) +
                " (tier: " + std::to_string(c.between(1, 3)) + ")" +
                (c.chance(80) ? " when " + condition() : "") + " -> " +
                target(notes, depth) + "\n";
      text += "  }" + end + "\n";
    }
    text += "}\n";
  }

  Choices &c;
  std::string text;
  std::vector<std::string> truth, score, match, members, trusted, budgets;
  bool sized = false, cooling = false, counting = false, live = false,
       tallying = false, tried = false, keyed = false, spoken = false,
       doubtful = false, named = false;
};

} // namespace

Spec route::fuzz::requestPolicy(Choices &choices) {
  return Policy(choices).make();
}
