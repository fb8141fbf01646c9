// Offsets of time zones, by ICU.
#include "route/Time/TimeZone.h"
#include <memory>
#include <unicode/strenum.h>
#include <unicode/timezone.h>

using namespace route;

/// The zone of that name, or null; ICU gives a zone for any name.
static std::unique_ptr<icu::TimeZone> findZone(llvm::StringRef name) {
  auto text = icu::UnicodeString::fromUTF8(
      icu::StringPiece(name.data(), int32_t(name.size())));
  std::unique_ptr<icu::TimeZone> zone(icu::TimeZone::createTimeZone(text));
  // Names of the form GMT+3 are no places and have no rules to follow.
  bool known = zone && *zone != icu::TimeZone::getUnknown() &&
               !name.starts_with("GMT+") && !name.starts_with("GMT-");
  return known ? std::move(zone) : nullptr;
}

bool route::isTimeZone(llvm::StringRef name) {
  return name == "UTC" || findZone(name);
}

std::vector<std::string> route::timeZoneNames() {
  std::vector<std::string> names = {"UTC"};
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::StringEnumeration> all(
      icu::TimeZone::createTimeZoneIDEnumeration(UCAL_ZONE_TYPE_CANONICAL,
                                                 nullptr, nullptr, status));
  while (all && U_SUCCESS(status)) {
    const char *name = all->next(nullptr, status);
    if (!name)
      break;
    names.push_back(name);
  }
  return names;
}

std::optional<int64_t> route::timeZoneOffsetNs(llvm::StringRef name,
                                               int64_t nowNs) {
  if (name == "UTC")
    return 0;
  std::unique_ptr<icu::TimeZone> zone = findZone(name);
  if (!zone)
    return std::nullopt;
  int32_t raw = 0, saving = 0;
  UErrorCode status = U_ZERO_ERROR;
  // UDate is milliseconds in a double: exact for all of int64 ns.
  zone->getOffset(double(nowNs / 1'000'000), /*local=*/false, raw, saving,
                  status);
  if (U_FAILURE(status))
    return std::nullopt;
  return (int64_t(raw) + saving) * 1'000'000;
}
