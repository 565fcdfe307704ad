#pragma once

// Makes recordings, byte by byte: what the reader is shown in tests. Nothing is checked here, so
// that damage can be written as easily as what is right.
//
//   jfr_test::Chunk chunk;
//   chunk.add_jdk_types();
//   chunk.type(900, "my.Event", {{"startTime", kLong}, {"size", kInt}}, "jdk.jfr.Event");
//   chunk.event(900, [](auto &out) { out.i64(5); out.i32(-1); });
//   chunk.checkpoint({{kSymbol, {{7, [](auto &out) { out.utf8("run"); }}}}});
//   const std::string file = chunk.finish();

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jfr_test {

/// Bytes of one event, checkpoint or pool value, in either integer encoding.
class Writer {
public:
  explicit Writer(bool compressed = true) : compressed_{compressed} {}

  void u8(uint64_t value) { bytes_ += static_cast<char>(value); }
  void boolean(bool value) { u8(value ? 1 : 0); }
  void i16(int64_t value) { number(static_cast<uint64_t>(value), 2); }
  void i32(int64_t value) { number(static_cast<uint64_t>(value), 4); }
  void i64(int64_t value) { number(static_cast<uint64_t>(value), 8); }
  void key(uint64_t value) { number(value, 8); }
  void count(uint64_t value) { number(value, 4); }
  void f32(float value) { big_endian(std::bit_cast<uint32_t>(value), 4); }
  void f64(double value) { big_endian(std::bit_cast<uint64_t>(value), 8); }

  void null_string() { u8(0); }
  void empty_string() { u8(1); }
  void string_key(uint64_t value) {
    u8(2);
    key(value);
  }
  void utf8(std::string_view text) {
    u8(3);
    count(text.size());
    bytes_ += text;
  }
  void utf16(std::u16string_view text) {
    u8(4);
    count(text.size());
    for (const char16_t unit : text) number(unit, 2);
  }
  void latin1(std::string_view text) {
    u8(5);
    count(text.size());
    bytes_ += text;
  }
  void raw(std::string_view bytes) { bytes_ += bytes; }

  void big_endian(uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) u8(value >> (8 * i) & 0xff);
  }
  /// At most nine bytes, the ninth with all its bits.
  void varint(uint64_t value) {
    for (int i = 0; i < 8 && value >= 0x80; ++i) {
      u8((value & 0x7f) | 0x80);
      value >>= 7;
    }
    u8(value);
  }
  /// `bytes` of them, however small the value, as writers do that fill sizes in later.
  void padded_varint(uint64_t value, unsigned bytes) {
    for (unsigned i = 1; i < bytes; ++i) {
      u8((value & 0x7f) | 0x80);
      value >>= 7;
    }
    u8(value);
  }
  void number(uint64_t value, unsigned natural) {
    if (compressed_)
      varint(value);
    else
      big_endian(value, natural);
  }

  bool compressed() const { return compressed_; }
  const std::string &bytes() const { return bytes_; }

private:
  bool compressed_;
  std::string bytes_;
};

using Body = std::function<void(Writer &)>;

// Ids of add_jdk_types(), to each of which its `shift` (hundreds) is added.
enum Id : uint64_t {
  kBoolean = 4,
  kChar = 5,
  kFloat = 6,
  kDouble = 7,
  kByte = 8,
  kShort = 9,
  kInt = 10,
  kLong = 11,
  kString = 20,
  kClass = 21,
  kThread = 22,
  kClassLoader = 23,
  kFrameType = 24,
  kThreadState = 25,
  kStackTrace = 26,
  kStackFrame = 27,
  kMethod = 28,
  kPackage = 29,
  kSymbol = 30,
  kThreadGroup = 31,
  // Annotations.
  kLabel = 40,
  kCategory = 41,
  kDescription = 42,
  kTimestamp = 43,
  kTimespan = 44,
  kDataAmount = 45,
  kFrequency = 46,
  kPercentage = 47,
  kUnsigned = 48,
  kMemoryAddress = 49,
};

struct Annotation {
  uint64_t type;
  std::string value = {}; ///< "" = none
};

struct Field {
  std::string name;
  uint64_t type;
  bool in_pool = false;
  bool is_array = false;
  std::vector<Annotation> annotations = {};
};

struct Type {
  uint64_t id;
  std::string name;
  std::vector<Field> fields = {};
  std::string super = {};
  bool is_simple = false;
  std::vector<Annotation> annotations = {};
};

struct PoolValue {
  uint64_t key;
  Body body;
};
struct Pool {
  uint64_t type;
  std::vector<PoolValue> values;
};

enum class StringForm { kUtf8, kUtf16, kLatin1 };

class Chunk {
public:
  // To be set before the first event. What is not told (sizes, offsets) is filled in by finish().
  uint16_t major = 2;
  uint16_t minor = 1;
  int64_t start_ns = 1'700'000'000'000'000'000;
  int64_t duration_ns = 1'000'000'000;
  int64_t start_ticks = 1000;
  int64_t ticks_per_second = 1'000'000'000;
  uint8_t state = 0;
  bool compressed = true;
  unsigned size_bytes = 4;                       ///< of an event's size as varint; 0 = as needed
  StringForm metadata_form = StringForm::kUtf16; ///< of the strings in metadata

  void type(Type type) { types_.push_back(std::move(type)); }
  void type(uint64_t id, std::string name, std::vector<Field> fields = {}, std::string super = {},
            bool is_simple = false) {
    type({id, std::move(name), std::move(fields), std::move(super), is_simple, {}});
  }

  /// The types of every recording under the ids above plus `shift`, with the fields that JDK 17
  /// gives them (but for modules).
  void add_jdk_types(uint64_t shift = 0) {
    const auto at = [shift](uint64_t id) { return id + shift; };
    type(at(kBoolean), "boolean");
    type(at(kChar), "char");
    type(at(kFloat), "float");
    type(at(kDouble), "double");
    type(at(kByte), "byte");
    type(at(kShort), "short");
    type(at(kInt), "int");
    type(at(kLong), "long");
    type(at(kString), "java.lang.String");
    type(at(kSymbol), "jdk.types.Symbol", {{"string", at(kString)}}, {}, true);
    type(at(kFrameType), "jdk.types.FrameType", {{"description", at(kString)}}, {}, true);
    type(at(kThreadState), "jdk.types.ThreadState", {{"name", at(kString)}}, {}, true);
    type(at(kThreadGroup), "jdk.types.ThreadGroup",
         {{"parent", at(kThreadGroup), true}, {"name", at(kString)}});
    type(at(kThread), "java.lang.Thread",
         {{"osName", at(kString)},
          {"osThreadId", at(kLong)},
          {"javaName", at(kString)},
          {"javaThreadId", at(kLong)},
          {"group", at(kThreadGroup), true}});
    type(at(kClassLoader), "jdk.types.ClassLoader",
         {{"type", at(kClass), true}, {"name", at(kSymbol), true}});
    type(at(kPackage), "jdk.types.Package", {{"name", at(kSymbol), true}});
    type(at(kClass), "java.lang.Class",
         {{"classLoader", at(kClassLoader), true},
          {"name", at(kSymbol), true},
          {"package", at(kPackage), true},
          {"modifiers", at(kInt)},
          {"hidden", at(kBoolean)}});
    type(at(kMethod), "jdk.types.Method",
         {{"type", at(kClass), true},
          {"name", at(kSymbol), true},
          {"descriptor", at(kSymbol), true},
          {"modifiers", at(kInt)},
          {"hidden", at(kBoolean)}});
    type(at(kStackFrame), "jdk.types.StackFrame",
         {{"method", at(kMethod), true},
          {"lineNumber", at(kInt)},
          {"bytecodeIndex", at(kInt)},
          {"type", at(kFrameType), true}});
    type(at(kStackTrace), "jdk.types.StackTrace",
         {{"truncated", at(kBoolean)}, {"frames", at(kStackFrame), false, true}});
    const auto annotation = [&](uint64_t id, const char *name, bool has_value = true) {
      std::vector<Field> fields;
      if (has_value) fields.push_back({"value", at(kString), false, id == kCategory});
      type(at(id), name, fields, "java.lang.annotation.Annotation");
    };
    annotation(kLabel, "jdk.jfr.Label");
    annotation(kCategory, "jdk.jfr.Category");
    annotation(kDescription, "jdk.jfr.Description");
    annotation(kTimestamp, "jdk.jfr.Timestamp");
    annotation(kTimespan, "jdk.jfr.Timespan");
    annotation(kDataAmount, "jdk.jfr.DataAmount");
    annotation(kFrequency, "jdk.jfr.Frequency", false);
    annotation(kPercentage, "jdk.jfr.Percentage", false);
    annotation(kUnsigned, "jdk.jfr.Unsigned", false);
    annotation(kMemoryAddress, "jdk.jfr.MemoryAddress", false);
  }

  /// Each returns where it begins, from the chunk's start.
  size_t event(uint64_t type_id, const Body &body) {
    Writer out{compressed};
    out.key(type_id);
    body(out);
    return append(out.bytes());
  }

  size_t checkpoint(const std::vector<Pool> &pools) {
    Writer out{compressed};
    out.key(1);
    out.i64(start_ticks);
    out.i64(0);
    const size_t at = here();
    out.i64(newest_checkpoint_ == 0
                ? 0
                : static_cast<int64_t>(newest_checkpoint_) - static_cast<int64_t>(at));
    out.u8(0);
    out.count(pools.size());
    for (const Pool &pool : pools) {
      out.key(pool.type);
      out.count(pool.values.size());
      for (const PoolValue &value : pool.values) {
        out.key(value.key);
        value.body(out);
      }
    }
    newest_checkpoint_ = at;
    return append(out.bytes());
  }

  /// The types so far. finish() writes it when nobody did.
  size_t metadata() {
    std::vector<std::string> strings;
    std::map<std::string, uint64_t, std::less<>> known;
    const auto index = [&](const std::string &text) {
      const auto [found, fresh] = known.emplace(text, strings.size());
      if (fresh) strings.push_back(text);
      return found->second;
    };
    Writer tree{compressed};
    using Attributes = std::vector<std::pair<std::string, std::string>>;
    const auto element = [&](const char *name, const Attributes &attributes, uint64_t children) {
      tree.count(index(name));
      tree.count(attributes.size());
      for (const auto &[key, value] : attributes) {
        tree.count(index(key));
        tree.count(index(value));
      }
      tree.count(children);
    };
    const auto annotations = [&](const std::vector<Annotation> &all) {
      for (const Annotation &annotation : all) {
        Attributes attributes{{"class", std::to_string(annotation.type)}};
        const char *const key = annotation.type % 100 == kCategory ? "value-0" : "value";
        if (!annotation.value.empty()) attributes.emplace_back(key, annotation.value);
        element("annotation", attributes, 0);
      }
    };
    element("root", {}, 2);
    element("metadata", {}, types_.size());
    for (const Type &type : types_) {
      Attributes attributes{{"id", std::to_string(type.id)}, {"name", type.name}};
      if (!type.super.empty()) attributes.emplace_back("superType", type.super);
      if (type.is_simple) attributes.emplace_back("simpleType", "true");
      element("class", attributes, type.annotations.size() + type.fields.size());
      annotations(type.annotations);
      for (const Field &field : type.fields) {
        Attributes said{{"name", field.name}, {"class", std::to_string(field.type)}};
        if (field.in_pool) said.emplace_back("constantPool", "true");
        if (field.is_array) said.emplace_back("dimension", "1");
        element("field", said, field.annotations.size());
        annotations(field.annotations);
      }
    }
    element("region", {{"locale", "en"}, {"gmtOffset", "0"}}, 0);

    Writer out{compressed};
    out.key(0);
    out.i64(start_ticks);
    out.i64(0);
    out.i64(1);
    out.count(strings.size());
    for (const std::string &text : strings) {
      if (text.empty())
        out.empty_string();
      else if (metadata_form == StringForm::kUtf8)
        out.utf8(text);
      else if (metadata_form == StringForm::kLatin1)
        out.latin1(text);
      else
        out.utf16(std::u16string(text.begin(), text.end()));
    }
    out.raw(tree.bytes());
    newest_metadata_ = here();
    return append(out.bytes());
  }

  /// Bytes as they are, event or not.
  size_t raw(std::string_view bytes) {
    const size_t at = here();
    body_ += bytes;
    return at;
  }

  /// The next event's position.
  size_t here() const { return kHeader + body_.size(); }

  std::string finish() {
    if (newest_metadata_ == 0) metadata();
    Writer header;
    header.raw({"FLR\0", 4});
    header.big_endian(major, 2);
    header.big_endian(minor, 2);
    header.big_endian(here(), 8);
    header.big_endian(newest_checkpoint_, 8);
    header.big_endian(newest_metadata_, 8);
    header.big_endian(static_cast<uint64_t>(start_ns), 8);
    header.big_endian(static_cast<uint64_t>(duration_ns), 8);
    header.big_endian(static_cast<uint64_t>(start_ticks), 8);
    header.big_endian(static_cast<uint64_t>(ticks_per_second), 8);
    header.u8(state);
    header.u8(0);
    header.big_endian(compressed ? 1 : 0, 2);
    return header.bytes() + body_;
  }

private:
  static constexpr size_t kHeader = 68;

  /// Puts the size in front, which counts itself.
  size_t append(const std::string &content) {
    const size_t at = here();
    Writer size{compressed};
    if (!compressed) {
      size.big_endian(content.size() + 4, 4);
    } else if (size_bytes != 0) {
      size.padded_varint(content.size() + size_bytes, size_bytes);
    } else {
      unsigned bytes = 1;
      while ((content.size() + bytes) >> (7 * bytes) != 0) ++bytes;
      size.varint(content.size() + bytes);
    }
    body_ += size.bytes() + content;
    return at;
  }

  std::string body_;
  std::vector<Type> types_;
  size_t newest_checkpoint_ = 0;
  size_t newest_metadata_ = 0;
};

} // namespace jfr_test
