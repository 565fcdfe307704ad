// Any bytes as a recording whose events are read one by one: every value is walked, through
// references too, up to a bound; parts stand inside of their chunk, by index and in a row they are
// the same, and stacks become text.

#include "check_profile.hpp"
#include "sources/decode/jfr/events.hpp"
#include "sources/decode/jfr/frames.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

using namespace profcore;
using namespace profcore::jfr;

namespace {

constexpr size_t kMostValues = 20'000; ///< of an input
constexpr size_t kMostOpen = 40;

class Walk {
public:
  explicit Walk(EventReader &reader) : reader_{reader} {}

  void run() {
    jfr::StackText stack;
    while (seen_ < kMostValues && reader_.next()) {
      const Chunk &chunk = *reader_.chunk();
      const EventAt &event = *reader_.event();
      const EventBody body = chunk.body(event);
      texts_.clear();
      const ValueReader values{chunk, texts_};
      const Value value = values.of_type(event.type, body.at, body.end);
      walk(values, value);
      const EventFields fields = event_fields_of(chunk.schema(), event.type);
      if (fields.stack == UINT32_MAX) continue;
      FrameReader frames{chunk, 1 << 20, 1 << 16};
      frames.read(values.part(value, uint64_t{fields.stack}), 50, stack);
      require(stack.frames.size() <= 50 && stack.frames.size() <= stack.depth);
    }
  }

private:
  struct Open {
    Value value;
    Step step;
  };

  void walk(const ValueReader &values, const Value &root) {
    std::vector<Open> open{{root, {}}};
    while (!open.empty() && seen_ < kMostValues) {
      Open &top = open.back();
      const uint64_t index = top.step.index;
      Value part;
      if (!values.next(top.value, top.step, part)) {
        open.pop_back();
        continue;
      }
      ++seen_;
      check(part);
      if (index < 4) {
        const Value again = values.part(top.value, index);
        require(again.kind == part.kind && again.integer == part.integer && again.key == part.key &&
                again.at == part.at && again.text == part.text);
      }
      if (part.kind >= jfr::ValueKind::kStruct && open.size() < kMostOpen)
        open.push_back({part, {}});
    }
  }

  void check(const Value &value) const {
    const Chunk &chunk = *reader_.chunk();
    require(value.kind != jfr::ValueKind::kNone);
    require((value.kind == jfr::ValueKind::kString) || value.text.empty());
    if (value.kind < jfr::ValueKind::kStruct) return;
    require(value.at >= chunk.begin() && value.at <= value.end && value.end <= chunk.end());
    if (value.kind == jfr::ValueKind::kArray)
      require(value.count <= static_cast<uint64_t>(value.end - value.at));
  }

  EventReader &reader_;
  Arena texts_;
  size_t seen_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  EventOptions options;
  options.context.limits.max_inflated_bytes = 64 << 20;
  options.context.limits.max_result_bytes = 256 << 20;
  try {
    EventReader reader{{data, size}, options};
    Walk{reader}.run();
  } catch (const Error &error) {
    require(error.status() != Status::kInternal && !error.message().empty());
  }
  return 0;
}
