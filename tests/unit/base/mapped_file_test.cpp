#include "base/mapped_file.hpp"

#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace profcore;

namespace {

struct TemporaryFile {
  explicit TemporaryFile(const std::string &text) {
    char name[] = "/tmp/profcore-test-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
    path = name;
  }
  ~TemporaryFile() { ::unlink(path.c_str()); }
  std::string path;
};

std::string text_of(const MappedFile &file) {
  return {reinterpret_cast<const char *>(file.bytes().data()), file.bytes().size()};
}

Error error_of(const std::string &path, const Context &context = {}) {
  try {
    MappedFile::open(path, context);
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, ""};
}

} // namespace

TEST_CASE("a file is read, or mapped when asked; both give its bytes") {
  const std::string text(100'000, 'q');
  const TemporaryFile temporary{text};
  const MappedFile read = MappedFile::open(temporary.path, {});
  CHECK(text_of(read) == text);
  CHECK_FALSE(read.is_mapped());
  MappedFile mapped = MappedFile::open(temporary.path, {}, FileAccess::kMap);
  CHECK(mapped.is_mapped());
  const MappedFile moved = std::move(mapped);
  CHECK(text_of(moved) == text);
  CHECK(mapped.bytes().empty());

  // Truncating a file that was read changes nothing.
  REQUIRE(::truncate(temporary.path.c_str(), 0) == 0);
  CHECK(text_of(read) == text);
}

TEST_CASE("empty files, procfs and pipes") {
  const TemporaryFile empty{""};
  CHECK(MappedFile::open(empty.path, {}, FileAccess::kMap).bytes().empty());
  CHECK(text_of(MappedFile::open("/proc/self/status", {})).starts_with("Name:"));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "a;b 1\n", 6) == 6);
  ::close(ends[1]);
  CHECK(text_of(MappedFile::from_fd(ends[0], "<stdin>", {}, FileAccess::kMap)) == "a;b 1\n");
  ::close(ends[0]);
}

TEST_CASE("errors say what and which path") {
  const Error missing = error_of("/nonexistent/x.pb");
  CHECK(missing.status() == Status::kNotFound);
  CHECK(missing.context() == "/nonexistent/x.pb");
  CHECK(missing.message().find("No such file") != std::string::npos);
  const Error folder = error_of("/tmp");
  CHECK(folder.status() == Status::kIo);
  CHECK(folder.message().find("directory") != std::string::npos);
  CHECK(error_of(std::string{"a\0b", 3}).status() == Status::kInvalidArgument);

  const TemporaryFile temporary{std::string(2000, 'x')};
  Context small;
  small.limits.max_input_bytes = 1999;
  CHECK(error_of(temporary.path, small).status() == Status::kLimit);
  small.limits.max_input_bytes = 2000;
  CHECK(error_of(temporary.path, small).status() == Status::kOk);
  small.limits.max_input_bytes = 10;
  CHECK(error_of("/proc/self/status", small).status() == Status::kLimit);
  if (::geteuid() != 0) { // root may read everything
    ::chmod(temporary.path.c_str(), 0);
    CHECK(error_of(temporary.path).status() == Status::kPermission);
  }
}
