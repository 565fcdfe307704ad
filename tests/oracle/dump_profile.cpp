// Prints a decoded profile in the plain form that gopprof_dump/main.go prints google/pprof's: one
// record a line, fields apart by one space, everything but [A-Za-z0-9_./-] as %XX, "%" for empty.
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <vector>

using namespace profcore;

namespace {

std::string escape(std::string_view text) {
  if (text.empty()) return "%";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       std::string_view{"_./-"}.find(c) != std::string_view::npos;
    if (plain)
      out.push_back(c);
    else
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

class Dump {
public:
  explicit Dump(const Profile &profile) : p_{profile} {}

  std::string text() {
    head();
    modules();
    locations();
    samples();
    return std::move(out_);
  }

private:
  template <class... Args> void print(fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  std::string str(StringId id) const { return escape(p_.text(id)); }

  void head() {
    const Metadata &meta = p_.meta;
    print("period_type {} {}\n", str(meta.period_type), str(meta.period_unit));
    print("period {}\ntime {}\nduration {}\n", meta.period, meta.time_ns, meta.duration_ns);
    print("default {}\ndoc {}\n", str(meta.default_type), str(meta.doc_url));
    print("drop {}\nkeep {}\n", str(meta.drop_frames), str(meta.keep_frames));
    for (const StringId comment : meta.comments) print("comment {}\n", str(comment));
    for (const SampleType &type : p_.sample_types())
      print("type {} {}\n", str(type.type), str(type.source_unit));
  }

  void modules() {
    const auto modules = p_.modules();
    for (size_t id = 1; id < modules.size(); ++id) {
      const Module &m = modules[id];
      print("mapping {} {:x} {:x} {:x} {} {} {}\n", id, m.start, m.end, m.offset, str(m.path),
            str(m.build_id), m.flags);
    }
  }

  void locations() {
    const auto locations = p_.locations();
    for (size_t id = 1; id < locations.size(); ++id) {
      const Location &at = locations[id];
      print("location {} {:x} {} {}", id, at.address, at.module, at.flags & kIsFolded);
      for (const Line &line : p_.lines_of(static_cast<LocationId>(id))) {
        const Function &f = p_.functions()[line.function];
        print(" {}|{}|{}|{}|{}|{}", str(f.name), str(f.system_name),
              str(line.file != 0 ? line.file : f.file), line.line, line.column, f.start_line);
      }
      print("\n");
    }
  }

  void samples() {
    const auto &types = p_.sample_types();
    for (size_t row = 0; row < p_.sample_count(); ++row) {
      std::string values, stack, labels;
      for (size_t t = 0; t < types.size(); ++t)
        values += fmt::format("{}{}", t == 0 ? "" : ",", p_.values(t)[row] / types[t].scale);
      for (StackId at = p_.sample_stacks()[row]; at != 0; at = p_.stacks[at].parent)
        stack += fmt::format("{}{}", stack.empty() ? "" : ",", p_.stacks[at].location);
      std::vector<std::string> texts;
      for (const Label &label : p_.labels_of(p_.sample_label_sets()[row]))
        texts.push_back(
            label.is_number != 0
                ? fmt::format("n:{}={}:{}", str(label.key), label.number, str(label.unit))
                : fmt::format("s:{}={}", str(label.key), str(label.text)));
      std::sort(texts.begin(), texts.end());
      for (const std::string &text : texts) labels += (labels.empty() ? "" : ";") + text;
      print("sample {} {} {}\n", values.empty() ? "%" : values, stack.empty() ? "%" : stack,
            labels.empty() ? "%" : labels);
    }
  }

  const Profile &p_;
  std::string out_;
};

} // namespace

int main(int argc, char **) {
  if (argc != 1) {
    std::fputs("usage: dump_profile < FILE\n", stderr);
    return 2;
  }
  std::string bytes;
  char block[1 << 16];
  for (size_t n; (n = std::fread(block, 1, sizeof block, stdin)) > 0;) bytes.append(block, n);
  try {
    const Profile profile =
        decode({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, DecodeOptions{});
    const std::string text = Dump{profile}.text();
    std::fwrite(text.data(), 1, text.size(), stdout);
    for (const Warning &warning : profile.warnings())
      std::fprintf(stderr, "warning: %s (line %llu)\n", warning.text.c_str(),
                   static_cast<unsigned long long>(warning.line));
  } catch (const Error &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
