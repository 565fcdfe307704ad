#pragma once

#include "base/intern_index.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/legacy/memory_map.hpp"
#include "sources/decode/legacy/scan.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace profcore::legacy {

struct Column {
  std::string_view type, unit;
};

/// What all legacy readers share: the profile being made, limits, damage, and addresses.
///
/// Mappings and names come after the samples in these formats, but a location is interned with its
/// module and lines. So an address gets the id that its location will have, the stacks are built on
/// those, and `finish` adds the locations in that order.
class ProfileBuilder {
public:
  ProfileBuilder(const DecodeOptions &options, uint64_t input_bytes);

  Profile profile;

  void set_period(std::string_view type, std::string_view unit, int64_t period);
  void add_columns(std::initializer_list<Column> columns);

  /// Something that could not be read: an error in strict mode, else a warning and a counter.
  void damage(std::string_view what, const TextLine &line);
  void damage_at(std::string_view what, uint64_t offset);
  /// The addresses of a sample, after its '@'. At one that cannot be read the stack is cut, with
  /// damage: the sample's values still count.
  void read_stack(std::string_view text, const TextLine &line, std::vector<uint64_t> &out);
  /// Reports progress now and then; throws when cancelled.
  void tick(uint64_t offset) {
    if ((++ticks_ & 1023) == 0) checkpoint(offset);
  }
  void check_table_size(size_t size, std::string_view what) const;

  /// A sample of addresses, leaf first. Values are in the columns' source units.
  void add_sample(std::span<const uint64_t> addresses, LabelSetId labels,
                  std::span<const int64_t> values);
  /// The same for locations that are already in the profile.
  void add_sample_of_locations(std::span<const LocationId> locations, LabelSetId labels,
                               std::span<const int64_t> values);

  /// Names an address of a sample that was added. The first name stays.
  bool has_name(uint64_t address) const;
  void set_name(uint64_t address, std::span<const Line> lines);

  /// `a * b`, and `value` cut to 64 bits; what does not fit is counted and becomes the extreme.
  int64_t multiply(int64_t a, int64_t b);
  int64_t truncate(double value);
  LabelSetId size_label(int64_t bytes);

  /// Puts locations, modules and names in place and hands the profile out.
  Profile finish(std::vector<Mapping> mappings);

private:
  struct Name {
    uint32_t first = 0;
    uint32_t count = 0;
  };

  uint32_t find_address(uint64_t address) const;
  uint32_t intern_address(uint64_t address);
  void checkpoint(uint64_t offset) const;
  void add_row(StackId stack, LabelSetId labels, std::span<const int64_t> values);
  void add_locations(std::vector<Mapping> mappings);

  const DecodeOptions &options_;
  uint64_t input_bytes_;
  uint64_t ticks_ = 0;
  uint64_t damaged_lines_ = 0;
  std::optional<Error> first_damage_;
  uint64_t seed_;
  PodVector<uint64_t> addresses_;
  InternIndex address_index_;
  std::vector<Name> names_; ///< by address, shorter than addresses_ when the rest has none
  PodVector<Line> name_lines_;
  std::vector<LocationId> scratch_stack_;
  std::vector<int64_t> scratch_values_;
};

/// How many copies of a block of `size / count` bytes on average there were, when one allocation
/// per `rate` bytes was sampled: count and size divided by the chance to be seen.
void unsample_heap(ProfileBuilder &builder, int64_t &count, int64_t &size, int64_t rate);

/// The regular expressions that hide the profiler's and the allocator's own frames, chosen by the
/// sample types. google/pprof puts the same ones into what it converts.
struct FrameFilters {
  std::string_view drop, keep;
};
FrameFilters frame_filters(const Profile &profile);

} // namespace profcore::legacy
