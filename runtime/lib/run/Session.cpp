// Loading, binding, state.
// What comes before and after the calls of route-run.
#include "Session.h"
#include "Tune.h"
#include "route/io/Cells.h"
#include "route/io/Files.h"
#include "route/io/Spelling.h"

using namespace route;

Session::~Session() {
  route_context_release(context);
  route_module_release(module);
  route_threads_destroy(threads);
}

bool Session::open(bool bind) {
  route_context_options contextOptions = {};
  contextOptions.struct_size = sizeof(contextOptions);
  if (options.interpret) {
    std::vector<RunSource::Size> sizes;
    for (const RunOptions::Size &size : options.sizes)
      sizes.push_back({size.axis.c_str(), size.size});
    std::vector<const char *> folders;
    for (const std::string &folder : options.folders)
      folders.push_back(folder.c_str());
    RunSource source = {options.library.c_str(),
                        sizes.data(),
                        sizes.size(),
                        folders.data(),
                        folders.size(),
                        options.entry.empty() ? nullptr
                                              : options.entry.c_str()};
    if (!check(hooks.load(source, loaded, &error)))
      return false;
    if (loaded.run)
      return true;
    if (!check(route_module_link(loaded.descriptor, &module, &error)))
      return false;
    contextOptions.execute = loaded.execute;
    contextOptions.execute_user = loaded.user;
  } else if (!check(
                 route_module_load(options.library.c_str(), &module, &error))) {
    return false;
  }
  if (!bind)
    return true;
  std::vector<route_file> files;
  for (const RunOptions::Named &param : options.params)
    files.push_back({param.name.empty() ? nullptr : param.name.c_str(),
                     param.file.c_str(), nullptr, 0});
  contextOptions.files = files.data();
  contextOptions.num_files = files.size();
  if (options.allowExtra)
    contextOptions.flags |= ROUTE_CONTEXT_ALLOW_EXTRA;
  if (!check(route_context_create(module, &contextOptions, &context, &error)))
    return false;
  if (options.threads > 1 &&
      !check(route_threads_create(options.threads, &threads, &error)))
    return false;
  return loadState();
}

/// A spec that has no library, run by the names of its inputs.
bool Session::runByNames() {
  // A trace is a library's buffers, and ids key the draws of its items.
  for (auto [given, option] : {std::pair{!options.trace.empty(), "--trace"},
                               {options.id != 0, "--id"}})
    if (given)
      return check(fail(&error, ROUTE_ERROR_ENTRY_KIND,
                        "'%s' is about libraries, and there is none of this: "
                        "%.400s",
                        option, loaded.reason));
  std::vector<const char *> inputs;
  for (const std::string &file : options.inputs)
    inputs.push_back(file.c_str());
  std::vector<RunRequest::Param> params;
  for (const RunOptions::Named &param : options.params)
    params.push_back({param.name.empty() ? nullptr : param.name.c_str(),
                      param.file.c_str()});
  auto orNull = [](const std::string &text) {
    return text.empty() ? nullptr : text.c_str();
  };
  std::vector<RunRequest::Event> emits;
  for (const RunOptions::Named &event : options.emits)
    emits.push_back({event.name.c_str(), orNull(event.file)});
  RunRequest request = {orNull(options.entry),
                        inputs.data(),
                        inputs.size(),
                        params.data(),
                        params.size(),
                        options.outputs.empty() ? "-" : options.outputs.c_str(),
                        orNull(options.host),
                        orNull(options.replay),
                        options.gapMs < 0 ? -1 : options.gapMs * 1'000'000,
                        options.now,
                        options.seed,
                        emits.data(),
                        emits.size(),
                        orNull(options.stateIn),
                        orNull(options.stateOut),
                        options.describe,
                        options.json,
                        options.bench,
                        options.allowExtra};
  return check(loaded.run(loaded.user, request, &error));
}

bool Session::findEntry(const std::string &name, uint32_t &entry) {
  route_status status =
      route_module_entry(module, name.c_str(), &entry, &error);
  if (!status)
    return true;
  std::string list;
  std::vector<const char *> names;
  for (const route_entry_desc &item :
       table(desc().entries, desc().num_entries)) {
    list += (list.empty() ? "" : ", ") + std::string(item.name);
    names.push_back(item.name);
  }
  std::string message = error.message;
  return check(fail(&error, status, "%s; it has %.300s%.120s", message.c_str(),
                    list.c_str(), didYouMean(name, names).c_str()));
}

bool Session::tune() {
  uint32_t entry;
  return findEntry(options.entry, entry) &&
         check(tuneEntry(options, module, entry, &error));
}

/// State as `--state-out` writes it goes by the names of rows and members that
/// the file says; a file from elsewhere must have what the cells are.
bool Session::loadState() {
  if (options.stateIn.empty())
    return true;
  const char *path = options.stateIn.c_str();
  SafeTensors file;
  if (!check(file.open(path, &error)))
    return false;
  for (const FileTensor &tensor : file.tensors()) {
    uint32_t cell = 0;
    while (cell < desc().num_states && tensor.name != desc().states[cell].name)
      ++cell;
    if (cell == desc().num_states && file.metadata(tensor.name)) {
      noteState(tensor.name, "it is gone");
      continue;
    }
    if (cell == desc().num_states)
      return check(fail(&error, ROUTE_ERROR_NO_STATE,
                        "%.100s: the module has no state cell '%.100s'", path,
                        tensor.name.c_str()));
    const char *expected = safeTensorsType(desc().states[cell].type.element);
    if (tensor.type != expected && !file.metadata(tensor.name))
      return check(fail(&error, ROUTE_ERROR_NO_STATE,
                        "%.100s: state cell '%.100s' has type %s, expected %s",
                        path, tensor.name.c_str(), tensor.type.c_str(),
                        expected));
    const void *data = tensor.data;
    std::string carried;
    CellLayout saved, here = cellLayout(desc(), desc().states[cell]);
    if (const std::string *text = file.metadata(tensor.name)) {
      if (!readLayout(*text, saved) || !fitsLayout(tensor, saved))
        return check(fail(&error, ROUTE_ERROR_HEADER,
                          "%.100s: what the file says of state cell '%.100s' "
                          "does not fit it",
                          path, tensor.name.c_str()));
    } else {
      saved = here;
      if (!fitsLayout(tensor, here))
        return check(fail(&error, ROUTE_ERROR_NO_STATE,
                          "%.100s: state cell '%.100s' has another shape, "
                          "expected %.200s",
                          path, tensor.name.c_str(), printShape(here).c_str()));
    }
    if (saved != here) {
      bool moved;
      carried.resize(route_state_size(context, cell));
      if (!check(route_state_read(context, cell, carried.data(), carried.size(),
                                  &error)))
        return false;
      noteState(tensor.name,
                carryCell(saved, tensor.data, here, carried.data(), moved));
      if (!moved)
        continue;
      data = carried.data();
    }
    uint64_t size = carried.empty() ? tensor.size : carried.size();
    if (!check(route_state_write(context, cell, data, size, &error)))
      return false;
  }
  return true;
}

bool Session::saveState() {
  SafeTensorsWriter writer;
  for (uint32_t cell = 0; cell < desc().num_states; ++cell) {
    const route_state_desc &state = desc().states[cell];
    std::vector<int64_t> shape;
    for (uint32_t axis : table(state.axes, state.num_axes)) {
      const route_axis_desc &item = desc().axes[axis];
      shape.push_back(item.size >= 0 ? item.size : item.max_size);
    }
    std::string bytes(route_state_size(context, cell), '\0');
    if (!check(route_state_read(context, cell, bytes.data(), bytes.size(),
                                &error)))
      return false;
    writer.add(state.name, state.type.element, shape, bytes.data(),
               bytes.size());
    writer.note(state.name, writeLayout(cellLayout(desc(), state)));
  }
  return check(writer.write(options.stateOut.c_str(), &error));
}

bool Session::replay() {
  std::string trace;
  return check(readFile(options.replay.c_str(), uint64_t(1) << 32, trace,
                        &error)) &&
         check(route_replay(context, trace.data(), trace.size(), &error));
}
