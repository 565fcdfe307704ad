// Profiles in zip archives: which file is taken, and what is said of the others.

#include "../support/zip_builder.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/sniff.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using zip_test::Archive;

namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
Error error_of(std::string_view file, bool strict = false) {
  DecodeOptions options;
  options.strict = strict;
  try {
    decode(bytes_of(file), options);
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, ""};
}
uint64_t counter(const Profile &profile, std::string_view name) {
  for (const Counter &counter : profile.counters())
    if (counter.name == name) return counter.value;
  return 0;
}

constexpr std::string_view kProfile = "main;work 1\nmain;rest 2\n";

} // namespace

TEST_CASE("the only file of a zip archive is decoded") {
  Archive archive;
  archive.add("profiles/", "", {.deflate = false});
  archive.add("profiles/one.txt", kProfile, {.deflate = true, .sizes_behind = true});
  const std::string file = archive.finish();
  const SniffResult seen = sniff(bytes_of(file));
  CHECK(seen.compression == Compression::kZip);
  CHECK(seen.format == Format::kCollapsed);
  const Profile profile = decode(bytes_of(file), {});
  CHECK(profile.sample_count() == 2);
  CHECK(profile.warnings().empty());
  CHECK(error_of(file, true).status() == Status::kOk);
}

TEST_CASE("of several files the first profile is decoded and the others are named") {
  Archive archive;
  archive.add("README", "This is what you asked for.\n");
  archive.add("one.txt", kProfile);
  archive.add("two\n.txt", "other 1\n");
  const std::string file = archive.finish();
  const Profile profile = decode(bytes_of(file), {});
  CHECK(profile.sample_count() == 2);
  REQUIRE(profile.warnings().size() == 1);
  CHECK(profile.warnings()[0].text ==
        "of the 3 files in the zip archive only one.txt was read, not README, two?.txt");
  CHECK(counter(profile, "files_left_out") == 1);
  CHECK(counter(profile, "damaged_compression") == 0);
  CHECK(error_of(file, true).status() == Status::kMalformed);
}

TEST_CASE("zip in gzip, gzip in zip, and a zip without its directory") {
  Buffer gzip;
  deflate_gzip({kProfile.data(), kProfile.size()}, 6, gzip);
  Archive archive;
  archive.add("one.txt.gz", {gzip.data(), gzip.size()}, {.deflate = false});
  const std::string file = archive.finish();
  CHECK(decode(bytes_of(file), {}).sample_count() == 2);
  Buffer outer;
  deflate_gzip({file.data(), file.size()}, 6, outer);
  CHECK(decode(bytes_of({outer.data(), outer.size()}), {}).sample_count() == 2);

  const Profile cut = decode(bytes_of(archive.without_directory()), {});
  CHECK(cut.sample_count() == 2);
  CHECK(counter(cut, "damaged_compression") == 1);
  CHECK(error_of(archive.without_directory(), true).status() == Status::kMalformed);
}

TEST_CASE("archives without a profile say what they are") {
  Archive none;
  none.add("folder/", "", {.deflate = false});
  CHECK(error_of(none.finish()).status() == Status::kNoData);
  Archive locked;
  locked.add("a", "xxxx", {.deflate = false, .flags = 1});
  locked.add("b", "xxxx", {.deflate = false, .method = 14});
  const Error error = error_of(locked.finish());
  CHECK(error.status() == Status::kUnsupported);
  CHECK(error.message().find("(a, b)") != std::string::npos);
  Archive picture;
  picture.add("a.png", "\x89PNG\r\n\x1a\n and so on");
  CHECK(error_of(picture.finish()).message().find("PNG") != std::string::npos);
}
