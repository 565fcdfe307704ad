// A profile as DeepFlow's agent would have sent it: see operations.hpp for what changes.
//
// A frame's name depends on its location alone, but for what stands at a stack's root, so each
// location is named once or twice. A stack is another one under each process and thread that it
// was sampled in, which the samples' labels tell: the rows are taken process by process, and an
// array that is valid for one of them at a time tells which stacks are there already. The cost is
// that of the nodes of the result, plus sorting the rows by their first frame.

#include "model/deepflow_name.hpp"
#include "model/frame_name.hpp"
#include "model/operations.hpp"
#include "model/remap.hpp"
#include "model/task_names.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace profcore {
namespace {

constexpr uint32_t kNotMade = UINT32_MAX;
constexpr size_t kReportEvery = 4096;
constexpr size_t kCheckEvery = size_t{1} << 16;

class DeepflowView {
public:
  DeepflowView(const Profile &profile, const Context &context)
      : profile_{profile}, context_{context}, remap_{profile, result_} {
    const size_t locations = profile.locations().size();
    inner_.resize(locations, kNotMade);
    at_root_.resize(locations, kNotMade);
    task_frames_.resize(profile.label_set_count(), kNotMade);
    for (PodVector<uint32_t> &functions : functions_)
      functions.resize(profile.functions().size(), kNotMade);
  }

  Profile run() {
    result_.meta = remap_.metadata();
    add_types();
    result_.append_rows_uninitialized(profile_.sample_count());
    add_stacks();
    fill_columns();
    if (profile_.has_timestamps())
      std::copy(profile_.timestamps().begin(), profile_.timestamps().end(),
                result_.add_timestamps().begin());
    carry_findings(profile_, result_);
    return std::move(result_);
  }

private:
  struct RowUnder {
    LocationId task; ///< the frame of a process or thread; 0 = none
    uint32_t row;
  };

  FunctionId function_of(FunctionId id, DeepflowForm form) {
    uint32_t &made = functions_[static_cast<size_t>(form)][id];
    if (made != kNotMade) return made;
    const Function &from = profile_.functions()[id];
    // The kernel's names are shown as the kernel has them.
    const bool raw = form == DeepflowForm::kKernel && from.system_name != 0;
    name_.clear();
    append_deepflow_name(form, raw ? profile_.text(from.system_name) : function_name(profile_, id),
                         name_);
    Function function = from;
    function.name = result_.intern(name_);
    function.system_name = remap_.string(from.system_name);
    function.file = remap_.string(from.file);
    return made = result_.add_function(function);
  }

  FunctionId function_named(std::string_view name) {
    Function function;
    function.name = result_.intern(name);
    return result_.add_function(function);
  }

  LocationId location_of(LocationId id, bool at_root) {
    uint32_t &made = (at_root ? at_root_ : inner_)[id];
    if (made != kNotMade) return made;
    Location location = profile_.locations()[id];
    const DeepflowForm form = deepflow_form(profile_, location);
    const std::string_view module = module_name(profile_, location.module);
    lines_.clear();
    for (Line line : profile_.lines_of(id)) {
      const std::string_view name = function_name(profile_, line.function);
      if (name.empty() || is_place_in_module(name, module)) continue;
      line.function = function_of(line.function, form);
      line.file = remap_.string(line.file);
      lines_.push_back(line);
    }
    if (lines_.empty()) {
      name_.clear();
      append_deepflow_unnamed(profile_, location, at_root, name_);
      lines_.push_back({function_named(name_), 0, 0, 0});
    }
    location.module = remap_.module(location.module);
    location.reason = UnnamedReason::kNone;
    location.flags &= kIsFolded; // the others are about names that are gone
    return made = result_.add_location(location, lines_.span());
  }

  /// `[p] name` for a main thread or where threads are not told apart, `[t] name` for another one.
  LocationId task_frame(LabelSetId labels) {
    uint32_t &made = task_frames_[labels];
    if (made != kNotMade) return made;
    const TaskNames names = task_names(profile_, labels);
    const std::string &name = names.is_main && names.thread.empty() ? names.process : names.thread;
    if (name.empty()) return made = 0;
    Location location;
    location.kind = names.is_main ? FrameKind::kProcess : FrameKind::kThread;
    name_.clear();
    append_deepflow_name(names.is_main ? DeepflowForm::kProcess : DeepflowForm::kThread, name,
                         name_);
    const Line line{function_named(name_), 0, 0, 0};
    return made = result_.add_location(location, {&line, 1});
  }

  /// By stack: does it begin with a process or a thread already?
  PodVector<uint8_t> find_tasks() const {
    const std::span<const StackNode> nodes = profile_.stacks.nodes();
    PodVector<uint8_t> has_task;
    has_task.resize(nodes.size(), 0);
    for (size_t id = 1; id < nodes.size(); ++id) {
      if (nodes[id].parent != 0) {
        has_task[id] = has_task[nodes[id].parent];
        continue;
      }
      const FrameKind kind = profile_.locations()[nodes[id].location].kind;
      const std::span<const Line> lines = profile_.lines_of(nodes[id].location);
      has_task[id] =
          kind == FrameKind::kProcess || kind == FrameKind::kThread ||
          (lines.size() == 1 && is_deepflow_task(function_name(profile_, lines[0].function)));
    }
    return has_task;
  }

  void add_stacks() {
    const size_t count = profile_.sample_count();
    const PodVector<uint8_t> has_task = find_tasks();
    PodVector<RowUnder> rows;
    rows.resize_uninitialized(count);
    for (size_t row = 0; row < count; ++row) {
      const LabelSetId labels = profile_.sample_label_sets()[row];
      result_.sample_label_sets()[row] = remap_.label_set(labels);
      rows[row] = {has_task[profile_.sample_stacks()[row]] != 0 ? 0 : task_frame(labels),
                   static_cast<uint32_t>(row)};
    }
    std::sort(rows.begin(), rows.end(), [](const RowUnder &a, const RowUnder &b) {
      return a.task != b.task ? a.task < b.task : a.row < b.row;
    });
    PodVector<StackId> made;       // by stack of the profile
    PodVector<LocationId> made_in; // the task for which that holds
    made.resize_uninitialized(profile_.stacks.size());
    made_in.resize(profile_.stacks.size(), kNotMade);
    size_t next_check = kCheckEvery;
    for (size_t i = 0; i < count; ++i) {
      if (i % kReportEvery == 0) context_.report(i, count);
      const LocationId task = rows[i].task;
      const StackId stack = profile_.sample_stacks()[rows[i].row];
      path_.clear();
      StackId at = stack;
      for (; at != 0 && made_in[at] != task; at = profile_.stacks[at].parent) path_.push_back(at);
      StackId to = at != 0 ? made[at] : task != 0 ? result_.stacks.child(0, task) : 0;
      for (size_t k = path_.size(); k-- > 0;) {
        const StackNode &node = profile_.stacks[path_[k]];
        to = result_.stacks.child(to, location_of(node.location, node.parent == 0));
        made[path_[k]] = to;
        made_in[path_[k]] = task;
      }
      result_.sample_stacks()[rows[i].row] = to;
      if (result_.stacks.size() < next_check) continue;
      context_.check_result(result_.bytes());
      next_check = result_.stacks.size() + kCheckEvery;
    }
  }

  static bool is_time(const Profile &profile, const SampleType &type, std::string_view name) {
    return profile.text(type.type) == name && profile.text(type.unit) == "nanoseconds";
  }

  void add_types() {
    for (const SampleType &from : profile_.sample_types()) {
      SampleType type = remap_.sample_type(from);
      const bool on_cpu = is_time(profile_, from, "cpu") || is_time(profile_, from, "on-cpu");
      micros_.push_back(on_cpu || is_time(profile_, from, "off-cpu"));
      if (on_cpu) type.type = result_.intern("on-cpu");
      if (micros_.back()) {
        type.unit = type.source_unit = result_.intern("microseconds");
        type.scale = 1;
        type.period = from.period / 1000;
      }
      result_.add_sample_type(type);
    }
    const size_t fallback = profile_.default_type();
    if (fallback < micros_.size() && micros_[fallback])
      result_.meta.default_type = result_.sample_types()[fallback].type;
  }

  void fill_columns() {
    const size_t counted = profile_.find_type("samples/count");
    for (size_t type = 0; type < micros_.size(); ++type) {
      const std::span<const int64_t> from = profile_.values(type);
      const std::span<int64_t> to = result_.values(type);
      std::copy(from.begin(), from.end(), to.begin());
      if (!micros_[type]) continue;
      // A sample is worth whole microseconds, so that counts times weight is the sum.
      const int64_t period = profile_.sample_types()[type].period;
      for (size_t row = 0; row < from.size(); ++row) {
        int64_t product = 0;
        const bool weighted =
            counted < micros_.size() && period > 0 &&
            !__builtin_mul_overflow(profile_.values(counted)[row], period, &product) &&
            product == from[row];
        to[row] = weighted ? profile_.values(counted)[row] * (period / 1000) : from[row] / 1000;
      }
    }
  }

  const Profile &profile_;
  const Context &context_;
  Profile result_;
  Remap remap_;
  std::array<PodVector<uint32_t>, kDeepflowForms> functions_; ///< by function of the profile
  PodVector<uint32_t> inner_, at_root_;                       ///< by location of the profile
  PodVector<uint32_t> task_frames_;                           ///< by label set
  std::vector<uint8_t> micros_;                               ///< by column
  PodVector<Line> lines_;                                     ///< scratch
  PodVector<StackId> path_;                                   ///< scratch
  std::string name_;                                          ///< scratch
};

} // namespace

Profile deepflow_view(const Profile &profile, const Context &context) {
  return DeepflowView{profile, context}.run();
}

} // namespace profcore
