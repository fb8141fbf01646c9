// Which form is fastest up to how many rows.
// The cheapest way through the points, where each costs the logarithm of its
// time over the best there, and each change of forms some per cent.
#include "Findings.h"

#include <cmath>
#include <cstdio>
#include <limits>

using namespace route;

size_t Finding::ownForm(int64_t rows) const {
  size_t form = 0;
  while (form < most.size() && rows > most[form])
    ++form;
  return form;
}

std::vector<Finding::Limit> Finding::best() const {
  constexpr double change = 0.02;
  constexpr double never = std::numeric_limits<double>::infinity();
  // The cost of the points so far that end with a form, and the form before.
  std::vector<double> costs(forms.size(), 0);
  std::vector<std::vector<size_t>> before;
  for (const Point &point : points) {
    double least = never;
    for (double time : point.times)
      if (time >= 0 && time < least)
        least = time;
    std::vector<double> next(forms.size(), never);
    std::vector<size_t> from(forms.size());
    for (size_t form = 0; form < forms.size(); ++form) {
      double time = point.times[form];
      double own = time < 0
                       ? never
                       : std::log(std::max(time, 1e-9) / std::max(least, 1e-9));
      for (size_t old = 0; old < forms.size(); ++old) {
        double cost =
            costs[old] + own + (old == form || before.empty() ? 0 : change);
        if (cost < next[form]) {
          next[form] = cost;
          from[form] = old;
        }
      }
    }
    before.push_back(from);
    costs = next;
  }
  std::vector<Limit> limits;
  if (points.empty())
    return limits;
  size_t form = 0;
  for (size_t each = 0; each < forms.size(); ++each)
    if (costs[each] < costs[form])
      form = each;
  int64_t all = std::numeric_limits<int64_t>::max();
  limits.push_back({form, all});
  for (size_t i = points.size(); i-- > 1;) {
    size_t old = before[i][form];
    if (old == form)
      continue;
    // Between two points the truth is unknown: half way, on a log scale.
    double low = static_cast<double>(points[i - 1].rows);
    double high = static_cast<double>(points[i].rows);
    auto middle = static_cast<int64_t>(std::sqrt(low * high));
    limits.insert(limits.begin(), {old, std::max(middle, points[i - 1].rows)});
    form = old;
  }
  return limits;
}

/// A JSON string.
static std::string quoted(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      snprintf(code, sizeof(code), "\\u%04x", c);
      result += code;
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string route::writeFindings(const std::string &device,
                                 const std::vector<Finding> &findings) {
  std::string text =
      "{\n  \"routec_tuning\": 1,\n  \"device\": " + quoted(device) +
      ",\n  \"findings\": [";
  const char *comma = "\n";
  for (const Finding &finding : findings) {
    std::vector<Finding::Limit> limits = finding.best();
    if (limits.empty())
      continue;
    text += comma;
    comma = ",\n";
    text += "    {\"shape\": " + quoted(finding.shape) + ",\n     \"forms\": [";
    for (const Finding::Limit &limit : limits) {
      bool last = &limit == &limits.back();
      text += "{\"form\": " + quoted(finding.forms[limit.form]);
      if (!last)
        text += ", \"rows\": " + std::to_string(limit.rows);
      text += last ? "}" : "}, ";
    }
    text += "],\n     \"measured\": [";
    for (const Finding::Point &point : finding.points) {
      text += &point == &finding.points.front() ? "\n" : ",\n";
      text += "       {\"items\": " + std::to_string(point.items) +
              ", \"rows\": " + std::to_string(point.rows) + ", \"us\": {";
      bool first = true;
      for (size_t form = 0; form < finding.forms.size(); ++form) {
        if (point.times[form] < 0)
          continue;
        char number[32];
        snprintf(number, sizeof(number), "%.2f", point.times[form]);
        text +=
            (first ? "" : ", ") + quoted(finding.forms[form]) + ": " + number;
        first = false;
      }
      text += "}}";
    }
    text += "]}";
  }
  return text + "\n  ]\n}\n";
}
