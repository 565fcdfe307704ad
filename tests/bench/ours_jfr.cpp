// libprofcore on JFR recordings, through the C ABI as a host would use it: bytes in memory to a
// profile of every event that makes samples, on one thread. With 0 runs it counts what there is
// instead, for the comparison with other readers: every event by its type, the frames of its stack.
#include "peers/harness.hpp"

#include <profcore/profcore.hpp>

#include <map>
#include <optional>
#include <unordered_map>

namespace {

std::optional<profcore::Profile> decode(std::string_view bytes) {
  auto options = profcore::init<profcore_decode_options>();
  options.threads = 1;
  return profcore::Profile::from_bytes(std::as_bytes(std::span{bytes}), &options);
}

// Frames that the recording itself does not have: the mark of a cut stack, names of pauses.
bool is_ours(const profcore_location &location) {
  return location.kind == PROFCORE_FRAME_LABEL || location.reason == PROFCORE_UNNAMED_TRUNCATED;
}

// Samples, and the frames of all their stacks.
bench::Outcome summarise(const std::optional<profcore::Profile> &profile) {
  const auto locations = profile->locations();
  const auto nodes = profile->stack_nodes();
  std::vector<std::int64_t> depths(nodes.size());
  for (std::size_t i = 1; i < nodes.size(); ++i)
    depths[i] = depths[nodes[i].parent] + (is_ours(locations[nodes[i].location]) ? 0 : 1);
  bench::Outcome outcome;
  outcome.samples = profile->sample_count();
  for (const std::uint32_t stack : profile->stacks()) outcome.checksum += depths[stack];
  return outcome;
}

struct Count {
  std::uint64_t events = 0;
  std::uint64_t frames = 0;
};

void print_counts(std::string_view bytes) {
  auto events = profcore::Events::from_bytes(std::as_bytes(std::span{bytes}));
  std::map<std::string, Count> counts;
  std::unordered_map<const profcore_event_type *, Count *> of_chunk;
  std::uint64_t chunk = 0;
  std::uint64_t all = 0;
  while (const profcore_event *event = events.next()) {
    if (event->chunk != chunk) of_chunk.clear(); // types live as long as their chunk
    chunk = event->chunk;
    Count *&count = of_chunk[event->type];
    if (count == nullptr)
      count = &counts[std::string{event->type->name.data, event->type->name.size}];
    ++count->events;
    if (event->has_stack != 0) count->frames += events.stack(1).depth;
    ++all;
  }
  std::printf("counts\t*=%llu/-", static_cast<unsigned long long>(all));
  for (const auto &[name, count] : counts)
    std::printf("\t%s=%llu/%llu", name.c_str(), static_cast<unsigned long long>(count.events),
                static_cast<unsigned long long>(count.frames));
  std::printf("\n");
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(
      argc, argv, nullptr,
      [](const std::string &bytes, int runs, std::string_view) {
        bench::repeat("libprofcore", bytes, runs, decode, summarise);
        if (runs == 0) print_counts(bytes);
      },
      0);
}
