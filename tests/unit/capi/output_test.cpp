// Outputs by format, sniffing, and bytes to files of every kind.
#include "support.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace capi;
namespace fs = std::filesystem;

namespace {

/// An empty folder that goes with the test.
class Folder {
public:
  Folder() {
    std::string pattern = fs::temp_directory_path() / "profcore-test-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    fs::permissions(path_, fs::perms::owner_all);
    fs::remove_all(path_);
  }
  std::string operator/(const std::string &name) const { return path_ / name; }
  size_t size() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator{path_}, fs::directory_iterator{}));
  }
  const fs::path &path() const { return path_; }

private:
  fs::path path_;
};

std::string content_of(const std::string &path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void put(const std::string &path, std::string_view text) {
  std::ofstream{path, std::ios::binary} << text;
}
mode_t mode_of(const std::string &path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

BufferPtr some_bytes() {
  profcore_buffer *buffer = nullptr;
  REQUIRE_OK(profcore_output_profile(decode(kCollapsed).get(), PROFCORE_OUTPUT_COLLAPSED, nullptr,
                                     &buffer, err));
  return BufferPtr{buffer};
}
Outcome save(const BufferPtr &buffer, const std::string &path) {
  Outcome outcome = outcome_of(
      [&](profcore_error **err) { return profcore_buffer_save(buffer.get(), path.c_str(), err); });
  CHECK(outcome.consistent);
  if (outcome.status != PROFCORE_OK) CHECK(outcome.context == path);
  return outcome;
}

} // namespace

TEST_CASE("every format, by what is written") {
  const ProfilePtr profile = decode(kCollapsed);
  const FlamePtr tree = build(profile);
  CHECK(write(profile, PROFCORE_OUTPUT_PPROF).substr(0, 2) == "\x1f\x8b");
  CHECK(write(profile, PROFCORE_OUTPUT_COLLAPSED) ==
        "main;parse 1\nmain;parse;read 3\nmain;print 2\n");
  CHECK(write(profile, PROFCORE_OUTPUT_JSON).find("profcore-profile") != std::string::npos);
  CHECK(write(profile, PROFCORE_OUTPUT_SPEEDSCOPE).find("speedscope.app") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_JSON).find("profcore-flame") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_FLAMEBEARER).find("\"flamebearer\"") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_SVG).find("<svg") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_HTML).find("<html") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_TOP).find("parse") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_TOP_TSV).find("parse\t") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_TOP_JSON).find("profcore-top") != std::string::npos);
  CHECK(write(tree, PROFCORE_OUTPUT_TREE).find("    parse") != std::string::npos);
  auto options = PROFCORE_INIT(profcore_output_options);
  options.function = "pars";
  if (std::string{profcore_features_get()}.find("re2=yes") != std::string::npos)
    CHECK(write(tree, PROFCORE_OUTPUT_PEEK, &options).find("read") != std::string::npos);
  options.exact = 1;
  profcore_buffer *buffer = nullptr;
  CHECK_STATUS(PROFCORE_ERR_NOT_FOUND,
               profcore_output_flame(tree.get(), PROFCORE_OUTPUT_PEEK, &options, &buffer, err));
  options.function = "parse";
  CHECK(write(tree, PROFCORE_OUTPUT_PEEK, &options).find("read") != std::string::npos);
  options.limit = 1;
  CHECK(write(tree, PROFCORE_OUTPUT_TOP_TSV, &options) != write(tree, PROFCORE_OUTPUT_TOP_TSV));
  // A buffer's data ends in a NUL that does not count.
  const BufferPtr bytes = some_bytes();
  CHECK(std::strlen(profcore_buffer_get_data(bytes.get())) ==
        profcore_buffer_get_size(bytes.get()));
  options = PROFCORE_INIT(profcore_output_options);
  options.sample_type = "wall";
  CHECK_STATUS(
      PROFCORE_ERR_NOT_FOUND,
      profcore_output_profile(profile.get(), PROFCORE_OUTPUT_COLLAPSED, &options, &buffer, err));
}

TEST_CASE("the format that a name asks for") {
  const auto format = [](const char *path) { return profcore_output_format_from_path(path); };
  CHECK(format("a/b.pb.gz") == PROFCORE_OUTPUT_PPROF);
  CHECK(format("x.speedscope.json") == PROFCORE_OUTPUT_SPEEDSCOPE);
  CHECK(format("x.flamebearer.json") == PROFCORE_OUTPUT_FLAMEBEARER);
  CHECK(format("x.json") == PROFCORE_OUTPUT_JSON);
  CHECK(format("x.svg") == PROFCORE_OUTPUT_SVG);
  CHECK(format("x.html") == PROFCORE_OUTPUT_HTML);
  CHECK(format("x.folded") == PROFCORE_OUTPUT_COLLAPSED);
  CHECK(format("x") == 0);
  CHECK(format("") == 0);
}

TEST_CASE("sniffing") {
  const auto sniff = [](std::string_view bytes) {
    auto result = PROFCORE_INIT(profcore_sniff_result);
    REQUIRE_OK(profcore_sniff_bytes(bytes.data(), bytes.size(), &result, err));
    CHECK(std::memchr(result.saw, '\0', sizeof result.saw) != nullptr);
    CHECK(result.saw[0] != '\0');
    return result;
  };
  CHECK(sniff(kCollapsed).format == PROFCORE_FORMAT_COLLAPSED);
  CHECK(sniff(kCollapsed).readable == 1);
  CHECK(sniff(kLegacy).format == PROFCORE_FORMAT_PPROF_LEGACY);
  CHECK(sniff(as_pprof(-1)).compression == PROFCORE_COMPRESSION_NONE);
  const auto gzip = sniff(as_pprof(6));
  CHECK(gzip.format == PROFCORE_FORMAT_PPROF);
  CHECK(gzip.compression == PROFCORE_COMPRESSION_GZIP);
  CHECK(gzip.readable == 1);
  CHECK(sniff("").format == PROFCORE_FORMAT_UNKNOWN);
  CHECK(sniff("").readable == 0);
}

TEST_CASE("saving: a new file, an existing one, a link") {
  const Folder folder;
  const BufferPtr bytes = some_bytes();
  const std::string text = text_of(bytes.get());
  const mode_t mask = umask(027);
  CHECK(save(bytes, folder / "new").status == PROFCORE_OK);
  CHECK(content_of(folder / "new") == text);
  CHECK(mode_of(folder / "new") == 0640);
  umask(mask);

  put(folder / "old", "something longer than what comes after it, to be gone entirely .....");
  fs::permissions(folder / "old", fs::perms{0604});
  CHECK(save(bytes, folder / "old").status == PROFCORE_OK);
  CHECK(content_of(folder / "old") == text);
  CHECK(mode_of(folder / "old") == 0604);

  fs::create_directory(folder / "sub");
  put(folder / "sub/target", "old");
  fs::create_symlink("sub/target", folder / "link");
  CHECK(save(bytes, folder / "link").status == PROFCORE_OK);
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(content_of(folder / "sub/target") == text);
  fs::create_symlink("sub/fresh", folder / "dangling");
  CHECK(save(bytes, folder / "dangling").status == PROFCORE_OK);
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(content_of(folder / "sub/fresh") == text);
  fs::create_symlink("loop", folder / "loop");
  CHECK(save(bytes, folder / "loop").status == PROFCORE_ERR_IO);

  const std::string longest(255, 'n');
  CHECK(save(bytes, folder / longest).status == PROFCORE_OK);
  CHECK(save(bytes, folder / (longest + "n")).status == PROFCORE_ERR_IO);
  CHECK(folder.size() == 7); // and no temporary file
}

TEST_CASE("saving: where it cannot be") {
  const Folder folder;
  const BufferPtr bytes = some_bytes();
  CHECK(save(bytes, folder / "missing/file").status == PROFCORE_ERR_NOT_FOUND);
  put(folder / "file", "old");
  CHECK(save(bytes, folder / "file/below").status == PROFCORE_ERR_NOT_FOUND);
  CHECK(save(bytes, folder.path()).status == PROFCORE_ERR_IO);
  CHECK(save(bytes, "/dev/full").status == PROFCORE_ERR_IO);
  CHECK(save(bytes, "/dev/null").status == PROFCORE_OK);
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_buffer_save(bytes.get(), "", err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_buffer_save(bytes.get(), nullptr, err));
  CHECK(folder.size() == 1);
}

TEST_CASE("saving: a folder that may not be written") {
  const Folder folder;
  const BufferPtr bytes = some_bytes();
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  put(folder / "writable",
      "old, and longer than what is new to it: nothing of this may stay .......");
  if (user == 0) { // root may write anywhere
    REQUIRE(chown(folder.path().c_str(), kNobody, static_cast<gid_t>(-1)) == 0);
    REQUIRE(chown((folder / "writable").c_str(), kNobody, static_cast<gid_t>(-1)) == 0);
    REQUIRE(seteuid(kNobody) == 0);
  }
  REQUIRE(chmod(folder.path().c_str(), 0555) == 0);
  const profcore_status fresh = save(bytes, folder / "new").status;
  const profcore_status existing = save(bytes, folder / "writable").status;
  if (user == 0) REQUIRE(seteuid(user) == 0);
  CHECK(fresh == PROFCORE_ERR_PERMISSION);
  CHECK(existing == PROFCORE_OK);
  CHECK(content_of(folder / "writable") == text_of(bytes.get()));
}

TEST_CASE("saving: into a pipe") {
  const Folder folder;
  const BufferPtr bytes = some_bytes();
  const std::string fifo = folder / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::string got;
  std::thread reader{[&] { got = content_of(fifo); }};
  const profcore_status status = save(bytes, fifo).status;
  reader.join();
  CHECK(status == PROFCORE_OK);
  CHECK(got == text_of(bytes.get()));
  CHECK(fs::is_fifo(fifo));

  // The reader leaves before everything is there: an error, not the end of the process.
  std::string name(size_t{1} << 20, 'x');
  const ProfilePtr large = decode("main;" + name + " 1\n");
  profcore_buffer *out = nullptr;
  REQUIRE_OK(profcore_output_profile(large.get(), PROFCORE_OUTPUT_COLLAPSED, nullptr, &out, err));
  const BufferPtr much{out};
  std::thread leaver{[&] {
    const int fd = open(fifo.c_str(), O_RDONLY);
    char byte = 0;
    while (read(fd, &byte, 1) == 0) {
    }
    close(fd);
  }};
  CHECK(save(much, fifo).status == PROFCORE_ERR_IO);
  leaver.join();
}

TEST_CASE("decoding from a descriptor") {
  const auto collapsed_of = [](int fd) {
    profcore_profile *out = nullptr;
    REQUIRE_OK(profcore_decode_fd(fd, nullptr, &out, err));
    return write(ProfilePtr{out}, PROFCORE_OUTPUT_COLLAPSED);
  };
  const std::string expected = write(decode(kCollapsed), PROFCORE_OUTPUT_COLLAPSED);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::thread writer{[&] {
    for (const char c : kCollapsed)
      if (::write(ends[1], &c, 1) != 1) break;
    close(ends[1]);
  }};
  CHECK(collapsed_of(ends[0]) == expected);
  writer.join();
  CHECK(fcntl(ends[0], F_GETFD) != -1); // still open
  close(ends[0]);

  const Folder folder;
  const std::string path = folder / "file";
  put(path, "rubbish\n" + std::string{kCollapsed});
  const int fd = open(path.c_str(), O_RDONLY);
  REQUIRE(lseek(fd, 8, SEEK_SET) == 8);
  CHECK(collapsed_of(fd) == expected);
  close(fd);

  // A limit stops reading from what has no size.
  const int zeros = open("/dev/zero", O_RDONLY);
  auto context = PROFCORE_INIT(profcore_context);
  context.max_input_bytes = 1 << 20;
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.context = &context;
  profcore_profile *out = nullptr;
  const Outcome outcome = outcome_of(
      [&](profcore_error **err) { return profcore_decode_fd(zeros, &options, &out, err); });
  CHECK(outcome.status == PROFCORE_ERR_LIMIT);
  CHECK(outcome.context == "file descriptor");
  close(zeros);
}
