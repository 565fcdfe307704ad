#pragma once

#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/recording.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jfr_test {

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// A chunk, and the bytes it needs.
class Loaded {
public:
  explicit Loaded(std::string bytes, const profcore::jfr::Wanted &wanted = {}, bool strict = false,
                  bool is_whole = true)
      : bytes_{std::move(bytes)}, chunk_{profcore::jfr::Chunk::load(bytes_of(bytes_), 0, is_whole,
                                                                    wanted, strict)} {}
  const profcore::jfr::Chunk &operator*() const { return chunk_; }
  const profcore::jfr::Chunk *operator->() const { return &chunk_; }

  /// The texts of findings, one per line, each with its offset in front.
  std::string findings() const {
    std::string all;
    for (const auto &found : chunk_.findings().warnings())
      all += std::to_string(found.offset) + ": " + found.text + "\n";
    return all;
  }
  uint64_t counter(std::string_view name) const {
    for (const profcore::Counter &counter : chunk_.findings().counters())
      if (counter.name == name) return counter.value;
    return 0;
  }
  /// The fields of event `number` by name.
  std::map<std::string, profcore::jfr::FieldValue> fields(size_t number) const {
    const profcore::jfr::EventAt event = chunk_.events()[number];
    const profcore::jfr::Type &type = chunk_.schema()[event.type];
    std::vector<profcore::jfr::FieldValue> values(type.fields.size());
    const profcore::jfr::EventBody body = chunk_.body(event);
    chunk_.read_fields(event.type, body.at, body.end, values);
    std::map<std::string, profcore::jfr::FieldValue> all;
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i].at != nullptr) all.emplace(type.fields[i].name, values[i]);
    return all;
  }
  std::string text(std::string_view type, uint64_t key) {
    return std::string{chunk_.text_of(chunk_.schema().find_name(type), key, arena_)};
  }
  std::string string_at(const uint8_t *at) { return std::string{chunk_.string_at(at, arena_)}; }

private:
  std::string bytes_;
  profcore::jfr::Chunk chunk_;
  profcore::Arena arena_;
};

/// What a whole recording came to.
struct Recording {
  std::vector<uint64_t> offsets; ///< of the chunks that could be loaded
  uint64_t events = 0;
  std::vector<profcore::Error> errors; ///< of the chunks that could not
  std::vector<profcore::jfr::Findings::Found> warnings;

  bool is_told() const { return !errors.empty() || !warnings.empty(); }
};

inline Recording read_recording(std::string_view file) {
  Recording recording;
  profcore::jfr::Findings findings;
  profcore::jfr::ChunkSplitter splitter{bytes_of(file), 0, findings};
  profcore::jfr::ChunkBytes bytes;
  while (splitter.next(bytes)) {
    try {
      const auto chunk =
          profcore::jfr::Chunk::load(bytes.bytes, bytes.offset, bytes.is_whole, {}, false);
      recording.offsets.push_back(bytes.offset);
      recording.events += chunk.event_count();
      for (const auto &found : chunk.findings().warnings()) recording.warnings.push_back(found);
    } catch (const profcore::Error &error) {
      recording.errors.push_back(error);
    }
  }
  for (const auto &found : findings.warnings()) recording.warnings.push_back(found);
  return recording;
}

} // namespace jfr_test
