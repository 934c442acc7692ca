# Fails when an include goes the wrong way:  rl <- envs <- agents <- distill.
#
#   cmake -D SOURCE_DIR=<root> -P layering_test.cmake
#
# A folder may include itself and what stands to its left. distill/methods and distill/registry.cc,
# the pages that say what a method is, reach no LibTorch header, not even through ours.
cmake_minimum_required(VERSION 3.25)

set(layers rl envs agents distill)
set(wrong 0)

# read_includes(FILE VARIABLE): a list of "line|quote|header", the quote being " or <.
function(read_includes file variable)
  file(READ ${SOURCE_DIR}/${file} text)
  # One list element per line: what separates or groups elements of CMake's lists is blanked.
  string(REGEX REPLACE "[][;\\]" " " text "${text}")
  string(REPLACE "\n" ";" lines "${text}")
  set(includes "")
  set(number 0)
  foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    if(line MATCHES "^[ \t]*#[ \t]*include[ \t]*([\"<])([^\">]+)[\">]")
      list(APPEND includes "${number}|${CMAKE_MATCH_1}|${CMAKE_MATCH_2}")
    endif()
  endforeach()
  set(${variable} "${includes}" PARENT_SCOPE)
endfunction()

# find_torch(FILE SEEN VARIABLE): the LibTorch headers that FILE reaches, each with where it stands.
function(find_torch file seen variable)
  set(found "")
  list(APPEND seen ${file})
  read_includes(${file} includes)
  foreach(include IN LISTS includes)
    string(REPLACE "|" ";" include "${include}")
    list(GET include 0 number)
    list(GET include 2 header)
    if(header MATCHES "^(torch|ATen|c10)/")
      list(APPEND found "${file}:${number}: <${header}>")
    elseif(EXISTS ${SOURCE_DIR}/${header} AND NOT header IN_LIST seen)
      find_torch(${header} "${seen}" deeper)
      list(APPEND found ${deeper})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${variable} "${found}" PARENT_SCOPE)
endfunction()

foreach(layer IN LISTS layers)
  list(FIND layers ${layer} rank)
  file(GLOB_RECURSE sources RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/${layer}/*.h
    ${SOURCE_DIR}/${layer}/*.cc)
  foreach(source IN LISTS sources)
    read_includes(${source} includes)
    foreach(include IN LISTS includes)
      string(REPLACE "|" ";" include "${include}")
      list(GET include 0 number)
      list(GET include 1 quote)
      list(GET include 2 header)
      string(REGEX REPLACE "/.*" "" folder ${header})
      list(FIND layers ${folder} target)
      if(quote STREQUAL "\"" AND (target EQUAL -1 OR target GREATER rank))
        message(NOTICE "${source}:${number}: ${layer} may not include \"${header}\"")
        math(EXPR wrong "${wrong} + 1")
      endif()
    endforeach()
    if(source MATCHES "^distill/(methods/|registry\\.cc$)")
      find_torch(${source} "" found)
      foreach(place IN LISTS found)
        message(NOTICE "${place} reaches ${source}, which is written without LibTorch")
        math(EXPR wrong "${wrong} + 1")
      endforeach()
    endif()
  endforeach()
endforeach()

if(wrong)
  message(FATAL_ERROR "${wrong} includes go the wrong way in rl <- envs <- agents <- distill")
endif()
