// Rust's mangling schemes.
//
// Legacy: _ZN, length-prefixed parts, the last a hash ("h" and 16 digits), E; characters that
// cannot stand in a symbol are $-escapes. v0 (RFC 2603): a prefix grammar with back references,
// read here by recursive descent that prints as it reads. Depth, output and steps are bounded, so a
// back reference that multiplies (they may nest) ends with the output's limit, and one into a
// loop, which the grammar's order rules out, with the steps'.

#include "base/utf8.hpp"
#include "symbolize/demangle.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace profcore {
namespace {

bool is_hex(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_printable_code(uint64_t code) noexcept {
  return code >= 0x20 && code != 0x7f && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) &&
         !(code >= 0x80 && code < 0xa0);
}

/// What follows the name proper: ".llvm.123" is the compiler's and left out, else ".cold" and such.
bool append_suffix(std::string_view suffix, std::string &output) {
  if (suffix.empty()) return true;
  if (suffix[0] != '.' && suffix[0] != '$') return false;
  if (const size_t llvm = suffix.find(".llvm."); llvm != std::string_view::npos)
    suffix = suffix.substr(0, llvm);
  output += suffix;
  return true;
}

/// One $-escape, `at` on the dollar sign.
bool append_escape(std::string_view part, size_t &at, std::string &output) {
  const size_t end = part.find('$', at + 1);
  if (end == std::string_view::npos) return false;
  const std::string_view name = part.substr(at + 1, end - at - 1);
  static constexpr struct {
    std::string_view name;
    char character;
  } kEscapes[] = {{"SP", '@'}, {"BP", '*'}, {"RF", '&'}, {"LT", '<'},
                  {"GT", '>'}, {"LP", '('}, {"RP", ')'}, {"C", ','}};
  for (const auto &escape : kEscapes) {
    if (escape.name != name) continue;
    output += escape.character;
    at = end + 1;
    return true;
  }
  if (name.size() < 2 || name.size() > 7 || name[0] != 'u') return false;
  uint64_t code = 0;
  for (const char c : name.substr(1)) {
    if (!is_hex(c)) return false;
    code = code * 16 + static_cast<uint64_t>(is_digit(c) ? c - '0' : c - 'a' + 10);
  }
  if (!is_printable_code(code)) return false;
  append_utf8(output, static_cast<uint32_t>(code));
  at = end + 1;
  return true;
}

void append_legacy_part(std::string_view part, std::string &output) {
  if (part.starts_with("_$")) part.remove_prefix(1);
  for (size_t at = 0; at < part.size();) {
    if (part[at] == '.') {
      const bool twice = at + 1 < part.size() && part[at + 1] == '.';
      output += twice ? "::" : ".";
      at += twice ? 2 : 1;
    } else if (part[at] == '$') {
      if (!append_escape(part, at, output)) {
        output += part.substr(at);
        return;
      }
    } else {
      const size_t end = std::min(part.find_first_of("$.", at), part.size());
      output += part.substr(at, end - at);
      at = end;
    }
  }
}

} // namespace

bool demangle_rust_legacy(std::string_view mangled, std::string &output) {
  output.clear();
  if (!mangled.starts_with("_ZN") || mangled.size() > kLongestMangled) return false;
  std::vector<std::string_view> parts;
  size_t at = 3;
  while (at < mangled.size() && is_digit(mangled[at])) {
    size_t size = 0;
    while (at < mangled.size() && is_digit(mangled[at]) && size <= kLongestMangled)
      size = size * 10 + static_cast<size_t>(mangled[at++] - '0');
    if (size == 0 || size > mangled.size() - at) return false;
    parts.push_back(mangled.substr(at, size));
    at += size;
  }
  if (at == mangled.size() || mangled[at] != 'E' || parts.size() < 2) return false;
  const std::string_view hash = parts.back();
  if (hash.size() != 17 || hash[0] != 'h' || !std::all_of(hash.begin() + 1, hash.end(), is_hex))
    return false;
  parts.pop_back();
  for (const std::string_view part : parts) {
    if (!output.empty()) output += "::";
    append_legacy_part(part, output);
  }
  if (append_suffix(mangled.substr(at + 1), output) && output.size() <= kLongestDemangled)
    return true;
  output.clear();
  return false;
}

namespace {

class RustV0 {
public:
  RustV0(std::string_view text, std::string &output) : text_{text}, output_{output} {}

  bool run() {
    if (!path(true)) return false;
    if (at_ < text_.size() && text_[at_] >= 'A' && text_[at_] <= 'Z') { // the crate that made it
      silent_ = true;
      if (!path(false)) return false;
      silent_ = false;
    }
    return append_suffix(text_.substr(at_), output_) && output_.size() <= kLongestDemangled;
  }

private:
  static constexpr int kDeepest = 192;
  static constexpr int kMostSteps = 1 << 18;

  struct Deeper {
    explicit Deeper(RustV0 &self) : self_{self} { ++self_.depth_; }
    Deeper(const Deeper &) = delete;
    Deeper &operator=(const Deeper &) = delete;
    ~Deeper() { --self_.depth_; }
    bool allowed() const {
      return self_.depth_ <= kDeepest && ++self_.steps_ <= kMostSteps &&
             self_.output_.size() <= kLongestDemangled;
    }
    RustV0 &self_;
  };

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }
  bool eat(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void put(std::string_view text) {
    if (!silent_) output_ += text;
  }
  void put_number(uint64_t number) { put(std::to_string(number)); }

  bool base_62(uint64_t &value) {
    value = 0;
    if (eat('_')) return true;
    for (;;) {
      const char c = next();
      if (c == '_') break;
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'z' ? c - 'a' + 10
                        : c >= 'A' && c <= 'Z' ? c - 'A' + 36
                                               : -1;
      if (digit < 0 || value > (UINT64_MAX - 62) / 62) return false;
      value = value * 62 + static_cast<uint64_t>(digit);
    }
    if (value == UINT64_MAX) return false;
    ++value;
    return true;
  }
  bool optional_62(char tag, uint64_t &value) {
    value = 0;
    if (!eat(tag)) return true;
    if (!base_62(value) || value == UINT64_MAX) return false;
    ++value;
    return true;
  }
  bool disambiguator(uint64_t &value) { return optional_62('s', value); }

  struct Identifier {
    std::string_view ascii;
    std::string_view punycode;
    bool is_empty() const { return ascii.empty() && punycode.empty(); }
  };

  bool identifier(Identifier &name) {
    const bool coded = eat('u');
    if (!is_digit(peek())) return false;
    size_t size = static_cast<size_t>(next() - '0');
    if (size != 0)
      while (is_digit(peek()) && size <= kLongestMangled)
        size = size * 10 + static_cast<size_t>(next() - '0');
    eat('_');
    if (size > text_.size() - at_) return false;
    name = {text_.substr(at_, size), {}};
    at_ += size;
    if (!coded) return true;
    const size_t split = name.ascii.rfind('_');
    if (split == std::string_view::npos) {
      name.punycode = name.ascii;
      name.ascii = {};
    } else {
      name.punycode = name.ascii.substr(split + 1);
      name.ascii = name.ascii.substr(0, split);
    }
    return !name.punycode.empty();
  }

  void put_identifier(const Identifier &name) {
    if (silent_) return;
    if (name.punycode.empty()) {
      put(name.ascii);
      return;
    }
    std::vector<uint32_t> codes;
    if (decode_punycode(name, codes)) {
      for (const uint32_t code : codes) append_utf8(output_, code);
      return;
    }
    put("punycode{");
    if (!name.ascii.empty()) {
      put(name.ascii);
      put("-");
    }
    put(name.punycode);
    put("}");
  }

  /// RFC 3492.
  static bool decode_punycode(const Identifier &name, std::vector<uint32_t> &codes) {
    constexpr size_t kLongest = 128;
    if (name.ascii.size() > kLongest) return false;
    for (const char c : name.ascii) codes.push_back(static_cast<unsigned char>(c));
    uint64_t code = 128;
    uint64_t position = 0;
    uint64_t bias = 72;
    uint64_t damp = 700;
    for (size_t at = 0; at < name.punycode.size();) {
      uint64_t delta = 0;
      uint64_t weight = 1;
      for (uint64_t k = 36;; k += 36) {
        if (at == name.punycode.size()) return false;
        const char c = name.punycode[at++];
        const int digit = c >= 'a' && c <= 'z' ? c - 'a' : is_digit(c) ? c - '0' + 26 : -1;
        if (digit < 0) return false;
        const uint64_t threshold = std::clamp<uint64_t>(k > bias ? k - bias : 0, 1, 26);
        delta += static_cast<uint64_t>(digit) * weight;
        if (delta > UINT32_MAX) return false;
        if (static_cast<uint64_t>(digit) < threshold) break;
        weight *= 36 - threshold;
        if (weight > UINT32_MAX) return false;
      }
      position += delta;
      const uint64_t count = codes.size() + 1;
      if (count > kLongest) return false;
      code += position / count;
      position %= count;
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
      codes.insert(codes.begin() + static_cast<ptrdiff_t>(position), static_cast<uint32_t>(code));
      ++position;
      delta /= damp;
      damp = 2;
      delta += delta / count;
      uint64_t k = 0;
      while (delta > 455) {
        delta /= 35;
        k += 36;
      }
      bias = k + 36 * delta / (delta + 38);
    }
    return true;
  }

  /// Runs `read` at the place a back reference names; silent text does not need it.
  template <class Read> bool back_reference(Read &&read) {
    const size_t own = at_ - 1;
    uint64_t target = 0;
    if (!base_62(target) || target >= own) return false;
    if (silent_) return true;
    const size_t back = at_;
    at_ = static_cast<size_t>(target);
    const bool fine = read();
    at_ = back;
    return fine;
  }

  bool silent_impl_path() {
    uint64_t ignored = 0;
    if (!disambiguator(ignored)) return false;
    const bool was = silent_;
    silent_ = true;
    const bool fine = path(false);
    silent_ = was;
    return fine;
  }

  bool path(bool in_value) {
    const Deeper deeper{*this};
    if (!deeper.allowed()) return false;
    uint64_t number = 0;
    Identifier name;
    switch (next()) {
    case 'C':
      if (!disambiguator(number) || !identifier(name)) return false;
      put_identifier(name);
      return true;
    case 'N': {
      const char space = next();
      if (!((space >= 'a' && space <= 'z') || (space >= 'A' && space <= 'Z'))) return false;
      if (!path(in_value) || !disambiguator(number) || !identifier(name)) return false;
      if (space >= 'a') {
        if (!name.is_empty()) {
          put("::");
          put_identifier(name);
        }
        return true;
      }
      put("::{");
      if (space == 'C')
        put("closure");
      else if (space == 'S')
        put("shim");
      else
        put({&space, 1});
      if (!name.is_empty()) {
        put(":");
        put_identifier(name);
      }
      put("#");
      put_number(number);
      put("}");
      return true;
    }
    case 'M':
      if (!silent_impl_path()) return false;
      put("<");
      if (!type()) return false;
      put(">");
      return true;
    case 'X':
      if (!silent_impl_path()) return false;
      [[fallthrough]];
    case 'Y':
      put("<");
      if (!type()) return false;
      put(" as ");
      if (!path(false)) return false;
      put(">");
      return true;
    case 'I':
      if (!path(in_value)) return false;
      put(in_value ? "::<" : "<");
      if (!list([&] { return generic_argument(); })) return false;
      put(">");
      return true;
    case 'B':
      return back_reference([&] { return path(in_value); });
    default:
      return false;
    }
  }

  template <class Read> bool list(Read &&read, size_t *count = nullptr) {
    size_t number = 0;
    while (!eat('E')) {
      if (number++ != 0) put(", ");
      if (!read()) return false;
    }
    if (count != nullptr) *count = number;
    return true;
  }

  bool generic_argument() {
    if (eat('L')) return lifetime();
    if (eat('K')) return constant();
    return type();
  }

  bool lifetime() {
    uint64_t index = 0;
    return base_62(index) && put_lifetime(index);
  }
  bool put_lifetime(uint64_t index) {
    if (silent_) return true;
    if (index == 0) {
      put("'_");
      return true;
    }
    if (index > bound_lifetimes_) return false;
    const uint64_t depth = bound_lifetimes_ - index;
    put("'");
    if (depth < 26) {
      const char letter = static_cast<char>('a' + depth);
      put({&letter, 1});
    } else {
      put("_");
      put_number(depth);
    }
    return true;
  }

  /// "for<'a, 'b> " and what it is for.
  template <class Read> bool with_binder(Read &&read) {
    uint64_t count = 0;
    if (!optional_62('G', count) || count > kLongestMangled) return false;
    const uint64_t before = bound_lifetimes_;
    if (count != 0 && !silent_) {
      put("for<");
      for (uint64_t i = 0; i < count; ++i) {
        if (i != 0) put(", ");
        ++bound_lifetimes_;
        if (!put_lifetime(1)) return false;
      }
      put("> ");
    }
    const bool fine = read();
    bound_lifetimes_ = before;
    return fine;
  }

  static std::string_view basic_type(char tag) noexcept {
    static constexpr std::string_view kNames[] = {
        "i8",    "bool", "char", "f64", "str",  "f32",  "",    "u8", "isize",
        "usize", "",     "i32",  "u32", "i128", "u128", "_",   "",   "",
        "i16",   "u16",  "()",   "...", "",     "i64",  "u64", "!"};
    return tag >= 'a' && tag <= 'z' ? kNames[tag - 'a'] : std::string_view{};
  }

  bool type() {
    const Deeper deeper{*this};
    if (!deeper.allowed()) return false;
    const char tag = next();
    if (const std::string_view name = basic_type(tag); !name.empty()) {
      put(name);
      return true;
    }
    switch (tag) {
    case 'R':
    case 'Q':
      put("&");
      if (eat('L')) {
        uint64_t index = 0;
        if (!base_62(index)) return false;
        if (index != 0) {
          if (!put_lifetime(index)) return false;
          put(" ");
        }
      }
      if (tag == 'Q') put("mut ");
      return type();
    case 'P':
      put("*const ");
      return type();
    case 'O':
      put("*mut ");
      return type();
    case 'A':
    case 'S':
      put("[");
      if (!type()) return false;
      if (tag == 'A') {
        put("; ");
        if (!constant()) return false;
      }
      put("]");
      return true;
    case 'T': {
      put("(");
      size_t count = 0;
      if (!list([&] { return type(); }, &count)) return false;
      put(count == 1 ? ",)" : ")");
      return true;
    }
    case 'F':
      return with_binder([&] { return function_type(); });
    case 'D':
      put("dyn ");
      if (!with_binder([&] { return dyn_bounds(); }) || !eat('L')) return false;
      {
        uint64_t index = 0;
        if (!base_62(index)) return false;
        if (index != 0) {
          put(" + ");
          return put_lifetime(index);
        }
      }
      return true;
    case 'B':
      return back_reference([&] { return type(); });
    default:
      --at_;
      return path(false);
    }
  }

  bool function_type() {
    if (eat('U')) put("unsafe ");
    if (eat('K')) {
      put("extern \"");
      if (eat('C')) {
        put("C");
      } else {
        Identifier abi;
        if (!identifier(abi) || abi.ascii.empty() || !abi.punycode.empty()) return false;
        std::string text{abi.ascii};
        std::replace(text.begin(), text.end(), '_', '-');
        put(text);
      }
      put("\" ");
    }
    put("fn(");
    if (!list([&] { return type(); })) return false;
    put(")");
    if (eat('u')) return true;
    put(" -> ");
    return type();
  }

  bool dyn_bounds() {
    for (bool first = true; !eat('E'); first = false) {
      if (!first) put(" + ");
      if (!dyn_trait()) return false;
    }
    return true;
  }

  bool dyn_trait() {
    bool open = false;
    if (!path_with_open_generics(open)) return false;
    while (eat('p')) {
      put(open ? ", " : "<");
      open = true;
      Identifier name;
      if (!identifier(name)) return false;
      put_identifier(name);
      put(" = ");
      if (!type()) return false;
    }
    if (open) put(">");
    return true;
  }

  /// Leaves the list of arguments open, for associated types to join it.
  bool path_with_open_generics(bool &open) {
    const Deeper deeper{*this};
    if (!deeper.allowed()) return false;
    if (eat('B')) return back_reference([&] { return path_with_open_generics(open); });
    if (!eat('I')) return path(false);
    if (!path(false)) return false;
    put("<");
    open = true;
    return list([&] { return generic_argument(); });
  }

  bool hex_digits(std::string_view &digits) {
    const size_t begin = at_;
    while (is_hex(peek())) ++at_;
    digits = text_.substr(begin, at_ - begin);
    return eat('_');
  }

  bool constant() {
    const Deeper deeper{*this};
    if (!deeper.allowed()) return false;
    const char tag = next();
    std::string_view digits;
    switch (tag) {
    case 'p':
      put("_");
      return true;
    case 'B':
      return back_reference([&] { return constant(); });
    case 'a':
    case 's':
    case 'l':
    case 'x':
    case 'n':
    case 'i':
      if (eat('n')) put("-");
      [[fallthrough]];
    case 'h':
    case 't':
    case 'm':
    case 'y':
    case 'o':
    case 'j':
      if (!hex_digits(digits)) return false;
      put_integer(digits);
      return true;
    case 'b':
      if (!hex_digits(digits) || (digits != "0" && digits != "1")) return false;
      put(digits == "0" ? "false" : "true");
      return true;
    case 'c':
      if (!hex_digits(digits)) return false;
      return put_character(digits);
    case 'e':
      // A place of type str: shown as what it refers to.
      put("*");
      return string_constant();
    case 'R':
    case 'Q':
      if (tag == 'R' && eat('e')) return string_constant();
      put(tag == 'R' ? "&" : "&mut ");
      return constant();
    case 'A':
      put("[");
      if (!list([&] { return constant(); })) return false;
      put("]");
      return true;
    case 'T': {
      put("(");
      size_t count = 0;
      if (!list([&] { return constant(); }, &count)) return false;
      put(count == 1 ? ",)" : ")");
      return true;
    }
    case 'V':
      return variant();
    default:
      return false;
    }
  }

  bool variant() {
    if (!path(true)) return false;
    switch (next()) {
    case 'U':
      return true;
    case 'T':
      put("(");
      if (!list([&] { return constant(); })) return false;
      put(")");
      return true;
    case 'S':
      put(" { ");
      if (!list([&] {
            uint64_t ignored = 0;
            Identifier name;
            if (!disambiguator(ignored) || !identifier(name)) return false;
            put_identifier(name);
            put(": ");
            return constant();
          }))
        return false;
      put(" }");
      return true;
    default:
      return false;
    }
  }

  static uint64_t value_of(std::string_view digits) noexcept {
    uint64_t value = 0;
    for (const char c : digits)
      value = value << 4 | static_cast<uint64_t>(is_digit(c) ? c - '0' : c - 'a' + 10);
    return value;
  }

  void put_integer(std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    if (digits.size() <= 16) {
      put_number(value_of(digits));
      return;
    }
    put("0x");
    put(digits);
  }

  void put_escaped(uint32_t code, char quote) {
    if (silent_) return;
    if (code == '\n')
      put("\\n");
    else if (code == '\r')
      put("\\r");
    else if (code == '\t')
      put("\\t");
    else if (code == '\\' || code == static_cast<unsigned char>(quote)) {
      put("\\");
      append_utf8(output_, code);
    } else if (is_printable_code(code)) {
      append_utf8(output_, code);
    } else {
      static constexpr char kHex[] = "0123456789abcdef";
      std::string text;
      do {
        text.insert(text.begin(), kHex[code & 15]);
        code >>= 4;
      } while (code != 0);
      put("\\u{");
      put(text);
      put("}");
    }
  }

  bool put_character(std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    const uint64_t code = digits.size() > 8 ? UINT64_MAX : value_of(digits);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    put("'");
    put_escaped(static_cast<uint32_t>(code), '\'');
    put("'");
    return true;
  }

  bool string_constant() {
    std::string_view digits;
    if (!hex_digits(digits) || digits.size() % 2 != 0) return false;
    put("\"");
    for (size_t i = 0; i < digits.size(); i += 2) {
      const auto byte = static_cast<uint32_t>(value_of(digits.substr(i, 2)));
      if (byte >= 0x80) {
        if (!silent_) output_ += static_cast<char>(byte); // UTF-8 of the source
      } else {
        put_escaped(byte, '"');
      }
    }
    put("\"");
    return true;
  }

  std::string_view text_;
  std::string &output_;
  size_t at_ = 0;
  int depth_ = 0;
  mutable int steps_ = 0;
  bool silent_ = false;
  uint64_t bound_lifetimes_ = 0;
};

} // namespace

bool demangle_rust_v0(std::string_view mangled, std::string &output) {
  output.clear();
  if (!mangled.starts_with("_R") || mangled.size() > kLongestMangled) return false;
  // A digit here would be a later version of the scheme.
  if (mangled.size() < 3 || mangled[2] < 'A' || mangled[2] > 'Z') return false;
  if (RustV0{mangled.substr(2), output}.run()) return true;
  output.clear();
  return false;
}

} // namespace profcore
