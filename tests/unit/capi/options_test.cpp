// Structs that start with a size: what an older, a newer and a careless caller gives.
#include "support.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace capi;

namespace {

/// The struct of a caller with a newer header: known members first, then some that we do not know.
template <class Options> struct Longer {
  Options known{};
  uint64_t tail[3] = {};
  Longer() { known.size = sizeof(Longer); }
};

/// Every way to get the size, the tail and the reserved members wrong; `call` takes the options.
template <class Options, class Call> void check_struct_rules(Call &&call) {
  const auto status = [&](const Options *options) {
    return outcome_of([&](profcore_error **err) { return call(options, err); }).status;
  };
  constexpr profcore_status kInvalid = PROFCORE_ERR_INVALID_ARGUMENT;
  CHECK(status(nullptr) == PROFCORE_OK);
  Options options = PROFCORE_INIT(Options);
  CHECK(status(&options) == PROFCORE_OK);
  for (const size_t size : {size_t{0}, size_t{1}, sizeof(size_t) - 1, sizeof(size_t) + 1,
                            sizeof(Options) - 4, size_t{1} << 40, SIZE_MAX}) {
    CAPTURE(size);
    options.size = size;
    CHECK(status(&options) == kInvalid);
  }
  // An older caller: the first member only. The rest is rubbish that must not be looked at.
  std::memset(reinterpret_cast<char *>(&options) + sizeof(size_t), 0xee,
              sizeof options - sizeof(size_t));
  options.size = sizeof(size_t);
  CHECK(status(&options) == PROFCORE_OK);

  Longer<Options> longer;
  CHECK(status(&longer.known) == PROFCORE_OK);
  longer.tail[2] = 1;
  CHECK(status(&longer.known) == kInvalid);

  for (size_t i = 0; i < std::size(options.reserved); ++i) {
    options = PROFCORE_INIT(Options);
    options.reserved[i] = 1;
    CHECK(status(&options) == kInvalid);
  }
}

/// The same for a struct that is filled; `call` takes it.
template <class Info, class Call> void check_info_rules(Call &&call) {
  const auto status = [&](Info *info) {
    return outcome_of([&](profcore_error **err) { return call(info, err); }).status;
  };
  Info full = PROFCORE_INIT(Info);
  CHECK(status(&full) == PROFCORE_OK);
  CHECK(full.size == sizeof(Info));
  for (const size_t size : {size_t{0}, size_t{7}, size_t{12}, SIZE_MAX}) {
    CAPTURE(size);
    Info info = PROFCORE_INIT(Info);
    info.size = size;
    CHECK(status(&info) == PROFCORE_ERR_INVALID_ARGUMENT);
  }
  // Filled as far as the caller knows it, and not a byte more.
  for (size_t size = sizeof(size_t); size <= sizeof(Info); size += sizeof(uint64_t)) {
    CAPTURE(size);
    Info info;
    std::memset(static_cast<void *>(&info), 0xee, sizeof info);
    info.size = size;
    CHECK(status(&info) == PROFCORE_OK);
    CHECK(info.size == size);
    const auto *bytes = reinterpret_cast<const unsigned char *>(&info);
    const auto *expected = reinterpret_cast<const unsigned char *>(&full);
    CHECK(std::memcmp(bytes + sizeof(size_t), expected + sizeof(size_t), size - sizeof(size_t)) ==
          0);
    bool untouched = true;
    for (size_t i = size; i < sizeof info; ++i) untouched = untouched && bytes[i] == 0xee;
    CHECK(untouched);
  }
  // A newer caller gets zeros for what this library does not know.
  Longer<Info> longer;
  longer.tail[1] = 99;
  CHECK(status(&longer.known) == PROFCORE_OK);
  CHECK(longer.tail[1] == 0);
  CHECK(longer.known.size == sizeof longer);
}

} // namespace

TEST_CASE("options: size, tail, reserved") {
  const ProfilePtr some = decode(kCollapsed);
  const FlamePtr tree = build(some);
  REQUIRE(tree);
  check_struct_rules<profcore_decode_options>([&](auto *options, profcore_error **err) {
    profcore_profile *out = nullptr;
    const profcore_status status =
        profcore_decode_bytes(kCollapsed.data(), kCollapsed.size(), options, &out, err);
    CHECK((out == nullptr) == (status != PROFCORE_OK));
    profcore_profile_free(out);
    return status;
  });
  check_struct_rules<profcore_context>([&](auto *context, profcore_error **err) {
    auto options = PROFCORE_INIT(profcore_flame_options);
    options.context = context;
    profcore_flame *out = nullptr;
    const profcore_status status = profcore_flame_build(some.get(), &options, &out, err);
    profcore_flame_free(out);
    return status;
  });
  check_struct_rules<profcore_flame_options>([&](auto *options, profcore_error **err) {
    profcore_flame *out = nullptr;
    const profcore_status status = profcore_flame_build(some.get(), options, &out, err);
    profcore_flame_free(out);
    return status;
  });
  check_struct_rules<profcore_flame_diff_options>([&](auto *options, profcore_error **err) {
    profcore_flame *out = nullptr;
    const profcore_status status = profcore_flame_diff(tree.get(), tree.get(), options, &out, err);
    profcore_flame_free(out);
    return status;
  });
  check_struct_rules<profcore_filter_options>([&](auto *options, profcore_error **err) {
    profcore_profile *out = nullptr;
    const profcore_status status = profcore_profile_filter(some.get(), options, &out, err);
    profcore_profile_free(out);
    return status;
  });
  const ProfilePtr told = told_profile();
  for (const auto view : {profcore_profile_host_view, profcore_profile_deepflow_view})
    check_struct_rules<profcore_view_options>([&](auto *options, profcore_error **err) {
      profcore_profile *out = nullptr;
      const profcore_status status = view(told.get(), options, &out, err);
      profcore_profile_free(out);
      return status;
    });
  check_struct_rules<profcore_merge_options>([&](auto *options, profcore_error **err) {
    const profcore_profile *twice[] = {some.get(), some.get()};
    profcore_profile *out = nullptr;
    const profcore_status status = profcore_profile_merge(twice, 2, options, &out, err);
    profcore_profile_free(out);
    return status;
  });
  check_struct_rules<profcore_output_options>([&](auto *options, profcore_error **err) {
    profcore_buffer *out = nullptr;
    const profcore_status status =
        profcore_output_profile(some.get(), PROFCORE_OUTPUT_PPROF, options, &out, err);
    profcore_buffer_free(out);
    return status;
  });
  check_struct_rules<profcore_output_options>([&](auto *options, profcore_error **err) {
    profcore_buffer *out = nullptr;
    const profcore_status status =
        profcore_output_flame(tree.get(), PROFCORE_OUTPUT_TREE, options, &out, err);
    profcore_buffer_free(out);
    return status;
  });
  ProfilePtr mine = decode(kCollapsed);
  check_struct_rules<profcore_metadata>([&](auto *metadata, profcore_error **err) {
    if (metadata == nullptr) return err != nullptr ? (*err = nullptr, PROFCORE_OK) : PROFCORE_OK;
    return profcore_profile_set_metadata(mine.get(), metadata, err);
  });
}

TEST_CASE("reserved members outside of the reserved array") {
  const ProfilePtr some = decode(kCollapsed);
  auto filter = PROFCORE_INIT(profcore_filter_options);
  filter.reserved0 = 1;
  profcore_profile *out = nullptr;
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_profile_filter(some.get(), &filter, &out, err));
}

TEST_CASE("structs that are filled: short, long, wrong") {
  const ProfilePtr some = decode(kCollapsed);
  const FlamePtr tree = build(some);
  check_info_rules<profcore_sample_type>([&](auto *info, profcore_error **err) {
    return profcore_profile_get_sample_type(some.get(), 0, info, err);
  });
  check_info_rules<profcore_metadata>([&](auto *info, profcore_error **err) {
    return profcore_profile_get_metadata(some.get(), info, err);
  });
  check_info_rules<profcore_flame_info>([&](auto *info, profcore_error **err) {
    return profcore_flame_get_info(tree.get(), info, err);
  });
  check_info_rules<profcore_sniff_result>([&](auto *info, profcore_error **err) {
    return profcore_sniff_bytes(kCollapsed.data(), kCollapsed.size(), info, err);
  });

  // A failure leaves nothing but the size.
  auto type = PROFCORE_INIT(profcore_sample_type);
  std::memset(reinterpret_cast<char *>(&type) + sizeof(size_t), 0xee, sizeof type - sizeof(size_t));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_profile_get_sample_type(some.get(), 99, &type, err));
  CHECK(type.size == sizeof type);
  CHECK(type.type.data == nullptr);
  CHECK(type.scale == 0);
  CHECK(type.reserved[1] == 0);
}

TEST_CASE("enumerations, flags and numbers out of range") {
  const ProfilePtr some = decode(kCollapsed);
  const FlamePtr tree = build(some);
  profcore_profile *profile = nullptr;
  profcore_flame *flame = nullptr;
  profcore_buffer *buffer = nullptr;
  profcore_top *top = nullptr;
  profcore_peek *peek = nullptr;
  constexpr profcore_status kInvalid = PROFCORE_ERR_INVALID_ARGUMENT;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinite = std::numeric_limits<double>::infinity();

  const auto bad_decode = [&](auto change) {
    auto options = PROFCORE_INIT(profcore_decode_options);
    change(options);
    CHECK_STATUS(kInvalid, profcore_decode_bytes(kCollapsed.data(), kCollapsed.size(), &options,
                                                 &profile, err));
  };
  bad_decode([](auto &options) { options.format = -1; });
  bad_decode([](auto &options) { options.format = PROFCORE_FORMAT_CHROME_TRACE + 1; });
  bad_decode([](auto &options) { options.strict = 2; });
  bad_decode([](auto &options) { options.apply_drop_frames = -1; });
  bad_decode([](auto &options) { options.collapsed_lines = 5; });

  const auto bad_flame = [&](auto change) {
    auto options = PROFCORE_INIT(profcore_flame_options);
    change(options);
    CHECK_STATUS(kInvalid, profcore_flame_build(some.get(), &options, &flame, err));
  };
  bad_flame([](auto &options) { options.key = -1; });
  bad_flame([](auto &options) { options.key = PROFCORE_KEY_FILE_FUNCTION + 1; });
  bad_flame([](auto &options) { options.order = 2; });
  bad_flame([](auto &options) { options.inverted = 2; });
  bad_flame([](auto &options) { options.fold_recursion = 2; });
  bad_flame([](auto &options) { options.min_share = -0.1; });
  bad_flame([](auto &options) { options.min_share = 1.1; });
  bad_flame([=](auto &options) { options.min_share = kNan; });
  bad_flame([](auto &options) { options.group_by_count = 1; });
  const char *const hole[] = {nullptr};
  bad_flame([&](auto &options) {
    options.group_by = hole;
    options.group_by_count = 1;
  });

  const auto bad_diff = [&](auto change) {
    auto options = PROFCORE_INIT(profcore_flame_diff_options);
    change(options);
    CHECK_STATUS(kInvalid, profcore_flame_diff(tree.get(), tree.get(), &options, &flame, err));
  };
  bad_diff([](auto &options) { options.normalise = 2; });
  bad_diff([](auto &options) { options.order = -1; });
  bad_diff([=](auto &options) { options.min_share = kNan; });

  const auto bad_tree_output = [&](profcore_output_format format, auto change) {
    auto options = PROFCORE_INIT(profcore_output_options);
    change(options);
    CHECK_STATUS(kInvalid, profcore_output_flame(tree.get(), format, &options, &buffer, err));
  };
  bad_tree_output(PROFCORE_OUTPUT_TOP, [](auto &options) { options.order = 4; });
  bad_tree_output(PROFCORE_OUTPUT_TOP, [](auto &options) { options.order = -1; });
  bad_tree_output(PROFCORE_OUTPUT_SVG, [](auto &options) { options.icicle = 2; });
  bad_tree_output(PROFCORE_OUTPUT_SVG, [=](auto &options) { options.min_width_px = kNan; });
  bad_tree_output(PROFCORE_OUTPUT_SVG, [=](auto &options) { options.min_width_px = kInfinite; });
  bad_tree_output(PROFCORE_OUTPUT_SVG, [](auto &options) { options.min_width_px = -1; });
  bad_tree_output(PROFCORE_OUTPUT_PEEK, [](auto &options) {
    options.function = "main";
    options.exact = 2;
  });
  for (const profcore_output_format format : {0, 1, 2, 4, 13, -1, 1000})
    bad_tree_output(format, [](auto &) {});

  const auto bad_output = [&](profcore_output_format format, auto change) {
    auto options = PROFCORE_INIT(profcore_output_options);
    change(options);
    CHECK_STATUS(kInvalid, profcore_output_profile(some.get(), format, &options, &buffer, err));
  };
  bad_output(PROFCORE_OUTPUT_PPROF, [](auto &options) { options.gzip_level = 13; });
  bad_output(PROFCORE_OUTPUT_PPROF, [](auto &options) { options.gzip_level = -2; });
  bad_output(PROFCORE_OUTPUT_COLLAPSED, [](auto &options) { options.kind_suffix = 2; });
  for (const profcore_output_format format : {0, 5, 6, 7, 8, 12, 13, -1})
    bad_output(format, [](auto &) {});

  CHECK_STATUS(kInvalid, profcore_flame_top(tree.get(), 4, 0, &top, err));
  CHECK_STATUS(kInvalid, profcore_flame_peek(tree.get(), "main", 2, &peek, err));
  auto filter = PROFCORE_INIT(profcore_filter_options);
  filter.drop_frames = 3;
  CHECK_STATUS(kInvalid, profcore_profile_filter(some.get(), &filter, &profile, err));
  auto metadata = PROFCORE_INIT(profcore_metadata);
  metadata.frequency_hz = kNan;
  CHECK_STATUS(kInvalid, profcore_profile_set_metadata(some.get(), &metadata, err));
  metadata.frequency_hz = 0;
  metadata.host = {nullptr, 3};
  CHECK_STATUS(kInvalid, profcore_profile_set_metadata(some.get(), &metadata, err));
  for (const double factor : {kNan, kInfinite, -kInfinite})
    CHECK_STATUS(kInvalid, profcore_profile_scale(some.get(), factor, err));
  CHECK(std::string{profcore_format_get_name(-1)} == "unknown");
  CHECK(std::string{profcore_format_get_name(99)} == "unknown");
  CHECK(std::string{profcore_format_get_name(PROFCORE_FORMAT_PPROF)} == "pprof");
}
