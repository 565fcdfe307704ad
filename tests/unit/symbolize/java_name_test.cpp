#include "symbolize/java_name.hpp"

#include <doctest/doctest.h>

using namespace profcore;

namespace {

std::string shown(std::string_view raw) {
  std::string name = "untouched";
  const bool is_method = java_method_name(raw, name);
  CHECK(is_method == (java_frame_kind(raw) == FrameKind::kJavaCompiled));
  CHECK(is_method == (name != "untouched"));
  return name;
}

} // namespace

TEST_CASE("methods as HotSpot writes them") {
  CHECK(shown("void Spin.leaf(int)") == "Spin.leaf");
  CHECK(shown("void java.lang.Object.<init>()") == "java.lang.Object.<init>");
  CHECK(shown("java.lang.Object jdk.internal.misc.Unsafe.getReferenceVolatile(java.lang.Object, "
              "long)") == "jdk.internal.misc.Unsafe.getReferenceVolatile");
  CHECK(shown("char[][] com.x.Y$Inner.of(int[], java.lang.String[])") == "com.x.Y$Inner.of");
  CHECK(shown("void Spin$$Lambda$14/0x0000000800c03200.run()") == "Spin$$Lambda$14.run");
  CHECK(shown("void Spin$$Lambda/0x00007f8a1c000a00.run()") == "Spin$$Lambda.run");
  CHECK(shown("void a.B$$Lambda+0x00007f8a1c000a00.accept(a.C$$Lambda+0x1)") ==
        "a.B$$Lambda.accept");
  CHECK(shown("scala.Option a.B$.apply$mcV$sp(a.C$D)") == "a.B$.apply$mcV$sp");
  CHECK(shown("void été.Maître.début()") == "été.Maître.début");
}

TEST_CASE("methods as perf-map-agent writes them") {
  CHECK(shown("Lcom/x/Y;::method") == "com.x.Y.method");
  CHECK(shown("Lcom/x/Y;::method(ILjava/lang/String;)V") == "com.x.Y.method");
  CHECK(shown("LSpin;::<clinit>") == "Spin.<clinit>");
}

TEST_CASE("what is no Java method stays as it is") {
  for (const char *raw : {"",
                          " ",
                          "(",
                          ")",
                          "()",
                          "I2C/C2I adapters",
                          "StubRoutines (1)",
                          "VM_Version stub",
                          "flush_icache_stub",
                          "LazyCompile:*level /home/a/x.js:1:2",
                          "Function:~foo (native)",
                          "a b()",
                          "void ()",
                          "void .x()",
                          "void x.()",
                          "void a b.c()",
                          "L;::x",
                          "Lx;::",
                          "L;::",
                          "Lx::y;",
                          "void [System] A.B::C(int32)",
                          "instance void A.B(int)",
                          "int f(int)",
                          "py::f:/a/b.py",
                          "_ZN3foo3barEv",
                          "void a.b(int",
                          "fn a.b(x) -> y",
                          "<T> void a.b()"})
    CHECK(shown(raw) == "untouched");
  CHECK(java_frame_kind("Interpreter") == FrameKind::kJavaInterpreted);
  CHECK(java_frame_kind("Interpreters") == FrameKind::kUser);
}
