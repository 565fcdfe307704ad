#pragma once

#include "base/context.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace profcore {

/// All samples of all profiles in one. Columns are matched by type and unit; a profile without a
/// column gives 0 there. Rows equal in stack, labels and timestamp are added up (saturating, with a
/// warning). Time range = union, duration = sum, period = the largest, lost samples, warnings and
/// counters are added; host, command and source format stay where all that have one agree. A file
/// mapped at another address is the same module (by build id or path, size and offset): addresses
/// move to where the first profile had it. What no row uses is left behind, modules excepted.
/// Linear in the sum of the inputs. Throws kLimit past `max_samples` rows and `max_result_bytes`.
Profile merge(std::span<const Profile *const> profiles, const Context &context = {});

/// pprof's filters, same meaning (see `pprof -help`): regexes of RE2, searched unanchored in
/// function names, file names and module paths. Empty = not used.
struct FilterOptions {
  Context context;
  std::string_view focus;     ///< keep stacks with a matching frame
  std::string_view ignore;    ///< drop stacks with a matching frame
  std::string_view hide;      ///< remove matching frames
  std::string_view show;      ///< keep matching frames only
  std::string_view show_from; ///< cut everything rootward of the first (rootmost) match
  std::string_view tag_focus; ///< keep samples with a matching label: "regex", "key=regex",
                              ///< "16kb:32mb", "key=:100ms" as pprof -tagfocus
  std::string_view tag_ignore;
  bool drop_frames = false; ///< apply meta.drop_frames / keep_frames
  /// Keep timestamps in [from, to); samples without one (0) are kept.
  int64_t time_from_ns = INT64_MIN;
  int64_t time_to_ns = INT64_MAX;
};

/// A new profile with what the filters leave: rows keep their order, tables hold what those rows
/// use (and all modules). The order is pprof's: drop_frames, focus and ignore, hide and show,
/// show_from, tags; a time range comes first. Rows removed are counted ("filtered_samples"). A
/// filter that matched nothing at all gives a warning, as pprof does. Throws kInvalidArgument for a
/// bad regex (with the position), kUnsupported for a regex when built without RE2; a bad regex in
/// the profile itself (drop_frames) is only a warning.
Profile filter(const Profile &profile, const FilterOptions &options);

/// Removes frames by the profile's own regexes only; for decoders.
Profile apply_drop_frames(const Profile &profile);

/// Where the time of a host went: every stack becomes its process and, but for the main thread, its
/// thread (frames of those kinds, from the labels of `task_names`). Without timestamps rows of
/// equal labels are added up. Linear in rows and label sets. Throws kNotFound when no sample tells
/// its process or thread.
Profile host_view(const Profile &profile, const Context &context = {});

/// A profile with DeepFlow's forms, all else as it is. Frames are named as deepflow_name.hpp tells;
/// the labels' process or thread becomes the first frame, where there is none yet. Times of columns
/// `cpu` (then `on-cpu`) and `off-cpu` become whole microseconds, a sample's weight cut, as there.
/// Applying it twice changes nothing more.
Profile deepflow_view(const Profile &profile, const Context &context = {});

/// Multiplies every value of every column (rounded to nearest, saturating with a warning). Throws
/// kInvalidArgument, before anything is changed, for a factor that is not finite.
void scale(Profile &profile, double factor);
/// One factor per column.
void scale(Profile &profile, std::span<const double> factors);

} // namespace profcore
