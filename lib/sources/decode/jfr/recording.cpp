#include "sources/decode/jfr/recording.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace profcore::jfr {
namespace {

/// Memory is taken for what is there, not for what a header says.
constexpr size_t kStep = size_t{1} << 20;

/// Whether the size is what a writer put there to begin with: the JDK 0, async-profiler 2^30.
bool is_unfinished(const ChunkHeader &header) noexcept {
  return header.size == 0 ||
         (header.size == INT64_C(1) << 30 && header.pools_at == 0 && header.metadata_at == 0);
}

/// Whether the header's size can be believed.
bool has_size(const ChunkHeader &header) noexcept {
  return header.size >= static_cast<int64_t>(kHeaderBytes) && !is_unfinished(header);
}

/// Whether a header is that of a chunk: recordings hold copies of their headers among their pools
/// (jdk.types.ChunkHeader), behind which no metadata stands where the copy says. The start of it
/// tells: its first strings.
bool begins_chunk(std::span<const uint8_t> bytes) noexcept {
  if (!is_chunk(bytes)) return false;
  const ChunkHeader header = read_header(bytes.data());
  if (header.ticks_per_second <= 0) return false;
  const uint64_t at =
      header.metadata_at == 0 ? kHeaderBytes : static_cast<uint64_t>(header.metadata_at);
  if (at < kHeaderBytes || at >= bytes.size()) return false;
  const uint8_t *const event = bytes.data() + at;
  const uint8_t *const end = bytes.data() + bytes.size();
  Cursor cursor{event, end, header.compressed()};
  const uint64_t size = cursor.count();
  const uint64_t type = cursor.u64();
  if (cursor.failed() || type != 0 || size < static_cast<uint64_t>(cursor.at() - event))
    return false;
  cursor.u64(); // start
  cursor.u64(); // duration
  cursor.u64(); // metadata id
  const uint64_t strings = cursor.count();
  constexpr ptrdiff_t kLongest = 1000; // a search must not read a long string at every step
  const uint8_t *string = cursor.at();
  for (uint64_t i = 0; i < std::min<uint64_t>(strings, 8) && string != nullptr; ++i)
    string = skip_string(string, string + std::min(end - string, kLongest), header.compressed());
  return !cursor.failed() && strings > 0 && string != nullptr;
}

} // namespace

/// The first chunk that begins in [from, until), or `until`.
size_t ChunkSplitter::find_chunk(size_t from, size_t until) const noexcept {
  constexpr size_t kMagicBytes = 5;
  while (from < until) {
    const size_t room = std::min(bytes_.size(), until + kMagicBytes - 1) - from;
    const void *const found = memmem(bytes_.data() + from, room, "FLR\0\0", kMagicBytes);
    if (found == nullptr) break;
    from = static_cast<size_t>(static_cast<const uint8_t *>(found) - bytes_.data());
    if (begins_chunk(bytes_.subspan(from))) return from;
    ++from;
  }
  return until;
}

/// Whether a chunk may end there: only another one or the end comes next.
bool ChunkSplitter::ends_well(size_t end) const noexcept {
  return end == bytes_.size() || is_chunk(bytes_.subspan(end));
}

bool ChunkSplitter::next(ChunkBytes &chunk) {
  if (at_ >= bytes_.size()) return false;
  if (!is_chunk(bytes_.subspan(at_))) {
    const size_t next = find_chunk(at_, bytes_.size());
    findings_.warn(
        fmt::format("{} bytes that are no chunk of a recording were stepped over", next - at_),
        offset_ + at_, "lost_bytes", next - at_);
    at_ = next;
    if (at_ >= bytes_.size()) return false;
  }
  const ChunkHeader header = read_header(bytes_.data() + at_);
  const size_t left = bytes_.size() - at_;
  const bool fits = has_size(header) && static_cast<uint64_t>(header.size) <= left;
  const size_t end = fits ? at_ + static_cast<size_t>(header.size) : bytes_.size();
  // A chunk that was cut short reaches into the next one.
  size_t next = end;
  if (!fits || !ends_well(end)) next = find_chunk(at_ + 1, end);
  if (fits && next == end) {
    chunk = {bytes_.subspan(at_, static_cast<size_t>(header.size)), offset_ + at_, true};
  } else {
    chunk = {bytes_.subspan(at_, next - at_), offset_ + at_, false};
    findings_.warn(
        header.state != 0 || is_unfinished(header)
            ? std::string{"the recorder had not finished this chunk: what it had written is read"}
            : fmt::format("a chunk that says it has {} bytes, with {} there: those are read",
                          header.size, next - at_),
        offset_ + at_, "unfinished_chunks");
  }
  at_ += chunk.bytes.size();
  return true;
}

ChunkStream::ChunkStream(PodVector<uint8_t> head, InputStream &input, const Context &context,
                         Findings &findings)
    : waiting_{std::move(head)}, input_{input}, context_{context}, findings_{findings} {}

/// Whether `size` bytes are waiting, after reading as much as that takes.
bool ChunkStream::fill(size_t size) {
  while (waiting_.size() < size && !ended_) {
    const size_t old = waiting_.size();
    const size_t step = std::min(kStep, size - old);
    waiting_.resize_uninitialized(old + step);
    const size_t got = input_.read_some(waiting_.data() + old, step);
    waiting_.resize_uninitialized(old + got);
    ended_ = got == 0;
    context_.report(offset_ + waiting_.size(), input_.expected());
  }
  return waiting_.size() >= size;
}

/// The same for a chunk, and that it ends where another begins or the input ends.
bool ChunkStream::fill_chunk(size_t size) {
  if (!fill(size)) return false;
  if (fill(size + kHeaderBytes)) return is_chunk(waiting_.span().subspan(size));
  return waiting_.size() == size;
}

bool ChunkStream::next(PodVector<uint8_t> &buffer, ChunkBytes &chunk) {
  if (!rest_) {
    if (fill(kHeaderBytes)) {
      const ChunkHeader header = read_header(waiting_.data());
      if (is_chunk(waiting_.span()) && has_size(header) &&
          static_cast<uint64_t>(header.size) <= context_.limits.max_input_bytes &&
          fill_chunk(static_cast<size_t>(header.size))) {
        const auto size = static_cast<size_t>(header.size);
        std::swap(buffer, waiting_); // the caller's last chunk gives its memory
        waiting_.clear();
        waiting_.append(buffer.span().subspan(size));
        chunk = {buffer.span().first(size), offset_, true};
        offset_ += size;
        return true;
      }
    }
    while (!ended_) fill(waiting_.size() + kStep);
    rest_.emplace(waiting_.span(), offset_, findings_);
  }
  return rest_->next(chunk);
}

} // namespace profcore::jfr
