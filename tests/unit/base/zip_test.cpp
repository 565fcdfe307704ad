#include "../support/zip_builder.hpp"
#include "base/zip.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace profcore;
using zip_test::Archive;

namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
std::string text_of(const Bytes &bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}
std::string repeated(std::string_view text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

} // namespace

TEST_CASE("a zip archive's files, however their sizes are told") {
  const std::string data = repeated("main;work 1\n", 1000);
  for (const bool deflate : {true, false})
    for (const bool behind : {true, false})
      for (const bool wide : {true, false})
        for (const bool cut : {true, false}) {
          CAPTURE(deflate);
          CAPTURE(behind);
          CAPTURE(wide);
          CAPTURE(cut);
          Archive archive;
          archive.add("folder/", "", {.deflate = false});
          archive.add("empty", "", {.deflate = false});
          archive.add("one.txt", data, {.deflate = deflate, .sizes_behind = behind, .wide = wide});
          const std::string file =
              cut ? archive.without_directory() : archive.finish(wide, "a comment PK\5\6");
          CHECK(is_zip(bytes_of(file)));
          const ZipListing listing = list_zip(bytes_of(file));
          CHECK(listing.damage.empty() == !cut);
          REQUIRE(listing.entries.size() == 1);
          CHECK(listing.entries[0].name == "one.txt");
          if (cut && behind && wide && !deflate) continue; // the record behind has other places
          const InflateResult result = inflate_zip_lossy(bytes_of(file), listing.entries[0], {});
          CHECK(result.damage.empty());
          CHECK(text_of(result.data) == data);
          CHECK(text_of(zip_prefix(bytes_of(file), listing.entries[0], 100)) ==
                data.substr(0, 100));
        }
}

TEST_CASE("a file in a zip archive that is cut, changed, or not what it says") {
  const std::string data = repeated("main;work 1\n", 1000);
  for (const bool deflate : {true, false}) {
    CAPTURE(deflate);
    Archive archive;
    archive.add("one.txt", data, {.deflate = deflate});
    std::string file = archive.finish();
    const std::string cut = file.substr(0, 37 + (archive.without_directory().size() - 37) / 2);
    const ZipListing of_cut = list_zip(bytes_of(cut));
    REQUIRE(of_cut.entries.size() == 1);
    const InflateResult half = inflate_zip_lossy(bytes_of(cut), of_cut.entries[0], {});
    CHECK_FALSE(half.damage.empty());
    CHECK(half.damage_offset <= cut.size());
    CHECK(data.starts_with(text_of(half.data)));

    file[14] ^= 1; // the sum in front is not asked, the directory's is
    CHECK(
        inflate_zip_lossy(bytes_of(file), list_zip(bytes_of(file)).entries[0], {}).damage.empty());
    const size_t sum = archive.without_directory().size() + 16;
    file[sum] ^= 1;
    const InflateResult wrong =
        inflate_zip_lossy(bytes_of(file), list_zip(bytes_of(file)).entries[0], {});
    CHECK(wrong.damage.find("sum") != std::string::npos);
    CHECK(text_of(wrong.data) == data);
  }
}

TEST_CASE("encrypted files and other methods are told, not read") {
  Archive archive;
  archive.add("a", "xxxx", {.deflate = false, .flags = 1});
  archive.add("b", "xxxx", {.deflate = false, .method = 93});
  const std::string file = archive.finish();
  const ZipListing listing = list_zip(bytes_of(file));
  REQUIRE(listing.entries.size() == 2);
  for (const ZipEntry &entry : listing.entries) {
    CHECK_FALSE(entry.is_readable());
    CHECK_THROWS_AS(inflate_zip_lossy(bytes_of(file), entry, {}), Error);
    CHECK(zip_prefix(bytes_of(file), entry, 10).empty());
  }
}

TEST_CASE("limits hold for files in zip archives") {
  Archive archive;
  archive.add("zeros", std::string(1 << 20, '\0'));
  archive.add("stored", std::string(1 << 20, '\0'), {.deflate = false});
  const std::string file = archive.finish();
  Context context;
  context.limits.max_inflated_bytes = 1000;
  for (const ZipEntry &entry : list_zip(bytes_of(file)).entries) {
    try {
      inflate_zip_lossy(bytes_of(file), entry, context);
      FAIL("no limit");
    } catch (const Error &error) {
      CHECK(error.status() == Status::kLimit);
    }
  }
}

TEST_CASE("archives with more files than anybody looks at") {
  Archive archive;
  for (int i = 0; i < 3000; ++i) archive.add("f", "x", {.deflate = false});
  const std::string file = archive.finish();
  const ZipListing listing = list_zip(bytes_of(file));
  CHECK(listing.entries.size() == 1000);
  CHECK(listing.more == 2000);
}

TEST_CASE("changed at random, an archive's listing stays within it") {
  Archive archive;
  archive.add("one", repeated("ab", 100), {.deflate = true, .wide = true});
  archive.add("two", "data", {.deflate = false, .sizes_behind = true});
  const std::string good = archive.finish(true);
  std::mt19937 random{5};
  Context context;
  context.limits.max_inflated_bytes = 1 << 20;
  for (int round = 0; round < 20'000; ++round) {
    std::string file = good.substr(0, round % 4 == 0 ? random() % good.size() : good.size());
    for (unsigned changes = 1 + random() % 4; changes > 0 && !file.empty(); --changes)
      file[random() % file.size()] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    if (!is_zip(bytes_of(file))) continue;
    const ZipListing listing = list_zip(bytes_of(file));
    CHECK((listing.damage.empty() || listing.damage_offset <= file.size()));
    for (const ZipEntry &entry : listing.entries) {
      REQUIRE(entry.data_at <= file.size());
      (void)zip_prefix(bytes_of(file), entry, 1000);
      if (!entry.is_readable()) continue;
      const InflateResult result = inflate_zip_lossy(bytes_of(file), entry, context);
      CHECK(result.consumed <= file.size());
      CHECK((result.damage.empty() || result.damage_offset <= file.size()));
    }
  }
}
