/* profcore/profcore.h: the whole C API of libprofcore.
 *
 * From nothing to a flame graph:
 *
 *     profcore_profile *profile = NULL;
 *     profcore_flame *flame = NULL;
 *     profcore_buffer *html = NULL;
 *     profcore_error *err = NULL;
 *     if (profcore_decode_file("cpu.pb.gz", NULL, &profile, &err) == PROFCORE_OK &&
 *         profcore_flame_build(profile, NULL, &flame, &err) == PROFCORE_OK &&
 *         profcore_output_flame(flame, PROFCORE_OUTPUT_HTML, NULL, &html, &err) == PROFCORE_OK)
 *       profcore_buffer_save(html, "cpu.html", &err);
 */
#ifndef PROFCORE_PROFCORE_H
#define PROFCORE_PROFCORE_H

#include <profcore/common.h>
#include <profcore/decode.h>
#include <profcore/events.h>
#include <profcore/flame.h>
#include <profcore/metrics.h>
#include <profcore/output.h>
#include <profcore/profile.h>
#include <profcore/sampler.h>
#include <profcore/symbolize.h>

#endif
