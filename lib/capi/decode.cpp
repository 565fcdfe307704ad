#include "sources/decode/decode.hpp"

#include "base/input_stream.hpp"
#include "capi/guard.hpp"

#include <algorithm>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_decode_options) == size_t{15} * 8 &&
                  sizeof(profcore_sniff_result) == size_t{38} * 8,
              "no implicit padding");

namespace {

std::span<const uint8_t> span_of(const void *data, size_t size) {
  if (size != 0 && data == nullptr) invalid("data is NULL");
  return {static_cast<const uint8_t *>(data), size};
}

/// `Input`: bytes, or a stream of them.
template <class Input>
profcore_profile *decode_with(Input &&input, const profcore_decode_options &given,
                              const Context &context) {
  DecodeOptions options;
  options.context = context;
  options.format = checked_enum<Format>(given.format, PROFCORE_FORMAT_CHROME_TRACE, "format");
  options.strict = flag(given.strict, "strict");
  options.threads = given.threads;
  options.apply_drop_frames = flag(given.apply_drop_frames, "apply_drop_frames");
  options.collapsed_lines = flag(given.collapsed_lines, "collapsed_lines");
  options.collapsed_type = text_or_empty(given.collapsed_type);
  options.collapsed_unit = text_or_empty(given.collapsed_unit);
  options.jfr.compat =
      checked_enum<JfrCompat>(given.jfr_compat, PROFCORE_JFR_COMPAT_PYROSCOPE, "jfr_compat");
  options.jfr.normalize_names = flag(given.jfr_normalize_names, "jfr_normalize_names");
  options.jfr.class_frames = flag(given.jfr_class_frames, "jfr_class_frames");
  options.jfr.metrics = flag(given.jfr_metrics, "jfr_metrics");
  options.jfr.context_labels = span_of(given.jfr_labels, given.jfr_labels_size);
  options.jfr.sample_rate = given.jfr_sample_rate;
  std::unique_ptr<profcore_profile> result{new profcore_profile{decode(input, options)}};
  log_warnings(result->profile, {}, context);
  return result.release();
}

} // namespace

extern "C" {

profcore_status profcore_sniff_bytes(const void *data, size_t size, profcore_sniff_result *result,
                                     profcore_error **err) {
  return guard(err, [&] {
    start_info(result);
    const SniffResult found = sniff(span_of(data, size));
    profcore_sniff_result info{};
    info.format = static_cast<profcore_format>(found.format);
    info.compression = static_cast<profcore_compression>(found.compression);
    info.readable = found.readable ? 1 : 0;
    size_t length = std::min(found.saw.size(), sizeof info.saw - 1);
    if (length < found.saw.size()) // not in the middle of a character
      while (length > 0 && (static_cast<unsigned char>(found.saw[length]) & 0xc0) == 0x80) --length;
    std::copy_n(found.saw.data(), length, info.saw);
    write_info(result, info);
  });
}

const char *profcore_format_get_name(profcore_format format) {
  if (format < PROFCORE_FORMAT_UNKNOWN || format > PROFCORE_FORMAT_CHROME_TRACE) return "unknown";
  return format_name(static_cast<Format>(format)).data();
}

profcore_status profcore_decode_bytes(const void *data, size_t size,
                                      const profcore_decode_options *options,
                                      profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const profcore_decode_options given = read_options(options);
    const ContextAdapter context{given.context};
    *out = decode_with(span_of(data, size), given, context.get());
  });
}

profcore_status profcore_decode_file(const char *path, const profcore_decode_options *options,
                                     profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const std::string file{&required(path, "path")};
    const profcore_decode_options given = read_options(options);
    const ContextAdapter context{given.context};
    try {
      InputStream input = InputStream::open(file, context.get());
      *out = decode_with(input, given, context.get());
    } catch (Error &error) {
      if (error.context().empty()) error.set_context(file);
      throw;
    }
  });
}

profcore_status profcore_decode_fd(int32_t fd, const profcore_decode_options *options,
                                   profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const profcore_decode_options given = read_options(options);
    const ContextAdapter context{given.context};
    InputStream input = InputStream::borrow(fd, "file descriptor", context.get());
    *out = decode_with(input, given, context.get());
  });
}

} // extern "C"
