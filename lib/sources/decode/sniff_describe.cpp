// Names for what this library meets, most of which it does not read, so that a user is told "a Go
// execution trace" and not "unknown format". Tables where a magic number tells; a few small looks
// where it does not.

#include "base/wire.hpp"
#include "sources/decode/collapsed_text.hpp"
#include "sources/decode/sniff.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace profcore {
namespace {

using namespace std::string_view_literals;

struct Magic {
  size_t offset;
  std::string_view bytes;
  Format format;
  const char *name;
};

constexpr Magic kMagics[] = {
    {0, "PERFILE2"sv, Format::kUnknown, "perf.data (write it out with 'perf script' or as pprof)"},
    {0, "2ELIFREP"sv, Format::kUnknown, "perf.data of the other byte order"},
    {0, "PERFFILE"sv, Format::kUnknown, "perf.data of an old version"},
    {0, "PK\3\4"sv, Format::kUnknown, "a zip archive"},
    {0, "PK\5\6"sv, Format::kUnknown, "an empty zip archive"},
    {0, "JAVA PROFILE 1.0"sv, Format::kUnknown, "a Java heap dump (hprof)"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     Format::kUnknown, "xz data (decompress it first)"},
    {0, "BZh"sv, Format::kUnknown, "bzip2 data (decompress it first)"},
    {0, "\x02\x21\x4c\x18"sv, Format::kUnknown, "lz4 data in the legacy frame format"},
    {0, "7z\xbc\xaf\x27\x1c"sv, Format::kUnknown, "a 7z archive"},
    {0, "SQLite format 3\0"sv, Format::kUnknown, "an SQLite database"},
    {0, "\x89PNG\r\n"sv, Format::kUnknown, "a PNG image"},
    {0, "\xff\xd8\xff"sv, Format::kUnknown, "a JPEG image"},
    {0, "%PDF-"sv, Format::kUnknown, "a PDF document"},
    {0, "gmon"sv, Format::kUnknown, "gprof data (gmon.out)"},
    {0, "\xca\xfe\xba\xbe"sv, Format::kUnknown, "a Java class or universal Mach-O file"},
    {0, "\0asm"sv, Format::kUnknown, "a WebAssembly module"},
    {0, "MZ"sv, Format::kUnknown, "a Windows executable"},
    {0, "!<arch>\n"sv, Format::kUnknown, "an ar archive"},
    {257, "ustar"sv, Format::kUnknown, "a tar archive (extract it first)"},
    {0, "\xff\xfe"sv, Format::kUnknown, "UTF-16 text (little-endian; convert it to UTF-8)"},
    {0, "\xfe\xff"sv, Format::kUnknown, "UTF-16 text (big-endian; convert it to UTF-8)"},
};

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  if (text.size() < start.size()) return false;
  return std::equal(start.begin(), start.end(), text.begin(), [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
  });
}

std::string_view trim_front(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? std::string_view{} : text.substr(at);
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string describe_elf(std::span<const uint8_t> prefix) {
  if (prefix.size() < 18) return "the start of an ELF file";
  const unsigned type = prefix[5] == 2 ? prefix[17] : prefix[16];
  switch (type) {
  case 1:
    return "an ELF object file";
  case 2:
    return "an ELF executable";
  case 3:
    return "an ELF shared library or executable";
  case 4:
    return "an ELF core dump";
  default:
    return "an ELF file";
  }
}

/// Pyroscope's binary tree and trie share their shape: nodes in preorder, each a name, a value and
/// a number of children, all lengths varints, the root without a name.
class NodeWalk {
public:
  explicit NodeWalk(std::span<const uint8_t> bytes) : rest_{bytes} {}

  bool looks_right(bool &is_trie) {
    uint64_t open = 1; // nodes still owed
    size_t nodes = 0;
    while (open > 0 && nodes < 1000) {
      uint64_t name = 0;
      uint64_t value = 0;
      uint64_t children = 0;
      if (!varint(name)) return cut_ && nodes >= 2;
      if (nodes == 0 ? name != 0 : (name == 0 || name > 1 << 16)) return false;
      const auto shown = rest_.first(static_cast<size_t>(std::min<uint64_t>(name, rest_.size())));
      for (const uint8_t byte : shown) {
        if (byte < 0x20 || byte == 0x7f) return false;
        is_trie |= byte == ';';
      }
      if (shown.size() < name) return nodes >= 2;
      rest_ = rest_.subspan(shown.size());
      if (!varint(value) || !varint(children)) return cut_ && nodes >= 2;
      if (children > UINT32_MAX) return false;
      open += children - 1;
      ++nodes;
    }
    return nodes >= 2 && (open > 0 || rest_.empty());
  }

private:
  bool varint(uint64_t &value) {
    const uint8_t *const end = rest_.data() + rest_.size();
    const uint8_t *const next = wire::read_varint_slowly(rest_.data(), end, value);
    if (next == nullptr) {
      cut_ = rest_.size() < 10;
      return false;
    }
    rest_ = {next, end};
    return true;
  }
  std::span<const uint8_t> rest_;
  bool cut_ = false;
};

/// `perf script`: a header line "comm pid ... time: ... event:" and indented "address symbol
/// (module)".
bool looks_like_perf_script(std::string_view text) {
  size_t headers = 0;
  size_t frames = 0;
  bool after_header = false;
  for (int lines = 0; lines < 40 && !text.empty(); ++lines) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with(' ') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '\t' || line[0] == ' ') {
      const std::string_view body = trim_front(line);
      const size_t hex = body.find_first_not_of("0123456789abcdefABCDEF");
      if (after_header && hex != 0 && hex != std::string_view::npos && body[hex] == ' ') ++frames;
    } else {
      after_header = line.ends_with(':') && line.find(": ") != std::string_view::npos &&
                     line.find_first_of("0123456789") != std::string_view::npos;
      if (after_header) ++headers;
    }
  }
  return headers > 0 && frames > 0;
}

} // namespace

std::string describe_binary(std::span<const uint8_t> prefix, Format &format) {
  const std::string_view text{reinterpret_cast<const char *>(prefix.data()), prefix.size()};
  if (text.starts_with("FLR\0"sv) && prefix.size() >= 8) {
    format = Format::kJfr;
    return fmt::format("a JFR recording (version {}.{})", prefix[4] << 8 | prefix[5],
                       prefix[6] << 8 | prefix[7]);
  }
  if (text.starts_with("\x7f"
                       "ELF"))
    return describe_elf(prefix);
  if (text.starts_with("go 1.") && has(text.substr(0, 16), " trace\0"sv))
    return fmt::format("a Go execution trace ({})", text.substr(0, text.find(" trace")));
  const bool binary =
      std::any_of(prefix.begin(), prefix.begin() + std::min<ptrdiff_t>(64, std::ssize(prefix)),
                  [](uint8_t b) { return b < 0x09 || b >= 0x80; });
  for (const Magic &magic : kMagics) {
    if (text.size() < magic.offset) continue;
    if (magic.bytes.size() < 5 && !binary) continue; // a frame may be called "gmon"
    if (text.substr(magic.offset).starts_with(magic.bytes)) {
      format = magic.format;
      return magic.name;
    }
  }
  bool is_trie = false;
  if (!prefix.empty() && prefix[0] == 0 && NodeWalk{prefix}.looks_right(is_trie)) {
    format = is_trie ? Format::kPyroscopeTrie : Format::kPyroscopeTree;
    return is_trie ? "Pyroscope's binary trie" : "Pyroscope's binary tree or trie";
  }
  return {};
}

std::string describe_json(std::string_view text, Format &format) {
  text = trim_front(text);
  if (text.empty() || (text[0] != '{' && text[0] != '[')) return {};
  const std::string_view next = trim_front(text.substr(1));
  if (next.empty() || (next[0] != '"' && next[0] != '{' && next[0] != '[' && next[0] != '}' &&
                       next[0] != ']' && next[0] != '-' && (next[0] < '0' || next[0] > '9')))
    return {}; // "[kernel];read 3" is a stack
  if (text[0] == '[' && next[0] != '{' && next[0] != ']' && !has(text.substr(0, 64), ","))
    return {};
  const auto known = [&](Format what, const char *name) {
    format = what;
    return std::string{name};
  };
  if (has(text, "speedscope.app/file-format-schema") ||
      (has(text, "\"shared\"") && has(text, "\"frames\"") && has(text, "\"profiles\"")))
    return known(Format::kSpeedscope, "a speedscope profile (JSON)");
  if (has(text, "\"flamebearer\""))
    return known(Format::kFlamebearer, "a flamebearer profile (JSON)");
  if (has(text, "\"resourceProfiles\"") || has(text, "\"resource_profiles\""))
    return known(Format::kOtlp, "OTLP profiles (JSON)");
  if (has(text, "\"traceEvents\"") || (has(text, "\"ph\"") && has(text, "\"ts\"")))
    return known(Format::kChromeTrace, "a Chrome trace (JSON)");
  if (has(text, "\"callFrame\"")) return known(Format::kUnknown, "a V8 CPU or heap profile (JSON)");
  if (has(text, "\"cost_centres\"") || has(text, "\"rts_arguments\""))
    return known(Format::kUnknown, "a GHC profile (JSON)");
  return known(Format::kUnknown, "JSON of no known profile format");
}

std::string describe_text(std::string_view text, Format &format) {
  const std::string_view start = trim_front(text);
  if (starts_with_ignoring_case(start, "<!doctype html") ||
      starts_with_ignoring_case(start, "<html"))
    return "an HTML page";
  if (start.starts_with("<svg") ||
      (start.starts_with("<?xml") && has(start.substr(0, 1024), "<svg")))
    return "an SVG image (it cannot be turned back into a profile)";
  if (start.starts_with("<?xml")) return "an XML document";
  if (start.starts_with("--") && has(start.substr(0, 1024), "Content-Disposition: form-data"))
    return "a multipart/form-data body (give its parts one by one)";
  if (start.starts_with("# callgrind format") ||
      (has(start.substr(0, 4096), "\nfn=") && has(start.substr(0, 4096), "events:")))
    return "callgrind output";
  if (looks_like_perf_script(text)) {
    format = Format::kPerfScript;
    return "the text of 'perf script'";
  }
  return {};
}

bool looks_like_collapsed(std::span<const uint8_t> prefix) noexcept {
  std::string_view text{reinterpret_cast<const char *>(prefix.data()), prefix.size()};
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  constexpr size_t kLinesToSee = 100;
  size_t lines = 0;
  size_t counted = 0;
  bool has_frames = false;
  while (!text.empty() && lines < kLinesToSee) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    const bool cut = end == std::string_view::npos;
    text.remove_prefix(cut ? text.size() : end + 1);
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    if (line.find('\0') != std::string_view::npos) return false;
    const bool counts = take_collapsed_count(line).kind != CollapsedCount::Kind::kNone;
    if (cut && !counts && lines > 0) break;        // the prefix ends inside the line
    if (cut && !counts && line.size() > 1 << 12) { // one line longer than the prefix
      return line.find(';') != std::string_view::npos;
    }
    ++lines;
    if (!counts) continue;
    ++counted;
    has_frames |= line.find(';') != std::string_view::npos;
  }
  return counted > 0 && (has_frames ? counted * 2 >= lines : counted == lines);
}

} // namespace profcore
