# Writes OUTPUT, C++ with one array of bytes for each file of INPUTS, named after
# it with a small first letter.
set(text "")
foreach(input IN LISTS INPUTS)
  get_filename_component(stem ${input} NAME_WE)
  string(SUBSTRING ${stem} 0 1 first)
  string(SUBSTRING ${stem} 1 -1 rest)
  string(TOLOWER ${first} first)
  file(READ ${input} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND text "alignas(16) const unsigned char ${first}${rest}[] = {${bytes}};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
