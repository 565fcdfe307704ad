#include "symbolize/debug_file.hpp"

#include "base/error.hpp"
#include "build_features.hpp"

#include <algorithm>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#if PROFCORE_HAVE_LZMA
#include <lzma.h>
#endif

namespace profcore {
namespace {

#if PROFCORE_HAVE_LZMA
/// Of the file inside: Fedora's are some hundred KB.
constexpr uint64_t kMostUnpacked = uint64_t{64} << 20;
/// A dictionary may ask for up to 4 GB; those of the section are of some MB.
constexpr uint64_t kMostDictionary = uint64_t{64} << 20;

/// What an xz stream holds; empty when it is damaged or larger than `most`.
std::vector<uint8_t> unpack_xz(const ElfImage &image, const ElfSection &section, uint64_t most) {
  std::vector<uint8_t> result;
  struct Stream : lzma_stream {
    Stream() : lzma_stream(LZMA_STREAM_INIT) {}
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    ~Stream() { lzma_end(this); }
  } stream;
  if (lzma_stream_decoder(&stream, kMostDictionary, 0) != LZMA_OK) return result;
  ByteWindow window{image.bytes()};
  uint64_t read = 0;
  lzma_ret state = LZMA_OK;
  while (state == LZMA_OK) {
    if (stream.avail_in == 0) {
      const auto take =
          static_cast<size_t>(std::min<uint64_t>(ByteWindow::kSize, section.size - read));
      stream.next_in = take == 0 ? nullptr : window.get(section.offset + read, take);
      if (stream.next_in == nullptr) break; // cut short
      stream.avail_in = take;
      read += take;
    }
    if (stream.avail_out == 0) {
      const size_t done = result.size();
      if (done >= most) break;
      result.resize(
          static_cast<size_t>(std::min<uint64_t>(most, std::max<size_t>(done * 2, 1 << 16))));
      stream.next_out = result.data() + done;
      stream.avail_out = result.size() - done;
    }
    state = lzma_code(&stream, LZMA_RUN);
  }
  result.resize(result.size() - stream.avail_out);
  if (state != LZMA_STREAM_END) result.clear();
  return result;
}
#endif

} // namespace

DebugFile::DebugFile(DebugFile &&other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, unpacked_{std::move(other.unpacked_)}, image_{std::move(
                                                                                    other.image_)} {
  other.image_.reset();
}

DebugFile &DebugFile::operator=(DebugFile &&other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(unpacked_, other.unpacked_);
  std::swap(image_, other.image_);
  return *this;
}

DebugFile::~DebugFile() {
  if (fd_ >= 0) ::close(fd_);
}

void DebugFile::take(const ByteSource &bytes, const ElfImage &program, bool same_build_id) {
  try {
    ElfImage image{bytes};
    const bool is_same = !same_build_id || std::ranges::equal(image.build_id(), program.build_id());
    if (is_same && image.machine() == program.machine() && image.is_64() == program.is_64() &&
        image.is_big_endian() == program.is_big_endian() && image.find_type(SHT_SYMTAB) != nullptr)
      image_.emplace(std::move(image));
  } catch (const Error &) {
    // None, then.
  }
}

void DebugFile::open_by_build_id(const ElfImage &program, const std::string &folder) {
  const std::string id = program.build_id_text();
  if (folder.empty() || id.size() < 4) return;
  const std::string path = folder + "/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug";
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (fd_ < 0 || ::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
    return;
  take(ByteSource{fd_, static_cast<uint64_t>(status.st_size)}, program, true);
}

void DebugFile::unpack([[maybe_unused]] const ElfImage &program,
                       [[maybe_unused]] uint64_t max_bytes) {
#if PROFCORE_HAVE_LZMA
  const ElfSection *section = program.find_name(".gnu_debugdata");
  if (section == nullptr || !program.bytes().holds(section->offset, section->size)) return;
  unpacked_ = unpack_xz(program, *section, std::min(kMostUnpacked, max_bytes / 2));
  take(ByteSource{unpacked_}, program, false);
#endif
}

DebugFile open_debug_file(const ElfImage &program, const std::string &folder, uint64_t max_bytes) {
  DebugFile result;
  if (program.find_type(SHT_SYMTAB) != nullptr) return result;
  result.open_by_build_id(program, folder);
  if (result.image() == nullptr) result.unpack(program, max_bytes);
  return result;
}

} // namespace profcore
