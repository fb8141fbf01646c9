// Writes a library's objects as a shared object, an archive or one object.
#include "route/Library/Library.h"
#include "route/route.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

/// Runs the linker on the objects; its errors are the caller's.
static std::string link(llvm::ArrayRef<ObjectFile> objects,
                        llvm::StringRef path, bool relocatable) {
  llvm::ErrorOr<std::string> linker =
      std::make_error_code(std::errc::no_such_file_or_directory);
  for (llvm::StringRef name : {"ld.lld-22", "ld.lld", "ld"})
    if ((linker = llvm::sys::findProgramByName(name)))
      break;
  if (!linker)
    return "no linker found: install lld-22, or write a .a instead";
  llvm::SmallVector<std::string> files;
  llvm::scope_exit cleanup([&] {
    for (const std::string &file : files)
      llvm::sys::fs::remove(file);
  });
  for (const ObjectFile &object : objects) {
    llvm::SmallString<128> file;
    int handle;
    if (std::error_code error =
            llvm::sys::fs::createTemporaryFile("routec", "o", handle, file))
      return "cannot write a temporary file: " + error.message();
    files.push_back(file.str().str());
    llvm::raw_fd_ostream stream(handle, /*shouldClose=*/true);
    stream.write(object.bytes.data(), object.bytes.size());
  }
  llvm::SmallString<128> messages;
  if (std::error_code error =
          llvm::sys::fs::createTemporaryFile("routec", "txt", messages))
    return "cannot write a temporary file: " + error.message();
  files.push_back(messages.str().str());
  llvm::SmallVector<llvm::StringRef> arguments = {*linker};
  if (relocatable)
    arguments.push_back("-r");
  else
    llvm::append_range(arguments, llvm::ArrayRef<llvm::StringRef>{
                                      "-shared", "--no-undefined", "-z",
                                      "noexecstack", "--gc-sections", "-s"});
  llvm::append_range(arguments, llvm::ArrayRef<llvm::StringRef>{"-o", path});
  for (unsigned i = 0; i + 1 < files.size(); ++i)
    arguments.push_back(files[i]);
  if (!relocatable)
    arguments.push_back("-lc");
  // Where the C library lives differs from system to system.
  for (llvm::StringRef directory :
       {"-L/lib/x86_64-linux-gnu", "-L/usr/lib/x86_64-linux-gnu",
        "-L/usr/lib64", "-L/lib64", "-L/usr/lib"})
    if (!relocatable)
      arguments.push_back(directory);
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, messages.str(),
                                                messages.str()};
  std::string failure;
  if (llvm::sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0,
                                0, &failure) == 0)
    return "";
  auto said = llvm::MemoryBuffer::getFile(messages);
  return "the linker failed: " + (failure.empty() && said
                                      ? (*said)->getBuffer().trim().str()
                                      : failure);
}

static std::string archive(llvm::ArrayRef<ObjectFile> objects,
                           llvm::StringRef path) {
  std::vector<llvm::NewArchiveMember> members;
  for (const ObjectFile &object : objects) {
    members.emplace_back(llvm::MemoryBufferRef(
        llvm::StringRef(object.bytes.data(), object.bytes.size()),
        object.name));
  }
  llvm::Error error = llvm::writeArchive(
      path, members, llvm::SymtabWritingMode::NormalSymtab,
      llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  return error ? llvm::toString(std::move(error)) : "";
}

std::string route::findMissing(llvm::ArrayRef<ObjectFile> objects) {
  // What copies and fills memory code generators take to be there; functions
  // that pack parameters allocate.
  llvm::StringSet<> defined = {"memcpy", "memmove", "memset", "memcmp",
                               "bcmp",   "malloc",  "free"};
  std::vector<std::string> wanted;
  for (const ObjectFile &object : objects) {
    auto read = llvm::object::ObjectFile::createObjectFile(
        {llvm::StringRef(object.bytes.data(), object.bytes.size()),
         object.name});
    if (!read) {
      llvm::consumeError(read.takeError());
      return object.name;
    }
    for (const llvm::object::SymbolRef &symbol : (*read)->symbols()) {
      llvm::Expected<llvm::StringRef> name = symbol.getName();
      llvm::Expected<uint32_t> flags = symbol.getFlags();
      if (!name || !flags) {
        llvm::consumeError(name.takeError());
        llvm::consumeError(flags.takeError());
        return object.name;
      }
      if (!(*flags & llvm::object::SymbolRef::SF_Undefined))
        defined.insert(*name);
      else if (!name->empty())
        wanted.push_back(name->str());
    }
  }
  for (const std::string &name : wanted)
    if (!defined.contains(name))
      return name;
  return "";
}

std::string route::writeLibrary(llvm::ArrayRef<ObjectFile> objects,
                                llvm::StringRef path) {
  llvm::StringRef extension = llvm::sys::path::extension(path);
  if (extension == ".a")
    return archive(objects, path);
  if (extension == ".so" || extension == ".o")
    return link(objects, path, extension == ".o");
  return "cannot tell what to write from '" + path.str() +
         "': expected a name ending in .so, .a or .o";
}

std::string route::whyNotLoadable(llvm::ArrayRef<ObjectFile> objects,
                                  llvm::StringRef path) {
  llvm::SmallString<128> linked(path);
  if (llvm::sys::path::extension(path) != ".so") {
    if (llvm::sys::fs::createTemporaryFile("routec", "so", linked) ||
        !link(objects, linked, /*relocatable=*/false).empty())
      return "";
  }
  llvm::scope_exit cleanup([&] {
    if (linked != path)
      llvm::sys::fs::remove(linked);
  });
  route_module *module = nullptr;
  route_error error = {};
  route_status status = route_module_load(linked.c_str(), &module, &error);
  route_module_release(module);
  // What this machine's processor lacks another has.
  return status == ROUTE_OK || status == ROUTE_ERROR_CPU ? "" : error.message;
}
