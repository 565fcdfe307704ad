// Reading a chunk takes one look at its metadata and one pass over its events.
//
// The header says where the newest metadata event is; that of a chunk that was not finished may
// not, or not any more, and then a first pass from event to event looks for one. Then every event
// is stepped over by its size: wanted ones are noted (8 bytes each), checkpoints are read into
// pools at once. The chain of checkpoints that the JDK follows is not needed for that. It serves
// when the events do not add up (a size of 0, or one past the end; the JVM is known to write into
// the middle of its own events): then the pass goes on at the next checkpoint or metadata event
// that the chain knows of, and the bytes between are counted as lost. Positions in the chain must
// get smaller, so a chain that is damaged cannot be walked in circles.
//
// Cost: one step per event plus one per pool entry, no allocation per event. Decoding pools only on
// demand (by the chain, as the JDK does) would save little: of a value nothing but its end is
// sought.

#include "sources/decode/jfr/chunk.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

namespace profcore::jfr {
namespace {

constexpr uint64_t kMetadataType = 0;
constexpr uint64_t kCheckpointType = 1;

} // namespace

ChunkHeader read_header(const uint8_t *bytes) noexcept {
  const auto word = [bytes](size_t at) {
    return static_cast<int64_t>(load_big_endian(bytes + at, 8));
  };
  ChunkHeader header;
  header.major = static_cast<uint16_t>(load_big_endian(bytes + 4, 2));
  header.minor = static_cast<uint16_t>(load_big_endian(bytes + 6, 2));
  header.size = word(8);
  header.pools_at = word(16);
  header.metadata_at = word(24);
  header.start_ns = word(32);
  header.duration_ns = word(40);
  header.start_ticks = word(48);
  header.ticks_per_second = word(56);
  header.state = bytes[64];
  header.flags = static_cast<uint16_t>(load_big_endian(bytes + 66, 2));
  return header;
}

bool is_chunk(std::span<const uint8_t> bytes) noexcept {
  constexpr uint8_t kMagic[] = {'F', 'L', 'R', 0, 0};
  return bytes.size() >= kHeaderBytes &&
         std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin()) && bytes[5] <= 2 &&
         bytes[6] == 0;
}

Chunk::Chunk(std::span<const uint8_t> bytes, uint64_t offset, bool strict)
    : bytes_{bytes}, offset_{offset}, header_{read_header(bytes.data())},
      ticks_are_nanos_{header_.ticks_per_second == 1'000'000'000}, findings_{strict} {}

Chunk Chunk::load(std::span<const uint8_t> bytes, uint64_t offset, bool is_whole,
                  const Wanted &wanted, bool strict) {
  if (bytes.size() < kHeaderBytes)
    throw Error{Status::kMalformed, "a chunk's header is cut off", offset};
  Chunk chunk{bytes, offset, strict};
  const ChunkHeader &header = chunk.header_;
  if (header.major == 0)
    throw Error{
        Status::kUnsupported,
        fmt::format("a JFR chunk of version {}.{} (Oracle JDK 7 and 8), which this library does "
                    "not read yet; versions 1.0, 2.0 and 2.1 are read",
                    header.major, header.minor),
        offset};
  if (header.major > 2)
    throw Error{Status::kUnsupported,
                fmt::format("a JFR chunk of version {}.{}; versions 1.0, 2.0 and 2.1 are read",
                            header.major, header.minor),
                offset};
  if (bytes.size() > std::numeric_limits<uint32_t>::max())
    throw Error{Status::kLimit, "a JFR chunk of more than 4 GiB", offset};
  if (header.ticks_per_second <= 0)
    throw Error{Status::kMalformed,
                fmt::format("a JFR chunk with {} ticks per second", header.ticks_per_second),
                offset};
  chunk.most_bytes_ = wanted.most_bytes;
  chunk.limit_name_ = wanted.limit_name;
  chunk.read_schema(is_whole);
  chunk.scan(wanted, is_whole);
  return chunk;
}

Schema Chunk::read_schema_at(uint64_t position) {
  const uint8_t *const at = bytes_.data() + position;
  Cursor cursor{at, end(), header_.compressed()};
  const uint64_t size = cursor.count();
  const uint64_t type = cursor.u64();
  const auto used = static_cast<uint64_t>(cursor.at() - at);
  if (cursor.failed() || type != kMetadataType)
    throw Error{Status::kMalformed, "no metadata event where the header says", offset_of(at)};
  if (size < used || size > bytes_.size() - position)
    throw Error{Status::kMalformed, "the metadata event does not fit in its chunk", offset_of(at)};
  Cursor inside{cursor.at(), at + size, header_.compressed()};
  inside.u64(); // start
  inside.u64(); // duration
  inside.u64(); // metadata id
  return Schema{inside, offset_of(inside.at()), findings_};
}

/// Where the last metadata events are, by a look at every event up to the first that is damaged.
std::vector<uint32_t> Chunk::find_metadata() const {
  constexpr size_t kMost = 64; // only the last should be damaged, if any
  std::vector<uint32_t> found;
  size_t count = 0;
  for (const uint8_t *at = bytes_.data() + kHeaderBytes; at < end();) {
    Cursor cursor{at, end(), header_.compressed()};
    const uint64_t size = cursor.count();
    const uint64_t type = cursor.u64();
    if (cursor.failed() || size < static_cast<uint64_t>(cursor.at() - at) ||
        size > static_cast<uint64_t>(end() - at))
      break;
    if (type == kMetadataType) {
      if (found.size() < kMost) found.emplace_back();
      found[count++ % kMost] = static_cast<uint32_t>(at - bytes_.data());
    }
    at += size;
  }
  return found;
}

/// The newest metadata event has all types so far. Where the header does not know it, or what is
/// there cannot be read, the newest that can be will do.
void Chunk::read_schema(bool is_whole) {
  const auto said = static_cast<uint64_t>(header_.metadata_at);
  const bool in_chunk = said >= kHeaderBytes && said < bytes_.size();
  std::optional<Error> wrong;
  const auto try_at = [&](uint64_t position) {
    try {
      schema_.emplace(read_schema_at(position));
      return true;
    } catch (const Error &error) {
      if (error.status() != Status::kMalformed) throw;
      if (!wrong) wrong = error;
      return false;
    }
  };
  if (is_whole && in_chunk && try_at(said)) return;
  if (is_whole && !in_chunk)
    wrong = Error{Status::kMalformed,
                  fmt::format("the header says that metadata is at {} of {} bytes",
                              header_.metadata_at, bytes_.size()),
                  offset_};
  std::vector<uint32_t> positions = find_metadata();
  if (!is_whole && in_chunk) positions.push_back(static_cast<uint32_t>(said));
  std::sort(positions.begin(), positions.end(), std::greater<>{});
  for (const uint32_t position : positions) {
    if ((is_whole && position == said) || !try_at(position)) continue;
    if (wrong)
      findings_.warn(fmt::format("{}; the metadata at {} is used", wrong->message(), position),
                     wrong->offset(), "damaged_metadata");
    return;
  }
  if (wrong) throw *wrong;
  throw Error{Status::kMalformed,
              "a chunk without metadata: it was not finished, and nothing in it can be told",
              offset_};
}

/// The notes of a chunk take up to so many bytes per event and per constant, while they grow.
void Chunk::check_room(uint64_t more_constants) const {
  constexpr uint64_t kPerEvent = sizeof(EventAt) * 3 / 2;
  constexpr uint64_t kPerConstant = (sizeof(uint64_t) + 2 * sizeof(PoolPosition)) * 3 / 2 + 16;
  const uint64_t bytes =
      events_.size() * kPerEvent + (constant_count_ + more_constants) * kPerConstant;
  if (bytes > most_bytes_)
    throw Error{Status::kLimit,
                fmt::format("the events and constants of a chunk take more than the {} bytes that "
                            "{} leaves for them; raise it for input that you trust",
                            most_bytes_, limit_name_),
                offset_};
}

void Chunk::scan(const Wanted &wanted, bool is_whole) {
  const std::span<const Type> types = schema_->types();
  std::vector<uint8_t> wanted_events(types.size());
  std::vector<uint8_t> wanted_pools(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    wanted_events[i] = !wanted.event || wanted.event(types[i]);
    wanted_pools[i] = !wanted.pool || wanted.pool(types[i]);
  }
  pools_.resize(types.size());
  tallies_.resize(types.size());

  const uint8_t *const begin = bytes_.data();
  const uint8_t *at = begin + kHeaderBytes;
  uint64_t unknown_types = 0;
  uint64_t first_unknown = 0;
  bool saw_newest = header_.pools_at == 0 || !is_whole;
  while (at < end()) {
    const auto [size, type, body] = read_head(at);
    if (body == nullptr || size < static_cast<uint64_t>(body - at) ||
        size > static_cast<uint64_t>(end() - at)) [[unlikely]] {
      const auto position = static_cast<uint32_t>(at - begin);
      const uint32_t next = resume_after(position);
      const uint64_t lost = (next == 0 ? bytes_.size() : next) - position;
      if (is_whole || next != 0)
        findings_.warn(
            fmt::format("an event that says it has {} bytes, with {} left in its chunk; {} bytes "
                        "were stepped over",
                        static_cast<int64_t>(size), static_cast<uint64_t>(end() - at), lost),
            offset_of(at), "lost_bytes", lost);
      else
        findings_.warn(
            fmt::format("the recording ends inside a chunk; its last {} bytes are no whole event",
                        lost),
            offset_of(at), "lost_bytes", lost);
      if (next == 0) break;
      at = begin + next;
      continue;
    }
    if (type == kCheckpointType) {
      Cursor inside{body, at + size, header_.compressed()};
      saw_newest |= at - begin == header_.pools_at;
      read_checkpoint(inside, at, wanted_pools);
    } else if (type != kMetadataType) {
      const TypeIndex index = schema_->find_id(type);
      if (index == kNoType) {
        if (unknown_types++ == 0) first_unknown = offset_of(at);
      } else {
        ++tallies_[index].count;
        tallies_[index].bytes += size;
        if (wanted_events[index]) {
          if (events_.size() == events_.capacity()) check_room(0);
          events_.push_back({static_cast<uint32_t>(at - begin), index});
        }
      }
    }
    at += size;
  }
  drop_hollow_events();
  if (!saw_newest)
    findings_.warn(
        fmt::format("the header says that a checkpoint is at {}, where none is", header_.pools_at),
        offset_, "damaged_checkpoint_chain");
  if (unknown_types > 0)
    findings_.warn(fmt::format("{} events of types that the chunk does not define", unknown_types),
                   first_unknown, "events_of_unknown_type", unknown_types);
  for (const EventTally &tally : tallies_) event_count_ += tally.count;
  const uint64_t seed = random_hash_seed();
  for (Pool &pool : pools_) pool.finish(seed);
}

/// Every field has a byte at least, and a type may have a quarter of a million fields: events of
/// three bytes that lack them all would each cost whoever reads them that much.
void Chunk::drop_hollow_events() {
  constexpr uint64_t kFieldsPerByte = 16;
  constexpr uint64_t kFewFields = uint64_t{1} << 20; ///< of all events of a type
  const auto is_hollow = [this](TypeIndex index) {
    return tallies_[index].count * (*schema_)[index].fields.size() >
           tallies_[index].bytes * kFieldsPerByte + kFewFields;
  };
  bool any = false;
  for (TypeIndex index = 0; index < tallies_.size(); ++index) {
    if (!is_hollow(index)) continue;
    any = true;
    findings_.warn(fmt::format("{} events of {} have {} bytes in all, for {} fields each: they "
                               "were stepped over",
                               tallies_[index].count, (*schema_)[index].name.substr(0, 80),
                               tallies_[index].bytes, (*schema_)[index].fields.size()),
                   offset_, "damaged_events", tallies_[index].count);
  }
  if (!any) return;
  EventAt *const end = std::remove_if(events_.begin(), events_.end(),
                                      [&](const EventAt &event) { return is_hollow(event.type); });
  events_.resize_uninitialized(static_cast<size_t>(end - events_.begin()));
}

void Chunk::read_checkpoint(Cursor cursor, const uint8_t *begin,
                            std::span<const uint8_t> wanted_pools) {
  const uint64_t from = offset_of(cursor.at());
  cursor.u64(); // start
  cursor.u64(); // duration
  const int64_t before = cursor.i64();
  cursor.byte(); // what it was written for
  const uint64_t pool_count = cursor.count();
  const auto damaged = [&](std::string what) {
    findings_.warn(
        fmt::format("a checkpoint: {}; its last {} bytes were stepped over", what, cursor.left()),
        offset_of(cursor.at()), "damaged_checkpoints");
  };
  if (cursor.failed()) {
    findings_.warn("a checkpoint is cut off", from, "damaged_checkpoints");
    return;
  }
  // Nobody needs the chain as long as events add up, but it is damage to tell.
  if (before > 0 || before < bytes_.data() - begin)
    findings_.warn(fmt::format("a checkpoint that says the one before it is at {} from it", before),
                   offset_of(begin), "damaged_checkpoint_chain");
  for (uint64_t p = 0; p < pool_count; ++p) {
    const uint64_t type_id = cursor.u64();
    const uint64_t count = cursor.count();
    if (cursor.failed()) return damaged(fmt::format("{} of {} pools are there", p, pool_count));
    const TypeIndex index = schema_->find_id(type_id);
    if (index == kNoType || !(*schema_)[index].is_readable) {
      if (count == 0) continue;
      return damaged(index == kNoType
                         ? fmt::format("a pool of type {}, which is not defined", type_id)
                         : fmt::format("a pool of type {}, whose values cannot be read",
                                       (*schema_)[index].name.substr(0, 80)));
    }
    const Type &type = (*schema_)[index];
    if (count > cursor.left() / (1 + uint64_t{type.smallest}))
      return damaged(
          fmt::format("{} values in {} bytes", static_cast<int64_t>(count), cursor.left()));
    const bool is_wanted = wanted_pools[index] != 0;
    if (is_wanted) check_room(count);
    Pool &pool = pools_[index];
    const bool is_number = type.skips.size() == 1 && type.skips[0].kind == Skip::kVarints;
    if (!is_wanted && is_number) {
      cursor.seek(skip_varints(cursor.at(), cursor.end(), count * (1 + type.skips[0].amount)));
      if (cursor.failed())
        return damaged(fmt::format("a pool of {} is cut off", type.name.substr(0, 80)));
      continue;
    }
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t key = cursor.u64();
      const uint8_t *const value = cursor.at();
      cursor.seek(schema_->skip(index, value, cursor.end()));
      if (cursor.failed())
        return damaged(fmt::format("value {} of {} in a pool of {} is damaged", i, count,
                                   type.name.substr(0, 80)));
      if (!is_wanted) continue;
      pool.add(key, static_cast<PoolPosition>(value - bytes_.data()),
               static_cast<PoolPosition>(cursor.at() - bytes_.data()));
      ++constant_count_;
    }
  }
}

/// The first checkpoint or metadata event past `position` that the header and the chain know of.
uint32_t Chunk::resume_after(uint32_t position) {
  if (!walked_chain_) walk_chain();
  const auto next = std::upper_bound(landmarks_.begin(), landmarks_.end(), position);
  return next == landmarks_.end() ? 0 : *next;
}

void Chunk::walk_chain() {
  walked_chain_ = true;
  const auto in_chunk = [this](int64_t at) {
    return at >= static_cast<int64_t>(kHeaderBytes) && static_cast<uint64_t>(at) < bytes_.size();
  };
  if (in_chunk(header_.metadata_at))
    landmarks_.push_back(static_cast<uint32_t>(header_.metadata_at));
  int64_t at = header_.pools_at;
  while (in_chunk(at)) {
    Cursor cursor{bytes_.data() + at, end(), header_.compressed()};
    cursor.count();
    if (cursor.u64() != kCheckpointType) break;
    cursor.u64();
    cursor.u64();
    const int64_t delta = cursor.i64();
    if (cursor.failed()) break;
    landmarks_.push_back(static_cast<uint32_t>(at));
    if (delta >= 0 || delta < -at) break;
    at += delta;
  }
  std::sort(landmarks_.begin(), landmarks_.end());
}

size_t Chunk::memory_bytes() const noexcept {
  size_t bytes = events_.bytes();
  for (const Pool &pool : pools_) bytes += pool.bytes();
  return bytes;
}

Chunk::EventHead Chunk::read_head_slowly(const uint8_t *at) const noexcept {
  Cursor cursor{at, end(), header_.compressed()};
  EventHead head{};
  head.size = cursor.count();
  head.type = cursor.u64();
  head.body = cursor.failed() ? nullptr : cursor.at();
  return head;
}

} // namespace profcore::jfr
