// Reading, making and writing the calls of route-run.
// An entry with items is called once; one without, once for each record.
#include "Session.h"
#include "route/io/Files.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace route;

static bool endsWith(const std::string &text, const char *ending) {
  size_t size = strlen(ending);
  return text.size() >= size &&
         text.compare(text.size() - size, size, ending) == 0;
}

bool Session::readCalls(uint32_t entry, const std::vector<std::string> &files,
                        std::vector<std::unique_ptr<PreparedCall>> &calls) {
  const route_entry_desc &item = desc().entries[entry];
  std::string records;
  std::vector<RecordLines::Line> lines;
  const char *recordFile = nullptr;
  std::vector<std::pair<const char *, SafeTensors>> besides;
  ReadOptions read;
  read.allowExtra = options.allowExtra;
  for (const std::string &file : files) {
    if (endsWith(file, ".safetensors")) {
      SafeTensors &tensors =
          besides.emplace_back(file.c_str(), SafeTensors()).second;
      if (!check(tensors.open(file.c_str(), &error)))
        return false;
      for (const FileTensor &each : tensors.tensors())
        read.elsewhere.push_back(std::string(each.name));
      continue;
    }
    if (!endsWith(file, ".jsonl"))
      return check(fail(&error, ROUTE_ERROR_FILE,
                        "'%.300s' is neither .jsonl nor .safetensors",
                        file.c_str()));
    if (recordFile)
      return check(fail(&error, ROUTE_ERROR_RECORD,
                        "'%.200s' and '%.200s' are both records; give one file",
                        recordFile, file.c_str()));
    recordFile = file.c_str();
    if (!check(readFile(recordFile, uint64_t(1) << 32, records, &error)))
      return false;
    lines = RecordLines(records).lines;
  }
  bool perLine = recordFile && item.item_axis < 0;
  size_t count = perLine ? lines.size() : 1;
  for (size_t i = 0; i < count; ++i) {
    auto &call = calls.emplace_back(std::make_unique<PreparedCall>(item));
    if (recordFile) {
      read.label = recordFile;
      std::span<const RecordLines::Line> all(lines);
      if (!check(readRecords(desc(), item, perLine ? all.subspan(i, 1) : all,
                             read, call->inputs, &error)))
        return false;
    }
    for (const auto &[file, tensors] : besides) {
      read.label = file;
      if (!check(
              readTensors(desc(), item, tensors, read, call->inputs, &error)))
        return false;
    }
    for (uint64_t k = 0; recordFile && k < item.num_inputs; ++k)
      if (!call->inputs.values[k].given &&
          !recordsGive(desc(), item, item.inputs[k]))
        return check(fail(
            &error, ROUTE_ERROR_TENSOR_MISSING,
            "input '%.100s' is missing: the records do not tell it; give it in "
            "a .safetensors beside them",
            item.inputs[k].name));
  }
  return true;
}

bool Session::prepare(uint32_t entry, PreparedCall &prepared) {
  route_call &call = prepared.call;
  call.struct_size = sizeof(call);
  call.inputs = prepared.inputs.arguments();
  call.num_inputs = prepared.inputs.values.size();
  call.seed = options.seed;
  call.id = options.id;
  call.now = options.now;
  if (threads) {
    call.parallel_for = route_threads_run;
    call.pool = threads;
    call.workers = options.threads;
  }
  prepared.sizes.resize(desc().num_axes + 1);
  if (!check(route_call_sizes(context, entry, &call, prepared.sizes.data(),
                              &error)) ||
      !check(
          prepared.outputs.allocate(module, prepared.sizes.data(), &error)) ||
      !check(route_workspace_size(context, entry, prepared.sizes.data(),
                                  threads ? options.threads : 1,
                                  &call.workspace_size, &error)))
    return false;
  if (!prepared.workspace.allocate(call.workspace_size))
    return check(fail(&error, ROUTE_ERROR_MEMORY,
                      "out of memory for a workspace of %llu bytes",
                      static_cast<unsigned long long>(call.workspace_size)));
  call.workspace = prepared.workspace.get();
  call.outputs = prepared.outputs.arguments();
  call.num_outputs = prepared.outputs.values.size();
  return true;
}

bool Session::make(uint32_t entry, PreparedCall &prepared) {
  auto run = desc().entries[entry].kind == ROUTE_ENTRY_EVENT ? route_emit
                                                             : route_decide;
  return check(run(context, entry, &prepared.call, &error));
}

bool Session::runEntry() {
  if (!findEntry(options.entry, madeEntry))
    return false;
  if (desc().entries[madeEntry].kind == ROUTE_ENTRY_EVENT)
    return check(fail(&error, ROUTE_ERROR_ENTRY_KIND,
                      "'%.100s' is an event: use '--emit %.100s'",
                      options.entry.c_str(), options.entry.c_str()));
  if (!readCalls(madeEntry, options.inputs, made))
    return false;
  for (auto &call : made)
    if (!prepare(madeEntry, *call) || !make(madeEntry, *call))
      return false;
  if (!options.trace.empty() &&
      (made.empty() || !recordTrace(madeEntry, *made.back())))
    return false;
  if (options.bench && (made.empty() || !bench(madeEntry, *made.back())))
    return false;
  return (options.bench && options.outputs.empty()) || writeOutputs(madeEntry);
}

bool Session::recordTrace(uint32_t entry, PreparedCall &prepared) {
  std::string bytes;
  route_trace trace = {nullptr, 0, 0};
  prepared.call.trace = &trace;
  route_status status = route_decide(context, entry, &prepared.call, nullptr);
  if (status == ROUTE_ERROR_TRACE_SPACE) {
    bytes.resize(trace.size);
    trace = {bytes.data(), bytes.size(), 0};
  }
  bool good = check(route_decide(context, entry, &prepared.call, &error));
  prepared.call.trace = nullptr;
  return good && check(writeFile(options.trace.c_str(), bytes, &error));
}

bool Session::writeOutputs(uint32_t entry) {
  const route_entry_desc &item = desc().entries[entry];
  std::string path = options.outputs.empty() ? "-" : options.outputs;
  if (endsWith(path, ".safetensors")) {
    if (made.size() != 1)
      return check(fail(&error, ROUTE_ERROR_FILE,
                        "'%.200s' holds the outputs of one call, not of %zu",
                        path.c_str(), made.size()));
    SafeTensorsWriter writer;
    writeTensors(made[0]->outputs, writer);
    return check(writer.write(path.c_str(), &error));
  }
  if (path != "-" && !endsWith(path, ".jsonl"))
    return check(fail(&error, ROUTE_ERROR_FILE,
                      "'%.300s' is neither .jsonl nor .safetensors",
                      path.c_str()));
  std::string text;
  for (auto &call : made)
    writeRecords(desc(), item, call->outputs, call->sizes.data(), text);
  return check(writeFile(path.c_str(), text, &error));
}

/// Fills an event's inputs from the entry's outputs of the same name. False
/// where it needs one that these have not.
bool Session::handBack(uint32_t entry, PreparedCall &prepared) {
  const route_entry_desc &event = desc().entries[entry];
  if (made.empty())
    return true;
  const Values &outputs = made.back()->outputs;
  for (uint64_t i = 0; i < event.num_inputs; ++i) {
    const route_port_desc &port = event.inputs[i];
    bool found = port.initial || port.role == ROUTE_ROLE_ID ||
                 (port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN);
    for (size_t j = 0; j < outputs.values.size(); ++j)
      if (strcmp(port.name, outputs.ports[j].name) == 0) {
        prepared.inputs.values[i] = outputs.values[j];
        found = true;
      }
    if (!found)
      return check(fail(&error, ROUTE_ERROR_TENSOR_MISSING,
                        "'%.100s' takes '%.100s', which is no output of "
                        "'%.100s': give it in a file, '--emit %.100s=FILE'",
                        event.name, port.name, options.entry.c_str(),
                        event.name));
  }
  return true;
}

bool Session::emit(const RunOptions::Named &event) {
  uint32_t entry;
  if (!findEntry(event.name, entry))
    return false;
  const route_entry_desc &item = desc().entries[entry];
  if (item.kind != ROUTE_ENTRY_EVENT)
    return check(fail(&error, ROUTE_ERROR_ENTRY_KIND, "'%.100s' is no event",
                      event.name.c_str()));
  std::vector<std::unique_ptr<PreparedCall>> calls;
  if (event.file.empty()) {
    calls.push_back(std::make_unique<PreparedCall>(item));
    if (!handBack(entry, *calls.back()))
      return false;
  } else if (!readCalls(entry, {event.file}, calls)) {
    return false;
  }
  for (auto &call : calls)
    if (!prepare(entry, *call) || !make(entry, *call))
      return false;
  return true;
}

bool Session::bench(uint32_t entry, PreparedCall &prepared) {
  using Clock = std::chrono::steady_clock;
  auto once = [&] {
    auto begin = Clock::now();
    bool good = make(entry, prepared);
    auto end = Clock::now();
    return good ? std::chrono::duration<double, std::nano>(end - begin).count()
                : -1.0;
  };
  // Short calls are timed in groups, so that the clock does not count; long
  // ones (an interpreter's) take what a few samples take.
  auto start = Clock::now();
  auto spent = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double warm = once();
  for (int i = 0; i < 20 && warm >= 0 && spent() < 0.5; ++i)
    warm = std::min(warm, once());
  if (warm < 0)
    return false;
  int group = std::max(1, static_cast<int>(2000.0 / std::max(warm, 1.0)));
  std::vector<double> samples;
  start = Clock::now();
  while (samples.size() < 20000 && (samples.size() < 3 || spent() < 1 ||
                                    (samples.size() < 11 && spent() < 5))) {
    auto begin = Clock::now();
    for (int i = 0; i < group; ++i)
      if (!make(entry, prepared))
        return false;
    std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    samples.push_back(took.count() / group);
  }
  std::sort(samples.begin(), samples.end());
  const route_entry_desc &item = desc().entries[entry];
  int64_t items = item.item_axis < 0
                      ? 1
                      : prepared.sizes[static_cast<size_t>(item.item_axis)];
  double perItem = static_cast<double>(std::max<int64_t>(items, 1));
  auto at = [&](double share) {
    size_t last = samples.size() - 1;
    return samples[static_cast<size_t>(share * static_cast<double>(last))] /
           perItem;
  };
  const char *variant = route_context_variant(context, entry);
  printf(
      "%s: %lld items a call, %zu samples of %d calls, %lld threads, variant "
      "%s\n",
      item.name, static_cast<long long>(items), samples.size(), group,
      static_cast<long long>(options.threads),
      options.interpret ? "interpreter"
      : variant         ? variant
                        : "none");
  printf("ns an item: median %.1f, p10 %.1f, p90 %.1f\n", at(0.5), at(0.1),
         at(0.9));
  printf("items a second: %.3g\n", 1e9 / at(0.5));
  return true;
}
