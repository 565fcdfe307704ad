// Mangled names on stdin, readable ones on stdout; what is none comes back as it is.
#include "symbolize/demangle.hpp"

#include <cstdio>
#include <iostream>
#include <string>

int main() {
  std::string output;
  for (std::string line; std::getline(std::cin, line);)
    std::puts((profcore::demangle(line, output) ? output : line).c_str());
  return 0;
}
