#include "sources/decode/collapsed_text.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace profcore;
using Kind = CollapsedCount::Kind;

TEST_CASE("marks at the end of a frame become its kind") {
  const auto kernel = parse_collapsed_frame("sys_read_[k]");
  CHECK(kernel.name == "sys_read");
  CHECK(kernel.kind == FrameKind::kKernel);
  CHECK(parse_collapsed_frame("Foo.bar_[j]").kind == FrameKind::kJavaCompiled);
  CHECK(parse_collapsed_frame("Foo.bar_[1]").kind == FrameKind::kJavaCompiled);
  CHECK(parse_collapsed_frame("Foo.bar_[0]").kind == FrameKind::kJavaInterpreted);
  CHECK(parse_collapsed_frame("java/lang/String.indexOf_[i]").kind == FrameKind::kJavaInlined);
  CHECK(parse_collapsed_frame("std::get<1>_[i]").kind == FrameKind::kInlined);
  for (const char *plain : {"_[k]", "foo_[x]", "foo[k]", "[unknown]", "foo_[k"}) {
    const auto frame = parse_collapsed_frame(plain);
    CHECK(frame.name == plain);
    CHECK(frame.kind == FrameKind::kUnknown);
  }
}

TEST_CASE("py-spy's file and line") {
  const auto frame = parse_collapsed_frame("<module> (app/my file.py:12)");
  CHECK(frame.name == "<module>");
  CHECK(frame.file == "app/my file.py");
  CHECK(frame.line == 12);
  CHECK(frame.kind == FrameKind::kPython);
  const auto frozen = parse_collapsed_frame("_find (<frozen importlib._bootstrap>:241)");
  CHECK(frozen.name == "_find");
  CHECK(frozen.kind == FrameKind::kPython);
  const auto no_line = parse_collapsed_frame("f (x.py)");
  CHECK(no_line.file == "x.py");
  CHECK(no_line.line == 0);
  for (const char *plain : {"operator() (int)", "f(a.py:1)", " (a.py:1)", "f (:1)", "f (a:)",
                            "f (a.c:99999999999999999999)"})
    CHECK(parse_collapsed_frame(plain).name == plain);
}

TEST_CASE("processes, threads and modules") {
  for (const char *text : {"process 12:\"python x.py (a)\"", "[p] nginx"})
    CHECK(parse_collapsed_frame(text).kind == FrameKind::kProcess);
  for (const char *text :
       {"thread (0x7F0C)", "thread 77 (MainThread)", "[main tid=42]", "[t] io"}) {
    CHECK(parse_collapsed_frame(text).kind == FrameKind::kThread);
    CHECK(parse_collapsed_frame(text).name == text);
  }
  for (const char *text : {"process 12", "thread pool", "[tid=]", "[x tid=a]", "process :\"x\""})
    CHECK(parse_collapsed_frame(text).kind == FrameKind::kUnknown);

  CHECK(parse_collapsed_frame("[k] vfs_read").kind == FrameKind::kKernel);
  CHECK(parse_collapsed_frame("[l] malloc").kind == FrameKind::kLibrary);
  CHECK(parse_collapsed_frame("[c] cuLaunchKernel").kind == FrameKind::kGpu);
  CHECK(parse_collapsed_frame("[k] vfs_read").name == "[k] vfs_read");
  CHECK(parse_collapsed_frame("[/usr/lib/libc.so.6]").kind == FrameKind::kUnknown);

  const auto frame = parse_collapsed_frame("genunix`as_fault+0x36a");
  CHECK(frame.module == "genunix");
  CHECK(frame.name == "as_fault+0x36a");
  for (const char *text :
       {"`x", "x`", "a`b`c", "(template `x)`y", "System.List`1.Add(!0)", "Tuple`2"})
    CHECK(parse_collapsed_frame(text).name == text);
  CHECK(parse_collapsed_frame("").name == "[empty]");
}

TEST_CASE("counts") {
  const auto integer = [](std::string_view text) {
    const CollapsedCount count = parse_collapsed_count(text);
    CHECK_MESSAGE(count.kind == Kind::kInteger, std::string{text});
    return count.integer;
  };
  CHECK(integer("0") == 0);
  CHECK(integer("+7") == 7);
  CHECK(integer("-12") == -12);
  CHECK(integer("3.") == 3);
  CHECK(integer("3.000") == 3);
  CHECK(integer("1,234,567") == 1'234'567);
  CHECK(integer("9223372036854775807") == INT64_MAX);
  CHECK(integer("-9223372036854775808") == INT64_MIN);
  CHECK(parse_collapsed_count("9223372036854775808").kind == Kind::kTooLarge);
  CHECK(parse_collapsed_count("9223372036854775808").integer == INT64_MAX);
  CHECK(parse_collapsed_count("-99999999999999999999999").integer == INT64_MIN);
  CHECK(parse_collapsed_count("14.25").fraction == 14.25);
  CHECK(parse_collapsed_count("-.5").fraction == -0.5);
  CHECK(parse_collapsed_count("1,000.5").fraction == 1000.5);
  CHECK(parse_collapsed_count("1.5e3").fraction == 1500);
  CHECK(parse_collapsed_count("1e999").kind == Kind::kTooLarge);
  CHECK(parse_collapsed_count("-1e999").integer == INT64_MIN);
  CHECK(parse_collapsed_count("1e-999").fraction == 0);
  for (const char *none : {"", "-", ".", "x", "1x", "0x10", "1,23", "1,2345", ",1", "12V.43", "nan",
                           "inf", "1e", "--1", "1..2", "1.2.3", "1,234,", "1 2"})
    CHECK_MESSAGE(parse_collapsed_count(none).kind == Kind::kNone, none);
}

TEST_CASE("the last word of a line is its count") {
  std::string_view line = "a b;c d \t 12 \t";
  CHECK(take_collapsed_count(line).integer == 12);
  CHECK(line == "a b;c d");
  line = "12";
  CHECK(take_collapsed_count(line).kind == Kind::kNone);
  CHECK(line == "12");
  line = " 12";
  CHECK(take_collapsed_count(line).integer == 12);
  CHECK(line.empty());
}
