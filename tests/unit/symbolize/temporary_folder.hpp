#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace profcore::test {

/// A folder that is gone when the test is.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "profcore_test_XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string &path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string{name}; }
  void write(std::string_view name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path{file(name)}.parent_path());
    std::ofstream{file(name), std::ios::binary} << text;
  }
  void append(std::string_view name, std::string_view text) const {
    std::ofstream{file(name), std::ios::binary | std::ios::app} << text;
  }

private:
  std::string path_;
};

} // namespace profcore::test
