#pragma once

#include "model/profile.hpp"

#include <initializer_list>
#include <string_view>
#include <vector>

namespace profcore::test {

/// Adds functions, locations and samples to a profile in few words.
class SampleProfile {
public:
  Profile profile;

  SampleProfile() {
    profile.add_sample_type("samples", "count");
    profile.add_sample_type("cpu", "milliseconds");
    profile.meta.time_ns = 1'700'000'000'000'000'000;
    profile.meta.duration_ns = 10'000'000'000;
    profile.meta.period_type = profile.intern("cpu");
    profile.meta.period_unit = profile.intern("milliseconds");
    profile.meta.period = 10;
    profile.meta.host = profile.intern("host-1");
    profile.meta.command = profile.intern("server --name='<a&b>'");
    profile.meta.frequency_hz = 100;
    profile.meta.lost_samples = 3;
    profile.meta.comments = {profile.intern("a comment")};
    Module server;
    server.path = profile.intern("/usr/bin/server");
    server.build_id = profile.intern("0123456789abcdef");
    server.start = 0x400000;
    server.end = 0x500000;
    server.offset = 0x1000;
    server_ = profile.add_module(server);
    Module kernel;
    kernel.path = profile.intern("[kernel.kallsyms]");
    kernel.start = 0xffffffff81000000;
    kernel.end = UINT64_MAX;
    kernel_ = profile.add_module(kernel);
  }

  LocationId user(std::string_view name, std::string_view file = {}, int64_t line = 0) {
    const Line at{function(name, file, line), 0, line + 1, 0};
    return add(server_, FrameKind::kUser, UnnamedReason::kNone, {&at, 1});
  }
  LocationId kernel(std::string_view name) {
    const Line at{function(name, {}, 0), 0, 0, 0};
    return add(kernel_, FrameKind::kKernel, UnnamedReason::kNone, {&at, 1});
  }
  /// Innermost first.
  LocationId inlined(std::initializer_list<std::string_view> names) {
    std::vector<Line> lines;
    for (const std::string_view name : names)
      lines.push_back({function(name, "inline.h", 5), 0, 7, 3});
    return add(server_, FrameKind::kUser, UnnamedReason::kNone, lines);
  }
  LocationId unnamed() { return add(server_, FrameKind::kUser, UnnamedReason::kNoSymbols, {}); }
  LocationId unmapped() { return add(0, FrameKind::kUnknown, UnnamedReason::kNoModule, {}); }

  LabelSetId labels(std::string_view thread, int64_t bytes) {
    const std::vector<Label> set = {{profile.intern("thread"), profile.intern(thread), 0, 0, 0},
                                    {profile.intern("size"), 0, profile.intern("bytes"), 1, bytes}};
    return profile.add_label_set(set);
  }
  /// Root first; each sample stands for 10 ms of CPU.
  void sample(const std::vector<LocationId> &path, int64_t count, LabelSetId labels = 0) {
    const std::vector<int64_t> values = {count, count * 10'000'000};
    profile.add_sample(profile.stacks.add_root_first(path), labels, values);
  }

private:
  FunctionId function(std::string_view name, std::string_view file, int64_t line) {
    Function added;
    added.name = profile.intern(name);
    added.file = profile.intern(file);
    added.start_line = line;
    return profile.add_function(added);
  }
  LocationId add(ModuleId module, FrameKind kind, UnnamedReason reason,
                 std::span<const Line> lines) {
    Location location;
    location.module = module;
    location.address = (module == 0 ? 0x7fff0000 : profile.modules()[module].start) + next_;
    location.kind = kind;
    location.reason = reason;
    next_ += 0x10;
    return profile.add_location(location, lines);
  }

  ModuleId server_ = 0;
  ModuleId kernel_ = 0;
  uint64_t next_ = 0x10;
};

/// The two sides of a diff: `is_after` changes some values, adds a stack and drops one.
inline Profile make_sample_profile(bool is_after) {
  SampleProfile make;
  const LocationId main = make.user("main", "src/main.c", 10);
  const LocationId serve = make.user("serve(request const&)", "src/serve.cc", 42);
  const LocationId copy = make.inlined({"memcpy", "std::copy<char*>", "append"});
  const LocationId read = make.kernel("ksys_read");
  const LocationId copy_user = make.kernel("copy_user_generic");
  const LocationId unnamed = make.unnamed();
  const LocationId unmapped = make.unmapped();
  const LabelSetId first = make.labels("worker 1", 4096);
  const LabelSetId second = make.labels("worker \"2\"", -1);
  make.sample({main}, 1);
  make.sample({main, serve}, is_after ? 9 : 4, first);
  make.sample({main, serve, copy}, 20, first);
  make.sample({main, serve, copy}, 5, second);
  make.sample({main, serve, read, copy_user}, is_after ? 8 : 16, second);
  make.sample({main, serve, serve, unnamed}, 7);
  make.sample({main, unmapped}, 3);
  make.sample({main, make.user("</script><script>alert(1)</script>")}, 2);
  make.sample({main, make.user("quote\" & 'apostrophe' <tag> \\")}, 2);
  make.sample({main, make.user("control\x01\n\t\x1b[31m\x7f")}, 2);
  make.sample({main, make.user("not utf-8 \xff\xc3(\xed\xa0\x80")}, 2);
  make.sample({main, make.user("a;b;c")}, 2);
  make.sample({main, make.user("\xe6\xbc\xa2\xe5\xad\x97 and \xe2\x80\xaeoverride")}, 2);
  make.sample({}, 1);
  if (is_after)
    make.sample({main, serve, make.user("encode", "src/encode.cc", 7)}, 12);
  else
    make.sample({main, make.user("log_line", "src/log.c", 3)}, 6);
  make.profile.warn("something was odd", 1234);
  make.profile.count("samples_without_stack");
  return std::move(make.profile);
}

} // namespace profcore::test
