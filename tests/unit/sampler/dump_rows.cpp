// Writes a file's unwind table as bytes, for programs that test it on themselves:
//   dump_rows FILE|vdso OUTPUT
// Eight u64 {base, rows, address, file offset and size of the first code segment, 0, 0, 0}, then
// the rows.

#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <cstdio>
#include <cstring>

using namespace profcore;

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  try {
    const UnwindTable table =
        std::strcmp(argv[1], "vdso") == 0
            ? build_vdso_unwind_table()
            : build_unwind_table(MappedFile::open(argv[1], {}).bytes(), 1 << 22);
    uint64_t header[8] = {table.base, table.rows.size()};
    if (!table.code.empty()) {
      header[2] = table.code[0].address;
      header[3] = table.code[0].file_offset;
      header[4] = table.code[0].size;
    }
    std::FILE *output = std::fopen(argv[2], "wb");
    if (output == nullptr) return 1;
    std::fwrite(header, sizeof header, 1, output);
    std::fwrite(table.rows.data(), sizeof(unwind_row), table.rows.size(), output);
    return std::fclose(output) == 0 ? 0 : 1;
  } catch (const Error &error) {
    std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
    return 1;
  }
}
