#pragma once

// Makes zip archives as writers of all kinds do: sizes in front or behind, 64-bit sizes, files of
// other methods. Nothing is checked.

#include "base/inflate.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zip_test {

class Archive {
public:
  struct Options {
    bool deflate = true;
    bool sizes_behind = false; ///< a data descriptor, as java.util.zip writes it
    bool wide = false;         ///< zip64 sizes
    uint16_t method = UINT16_MAX;
    uint16_t flags = 0;
  };

  void add(std::string_view name, std::string_view data) { add(name, data, Options{}); }
  void add(std::string_view name, std::string_view data, const Options &options) {
    std::string packed{data};
    if (options.deflate) {
      profcore::Buffer out;
      profcore::deflate_raw({data.data(), data.size()}, 6, out);
      packed.assign(out.data(), out.size());
    }
    const uint32_t crc =
        profcore::crc32_of({reinterpret_cast<const uint8_t *>(data.data()), data.size()});
    const uint16_t method = options.method != UINT16_MAX
                                ? options.method
                                : static_cast<uint16_t>(options.deflate ? 8 : 0);
    const auto flags = static_cast<uint16_t>(options.flags | (options.sizes_behind ? 8 : 0));
    const size_t at = bytes_.size();
    const auto common = [&](std::string &to, bool known) {
      number(to, 20, 2);
      number(to, flags, 2);
      number(to, method, 2);
      number(to, 0, 4);
      number(to, known ? crc : 0, 4);
      const uint64_t wide = UINT32_MAX;
      number(to, !known ? 0 : options.wide ? wide : packed.size(), 4);
      number(to, !known ? 0 : options.wide ? wide : data.size(), 4);
      number(to, name.size(), 2);
    };
    const std::string extra = options.wide ? wide_extra(data.size(), packed.size()) : "";
    number(bytes_, 0x04034b50, 4);
    common(bytes_, !options.sizes_behind);
    number(bytes_, options.sizes_behind ? 0 : extra.size(), 2);
    bytes_ += name;
    if (!options.sizes_behind) bytes_ += extra;
    bytes_ += packed;
    if (options.sizes_behind) {
      number(bytes_, 0x08074b50, 4);
      number(bytes_, crc, 4);
      number(bytes_, packed.size(), options.wide ? 8 : 4);
      number(bytes_, data.size(), options.wide ? 8 : 4);
    }
    number(directory_, 0x02014b50, 4);
    number(directory_, 20, 2);
    common(directory_, true);
    number(directory_, extra.size(), 2);
    number(directory_, 0, 2); // comment
    number(directory_, 0, 8); // disk, attributes
    number(directory_, at, 4);
    directory_ += name;
    directory_ += extra;
    ++count_;
  }

  std::string finish(bool wide = false, std::string_view comment = {}) const {
    std::string all = bytes_ + directory_;
    if (wide) {
      const size_t at = all.size();
      number(all, 0x06064b50, 4);
      number(all, 44, 8);
      number(all, 45, 2);
      number(all, 45, 2);
      number(all, 0, 8);
      number(all, count_, 8);
      number(all, count_, 8);
      number(all, directory_.size(), 8);
      number(all, bytes_.size(), 8);
      number(all, 0x07064b50, 4);
      number(all, 0, 4);
      number(all, at, 8);
      number(all, 1, 4);
    }
    number(all, 0x06054b50, 4);
    number(all, 0, 4);
    number(all, wide ? UINT16_MAX : count_, 2);
    number(all, wide ? UINT16_MAX : count_, 2);
    number(all, wide ? UINT32_MAX : directory_.size(), 4);
    number(all, wide ? UINT32_MAX : bytes_.size(), 4);
    number(all, comment.size(), 2);
    return all += comment;
  }
  /// Files and headers without the directory, as a copy cut short has them.
  const std::string &without_directory() const { return bytes_; }

private:
  static void number(std::string &to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
  }
  static std::string wide_extra(uint64_t size, uint64_t packed) {
    std::string extra{"\x99\x99\2\0xx", 6}; // one of another kind before it
    number(extra, 1, 2);
    number(extra, 16, 2);
    number(extra, size, 8);
    number(extra, packed, 8);
    return extra;
  }

  std::string bytes_;
  std::string directory_;
  size_t count_ = 0;
};

} // namespace zip_test
