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

# A static library of the compiler side. It sees MLIR's headers; the dylibs
# libMLIR and libLLVM come in once, at the executable, so nothing here pulls in
# LLVM's static archives.
#   route_add_library(NAME sources... LINK libs... DEPENDS tablegen-targets...
#                     [EXCEPTIONS])
function(route_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  route_common_options(${name})
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/compiler/include ${PROJECT_BINARY_DIR}/compiler/include
    ${PROJECT_SOURCE_DIR}/dialects/include ${PROJECT_BINARY_DIR}/dialects/include
    ${PROJECT_SOURCE_DIR}/runtime/include)
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
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
