// Reads files of findings, and describes what there is to find.
// A file may come from anywhere: it is checked in full before a compilation
// sees it.
#include "route/Library/Tuning.h"
#include "route/io/Files.h"
#include "route/io/Json.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
namespace json = llvm::json;

static constexpr int64_t kVersion = 1;
static constexpr uint64_t kMostBytes = uint64_t(1) << 24, kMostForms = 16;

/// A field of an object; null where it is none or has none of that name.
static const Json *field(const Json &object, StringRef name) {
  if (object.kind != Json::Kind::Object)
    return nullptr;
  for (auto [key, value] : llvm::zip(object.keys, object.elements))
    if (key == name)
      return &value;
  return nullptr;
}

static std::optional<int64_t> wholeField(const Json &object, StringRef name) {
  const Json *value = field(object, name);
  if (!value || value->kind != Json::Kind::Unsigned ||
      value->natural >= uint64_t(FormLimit::kAll))
    return std::nullopt;
  return static_cast<int64_t>(value->natural);
}

/// A text that is not empty, or else none.
static std::string textField(const Json &object, StringRef name) {
  const Json *value = field(object, name);
  return value && value->kind == Json::Kind::String ? value->text : "";
}

/// The forms of one finding; what is wrong with them otherwise.
static std::string readForms(const Json &finding,
                             SmallVector<FormLimit> &forms) {
  const Json *list = field(finding, "forms");
  if (!list || list->kind != Json::Kind::Array || list->elements.empty() ||
      list->elements.size() > kMostForms)
    return "has no list of 1 to " + std::to_string(kMostForms) + " 'forms'";
  for (const Json &form : list->elements) {
    std::string name = textField(form, "form");
    if (name.empty())
      return "has a form without a name";
    bool isLast = &form == &list->elements.back();
    if (isLast == (field(form, "rows") != nullptr))
      return isLast ? "has a limit of rows for its last form, which runs at "
                      "any number"
                    : "has a form before the last without a limit of rows";
    auto rows = wholeField(form, "rows");
    if (!isLast && !rows)
      return "has a limit of rows that is no whole number from 0";
    if (!isLast && !forms.empty() && *rows <= forms.back().rows)
      return "has forms out of order: their limits of rows must ascend";
    forms.push_back({name, isLast ? FormLimit::kAll : *rows});
  }
  return "";
}

std::string route::readTuning(StringRef path, Tuning &tuning) {
  std::string text, why;
  route_error error;
  if (readFile(path.str().c_str(), kMostBytes, text, &error))
    return std::string("cannot be read: ") + error.message;
  Json top;
  if (!parseJson(text, /*maxDepth=*/16, top, why))
    return "is not JSON: " + why;
  auto version = wholeField(top, "routec_tuning");
  if (!version)
    return "is no tuning file: it has no number 'routec_tuning'";
  if (*version != kVersion)
    return "is of version " + std::to_string(*version) +
           ", this routec reads " + std::to_string(kVersion) +
           ": measure again";
  std::string device = textField(top, "device");
  if (device.empty())
    return "does not name its 'device'";
  if (!tuning.device.empty() && tuning.device != device)
    return "is about '" + device + "', an earlier file about '" +
           tuning.device + "': a library is tuned for one device";
  const Json *findings = field(top, "findings");
  if (!findings || findings->kind != Json::Kind::Array)
    return "has no list 'findings'";
  for (const Json &finding : findings->elements) {
    std::string shape = textField(finding, "shape");
    if (shape.empty())
      return "has a finding without a 'shape'";
    SmallVector<FormLimit> forms;
    if (std::string wrong = readForms(finding, forms); !wrong.empty())
      return "'" + shape + "' " + wrong;
    if (!tuning.findings.try_emplace(shape, forms).second)
      return "'" + shape + "' is found twice";
  }
  tuning.device = device;
  return "";
}

void route::attachTuning(ModuleOp module, const Tuning &tuning) {
  Builder b(module.getContext());
  SmallVector<NamedAttribute> findings;
  for (const auto &[shape, forms] : tuning.findings) {
    SmallVector<Attribute> list;
    for (const FormLimit &form : forms) {
      SmallVector<NamedAttribute> fields{
          b.getNamedAttr("form", b.getStringAttr(form.form))};
      if (form.rows != FormLimit::kAll)
        fields.push_back(
            b.getNamedAttr("rows", b.getI64IntegerAttr(form.rows)));
      list.push_back(b.getDictionaryAttr(fields));
    }
    findings.push_back(b.getNamedAttr(shape, b.getArrayAttr(list)));
  }
  module->setAttr(kTuningAttr, b.getDictionaryAttr(findings));
}

std::string route::describeChoices(ModuleOp module) {
  auto choices = module->getAttrOfType<ArrayAttr>(kChoicesAttr);
  if (!choices)
    return "";
  std::string text;
  llvm::raw_string_ostream out(text);
  json::OStream stream(out);
  stream.array([&] {
    for (auto choice : choices.getAsRange<DictionaryAttr>())
      stream.object([&] {
        stream.attribute("shape", choice.getAs<StringAttr>("shape").getValue());
        stream.attributeArray("forms", [&] {
          for (auto form : choice.getAs<ArrayAttr>("forms"))
            stream.value(cast<StringAttr>(form).getValue());
        });
        stream.attributeArray("most", [&] {
          for (auto rows : choice.getAs<ArrayAttr>("most"))
            stream.value(cast<IntegerAttr>(rows).getInt());
        });
      });
  });
  return text;
}
