// Steps of weights: the gradient of a kernel and the optimiser in one pass, and the max-norm constraint.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "functions.h"
#include "panels.h"
#include "sparse.h"
#include "vectors.h"

namespace {

extern "C" struct Optimizer {
  int32_t adam;  // else SGD with momentum
  float gain_1, gain_2, epsilon, momentum, l2, max_norm;
};

// One step of weights, in Keras' form (engine/mlp/optimizers.py).
inline void Step(const Optimizer& o, float rate, Vec g, Vec& w, Vec& m, Vec* v) {
  if (o.adam) {
    m += (g - m) * o.gain_1;
    *v += (g * g - *v) * o.gain_2;
    w -= m * rate / (Sqrt(*v) + o.epsilon);
  } else {
    m = m * o.momentum - g * rate;
    w += m;
  }
}

// Cut the columns of a panel to length `longest` (Srivastava et al. 2014, section 5.1), as Keras' MaxNorm.
template <int kW>
void CutColumns(int rows, float longest, Vec* panel) {
  constexpr float kEpsilon = 1e-7f;  // Keras'
  Vec factors[kW] = {};              // sums of squares until all rows are read
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int j = 0; j < kW; j++) factors[j] += panel[r * kW + j] * panel[r * kW + j];
  for (int j = 0; j < kW; j++) {
    const Vec norm = Sqrt(factors[j]);
    factors[j] = (norm < longest ? norm : Vec{} + longest) / (norm + kEpsilon);
  }
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int j = 0; j < kW; j++) panel[r * kW + j] *= factors[j];
}

// The gradient of a kernel, h' delta, and the optimiser's step with it: one row of a panel at a time, in registers.
// A row whose inputs were 0 since its moments were 0 does not move. With kBackward also dL/dh of each entry of h: the
// product of its example's delta with the row before its step. Columns are cut to length `longest` while their panel is
// in the cache, unless it is 0.
template <bool kBackward>
void Update(const Columns& by_unit, const Panels& w_at, const Panels& z_at, const float* delta, const Optimizer& o,
            float rate, float longest, std::vector<char>& still, float* w, float* m, float* v, float* gradient) {
  constexpr bool kOneLoop = kLanes == 16;  // dL/dh and gradient: 32 registers hold the row of w and that of its gradient
  const float penalty = 2 * o.l2;
  for (int i = 0; i < w_at.rows; i++) still[i] &= !by_unit.count[i] && penalty == 0;
  for (int p = 0; p < w_at.count; p++)
    WithWide(w_at.wide(p), [&](auto wide) {
      constexpr int kW = wide;
      const Vec* from = reinterpret_cast<const Vec*>(delta + z_at.at(p));
      for (int i = 0; i < w_at.rows; i++) {
        if (still[i]) continue;
        Vec* wi = reinterpret_cast<Vec*>(w + w_at.at(p, i));
        Vec* mi = reinterpret_cast<Vec*>(m + w_at.at(p, i));
        Vec* vi = v ? reinterpret_cast<Vec*>(v + w_at.at(p, i)) : nullptr;
        const Columns::Entry* entry = by_unit.entries(i);
        const int count = by_unit.count[i];
        Vec g[kW] = {};
        if constexpr (kBackward) {
          Vec before[kW];
          for (int j = 0; j < kW; j++) before[j] = wi[j];
          for (int k = 0; k < count; k += kLanes) {
            const int lanes = std::min(kLanes, count - k);
            Vec products[kLanes];
            for (int lane = 0; lane < lanes; lane++) {
              const float factor = entry[k + lane].value;
              const Vec* row = from + static_cast<size_t>(entry[k + lane].row) * (kW + kPad);
              Vec sums[2] = {};
#pragma GCC unroll 16
              for (int j = 0; j < kW; j++) {
                sums[j % 2] += before[j] * row[j];
                if constexpr (kOneLoop) g[j] += factor * row[j];
              }
              products[lane] = sums[0] + sums[1];
            }
            float* at = gradient + i * by_unit.stride + k;
            Vec sum = {};
            if (p) std::memcpy(&sum, at, sizeof sum);
            sum += SumLanes(products);
            std::memcpy(at, &sum, sizeof sum);
          }
        }
        if constexpr (!kBackward || !kOneLoop) {
          for (int k = 0; k < count; k++) {
            const float factor = entry[k].value;
            const Vec* row = from + static_cast<size_t>(entry[k].row) * (kW + kPad);
#pragma GCC unroll 16
            for (int j = 0; j < kW; j++) g[j] += factor * row[j];
          }
        }
#pragma GCC unroll 16
        for (int j = 0; j < kW; j++) Step(o, rate, g[j] + penalty * wi[j], wi[j], mi[j], vi ? vi + j : nullptr);
      }
      if (longest > 0) CutColumns<kW>(w_at.rows, longest, reinterpret_cast<Vec*>(w + w_at.at(p)));
    });
}

}  // namespace
