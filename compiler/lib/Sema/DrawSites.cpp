// Which draws of the text are one: sites of `random()` and its like.
// A site is a place: of the draw in the text, and of the calls of functions and
// routes that are expanded around it. How often a name is used, in which order,
// and how many passes a route takes are no part of it.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;

bool Elaborator::DrawPlace::operator<(const DrawPlace &other) const {
  return std::tuple(around, range.file.index, range.begin, range.end,
                    StringRef(instance)) <
         std::tuple(other.around, other.range.file.index, other.range.begin,
                    other.range.end, StringRef(other.instance));
}

unsigned Elaborator::drawPlace(unsigned around, SourceRange range,
                               StringRef instance) {
  return drawPlaces
      .try_emplace({around, range, instance.str()}, drawPlaces.size() + 1)
      .first->second;
}

/// What surrounds a let of `scope`, wherever it is used: the route that
/// declares it, or nothing.
unsigned Elaborator::drawPathOf(const Scope &scope) {
  for (const Scope *at = &scope; at; at = at->parent.get())
    if (const RouteInstance *owner = at->owner)
      return drawPlace(0, owner->decl->name.range, owner->path);
  return 0;
}

/// Counts sites in the order of the text, that of the main file first, so that
/// none hangs on what is used first.
void Elaborator::numberDraws() {
  std::vector<const DrawPlace *> places(drawPlaces.size() + 1);
  for (const auto &[place, number] : drawPlaces)
    places[number] = &place;
  using Step = std::tuple<bool, StringRef, uint32_t, uint32_t, StringRef>;
  std::map<std::vector<Step>, std::vector<DrawOp>> byText;
  module->walk([&](DrawOp draw) {
    int64_t site = draw.getSite();
    if (site < firstFreeSite)
      return;
    std::vector<Step> path;
    for (size_t at = site - firstFreeSite; at; at = places[at]->around) {
      const DrawPlace &place = *places[at];
      path.emplace_back(place.range.file != mainFile,
                        sources.name(place.range.file), place.range.begin,
                        place.range.end, place.instance);
    }
    byText[{path.rbegin(), path.rend()}].push_back(draw);
  });
  int64_t site = firstFreeSite;
  for (auto &[path, draws] : byText) {
    for (DrawOp draw : draws)
      draw.setSite(site);
    ++site;
  }
}
