#include "symbolize/perf_map.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <sys/stat.h>
#include <unistd.h>

namespace profcore {
namespace {

constexpr uint64_t kMostNames = uint64_t{1} << 31;
constexpr int64_t kSecond = 1'000'000'000;

constexpr auto kDigits = [] {
  std::array<uint8_t, 256> digits{};
  for (auto &digit : digits) digit = 255;
  for (uint8_t i = 0; i < 10; ++i) digits[static_cast<size_t>('0' + i)] = i;
  for (uint8_t i = 0; i < 6; ++i) {
    digits[static_cast<size_t>('a' + i)] = static_cast<uint8_t>(10 + i);
    digits[static_cast<size_t>('A' + i)] = static_cast<uint8_t>(10 + i);
  }
  return digits;
}();

/// A number with or without 0x, followed by a space; moves `at` behind the spaces.
bool take_hex(const char *&at, const char *end, uint64_t &value) noexcept {
  if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) at += 2;
  const char *const begin = at;
  uint64_t number = 0;
  for (; at != end; ++at) {
    const uint8_t digit = kDigits[static_cast<uint8_t>(*at)];
    if (digit > 15) break;
    if (number >> 60 != 0) return false;
    number = number << 4 | digit;
  }
  if (at == begin || at == end || (*at != ' ' && *at != '\t')) return false;
  while (at != end && (*at == ' ' || *at == '\t')) ++at;
  value = number;
  return true;
}

int64_t modified_ns(const struct stat &status) noexcept {
  return static_cast<int64_t>(status.st_mtim.tv_sec) * kSecond + status.st_mtim.tv_nsec;
}

int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

/// Fewer than asked for only at the end; -1 for errors.
ssize_t read_at(int fd, char *to, size_t size, uint64_t offset) noexcept {
  size_t filled = 0;
  while (filled < size) {
    const ssize_t got =
        ::pread(fd, to + filled, size - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(filled);
}

} // namespace

bool PerfMap::parse_line(std::string_view line, PodVector<AddressRange> &ranges) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return true;
  const char *at = line.data();
  const char *const end = at + line.size();
  uint64_t start = 0;
  uint64_t size = 0;
  if (!take_hex(at, end, start) || !take_hex(at, end, size) || at == end) return false;
  if (size == 0 || size > UINT32_MAX || start > UINT64_MAX - size) return false;
  auto name = std::string_view{at, static_cast<size_t>(end - at)};
  name = name.substr(0, std::min(name.find('\0'), kLongestName));
  if (name.empty()) return false;
  if (names_.size() + name.size() >= kMostNames)
    throw Error{Status::kLimit, "a perf map has more than 2 GB of names"};
  ranges.push_back({start, static_cast<uint32_t>(size), static_cast<uint32_t>(names_.size()),
                    static_cast<uint32_t>(ranges.size())});
  names_.append(name);
  names_ += '\0';
  return true;
}

void PerfMap::append(std::string_view lines) {
  PodVector<AddressRange> ranges;
  ranges.reserve(lines.size() / 64 + 16);
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    ++lines_;
    if (!parse_line(line, ranges)) ++bad_lines_;
  }
  if (ranges.empty()) return;
  RangeTable newest = RangeTable::build(std::move(ranges));
  while (!tables_.empty() && newest.size() * 2 >= tables_.back().size()) {
    const RangeTable &older = tables_.back();
    PodVector<AddressRange> both;
    both.reserve(older.size() + newest.size());
    const auto add = [&both](const RangeTable &from, uint32_t priority) {
      from.for_each([&](const RangeTable::Piece &piece) {
        both.push_back({piece.start, piece.size, piece.value, priority});
      });
    };
    add(older, 0);
    add(newest, 1);
    newest = RangeTable::build(std::move(both));
    tables_.pop_back();
  }
  tables_.push_back(std::move(newest));
}

void PerfMap::clear() {
  *this = {};
}

size_t PerfMap::size() const noexcept {
  size_t sum = 0;
  for (const RangeTable &table : tables_) sum += table.size();
  return sum;
}

size_t PerfMap::bytes() const noexcept {
  size_t sum = names_.capacity() + tables_.capacity() * sizeof(RangeTable);
  for (const RangeTable &table : tables_) sum += table.bytes();
  return sum;
}

bool PerfMapLog::same_before(int fd) const {
  if (seam_.empty()) return true;
  char before[kSeam];
  const auto size = static_cast<ssize_t>(seam_.size());
  return read_at(fd, before, seam_.size(), offset_ - seam_.size()) == size &&
         std::memcmp(before, seam_.data(), seam_.size()) == 0;
}

PerfMapLog::Result PerfMapLog::replace(int fd, uint64_t max_bytes) {
  PerfMapLog next;
  next.most_bytes_ = std::min(max_bytes, kMostBytes);
  const Result result = next.refresh(fd, max_bytes / 2);
  if (result == Result::kDamaged) return result;
  next.before_ = std::move(map_);
  *this = std::move(next);
  return Result::kReplaced;
}

const char *PerfMapLog::find(uint64_t address, uint64_t &symbol) const noexcept {
  for (const PerfMap *map : {&map_, &before_}) {
    const uint32_t found = map->find(address);
    if (found == PerfMap::kNotFound) continue;
    symbol = uint64_t{map == &before_} << 32 | found;
    return map->name(found).data();
  }
  return nullptr;
}

PerfMapLog::Result PerfMapLog::refresh(int fd, uint64_t max_bytes) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return Result::kDamaged;
  const auto size = static_cast<uint64_t>(status.st_size);
  const int64_t modified = modified_ns(status);
  const bool same_file = inode_ != 0 && status.st_dev == device_ && status.st_ino == inode_;
  // A line without its end is taken once nobody has written for a second.
  const bool settled = now_ns() - modified > kSecond;
  if (same_file && size == size_ && modified == modified_ns_ && (offset_ == size || !settled))
    return Result::kUnchanged;
  auto result = Result::kGrown;
  if (!same_file || size < offset_ || !same_before(fd)) {
    result = Result::kReplaced;
    const uint64_t most = most_bytes_;
    *this = {};
    most_bytes_ = most;
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
  size_ = size;
  modified_ns_ = modified;

  // Lines are taken in large parts, each making one table: small parts would be merged over and
  // over.
  std::string part;
  const uint64_t end = std::min(size, most_bytes_);
  while (offset_ < end && !cut_) {
    if (bytes() > max_bytes) {
      cut_ = true;
      break;
    }
    constexpr uint64_t kPart = uint64_t{4} << 20;
    part.resize(static_cast<size_t>(std::min(end - offset_, kPart)));
    const ssize_t got = read_at(fd, part.data(), part.size(), offset_);
    if (got < 0) return Result::kDamaged;
    if (got == 0) break;
    part.resize(static_cast<size_t>(got));
    const size_t newline = part.rfind('\n');
    const bool at_end = offset_ + part.size() >= end;
    if (newline != std::string::npos && !(at_end && settled))
      part.resize(newline + 1);
    else if (!(at_end && settled) && part.size() < kPart)
      break; // the line is not finished
    map_.append(part);
    offset_ += part.size();
    seam_ = part.size() > kSeam ? part.substr(part.size() - kSeam) : part;
  }
  cut_ = cut_ || size > most_bytes_;
  return result;
}

} // namespace profcore
