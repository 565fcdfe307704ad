#include "model/operations.hpp"
#include "model/remap.hpp"
#include "model/task_names.hpp"

#include <span>

namespace profcore {
namespace {

constexpr uint32_t kNotMade = UINT32_MAX;
constexpr size_t kReportEvery = 4096;

/// The name of a process that no label tells: the program's, when the profile is of one.
std::string_view program_of(const Profile &profile) {
  std::string_view command = profile.text(profile.meta.command);
  command = command.substr(0, command.find(' '));
  command.remove_prefix(command.rfind('/') + 1);
  return command.empty() ? "(unknown process)" : command;
}

class HostView {
public:
  HostView(const Profile &profile, const Context &context)
      : profile_{profile}, context_{context}, remap_{profile, result_} {}

  Profile run() {
    result_.meta = remap_.metadata();
    for (const SampleType &type : profile_.sample_types())
      result_.add_sample_type(remap_.sample_type(type));
    stacks_.resize(profile_.label_set_count(), kNotMade);
    if (profile_.has_timestamps())
      keep_rows();
    else
      add_up_rows();
    if (!is_told_ && profile_.sample_count() != 0)
      throw Error{Status::kNotFound, "no sample tells its process or thread (labels process, pid, "
                                     "thread, tid)"};
    carry_findings(profile_, result_);
    return std::move(result_);
  }

private:
  LocationId frame(std::string_view name, FrameKind kind) {
    Function function;
    function.name = result_.intern(name);
    const Line line{result_.add_function(function), 0, 0, 0};
    Location location;
    location.kind = kind;
    return result_.add_location(location, {&line, 1});
  }

  StackId stack_of(LabelSetId labels) {
    if (stacks_[labels] != kNotMade) return stacks_[labels];
    const TaskNames names = task_names(profile_, labels);
    is_told_ |= names.is_told;
    const std::string_view process =
        names.process.empty() ? program_of(profile_) : std::string_view{names.process};
    StackId stack = result_.stacks.child(0, frame(process, FrameKind::kProcess));
    if (!names.is_main)
      stack = result_.stacks.child(
          stack, frame(names.thread.empty() ? "(unknown thread)" : std::string_view{names.thread},
                       FrameKind::kThread));
    return stacks_[labels] = stack;
  }

  void report(size_t row) const {
    if (row % kReportEvery != 0) return;
    context_.report(row, profile_.sample_count());
    context_.check_result(result_.bytes());
  }

  void keep_rows() {
    const size_t rows = profile_.sample_count();
    result_.append_rows_uninitialized(rows);
    const std::span<int64_t> times = result_.add_timestamps();
    for (size_t row = 0; row < rows; ++row) {
      report(row);
      const LabelSetId labels = profile_.sample_label_sets()[row];
      result_.sample_stacks()[row] = stack_of(labels);
      result_.sample_label_sets()[row] = remap_.label_set(labels);
      times[row] = profile_.timestamps()[row];
    }
    for (size_t type = 0; type < profile_.sample_types().size(); ++type)
      std::copy(profile_.values(type).begin(), profile_.values(type).end(),
                result_.values(type).begin());
  }

  /// One row per label set: it says all that is left of a stack.
  void add_up_rows() {
    PodVector<uint32_t> row_of;
    row_of.resize(profile_.label_set_count(), kNotMade);
    std::vector<int64_t> values(profile_.sample_types().size());
    bool saturated = false;
    for (size_t row = 0; row < profile_.sample_count(); ++row) {
      report(row);
      const LabelSetId labels = profile_.sample_label_sets()[row];
      if (row_of[labels] == kNotMade) {
        row_of[labels] = static_cast<uint32_t>(result_.sample_count());
        for (size_t type = 0; type < values.size(); ++type)
          values[type] = profile_.values(type)[row];
        result_.add_sample(stack_of(labels), remap_.label_set(labels), values);
        continue;
      }
      for (size_t type = 0; type < values.size(); ++type) {
        int64_t &sum = result_.values(type)[row_of[labels]];
        const int64_t more = profile_.values(type)[row];
        if (!__builtin_add_overflow(sum, more, &sum)) continue;
        sum = more < 0 ? INT64_MIN : INT64_MAX;
        saturated = true;
      }
    }
    if (saturated)
      result_.warn("Values past 64 bits were kept at the largest value when adding up threads");
  }

  const Profile &profile_;
  const Context &context_;
  Profile result_;
  Remap remap_;
  PodVector<StackId> stacks_; ///< by label set
  bool is_told_ = false;
};

} // namespace

Profile host_view(const Profile &profile, const Context &context) {
  return HostView{profile, context}.run();
}

} // namespace profcore
