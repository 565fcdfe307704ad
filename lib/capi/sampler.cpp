#include "sources/sampler/sampler.hpp"

#include "capi/guard.hpp"
#include "capi/java_names.hpp"
#include "sources/sampler/check.hpp"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/kernel_names.hpp"
#include "symbolize/symbolizer.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_sampler_options) == size_t{21} * 8 &&
                  sizeof(profcore_sampler_stats) == size_t{52} * 8 &&
                  sizeof(profcore_sampler_need) == size_t{66} * 8,
              "no implicit padding");

struct profcore_sampler {
  std::unique_ptr<sampler::Sampler> sampler;
  std::string event;
  profcore_sampler_backend back_end = PROFCORE_SAMPLER_BACKEND_AUTO;
  std::string reason;
  bool names = true;
  sampler::KernelNames kernel_names;
  Symbolizer symbolizer;           ///< asks `kernel_names`
  std::unique_ptr<JavaNames> java; ///< null: JVMs are left alone

  explicit profcore_sampler(uint64_t name_budget) : symbolizer{options_of(name_budget)} {}

private:
  SymbolizerOptions options_of(uint64_t name_budget) {
    SymbolizerOptions options;
    options.kernel_namer = [this](std::span<const uint64_t> addresses,
                                  std::vector<KernelFunction> &found) {
      std::vector<sampler::KernelFunction> told;
      if (!kernel_names.ask(addresses, told)) return false;
      for (sampler::KernelFunction &function : told)
        found.push_back({function.begin, function.end, std::move(function.name), function.is_core});
      return true;
    };
    if (name_budget != 0) options.max_bytes = name_budget;
    return options;
  }
};

namespace {

static_assert(static_cast<int>(sampler::BackEnd::kBpf) == PROFCORE_SAMPLER_BACKEND_BPF &&
              static_cast<int>(sampler::BackEnd::kPerfRing) == PROFCORE_SAMPLER_BACKEND_PERF);

/// The sampler keeps the files that it saw open: so those of processes that have gone have names.
class SampledModules final : public ModuleProvider {
public:
  SampledModules(const std::vector<sampler::ModuleOrigin> &origins, const JavaNames *java)
      : origins_{origins}, java_{java} {}

  ModuleFile file_of(uint32_t module) override {
    if (module >= origins_.size()) return {};
    return {origins_[module].fd, {}};
  }
  ProcessView process_of(uint32_t module) override {
    if (module >= origins_.size()) return {};
    const sampler::ModuleOrigin &origin = origins_[module];
    return {origin.pid, origin.namespace_pid, java_ == nullptr ? 0 : java_->start_of(origin.pid),
            origin.start_time};
  }

private:
  const std::vector<sampler::ModuleOrigin> &origins_;
  const JavaNames *java_;
};

/// The CPU time of what is done here for a sampler is its own.
class Charge {
public:
  explicit Charge(sampler::Sampler &to) : to_{to}, began_{sampler::now(CLOCK_THREAD_CPUTIME_ID)} {}
  Charge(const Charge &) = delete;
  Charge &operator=(const Charge &) = delete;
  ~Charge() { to_.charge(static_cast<uint64_t>(sampler::now(CLOCK_THREAD_CPUTIME_ID) - began_)); }

private:
  sampler::Sampler &to_;
  int64_t began_;
};

void copy_text(const std::string &from, char *to, size_t room) {
  const size_t size = std::min(from.size(), room - 1);
  std::copy_n(from.data(), size, to);
  to[size] = '\0';
}

} // namespace

extern "C" {

profcore_status profcore_sampler_start(const profcore_sampler_options *given_options,
                                       profcore_sampler **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const profcore_sampler_options given = read_options(given_options);
    const ContextAdapter context{given.context};
    sampler::Options options;
    options.context = context.get();
    if (given.pid_count != 0) {
      const int32_t *pids = &required(given.pids, "pids");
      options.pids.assign(pids, pids + given.pid_count);
    }
    options.name_pattern = text_or_empty(given.name_pattern);
    options.cgroup = text_or_empty(given.cgroup);
    if (given.row_budget != 0) options.row_budget = given.row_budget;
    if (given.frequency != 0) options.frequency = given.frequency;
    if (!std::isfinite(given.cpu_budget)) invalid("cpu_budget must be finite");
    if (given.cpu_budget != 0) options.cpu_budget = given.cpu_budget / 100;
    options.follow_children = !flag(given.no_children, "no_children");
    options.per_thread = flag(given.per_thread, "per_thread");
    options.per_cpu = flag(given.per_cpu, "per_cpu");
    options.kernel_stacks = !flag(given.no_kernel, "no_kernel");
    options.user_stacks = !flag(given.no_user, "no_user");
    const bool java = flag(given.java_symbols, "java_symbols");
    const uint32_t refresh = given.java_refresh_seconds != 0 ? given.java_refresh_seconds : 60;
    if (refresh < 5 || refresh > 3600) invalid("java_refresh_seconds is 5 to 3600");
    options.stack_bytes = given.stack_bytes;
    if (given.backend < PROFCORE_SAMPLER_BACKEND_AUTO ||
        given.backend > PROFCORE_SAMPLER_BACKEND_PERF)
      invalid("backend is none of PROFCORE_SAMPLER_BACKEND_...");
    options.back_end = static_cast<sampler::BackEnd>(given.backend);
    auto made = std::make_unique<profcore_sampler>(given.name_budget);
    made->names = !flag(given.no_symbols, "no_symbols");
    options.java = java && made->names;
    sampler::Started started = sampler::start_sampler(options);
    made->sampler = std::move(started.sampler);
    made->back_end = static_cast<profcore_sampler_backend>(started.back_end);
    made->reason = std::move(started.reason);
    made->event = made->sampler->stats().event;
    if (options.java)
      made->java = std::make_unique<JavaNames>(*made->sampler, made->symbolizer, refresh);
    *out = made.release();
  });
}

void profcore_sampler_free(profcore_sampler *sampler) {
  delete sampler;
}

int32_t profcore_sampler_get_fd(const profcore_sampler *sampler) {
  if (sampler == nullptr) return -1;
  return sampler->java ? sampler->java->fd() : sampler->sampler->fd();
}

profcore_status profcore_sampler_process(profcore_sampler *sampler, profcore_error **err) {
  return guard(err, [&] {
    const Charge charge{*required(sampler, "sampler").sampler};
    sampler->sampler->process();
    if (sampler->java) sampler->java->process();
  });
}

profcore_status profcore_sampler_drain(profcore_sampler *sampler, profcore_profile **out,
                                       profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    sampler::Window window = required(sampler, "sampler").sampler->drain();
    const Charge charge{*sampler->sampler};
    if (sampler->java) sampler->java->process();
    auto made = std::make_unique<profcore_profile>();
    made->profile = std::move(window.profile);
    if (sampler->names) {
      SampledModules modules{window.origins, sampler->java.get()};
      sampler->symbolizer.symbolize(made->profile, modules, Context{});
      if (sampler->java) sampler->java->after_symbolizing(made->profile, window.origins);
    }
    mark_omitted_frame_pointers(made->profile, window.origins);
    *out = made.release();
  });
}

profcore_status profcore_sampler_stop(profcore_sampler *sampler, profcore_error **err) {
  return guard(err, [&] { required(sampler, "sampler").sampler->stop(); });
}

profcore_status profcore_sampler_get_stats(const profcore_sampler *sampler,
                                           profcore_sampler_stats *stats, profcore_error **err) {
  return guard(err, [&] {
    start_info(stats);
    const sampler::Stats now = required(sampler, "sampler").sampler->stats();
    profcore_sampler_stats info{};
    info.taken = now.taken;
    info.delivered = now.delivered;
    info.idle = now.idle;
    info.lost_counts = now.lost_counts;
    info.lost_stacks = now.lost_stacks;
    info.lost_records = now.lost_records;
    info.unregistered = now.unregistered;
    info.failed_registrations = now.failed_registrations + now.cut_registrations;
    info.truncated = now.truncated;
    info.complete = now.stops[PROFCORE_STOP_END] + now.stops[PROFCORE_STOP_END_FP] +
                    now.stops[PROFCORE_STOP_END_ZERO_PC];
    info.without_user = now.stops[PROFCORE_STOP_NONE];
    info.bpf_ns = now.bpf_nanoseconds;
    info.own_cpu_ns = now.own_cpu_nanoseconds;
    info.row_bytes = now.row_bytes;
    info.map_bytes = now.map_bytes;
    info.rows = now.rows;
    info.files_without_rows = now.files_without_rows;
    info.processes = now.processes;
    info.modules = now.modules;
    info.outside = now.outside;
    info.frequency = now.frequency;
    info.times_lowered = now.times_lowered;
    info.evicted_files = now.evicted_files;
    info.rescans = now.rescans;
    std::copy(std::begin(now.stops), std::end(now.stops), info.stops);
    if (sampler->java) {
      const sampler::JavaMapStats &java = sampler->java->stats();
      info.java_processes = java.processes + java.skipped;
      info.java_maps_requested = java.requested;
      info.java_maps_read = java.read;
      info.java_maps_failed = java.failed + java.skipped;
    }
    write_info(stats, info);
  });
}

profcore_status profcore_sampler_refresh_java(profcore_sampler *sampler, uint32_t timeout_ms,
                                              profcore_error **err) {
  return guard(err, [&] {
    if (!required(sampler, "sampler").java) return;
    const Charge charge{*sampler->sampler};
    sampler->java->refresh(int64_t{timeout_ms} * 1'000'000);
  });
}

const char *profcore_sampler_get_java_reason(const profcore_sampler *sampler) {
  return sampler == nullptr || !sampler->java ? "" : sampler->java->last_reason().c_str();
}

const char *profcore_sampler_get_event(const profcore_sampler *sampler) {
  return sampler == nullptr ? "" : sampler->event.c_str();
}

profcore_sampler_backend profcore_sampler_get_backend(const profcore_sampler *sampler) {
  return sampler == nullptr ? PROFCORE_SAMPLER_BACKEND_AUTO : sampler->back_end;
}

const char *profcore_sampler_get_backend_reason(const profcore_sampler *sampler) {
  return sampler == nullptr ? "" : sampler->reason.c_str();
}

profcore_status profcore_sampler_check(profcore_sampler_need *needs, size_t *count,
                                       profcore_error **err) {
  return guard(err, [&] {
    size_t &room = required(count, "count");
    const std::vector<sampler::Need> found = sampler::check_needs();
    if (needs != nullptr && room != 0) {
      // Newer libraries may know larger entries: the first says how large the caller's are.
      const size_t each = needs->size;
      if (!is_struct_size(each)) invalid("needs[0].size is no size");
      for (size_t i = 0; i < std::min(room, found.size()); ++i) {
        profcore_sampler_need entry{};
        entry.size = each;
        entry.is_met = found[i].is_met ? 1 : 0;
        entry.is_hard = found[i].is_hard ? 1 : 0;
        copy_text(found[i].need, entry.need, sizeof entry.need);
        copy_text(found[i].have, entry.have, sizeof entry.have);
        copy_text(found[i].consequence, entry.consequence, sizeof entry.consequence);
        copy_text(found[i].fix, entry.fix, sizeof entry.fix);
        std::memcpy(reinterpret_cast<char *>(needs) + i * each, &entry,
                    std::min(each, sizeof entry));
      }
    }
    room = found.size();
  });
}

} // extern "C"
