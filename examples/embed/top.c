/* The smallest C host: decodes any profile file and prints the ten functions with the largest self
 * values. Build: cc top.c $(pkg-config --cflags --libs profcore) */
#include <profcore/profcore.h>

#include <inttypes.h>
#include <stdio.h>

static int fail(const char *what, profcore_error *err) {
  fprintf(stderr, "%s: %s: %s", what, profcore_status_get_name(profcore_error_get_status(err)),
          profcore_error_get_message(err));
  if (profcore_error_get_offset(err) != PROFCORE_NO_OFFSET)
    fprintf(stderr, " (at byte %" PRIu64 ")", profcore_error_get_offset(err));
  fputc('\n', stderr);
  profcore_error_free(err);
  return 1;
}

static int print_top(const profcore_flame *flame, profcore_error **err) {
  profcore_flame_info info = PROFCORE_INIT(profcore_flame_info);
  profcore_top *top = NULL;
  size_t count = 0, i;
  if (profcore_flame_get_info(flame, &info, err) != PROFCORE_OK) return 0;
  if (profcore_flame_top(flame, PROFCORE_TOP_SELF, 10, &top, err) != PROFCORE_OK) return 0;
  const profcore_top_row *rows = profcore_top_view_rows(top, &count);
  const profcore_flame_frame *frames = profcore_flame_view_frames(flame, NULL);
  const profcore_str *strings = profcore_flame_view_strings(flame, NULL);
  printf("%s in %s, %" PRId64 " in all\n", info.type.data, info.unit.data, info.total);
  for (i = 0; i < count; i++)
    printf("%14" PRId64 " %5.1f %%  %14" PRId64 "  %s\n", rows[i].self,
           info.total != 0 ? 100.0 * (double)rows[i].self / (double)info.total : 0.0, rows[i].total,
           strings[frames[rows[i].frame].name].data);
  profcore_top_free(top);
  return 1;
}

int main(int argc, char **argv) {
  profcore_profile *profile = NULL;
  profcore_flame *flame = NULL;
  profcore_error *err = NULL;
  int status = 0;
  size_t i;
  if (argc != 2) {
    fprintf(stderr, "usage: %s FILE\n", argv[0]);
    return 2;
  }
  if (profcore_decode_file(argv[1], NULL, &profile, &err) != PROFCORE_OK) return fail(argv[1], err);
  for (i = 0; i < profcore_profile_get_warning_count(profile); i++)
    fprintf(stderr, "warning: %s\n", profcore_profile_get_warning(profile, i, NULL, NULL));
  if (profcore_flame_build(profile, NULL, &flame, &err) != PROFCORE_OK || !print_top(flame, &err))
    status = fail(argv[1], err);
  profcore_flame_free(flame);
  profcore_profile_free(profile);
  return status;
}
