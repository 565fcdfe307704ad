#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace profcore::jfr {

/// What a recording says of the program, its JVM, the system and who recorded: the command and the
/// comments of the profile. Arguments to the JVM itself are not taken over, which is where
/// passwords are given (-Dkey=...), and which pages of flame graphs would then show.
class Origin {
public:
  static constexpr size_t kLongestCommand = 4096;

  static bool is_told_by(std::string_view event) noexcept {
    return event == "jdk.JVMInformation" || event == "jdk.OSInformation";
  }
  void add_command(std::string_view java_arguments);
  void add_jvm(std::string_view name, std::string_view version);
  void add_system(std::string_view version);
  void add_recording(std::string_view name);
  void tell(Profile &profile) const;

private:
  std::string command_;
  std::string jvm_, system_;
  std::vector<std::string> recordings_; ///< a file may have chunks of several recorders
};

} // namespace profcore::jfr
