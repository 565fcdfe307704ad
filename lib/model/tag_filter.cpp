#include "model/tag_filter.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace profcore {
namespace {

enum class Family : uint8_t { kSize, kTime, kCompute };

struct Alias {
  std::string_view alias; // lower case, singular
  std::string_view name;
  double factor;
  Family family;
};

constexpr double kKilo = 1024;
constexpr double kMega = kKilo * kKilo;
constexpr double kGiga = kMega * kKilo;
constexpr double kTera = kGiga * kKilo;
constexpr double kPeta = kTera * kKilo;

constexpr std::array kAliases = {
    Alias{"b", "B", 1, Family::kSize},
    Alias{"byte", "B", 1, Family::kSize},
    Alias{"kb", "kB", kKilo, Family::kSize},
    Alias{"kbyte", "kB", kKilo, Family::kSize},
    Alias{"kilobyte", "kB", kKilo, Family::kSize},
    Alias{"mb", "MB", kMega, Family::kSize},
    Alias{"mbyte", "MB", kMega, Family::kSize},
    Alias{"megabyte", "MB", kMega, Family::kSize},
    Alias{"gb", "GB", kGiga, Family::kSize},
    Alias{"gbyte", "GB", kGiga, Family::kSize},
    Alias{"gigabyte", "GB", kGiga, Family::kSize},
    Alias{"tb", "TB", kTera, Family::kSize},
    Alias{"tbyte", "TB", kTera, Family::kSize},
    Alias{"terabyte", "TB", kTera, Family::kSize},
    Alias{"pb", "PB", kPeta, Family::kSize},
    Alias{"pbyte", "PB", kPeta, Family::kSize},
    Alias{"petabyte", "PB", kPeta, Family::kSize},
    Alias{"ns", "ns", 1, Family::kTime},
    Alias{"nanosecond", "ns", 1, Family::kTime},
    Alias{"\xce\xbcs", "us", 1e3, Family::kTime},
    Alias{"us", "us", 1e3, Family::kTime},
    Alias{"microsecond", "us", 1e3, Family::kTime},
    Alias{"ms", "ms", 1e6, Family::kTime},
    Alias{"millisecond", "ms", 1e6, Family::kTime},
    Alias{"s", "s", 1e9, Family::kTime},
    Alias{"sec", "s", 1e9, Family::kTime},
    Alias{"second", "s", 1e9, Family::kTime},
    Alias{"hour", "hrs", 3600e9, Family::kTime},
    Alias{"hr", "hrs", 3600e9, Family::kTime},
    Alias{"nanogcu", "n*GCU", 1e-9, Family::kCompute},
    Alias{"microgcu", "u*GCU", 1e-6, Family::kCompute},
    Alias{"milligcu", "m*GCU", 1e-3, Family::kCompute},
    Alias{"gcu", "GCU", 1, Family::kCompute},
    Alias{"kilogcu", "k*GCU", 1e3, Family::kCompute},
    Alias{"megagcu", "M*GCU", 1e6, Family::kCompute},
    Alias{"gigagcu", "G*GCU", 1e9, Family::kCompute},
    Alias{"teragcu", "T*GCU", 1e12, Family::kCompute},
    Alias{"petagcu", "P*GCU", 1e15, Family::kCompute},
};

struct Target {
  double factor;
  std::string_view name;
};

constexpr Target default_target(Family family) {
  switch (family) {
  case Family::kSize:
    return {1, "B"};
  case Family::kTime:
    return {1e9, "s"};
  case Family::kCompute:
    break;
  }
  return {1, "GCU"};
}

const Alias *find_unit(std::string_view text) {
  constexpr size_t kLongest = 16;
  if (text.size() > kLongest) return nullptr;
  std::array<char, kLongest> buffer;
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    buffer[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++characters;
  }
  std::string_view unit{buffer.data(), text.size()};
  if (characters > 2 && unit.ends_with('s')) unit.remove_suffix(1);
  const auto *found = std::find_if(kAliases.begin(), kAliases.end(),
                                   [&](const Alias &alias) { return alias.alias == unit; });
  return found == kAliases.end() ? nullptr : found;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Quantity {
  int64_t value = 0;
  std::string_view unit;
  bool fits = true;
};

// Takes "-16kb" off the front of `text`.
std::optional<Quantity> take_quantity(std::string_view &text) {
  size_t at = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  const size_t digits = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at == digits) return std::nullopt;
  Quantity quantity;
  const char *begin = text.data() + (text[0] == '+' ? 1 : 0);
  quantity.fits = std::from_chars(begin, text.data() + at, quantity.value).ec == std::errc{};
  const size_t unit = at;
  while (at < text.size() && is_letter(text[at])) ++at;
  quantity.unit = text.substr(unit, at - unit);
  text.remove_prefix(at);
  return quantity;
}

} // namespace

ScaledValue scale_label(int64_t value, std::string_view from_unit, std::string_view to_unit) {
  const auto real = static_cast<double>(value);
  const Alias *from = find_unit(from_unit);
  if (from == nullptr) {
    for (const std::string_view plain : {"count", "sample", "unit", "minimum", "auto"})
      if (to_unit == plain) return {real, ""};
    return {real, to_unit};
  }
  const Alias *to = find_unit(to_unit);
  const Target target = to != nullptr && to->family == from->family ? Target{to->factor, to->name}
                                                                    : default_target(from->family);
  return {real * from->factor / target.factor, target.name};
}

LabelUnits::LabelUnits(const Profile &profile) : profile_{profile} {
  constexpr size_t kMaxConflicts = 10;
  units_.resize(profile.strings.size());
  PodVector<uint8_t> is_number_key;
  is_number_key.resize(profile.strings.size());
  PodVector<uint8_t> seen;
  seen.resize(profile.label_set_count());
  std::vector<std::pair<StringId, StringId>> others;
  for (const LabelSetId set : profile.sample_label_sets()) {
    if (seen[set] != 0) continue;
    seen[set] = 1;
    for (const Label &label : profile.labels_of(set)) {
      if (label.is_number == 0) continue;
      is_number_key[label.key] = 1;
      if (label.unit == 0) continue;
      StringId &unit = units_[label.key];
      if (unit == 0) unit = label.unit;
      if (unit == label.unit) continue;
      const std::pair<StringId, StringId> other{label.key, label.unit};
      if (others.size() < kMaxConflicts &&
          std::find(others.begin(), others.end(), other) == others.end())
        others.push_back(other);
    }
  }
  std::sort(others.begin(), others.end());
  for (size_t i = 0; i < others.size(); ++i) {
    if (i > 0 && others[i].first == others[i - 1].first) {
      conflicts_.back() += ", ";
    } else {
      conflicts_.push_back("For tag " + std::string{profile.text(others[i].first)} + " used unit " +
                           std::string{profile.text(units_[others[i].first])} +
                           ", also encountered unit(s) ");
    }
    conflicts_.back() += profile.text(others[i].second);
  }
  for (StringId key = 0; key < is_number_key.size(); ++key) {
    if (is_number_key[key] == 0 || units_[key] != 0) continue;
    const std::string_view text = profile.text(key);
    units_[key] = text == "alignment" || text == "request" ? kBytes : key;
  }
}

TagFilter::TagFilter(const Profile &profile, std::string_view expression, std::string_view what)
    : profile_{profile} {
  constexpr size_t kMaxRegexes = 64; // a bit each
  if (expression.size() > Regex::kMaxPattern)
    throw Error{Status::kInvalidArgument, std::string{what} + ": longer than " +
                                              std::to_string(Regex::kMaxPattern) + " bytes"};
  const size_t equals = expression.find('=');
  if (equals != std::string_view::npos) {
    has_key_ = equals != 0;
    if (has_key_) key_ = profile.strings.find(expression.substr(0, equals));
    expression.remove_prefix(equals + 1);
  }
  parse_range(expression);
  if (range_) return;
  const auto count = static_cast<size_t>(1 + std::count(expression.begin(), expression.end(), ','));
  if (count > kMaxRegexes)
    throw Error{Status::kInvalidArgument,
                std::string{what} + ": more than 64 expressions between commas"};
  for (size_t i = 0; i < count; ++i) {
    const std::string_view pattern = expression.substr(0, expression.find(','));
    regexes_.emplace_back(pattern, what,
                          std::max(Regex::kMaxMemory / count, Regex::kMaxMemory / 16));
    all_ |= uint64_t{1} << i;
    expression.remove_prefix(std::min(pattern.size() + 1, expression.size()));
  }
}

void TagFilter::parse_range(std::string_view text) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool open_below = text.starts_with(':');
  if (open_below) text.remove_prefix(1);
  const std::optional<Quantity> first = take_quantity(text);
  if (!first) return;
  std::optional<Quantity> second;
  const bool has_colon = text.starts_with(':');
  if (has_colon) {
    text.remove_prefix(1);
    if (open_below) return;
    second = take_quantity(text);
  }
  if (!text.empty()) return;
  if (!first->fits || (second && !second->fits))
    throw Error{Status::kInvalidArgument, "a number of a tag range does not fit 64 bits"};

  const ScaledValue low = scale_label(first->value, first->unit, first->unit);
  Range range{low.value, low.value, std::string{low.unit}};
  if (second) {
    const ScaledValue high = scale_label(second->value, second->unit, low.unit);
    if (high.unit != low.unit) return; // "16kb:5ms" is no range
    range.high = high.value;
  } else if (open_below) {
    range.low = -kInfinity;
  } else if (has_colon) {
    range.high = kInfinity;
  }
  range_ = std::move(range);
}

bool TagFilter::in_range(const Label &label, const LabelUnits &units) const {
  const ScaledValue scaled = scale_label(label.number, units.of(label.key), range_->unit);
  return scaled.unit == range_->unit && scaled.value >= range_->low && scaled.value <= range_->high;
}

uint64_t TagFilter::regexes_matching(const Label &label) {
  const uint64_t hash = hash_u64(uint64_t{label.key} << 32 | label.text, seed_);
  const uint32_t id = seen_index_.find_or_insert(
      hash,
      [&](uint32_t other) {
        return seen_[other].key == label.key && seen_[other].text == label.text;
      },
      [&] {
        std::string_view text = profile_.text(label.text);
        if (!has_key_) {
          joined_ = profile_.text(label.key);
          joined_ += ':';
          joined_ += text;
          text = joined_;
        }
        uint64_t matching = 0;
        for (size_t i = 0; i < regexes_.size(); ++i)
          if (regexes_[i].search(text)) matching |= uint64_t{1} << i;
        seen_.push_back({label.key, label.text, matching});
        return static_cast<uint32_t>(seen_.size() - 1);
      });
  return seen_[id].matching;
}

bool TagFilter::matches(LabelSetId set, const LabelUnits *units) {
  uint64_t matching = 0;
  for (const Label &label : profile_.labels_of(set)) {
    if (has_key_ && label.key != key_) continue;
    if (range_) {
      if (label.is_number != 0 && in_range(label, *units)) return true;
    } else if (label.is_number == 0) {
      matching |= regexes_matching(label);
      if (has_key_ ? matching != 0 : matching == all_) return true;
    }
  }
  return false;
}

} // namespace profcore
