#include "capi/guard.hpp"
#include "flame/tree.hpp"

#include <cmath>
#include <cstddef>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_flame_frame) == sizeof(FlameFrame) &&
              offsetof(profcore_flame_frame, address) == offsetof(FlameFrame, address));
static_assert(sizeof(profcore_top_row) == sizeof(TopRow) &&
              offsetof(profcore_top_row, base_total) == offsetof(TopRow, base_total));
static_assert(sizeof(profcore_peek_row) == sizeof(PeekRow) &&
              offsetof(profcore_peek_row, value) == offsetof(PeekRow, value));
static_assert(sizeof(profcore_flame_options) == size_t{13} * 8 &&
                  sizeof(profcore_flame_diff_options) == size_t{8} * 8 &&
                  sizeof(profcore_flame_info) == size_t{15} * 8,
              "no implicit padding");

namespace {

template <class T> const T *column(const PodVector<T> &values, size_t *count) {
  if (count != nullptr) *count = values.size();
  return values.empty() ? nullptr : values.data();
}
template <class T> const T *no_column(size_t *count) {
  if (count != nullptr) *count = 0;
  return nullptr;
}

double checked_share(double share) {
  if (!(share >= 0 && share <= 1)) invalid("min_share must be between 0 and 1");
  return share;
}

} // namespace

#define COLUMN(name, type, member)                                                                 \
  const type *profcore_flame_view_##name(const profcore_flame *flame, size_t *count) {             \
    return flame == nullptr ? no_column<type>(count) : column(flame->tree.member, count);          \
  }

extern "C" {

profcore_status profcore_flame_build(const profcore_profile *handle,
                                     const profcore_flame_options *options, profcore_flame **out,
                                     profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const Profile &profile = required(handle, "profile").profile;
    const profcore_flame_options given = read_options(options);
    const ContextAdapter context{given.context};
    FlameOptions build;
    build.context = context.get();
    build.type = resolve_type(profile, given.sample_type);
    build.key = checked_enum<FrameKey>(given.key, PROFCORE_KEY_FILE_FUNCTION, "frame key");
    build.order = checked_enum<NodeOrder>(given.order, PROFCORE_ORDER_TOTAL, "node order");
    build.inverted = flag(given.inverted, "inverted");
    build.fold_recursion = flag(given.fold_recursion, "fold_recursion");
    build.root_function = text_or_empty(given.root_function);
    build.min_share = checked_share(given.min_share);
    if (given.root_name != nullptr) build.root_name = given.root_name;
    if (given.group_by_count != 0) required(given.group_by, "group_by");
    for (size_t i = 0; i < given.group_by_count; ++i)
      build.group_by.emplace_back(&required(given.group_by[i], "a key of group_by"));
    std::unique_ptr<profcore_flame> result{new profcore_flame{build_flame_tree(profile, build)}};
    context.get().check_result(result->tree.bytes());
    if (result->tree.saturated)
      context.get().write_log(LogLevel::kWarning,
                              "the values add up past 64 bits: sums stop at the largest one");
    *out = result.release();
  });
}

profcore_status profcore_flame_diff(const profcore_flame *baseline, const profcore_flame *flame,
                                    const profcore_flame_diff_options *options,
                                    profcore_flame **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const FlameTree &before = required(baseline, "baseline").tree;
    const FlameTree &after = required(flame, "tree").tree;
    const profcore_flame_diff_options given = read_options(options);
    const ContextAdapter context{given.context};
    DiffOptions diff;
    diff.context = context.get();
    diff.normalise = flag(given.normalise, "normalise");
    diff.order = checked_enum<NodeOrder>(given.order, PROFCORE_ORDER_TOTAL, "node order");
    diff.min_share = checked_share(given.min_share);
    std::unique_ptr<profcore_flame> result{
        new profcore_flame{diff_flame_trees(before, after, diff)}};
    context.get().check_result(result->tree.bytes());
    *out = result.release();
  });
}

void profcore_flame_free(profcore_flame *flame) {
  delete flame;
}

profcore_status profcore_flame_get_info(const profcore_flame *flame, profcore_flame_info *out,
                                        profcore_error **err) {
  return guard(err, [&] {
    start_info(out);
    const FlameTree &tree = required(flame, "flame").tree;
    profcore_flame_info info{};
    info.type = to_str(tree.strings[tree.type]);
    info.unit = to_str(tree.strings[tree.unit]);
    info.total = tree.size() == 0 ? 0 : tree.total[0];
    info.base_total = tree.is_diff() ? tree.base_total[0] : 0;
    info.pruned_nodes = tree.pruned_nodes;
    info.pruned_value = tree.pruned_value;
    info.inverted = tree.inverted ? 1 : 0;
    info.is_diff = tree.is_diff() ? 1 : 0;
    info.normalised = tree.normalised ? 1 : 0;
    write_info(out, info);
  });
}

size_t profcore_flame_get_node_count(const profcore_flame *flame) {
  return flame == nullptr ? 0 : flame->tree.size();
}

COLUMN(node_frames, uint32_t, frame)
COLUMN(parents, uint32_t, parent)
COLUMN(depths, uint32_t, depth)
COLUMN(subtree_ends, uint32_t, subtree_end)
COLUMN(self, int64_t, self)
COLUMN(total, int64_t, total)
COLUMN(base_self, int64_t, base_self)
COLUMN(base_total, int64_t, base_total)

const profcore_flame_frame *profcore_flame_view_frames(const profcore_flame *flame, size_t *count) {
  if (flame == nullptr) return no_column<profcore_flame_frame>(count);
  return reinterpret_cast<const profcore_flame_frame *>(column(flame->tree.frames, count));
}

const profcore_str *profcore_flame_view_strings(const profcore_flame *flame, size_t *count) {
  if (flame == nullptr) return no_column<profcore_str>(count);
  const auto strings = flame->tree.strings.refs();
  if (count != nullptr) *count = strings.size();
  return reinterpret_cast<const profcore_str *>(strings.data());
}

profcore_status profcore_flame_top(const profcore_flame *flame, profcore_top_order order,
                                   size_t limit, profcore_top **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const auto by = checked_enum<TopOrder>(order, PROFCORE_TOP_DELTA, "order");
    *out = new profcore_top{top(required(flame, "flame").tree, by, limit)};
  });
}

const profcore_top_row *profcore_top_view_rows(const profcore_top *top, size_t *count) {
  if (count != nullptr) *count = top == nullptr ? 0 : top->rows.size();
  return top == nullptr ? nullptr : reinterpret_cast<const profcore_top_row *>(top->rows.data());
}

void profcore_top_free(profcore_top *top) {
  delete top;
}

profcore_status profcore_flame_peek(const profcore_flame *flame, const char *function,
                                    int32_t exact, profcore_peek **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const FlameTree &tree = required(flame, "flame").tree;
    *out = new profcore_peek{peek(tree, &required(function, "function"), flag(exact, "exact"))};
  });
}

size_t profcore_peek_get_count(const profcore_peek *peek) {
  return peek == nullptr ? 0 : peek->functions.size();
}

profcore_status profcore_peek_get_function(const profcore_peek *peek, size_t index, uint32_t *frame,
                                           int64_t *self, int64_t *total, profcore_error **err) {
  return guard(err, [&] {
    if (frame != nullptr) *frame = 0;
    if (self != nullptr) *self = 0;
    if (total != nullptr) *total = 0;
    if (index >= required(peek, "peek").functions.size()) invalid("no such function");
    const Peek &function = peek->functions[index];
    if (frame != nullptr) *frame = function.frame;
    if (self != nullptr) *self = function.self;
    if (total != nullptr) *total = function.total;
  });
}

static const profcore_peek_row *rows_of(const std::vector<PeekRow> *rows, size_t *count) {
  if (count != nullptr) *count = rows == nullptr ? 0 : rows->size();
  return rows == nullptr ? nullptr : reinterpret_cast<const profcore_peek_row *>(rows->data());
}

const profcore_peek_row *profcore_peek_view_callers(const profcore_peek *peek, size_t index,
                                                    size_t *count) {
  const bool there = peek != nullptr && index < peek->functions.size();
  return rows_of(there ? &peek->functions[index].callers : nullptr, count);
}
const profcore_peek_row *profcore_peek_view_callees(const profcore_peek *peek, size_t index,
                                                    size_t *count) {
  const bool there = peek != nullptr && index < peek->functions.size();
  return rows_of(there ? &peek->functions[index].callees : nullptr, count);
}

void profcore_peek_free(profcore_peek *peek) {
  delete peek;
}

} // extern "C"
