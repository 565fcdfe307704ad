#include "symbolize/demangle.hpp"

#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace profcore;

namespace {
std::string demangled(std::string_view mangled) {
  std::string output;
  return demangle(mangled, output) ? output : "-";
}
} // namespace

TEST_CASE("C++ names") {
  CHECK(demangled("_ZN3foo3barEi") == "foo::bar(int)");
  CHECK(demangled("_ZNSt6vectorIiSaIiEE9push_backERKi") ==
        "std::vector<int, std::allocator<int> >::push_back(int const&)");
  CHECK(demangled("_Z3fooPFivE") == "foo(int (*)())");
  CHECK(demangled("_ZN3foo3barEi.cold") == "foo::bar(int) [clone .cold]");
  for (const char *no : {"", "_", "_Z", "main", "_ZN", "_Z3fo", "printf", "_ZN3foo3barEi$$$"})
    CHECK(demangled(no) == "-");
}

TEST_CASE("Rust's legacy names") {
  CHECK(demangled("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE") == "core::fmt::Formatter::pad");
  CHECK(demangled("_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt"
                  "17h0123456789abcdefE") == "<alloc::string::String as core::fmt::Display>::fmt");
  CHECK(demangled("_ZN3foo17h0123456789abcdefE.llvm.123456") == "foo");
  CHECK(demangled("_ZN3foo11$u3bb$$RF$$17h0123456789abcdefE") == "foo::\xce\xbb&$");
  // Without a hash it is C++.
  CHECK(demangled("_ZN3foo3barE") == "foo::bar");
}

TEST_CASE("Rust's v0 names") {
  CHECK(demangled("_RNvC7mycrate3foo") == "mycrate::foo");
  CHECK(demangled("_RNvCs4fqI2P2rA04_7mycrate3foo") == "mycrate::foo");
  CHECK(demangled("_RINvC7mycrate3fooxE") == "mycrate::foo::<i64>");
  CHECK(demangled("_RNCNvC7mycrate3foo0") == "mycrate::foo::{closure#0}");
  CHECK(demangled("_RNCNvC7mycrate3foos_0") == "mycrate::foo::{closure#1}");
  CHECK(demangled("_RNvXC7mycrateNtB2_3BarNtB2_3Baz3qux") == "<mycrate::Bar as mycrate::Baz>::qux");
  CHECK(demangled("_RINvC1c1fRShQDNtC1c5TraitEL_E") == "c::f::<&[u8], &mut dyn c::Trait>");
  CHECK(demangled("_RINvC1c1fAhj4_TmETEFUKCPhOtEuE") ==
        "c::f::<[u8; 4], (u32,), (), unsafe extern \"C\" fn(*const u8, *mut u16)>");
  CHECK(demangled("_RINvC1c1fFG_RL0_hEuE") == "c::f::<for<'a> fn(&'a u8)>");
  CHECK(demangled("_RINvC1c1fKb1_Kc27_Kan5_E") == "c::f::<true, '\\'', -5>");
  CHECK(demangled("_RNvC1cu8gdel_5qa") == "c::g\xc3\xb6"
                                          "del");
  CHECK(demangled("_RNvC7mycrate3foo.llvm.123") == "mycrate::foo");
  for (const char *no :
       {"_R", "_RN", "_RNvC7mycrate9foo", "_R1NvC1c1f", "_RB_", "_RNvC1c1fgarbage"})
    CHECK(demangled(no) == "-");
}

TEST_CASE("names made to blow up do not") {
  // Each part is a pair of the one before: 2^n.
  std::string bomb = "_Z1fSt4pairIiiE";
  for (char digit = '0'; digit <= '9'; ++digit) {
    const std::string last{'S', digit, '_'};
    bomb += "St4pairI" + last + last + "E";
  }
  CHECK(estimate_cpp_length(bomb) > 1000);
  CHECK(demangled(bomb).size() < (size_t{64} << 10));

  std::string wide = "_Z1fSt4pairIiiE";
  for (char letter = 'A'; letter <= 'Z'; ++letter)
    for (int i = 0; i < 4; ++i) wide += std::string{'S', letter, '_'};
  CHECK(demangled(wide) == "-");

  std::string rust = "_RINvC1c1f";
  rust += "T";
  for (int i = 0; i < 8; ++i) rust += "h";
  rust += "E";
  const char *digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  size_t at = 8;
  for (int level = 0; level < 12; ++level) {
    const size_t own = rust.size() - 2;
    std::string ref = "B";
    if (at > 0) {
      const size_t number = at - 1;
      if (number >= 62) ref += digits[number / 62];
      ref += digits[number % 62];
    }
    ref += "_";
    rust += "T";
    for (int i = 0; i < 8; ++i) rust += ref;
    rust += "E";
    at = own;
  }
  rust += "E";
  CHECK(demangled(rust) == "-");
  std::string nested = "_RINvC1c1f";
  for (int i = 0; i < 4000; ++i) nested += "R";
  CHECK(demangled(nested + "hE") == "-");
}

TEST_CASE("damaged names are refused or read, never more") {
  const std::vector<std::string> good = {
      "_ZNSt6vectorIiSaIiEE9push_backERKi",
      "_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE",
      "_RINvNtC4core3fmt5writeDNtB2_5WriteEL_NCNvC1c4main0FG_RL0_hEuKj7_E"};
  std::mt19937_64 random{1};
  std::string output;
  for (int round = 0; round < 60000; ++round) {
    std::string name = good[random() % good.size()];
    for (uint64_t i = 0; i <= random() % 4; ++i)
      name[random() % name.size()] = "_BNIECLSTRKxz09s$.u"[random() % 19];
    if (random() % 3 == 0) name.resize(random() % name.size());
    if (demangle(name, output)) REQUIRE(output.size() <= kLongestDemangled);
  }
}
