// Damaged recordings through every entry point of the C ABI that reads them: from memory, by path
// and by descriptor, as a profile, as events and as metrics. Each ends soon, within its memory, in
// an error or with a warning, never in success with nothing said; what stands before the damage
// comes whole. Every file has a process of its own, so that neither a hang nor a crash nor what was
// freed before hides anything.

#include "../../sanitized.hpp"
#include "../decode/jfr/jfr_metrics_samples.hpp"
#include "../decode/jfr/jfr_samples.hpp"
#include "support.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace capi;

namespace {

constexpr rlim_t kMostSeconds = kSanitized ? 30 : 3; ///< of CPU time, for some forty calls
constexpr long kMostKilobytes = 64 * 1024;           ///< over what the process has to begin with
constexpr size_t kGoodSamples = 5;
constexpr size_t kMostValues = 20'000;

using EventsPtr = std::unique_ptr<profcore_events, Deleter<profcore_events_free>>;
using MetricsPtr = std::unique_ptr<profcore_metrics, Deleter<profcore_metrics_free>>;

struct Ended {
  long kilobytes = 0; ///< that were taken, at most
  bool crashed = false;
  std::string complaints;
};

/// A figure of /proc/self/status.
long status_kilobytes(const char *name) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::atol(line.c_str() + std::strlen(name));
  return 0;
}

/// Runs `work`, which returns its complaints, in a process of its own.
Ended in_a_child(const std::function<std::string()> &work) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    const rlimit limit{kMostSeconds, kMostSeconds};
    setrlimit(RLIMIT_CPU, &limit);
    malloc_trim(0); // what the parent has freed must not hide what is taken now
    std::ofstream{"/proc/self/clear_refs"} << "5";
    const long before = status_kilobytes("VmRSS:");
    const std::string complaints = work();
    const std::string told =
        std::to_string(status_kilobytes("VmHWM:") - before) + "\n" + complaints;
    const ssize_t written = write(ends[1], told.data(), told.size());
    _exit(written == static_cast<ssize_t>(told.size()) ? 0 : 1);
  }
  close(ends[1]);
  Ended ended;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    ended.complaints.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  ended.crashed = status != 0;
  if (const size_t end = ended.complaints.find('\n'); end != std::string::npos) {
    ended.kilobytes = std::atol(ended.complaints.c_str());
    ended.complaints.erase(0, end + 1);
  }
  if (WIFSIGNALED(status))
    ended.complaints += "died of signal " + std::to_string(WTERMSIG(status)) + "\n";
  return ended;
}

/// Where the same bytes are read from.
enum class From { kMemory, kPath, kDescriptor };

class Source {
public:
  explicit Source(const std::string &bytes) : bytes_{bytes} {
    fd_ = memfd_create("damaged.jfr", MFD_CLOEXEC);
    if (fd_ < 0 || write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      _exit(2);
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  ~Source() { close(fd_); }
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;

  profcore_status decode(From from, const profcore_decode_options &options, profcore_profile **out,
                         profcore_error **err) const {
    switch (from) {
    case From::kMemory:
      return profcore_decode_bytes(bytes_.data(), bytes_.size(), &options, out, err);
    case From::kPath:
      return profcore_decode_file(path_.c_str(), &options, out, err);
    default:
      lseek(fd_, 0, SEEK_SET);
      return profcore_decode_fd(fd_, &options, out, err);
    }
  }
  profcore_status open(From from, const profcore_events_options &options, profcore_events **out,
                       profcore_error **err) const {
    switch (from) {
    case From::kMemory:
      return profcore_events_open_bytes(bytes_.data(), bytes_.size(), &options, out, err);
    case From::kPath:
      return profcore_events_open_file(path_.c_str(), &options, out, err);
    default:
      lseek(fd_, 0, SEEK_SET);
      return profcore_events_open_fd(fd_, &options, out, err);
    }
  }
  uint64_t size() const { return bytes_.size(); }

private:
  const std::string &bytes_;
  int fd_;
  std::string path_;
};

/// What is expected of one file, and what was wrong.
class Check {
public:
  Check(const std::string &bytes, size_t good_samples, bool is_told)
      : source_{bytes}, good_{good_samples}, is_told_{is_told} {}

  std::string run() {
    for (const From from : {From::kMemory, From::kPath, From::kDescriptor}) {
      where_ = from == From::kMemory ? "memory" : from == From::kPath ? "path" : "descriptor";
      for (int how = 0; how < 8; ++how) profile(from, how);
      for (const bool strict : {false, true}) {
        events(from, strict);
        counts(from, strict);
      }
    }
    return complaints_;
  }

private:
  void complain(const std::string &what) { complaints_ += where_ + ": " + what + "\n"; }

  /// Whether it went well. An error has all it must have.
  bool check(const Outcome &outcome, const char *call) {
    if (!outcome.consistent) complain(std::string{call} + ": status and error differ");
    if (outcome.status == PROFCORE_OK) return true;
    const bool may = outcome.status == PROFCORE_ERR_MALFORMED ||
                     outcome.status == PROFCORE_ERR_UNSUPPORTED ||
                     outcome.status == PROFCORE_ERR_UNKNOWN_FORMAT ||
                     outcome.status == PROFCORE_ERR_NO_DATA || outcome.status == PROFCORE_ERR_LIMIT;
    if (!may) complain(std::string{call} + ": status " + std::to_string(outcome.status));
    if (outcome.offset != PROFCORE_NO_OFFSET && outcome.offset > source_.size())
      complain(std::string{call} + ": an error past the end");
    return false;
  }

  void profile(From from, int how) {
    auto options = PROFCORE_INIT(profcore_decode_options);
    options.strict = how >> 2 & 1;
    options.jfr_metrics = how & 1;
    options.jfr_compat = (how & 2) != 0 ? PROFCORE_JFR_COMPAT_PYROSCOPE : PROFCORE_JFR_COMPAT_NONE;
    options.jfr_normalize_names = how & 1;
    options.jfr_class_frames = how >> 1 & 1;
    auto *made = rubbish<profcore_profile>();
    const bool read = check(
        outcome_of([&](profcore_error **err) { return source_.decode(from, options, &made, err); }),
        "decode");
    const ProfilePtr profile{made};
    if (!read) {
      if (made != nullptr) complain("decode failed, and left a profile");
      if (options.strict == 0 && good_ > 0) complain("decode lost the good chunk");
      return;
    }
    if (options.strict != 0 && is_told_) complain("strict decoding found nothing");
    const size_t warnings = profcore_profile_get_warning_count(made);
    if (warnings == 0 && is_told_) complain("decoded with nothing said");
    for (size_t i = 0; i < warnings; ++i) {
      uint64_t offset = 0;
      const char *const text = profcore_profile_get_warning(made, i, &offset, nullptr);
      if (*text == '\0') complain("an empty warning");
      if (offset != PROFCORE_NO_OFFSET && offset > source_.size())
        complain("a warning past the end");
    }
    if (profcore_profile_get_sample_count(made) < good_) complain("samples are lost");
    metrics(made, how);
  }

  void metrics(const profcore_profile *profile, int how) {
    auto options = PROFCORE_INIT(profcore_metrics_options);
    options.variant = how >> 1 & 1;
    profcore_metrics *made = nullptr;
    const bool computed = check(outcome_of([&](profcore_error **err) {
                                  return profcore_metrics_compute(profile, &options, &made, err);
                                }),
                                "metrics");
    const MetricsPtr owned{made};
    if (computed != ((how & 1) != 0)) complain("metrics come with what was not asked for, or not");
    if (!computed) return;
    for (const profcore_metrics_format format : {PROFCORE_METRICS_LINE, PROFCORE_METRICS_JSON}) {
      profcore_buffer *buffer = nullptr;
      const Outcome written = outcome_of(
          [&](profcore_error **err) { return profcore_metrics_write(made, format, &buffer, err); });
      const BufferPtr text{buffer};
      if (written.status != PROFCORE_OK && written.status != PROFCORE_ERR_NO_DATA)
        complain("metrics cannot be written");
      if (written.status == PROFCORE_OK && text_of(buffer).find(":nan") != std::string::npos)
        complain("a metric is no number");
    }
  }

  EventsPtr open(From from, bool strict, bool only_counts) {
    auto options = PROFCORE_INIT(profcore_events_options);
    options.strict = strict ? 1 : 0;
    options.only_counts = only_counts ? 1 : 0;
    auto *made = rubbish<profcore_events>();
    const bool opened = check(
        outcome_of([&](profcore_error **err) { return source_.open(from, options, &made, err); }),
        "open events");
    if (!opened && made != nullptr) complain("opening failed, and left a handle");
    if (!opened && good_ > 0) complain("events lost the good chunk");
    return EventsPtr{opened ? made : nullptr};
  }

  void check_end(const EventsPtr &events, bool failed, bool strict) {
    const size_t warnings = profcore_events_get_warning_count(events.get());
    if (strict && !failed && is_told_) complain("strict events found nothing");
    if (!failed && warnings == 0 && is_told_) complain("events with nothing said");
    for (size_t i = 0; i < warnings; ++i) {
      uint64_t offset = 0;
      if (*profcore_events_get_warning(events.get(), i, &offset) == '\0')
        complain("an empty warning");
      if (offset != PROFCORE_NO_OFFSET && offset > source_.size())
        complain("a warning past the end");
    }
    if (!strict && failed && good_ > 0) complain("events failed behind a good chunk");
  }

  void events(From from, bool strict) {
    const EventsPtr events = open(from, strict, false);
    if (events == nullptr) return;
    size_t seen = 0;
    bool failed = false;
    for (;;) {
      const profcore_event *event = nullptr;
      failed = !check(outcome_of([&](profcore_error **err) {
                        return profcore_events_next(events.get(), &event, err);
                      }),
                      "next event");
      if (failed || event == nullptr) break;
      ++seen;
      if (event->offset + event->bytes > source_.size()) complain("an event past the end");
      values(events.get());
      auto thread = PROFCORE_INIT(profcore_event_thread);
      check(outcome_of([&](profcore_error **err) {
              return profcore_events_get_thread(events.get(), &thread, err);
            }),
            "thread");
      const profcore_event_frame *frames = nullptr;
      size_t count = 0;
      check(outcome_of([&](profcore_error **err) {
              return profcore_events_view_frames(events.get(), nullptr, 0, &frames, &count, nullptr,
                                                 nullptr, err);
            }),
            "frames");
    }
    check_end(events, failed, strict);
    if (!strict && seen < good_) complain("events are lost");
  }

  /// All values of the current event, three references deep.
  void values(profcore_events *events) {
    struct Open {
      profcore_value value, child;
    };
    std::vector<Open> open{{{}, {}}};
    while (!open.empty() && values_ < kMostValues) {
      Open &top = open.back();
      const profcore_value *const parent = open.size() == 1 ? nullptr : &top.value;
      const bool read = check(outcome_of([&](profcore_error **err) {
                                return profcore_events_next_child(events, parent, &top.child, err);
                              }),
                              "value");
      if (!read || top.child.kind == PROFCORE_VALUE_NONE) {
        open.pop_back();
        continue;
      }
      ++values_;
      const profcore_value child = top.child;
      if (child.kind >= PROFCORE_VALUE_STRUCT && open.size() < 4) open.push_back({child, {}});
    }
  }

  void counts(From from, bool strict) {
    const EventsPtr events = open(from, strict, true);
    if (events == nullptr) return;
    uint64_t seen = 0;
    bool failed = false;
    for (;;) {
      const profcore_events_chunk *chunk = nullptr;
      failed = !check(outcome_of([&](profcore_error **err) {
                        return profcore_events_next_chunk(events.get(), &chunk, err);
                      }),
                      "next chunk");
      if (failed || chunk == nullptr) break;
      seen += chunk->event_count;
    }
    check_end(events, failed, strict);
    if (!strict && seen < good_) complain("counts are lost");
  }

  Source source_;
  size_t good_;
  bool is_told_;
  std::string where_;
  std::string complaints_;
  size_t values_ = 0;
};

void check_file(const std::string &bytes, size_t good_samples, bool is_told) {
  const Ended ended = in_a_child([&] { return Check{bytes, good_samples, is_told}.run(); });
  CHECK_MESSAGE(ended.complaints.empty(), ended.complaints);
  CHECK_FALSE(ended.crashed);
  if (!kSanitized) CHECK(ended.kilobytes < kMostKilobytes + static_cast<long>(bytes.size() / 1024));
}

/// What these have is odd, and no damage where nobody asks for it.
bool may_be_silent(const std::string &name) {
  return name == "types_in_types" || name == "types_in_circles";
}

std::string good_chunk() {
  return jfr_test::sample_chunk(0, static_cast<int>(kGoodSamples)).finish();
}

} // namespace

TEST_CASE("the checks would find what they look for") {
  const std::string good = good_chunk();
  Ended ended = in_a_child([&] { return Check{good, kGoodSamples, false}.run(); });
  CHECK(ended.complaints.empty());
  ended = in_a_child([&] { return Check{good, kGoodSamples, true}.run(); });
  for (const char *what : {"decoded with nothing said", "events with nothing said",
                           "strict decoding found nothing", "strict events found nothing"})
    CHECK(ended.complaints.find(what) != std::string::npos);
  ended = in_a_child([&] { return Check{good, kGoodSamples + 1, false}.run(); });
  for (const char *what : {"samples are lost", "events are lost", "counts are lost"})
    CHECK(ended.complaints.find(what) != std::string::npos);
  ended = in_a_child([]() -> std::string {
    raise(SIGKILL);
    return {};
  });
  CHECK(ended.crashed);
  if (kSanitized) return;
  ended = in_a_child([] {
    std::string much(size_t{100} << 20, 'x');
    return std::string{much[much.size() / 2] == 'x' ? "" : "?"};
  });
  CHECK(ended.kilobytes > kMostKilobytes);
}

TEST_CASE("our own damaged recordings, alone and behind a good chunk") {
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    CAPTURE(sample.name);
    check_file(sample.bytes, 0, !may_be_silent(sample.name));
    check_file(good_chunk() + sample.bytes, kGoodSamples, !may_be_silent(sample.name));
  }
}

TEST_CASE("the damaged files of the test data, alone and behind a good chunk") {
  const auto files = jfr_test::malformed_files();
  if (files.empty()) MESSAGE("skipped: no test data");
  for (const auto &[path, file] : files) {
    CAPTURE(path);
    check_file(file, 0, true);
    check_file(good_chunk() + file, kGoodSamples, true);
  }
}

TEST_CASE("metrics of damaged recordings") {
  const std::string good = jfr_test::datadog_metrics_recording();
  for (const size_t part : {3, 5, 9}) {
    CAPTURE(part);
    check_file(good_chunk() + good.substr(0, good.size() * part / 10), kGoodSamples, true);
  }
}

TEST_CASE("an event of a type with a quarter of a million fields, of which the last is asked for") {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.metadata_form = jfr_test::StringForm::kUtf8;
  chunk.add_jdk_types();
  std::vector<jfr_test::Field> fields(260'000, {"filler", jfr_test::kLong});
  fields.push_back({"stackTrace", jfr_test::kStackTrace, true});
  chunk.type(500, "jdk.ExecutionSample", fields, "jdk.jfr.Event");
  chunk.event(500, [](jfr_test::Writer &out) { out.u8(1); });
  check_file(chunk.finish(), 0, false);
}

TEST_CASE("nothing at all, and what is no recording") {
  for (const std::string &bytes :
       {std::string{}, std::string{"F"}, std::string{"FLR"}, std::string{"FLR\0", 4},
        std::string{"FLR\0\0\2\0\1", 8}, std::string(68, '\0'), std::string(1000, 'x')}) {
    CAPTURE(bytes.size());
    check_file(bytes, 0, true);
  }
}
