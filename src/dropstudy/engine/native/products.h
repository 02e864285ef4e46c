// The product of sparse rows and weights.

#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "panels.h"
#include "sparse.h"
#include "vectors.h"

namespace {

// z = x w + bias. Examples take turns at a block of rows of w that stays in the first-level cache, or at a larger one where
// it would hold few entries of an example.
void Forward(const Sparse& x, int examples, const Panels& w_at, const float* w, const float* bias, const Panels& z_at,
             float* z) {
  constexpr int kBlockBytes = 1 << 15, kFewEntries = 32;
  const int64_t entries = std::accumulate(x.count.begin(), x.count.begin() + examples, int64_t{1});
  const int64_t few = std::min<int64_t>(int64_t{kFewEntries} * examples * w_at.rows / entries, w_at.rows);
  std::vector<int32_t> done(examples);
  for (int p = 0; p < w_at.count; p++)
    WithWide(w_at.wide(p), [&](auto wide) {
      constexpr int kW = wide;
      const Vec* panel = reinterpret_cast<const Vec*>(w + w_at.at(p));
      const int rows = std::max(kBlockBytes / static_cast<int>(kW * sizeof(Vec)), static_cast<int>(few));
      std::fill(done.begin(), done.end(), 0);
      for (int from = 0; from < w_at.rows; from += rows) {
        Vec* out = reinterpret_cast<Vec*>(z + z_at.at(p));
        for (int b = 0; b < examples; b++, out += kW + kPad) {
          const Vec* start = from ? out : reinterpret_cast<const Vec*>(bias + p * kPanel);
          const int32_t* index = x.indices(b);
          const float* value = x.values(b);
          Vec sums[kW];
          for (int j = 0; j < kW; j++) sums[j] = start[j];
          int k = done[b];
          for (; k < x.count[b] && index[k] < from + rows; k++) {
            const float factor = value[k];
            const Vec* row = panel + static_cast<size_t>(index[k]) * kW;
#pragma GCC unroll 16
            for (int j = 0; j < kW; j++) sums[j] += factor * row[j];
          }
          done[b] = k;
          for (int j = 0; j < kW; j++) out[j] = sums[j];
        }
      }
    });
}

}  // namespace
