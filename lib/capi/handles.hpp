#pragma once

#include "base/pod_vector.hpp"
#include "flame/tree.hpp"
#include "model/metrics.hpp"
#include "model/profile.hpp"

#include <profcore/profcore.h>

#include <string>
#include <vector>

// The opaque types of the C ABI.

struct profcore_error {
  profcore_status status;
  uint64_t offset;
  std::string message;
  std::string context;
  bool is_static; ///< the out-of-memory error, which is never freed
};

struct profcore_buffer {
  profcore::Buffer bytes; ///< ends in a NUL that the size does not count
};

struct profcore_profile {
  profcore::Profile profile;
};

struct profcore_flame {
  profcore::FlameTree tree;
};

struct profcore_top {
  std::vector<profcore::TopRow> rows;
};

struct profcore_peek {
  std::vector<profcore::Peek> functions;
};

struct profcore_metrics {
  profcore::Metrics metrics;
  std::vector<std::pair<std::string, std::string>> tags; ///< by key
};
