# Targets of this project: thin wrappers that keep flags in one place.

set(ROUTE_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-comment)
set(ROUTE_SANITIZE_FLAGS "")
foreach(sanitizer IN LISTS ROUTE_SANITIZE)
  list(APPEND ROUTE_SANITIZE_FLAGS "-fsanitize=${sanitizer}")
endforeach()
if(ROUTE_SANITIZE_FLAGS)
  list(APPEND ROUTE_SANITIZE_FLAGS -fno-omit-frame-pointer -g)
endif()

# Applies warnings and sanitizers to TARGET.
function(route_common_options target)
  target_compile_options(${target} PRIVATE ${ROUTE_WARNINGS} ${ROUTE_SANITIZE_FLAGS})
  target_link_options(${target} PRIVATE ${ROUTE_SANITIZE_FLAGS})
endfunction()

# Precompiled headers: MLIR's take several times as long to read as most files
# here to compile. A library says what it reads: `HEADERS IR` (the default),
# `HEADERS Tensor`, or `HEADERS none`; cmake/Headers has the lists. They hold
# nothing of this project, so what ccache keeps serves every checkout; the sum
# beside a precompiled header stands for its contents (pch_external_checksum).
# CMake's own precompiled headers put absolute paths into every command, which
# no cache can share.
function(route_add_precompiled_headers name)
  set(_header "${PROJECT_SOURCE_DIR}/cmake/Headers/${name}.h")
  set(_pch "${PROJECT_BINARY_DIR}/headers/${name}.pch")
  file(GLOB _headers "${PROJECT_SOURCE_DIR}/cmake/Headers/*.h")
  set(_flags ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE} -std=c++20 -fPIC -fno-exceptions ${ROUTE_SANITIZE_FLAGS})
  separate_arguments(_flags)
  set(_includes ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  list(REMOVE_DUPLICATES _includes)
  list(TRANSFORM _includes PREPEND -isystem)
  add_custom_command(OUTPUT "${_pch}" DEPENDS ${_headers} VERBATIM
    COMMENT "Precompiling cmake/Headers/${name}.h"
    COMMAND ${CMAKE_CXX_COMPILER} ${_flags} ${_includes} -x c++-header -Xclang -fno-pch-timestamp
      -fpch-instantiate-templates "${_header}" -o "${_pch}")
  add_custom_target(route-headers-${name} DEPENDS "${_pch}")
  set(_sum "${name} ${CMAKE_CXX_COMPILER_VERSION} ${LLVM_PACKAGE_VERSION} ${_flags}")
  foreach(_file IN LISTS _headers)
    file(MD5 "${_file}" _md5)
    string(APPEND _sum " ${_md5}")
  endforeach()
  file(CONFIGURE OUTPUT "${_pch}.sum" CONTENT "${_sum}")
endfunction()

# Lets TARGET use one of the precompiled headers; an empty name means IR.
function(route_use_headers target name)
  if(NOT name)
    set(name IR)
  endif()
  if(NOT name STREQUAL "none")
    set(_pch "${PROJECT_BINARY_DIR}/headers/${name}.pch")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include-pch ${_pch}>")
    get_target_property(_sources ${target} SOURCES)
    set_property(SOURCE ${_sources} APPEND PROPERTY OBJECT_DEPENDS "${_pch}")
    add_dependencies(${target} route-headers-${name})
  endif()
endfunction()

# A static library of the compiler side. It sees MLIR's headers; the dylibs
# libMLIR and libLLVM come in once, at the executable, so nothing here pulls in
# LLVM's static archives.
#   route_add_library(NAME sources... LINK libs... DEPENDS tablegen-targets...
#                     [HEADERS IR|Tensor|none] [EXCEPTIONS])
function(route_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "HEADERS" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  route_common_options(${name})
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/compiler/include ${PROJECT_BINARY_DIR}/compiler/include
    ${PROJECT_SOURCE_DIR}/dialects/include ${PROJECT_BINARY_DIR}/dialects/include
    ${PROJECT_SOURCE_DIR}/runtime/include)
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
    route_use_headers(${name} "${ARG_HEADERS}")
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# An executable of the compiler side.
#   route_add_tool(NAME sources... LINK libs...)
function(route_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  route_common_options(${name})
  target_compile_options(${name} PRIVATE -fno-exceptions)
  target_compile_definitions(${name} PRIVATE ROUTE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
endfunction()

# TableGen for one dialect living in route/Dialect/<Name>/IR: the named .td file
# yields <stem>.h.inc and <stem>.cpp.inc by the given generators.
#   route_tablegen(STEM.td TARGET gen1 gen2 ...) with each gen "-gen-x:suffix"
macro(route_tablegen td target)
  set(LLVM_TARGET_DEFINITIONS ${td})
  get_filename_component(_stem ${td} NAME_WE)
  foreach(_spec ${ARGN})
    string(REGEX MATCH "^([^:]*):(.*)$" _ "${_spec}")
    string(REPLACE "," ";" _flags "${CMAKE_MATCH_1}")
    mlir_tablegen(${_stem}${CMAKE_MATCH_2} ${_flags})
  endforeach()
  add_public_tablegen_target(${target})
endmacro()
