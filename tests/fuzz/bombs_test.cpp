// What a megabyte can do under the default limits: bombs of every compression, plain and nested,
// and small inputs that unfold in the decoder, each decoded in a process of its own whose peak
// memory and CPU time are then read. The bombs are made here, so the repository holds none.
//
// A bomb is made piece by piece into a file: the process that forks must stay small, as a child
// starts with the memory of its parent.

#include "../sanitized.hpp"
#include "../unit/decode/jfr/jfr_samples.hpp"
#include "build_features.hpp"

#include <profcore/profcore.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>
#include <zlib.h>
#include <zstd.h>
#if PROFCORE_HAVE_LZ4
#include <lz4frame.h>
#endif

namespace {

constexpr double kMostMegabytes = 400;
constexpr double kMostSeconds = kSanitized ? 60 : 5;
constexpr size_t kMega = 1'000'000;

using Sink = std::function<void(std::string_view)>;
using Source = std::function<void(const Sink &)>;

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "cannot make a bomb: %s\n", what);
  std::exit(1);
}

/// `text` again and again until there are `bytes` of it.
Source repeated(std::string text, size_t bytes) {
  while (text.size() < (1 << 16)) text += text;
  return [text, bytes](const Sink &sink) {
    for (size_t left = bytes; left > 0;) {
      const size_t now = std::min(left, text.size());
      sink(std::string_view{text}.substr(0, now));
      left -= now;
    }
  };
}

/// Bytes that do not compress, always the same.
std::string noise_of(size_t bytes) {
  std::string noise;
  std::mt19937 random{1};
  while (noise.size() < bytes) noise += static_cast<char>(random());
  return noise;
}

Source joined(std::vector<Source> parts) {
  return [parts](const Sink &sink) {
    for (const Source &part : parts) part(sink);
  };
}

Source text_of(std::string text) {
  return [text](const Sink &sink) { sink(text); };
}

std::string collect(const Source &source) {
  std::string all;
  source([&](std::string_view piece) { all += piece; });
  return all;
}

/// One gzip (or zlib) member of what `source` gives.
Source deflated(Source source, int window_bits = 15 + 16) {
  return [source, window_bits](const Sink &sink) {
    z_stream stream{};
    if (deflateInit2(&stream, 4, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY) != Z_OK)
      fail("zlib");
    std::vector<unsigned char> out(1 << 16);
    const auto run = [&](std::string_view piece, int flush) {
      stream.next_in =
          const_cast<unsigned char *>(reinterpret_cast<const unsigned char *>(piece.data()));
      stream.avail_in = static_cast<uInt>(piece.size());
      do {
        stream.next_out = out.data();
        stream.avail_out = static_cast<uInt>(out.size());
        deflate(&stream, flush);
        sink({reinterpret_cast<const char *>(out.data()), out.size() - stream.avail_out});
      } while (stream.avail_out == 0);
    };
    source([&](std::string_view piece) { run(piece, Z_NO_FLUSH); });
    run({}, Z_FINISH);
    deflateEnd(&stream);
  };
}

/// One zstd frame that does not tell its size.
Source zstd(Source source, int window_log) {
  return [source, window_log](const Sink &sink) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == nullptr) fail("zstd");
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    std::string out(ZSTD_CStreamOutSize(), '\0');
    const auto run = [&](std::string_view piece, ZSTD_EndDirective end) {
      ZSTD_inBuffer in{piece.data(), piece.size(), 0};
      for (;;) {
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        const size_t left = ZSTD_compressStream2(context, &to, &in, end);
        if (ZSTD_isError(left)) fail(ZSTD_getErrorName(left));
        sink({out.data(), to.pos});
        if (end == ZSTD_e_end ? left == 0 : in.pos == in.size) break;
      }
    };
    source([&](std::string_view piece) { run(piece, ZSTD_e_continue); });
    run({}, ZSTD_e_end);
    ZSTD_freeCCtx(context);
  };
}

#if PROFCORE_HAVE_LZ4
Source lz4(size_t zeros) {
  const std::string plain(zeros, '\0');
  std::string out(LZ4F_compressFrameBound(plain.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), nullptr));
  return text_of(out);
}
#endif

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string field(int number, std::string_view bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string{bytes};
}

/// A valid profile: one sample type, one location, `samples` samples of `sample`.
Source pprof(std::string_view sample, size_t samples) {
  std::string head;
  head += field(1, "\x08\x01\x10\x02");         // samples, count
  head += field(4, "\x08\x01\x22\x02\x08\x01"); // location 1: function 1
  head += field(5, "\x08\x01\x10\x01");         // function 1
  for (const char *text : {"", "samples", "count"}) head += field(6, text);
  const std::string one = field(2, sample);
  return joined({text_of(head), repeated(one, one.size() * samples)});
}

/// A zip archive cut off behind the data of its only file.
Source zipped(Source source) {
  std::string header{"PK\3\4\24\0\10\0\10\0", 10}; // deflated, sizes behind the data
  header += std::string(16, '\0');
  header += std::string{"\1\0\0\0a", 5};
  return joined({text_of(header), deflated(std::move(source), -15)});
}

/// A recording that was not finished: types, then anything.
Source recording(std::vector<Source> rest) {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(100, "jdk.ExecutionSample", {}, "jdk.jfr.Event");
  chunk.type(101, "jdk.ObjectAllocationInNewTLAB", {}, "jdk.jfr.Event");
  chunk.type(102, "jdk.JavaMonitorEnter", {}, "jdk.jfr.Event");
  rest.insert(rest.begin(), text_of(jfr_test::unfinished(chunk.finish(), 0, true)));
  return joined(std::move(rest));
}

/// A checkpoint with `count` values of two bytes.
Source constants(size_t count) {
  jfr_test::Writer inside;
  inside.key(1);
  inside.raw(std::string(3, '\0')); // times, the one before
  inside.u8(0);
  inside.count(1);
  inside.key(jfr_test::kSymbol);
  inside.count(count);
  jfr_test::Writer size;
  size.padded_varint(9 + inside.bytes().size() + 2 * count, 9);
  return joined({text_of(size.bytes() + inside.bytes()), repeated("\5\1", 2 * count)});
}

struct Bomb {
  const char *name;
  Source bytes;
  profcore_format format;
  std::vector<profcore_status> ends; ///< any of these
  const char *told;                  ///< in the message, when it is LIMIT
};

struct Outcome {
  int status = 0; ///< profcore_status, or a signal over 0
  double megabytes = 0;
  double seconds = 0;
  std::string message;
};

/// Decodes the file in a child.
Outcome decode(const std::string &path, profcore_format format) {
  int ends[2];
  if (pipe(ends) != 0) fail("pipe");
  const pid_t child = fork();
  if (child == 0) {
    auto options = PROFCORE_INIT(profcore_decode_options);
    options.format = format;
    profcore_profile *profile = nullptr;
    profcore_error *err = nullptr;
    const profcore_status status = profcore_decode_file(path.c_str(), &options, &profile, &err);
    const char *message = profcore_error_get_message(err);
    (void)!write(ends[1], message, std::strlen(message));
    profcore_profile_free(profile);
    profcore_error_free(err);
    _exit(-status);
  }
  close(ends[1]);
  Outcome outcome;
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    outcome.message.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int how = 0;
  rusage used{};
  if (child < 0 || wait4(child, &how, 0, &used) != child) fail("fork");
  outcome.status = WIFEXITED(how) ? -WEXITSTATUS(how) : WTERMSIG(how);
  outcome.megabytes = static_cast<double>(used.ru_maxrss) * 1024 / 1e6;
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  outcome.seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  return outcome;
}

std::vector<Bomb> bombs() {
  const std::string zeros(1, '\0');
  const auto gzip_of = [](const Source &source) { return collect(deflated(source)); };
  // A member is made once and repeated: every reader of gzip and zstd takes them one after another.
  const std::string gzip_zeros = gzip_of(repeated(zeros, size_t{50} << 20));
  const std::string zstd_zeros = collect(zstd(repeated(zeros, size_t{8} << 20), 20));
  const auto whole = [](const std::string &member, size_t bytes) {
    return repeated(member, std::max<size_t>(1, bytes / member.size()) * member.size());
  };
  const std::vector<profcore_status> limit{PROFCORE_ERR_LIMIT};
  const auto pprof_gzip = [&](const char *name, std::string_view sample, size_t samples) {
    return Bomb{name, deflated(pprof(sample, samples)), PROFCORE_FORMAT_UNKNOWN, limit, "_ratio"};
  };
  // A comment of one letter: the start is that of a profile, so looking at it tells nothing.
  const auto comment = joined({pprof("\x0a\x01\x01\x12\x01\x01", 1),
                               text_of(varint(6 << 3 | 2) + varint(uint64_t{600} << 20)),
                               repeated("x", size_t{600} << 20)});
  const std::string sample{"\x0a\x01\x01\x12\x01\x01"};

  std::vector<Bomb> all;
  all.push_back({"gzip of zeros, taken for what it is",
                 whole(gzip_zeros, kMega),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_ERR_UNKNOWN_FORMAT},
                 ""});
  all.push_back({"gzip of zeros, said to be pprof", whole(gzip_zeros, kMega), PROFCORE_FORMAT_PPROF,
                 limit, "max_inflate_ratio"});
  all.push_back({"gzip in gzip", deflated(whole(gzip_zeros, size_t{200} << 20)),
                 PROFCORE_FORMAT_PPROF, limit, "max_inflate_ratio"});
  all.push_back({"gzip in gzip in gzip", deflated(deflated(whole(gzip_zeros, size_t{200} << 20))),
                 PROFCORE_FORMAT_COLLAPSED, limit, "max_inflate_ratio"});
  all.push_back({"zlib of zeros", deflated(repeated(zeros, size_t{600} << 20), 15),
                 PROFCORE_FORMAT_PPROF, limit, "max_inflate_ratio"});
  all.push_back({"zstd of zeros", whole(zstd_zeros, kMega), PROFCORE_FORMAT_PPROF, limit,
                 "max_inflate_ratio"});
  all.push_back({"zstd of zeros by a window of 128 MiB", zstd(repeated(zeros, size_t{1} << 30), 27),
                 PROFCORE_FORMAT_PPROF, limit, "max_inflate_ratio"});
#if PROFCORE_HAVE_LZ4
  // Lz4 cannot do better than 255 and so is not refused: zeros are fields that pprof does not know.
  all.push_back({"lz4 of zeros",
                 joined({lz4(size_t{100} << 20), lz4(size_t{120} << 20)}),
                 PROFCORE_FORMAT_PPROF,
                 {PROFCORE_OK},
                 ""});
#endif
  all.push_back({"gzip of a profile with a name of 600 MiB", deflated(comment),
                 PROFCORE_FORMAT_UNKNOWN, limit, "max_inflate_ratio"});
  all.push_back({"a million samples without a stack",
                 deflated(pprof("\x12\x01\x01", kMega)),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_OK},
                 ""});
  all.push_back({"a million samples",
                 deflated(pprof(sample, kMega)),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_OK},
                 ""});
  all.push_back(pprof_gzip("a hundred million samples with nothing in them", "", 100 * kMega));
  all.push_back(pprof_gzip("thirty million samples", sample, 30 * kMega));
  // With noise among it the same is no matter of inflating any more, but of the profile.
  const Source noise = text_of(field(6, noise_of(700'000)));
  const auto thinned = [&](const std::string &one, size_t bytes) {
    return deflated(
        joined({pprof(sample, 1), noise, repeated(one, bytes / one.size() * one.size())}));
  };
  all.push_back({"samples and noise", thinned(field(2, sample), 100 * kMega),
                 PROFCORE_FORMAT_UNKNOWN, limit, "max_inflate_ratio"});
  all.push_back({"samples of values alone, and noise",
                 thinned(field(2, "\x12\x01\x01"), 75 * kMega), PROFCORE_FORMAT_UNKNOWN, limit,
                 "max_inflate_ratio"});
  // Empty messages and strings: two bytes each, many times that in a table.
  for (const auto &[name, number] : {std::pair{"sample types", 1},
                                     {"mappings", 3},
                                     {"locations", 4},
                                     {"functions", 5},
                                     {"strings", 6},
                                     {"comments", 13}}) {
    const std::string one = number == 13 ? std::string{"\x68\x01"} : field(number, "");
    const std::vector<profcore_status> refused{PROFCORE_ERR_LIMIT, PROFCORE_ERR_MALFORMED};
    all.push_back({name, deflated(joined({pprof(sample, 1), repeated(one, size_t{150} << 20)})),
                   PROFCORE_FORMAT_PPROF, limit, "max_inflate_ratio"});
    all.push_back({name, thinned(one, 100 * kMega), PROFCORE_FORMAT_PPROF, refused, ""});
    all.push_back({name,
                   joined({pprof(sample, 1), repeated(one, kMega)}),
                   PROFCORE_FORMAT_PPROF,
                   {PROFCORE_OK, PROFCORE_ERR_LIMIT, PROFCORE_ERR_MALFORMED},
                   ""});
  }
  // One id again and again: whole messages, so nothing is wrong until they are too many.
  for (const auto &[name, number] :
       {std::pair{"mappings of one id", 3}, {"locations of one id", 4}, {"functions of one id", 5}})
    all.push_back({name,
                   thinned(field(number, "\x08\x01"), 100 * kMega),
                   PROFCORE_FORMAT_PPROF,
                   {PROFCORE_ERR_LIMIT, PROFCORE_ERR_MALFORMED},
                   ""});
  all.push_back({"zip of zeros", zipped(repeated(zeros, size_t{600} << 20)), PROFCORE_FORMAT_PPROF,
                 limit, "max_inflate_ratio"});
  all.push_back({"zip in zip", zipped(zipped(repeated(zeros, size_t{600} << 20))),
                 PROFCORE_FORMAT_PPROF, limit, "max_inflate_ratio"});
  // Recordings: events and constants of two bytes.
  all.push_back({"a hundred million events", deflated(recording({repeated("\2\x64", 200 * kMega)})),
                 PROFCORE_FORMAT_UNKNOWN, limit, "_ratio"});
  all.push_back({"a hundred million events of a type that is not defined",
                 deflated(recording({repeated("\2\x63", 200 * kMega)})), PROFCORE_FORMAT_UNKNOWN,
                 limit, "_ratio"});
  all.push_back({"a hundred million constants", deflated(recording({constants(100 * kMega)})),
                 PROFCORE_FORMAT_UNKNOWN, limit, "_ratio"});
  all.push_back({"events of many types, and noise",
                 deflated(recording(
                     {repeated("\2\x64\2\x65\2\x66", 60 * kMega), text_of(noise_of(700'000))})),
                 PROFCORE_FORMAT_UNKNOWN, limit, "_ratio"});
  // Not compressed at all.
  all.push_back({"events of many types, plain",
                 recording({repeated("\2\x64\2\x65\2\x66", kMega)}),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_OK, PROFCORE_ERR_LIMIT},
                 "_ratio"});
  all.push_back({"samples without a stack, plain",
                 pprof("\x12\x01\x01", kMega / 5),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_OK},
                 ""});
  all.push_back({"collapsed: a stack of half a million frames",
                 joined({repeated("a;", kMega), text_of("b 1\n")}),
                 PROFCORE_FORMAT_UNKNOWN,
                 {PROFCORE_OK},
                 ""});
  all.push_back({"collapsed, gzip: lines of two frames in turn",
                 deflated(repeated("a;b 1\nc;d 2\n", size_t{400} << 20)), PROFCORE_FORMAT_UNKNOWN,
                 limit, "max_inflate_ratio"});
  return all;
}

bool check(const Bomb &bomb, const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) fail(path.c_str());
  size_t size = 0;
  bomb.bytes([&](std::string_view piece) {
    if (std::fwrite(piece.data(), 1, piece.size(), file) != piece.size()) fail("write");
    size += piece.size();
  });
  if (std::fclose(file) != 0) fail("write");
  const Outcome outcome = decode(path, bomb.format);
  std::printf("%7zu bytes: %6.1f MB, %.2f s, %d  %s%s%s\n", size, outcome.megabytes,
              outcome.seconds, outcome.status, bomb.name, outcome.message.empty() ? "" : ": ",
              outcome.message.c_str());
  bool fine = true;
  const auto problem = [&](const char *what) {
    std::printf("  FAILED: %s\n", what);
    fine = false;
  };
  if (size > 13 * kMega / 10) problem("this is no bomb: it is over a megabyte by far");
  if (std::find(bomb.ends.begin(), bomb.ends.end(), outcome.status) == bomb.ends.end())
    problem("it did not end as it should");
  if (outcome.status == PROFCORE_ERR_LIMIT && outcome.message.find(bomb.told) == std::string::npos)
    problem("the message does not name the limit");
  if (!kSanitized && outcome.megabytes > kMostMegabytes) problem("it took too much memory");
  if (outcome.seconds > kMostSeconds) problem("it took too long");
  return fine;
}

} // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "bombs.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) fail("no folder for temporary files");
  size_t failed = 0;
  for (const Bomb &bomb : bombs()) failed += check(bomb, folder + "/bomb") ? 0 : 1;
  std::filesystem::remove_all(folder);
  std::printf("%zu failed\n", failed);
  return failed == 0 ? 0 : 1;
}
