// Layout of weights and activations in memory.

#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include "vectors.h"

namespace {

// Layout of a matrix: panel after panel, in each row after row, with `pad` vectors between. The last panel may be narrower,
// by whole vectors.
struct Panels {
  int rows, columns, count, pad;
  Panels(int rows, int columns, int pad = 0)
      : rows(rows), columns(columns), count((columns + kPanel - 1) / kPanel), pad(pad) {}
  int wide(int panel) const {  // vectors
    return panel + 1 < count ? kWide : (columns - panel * kPanel + kLanes - 1) / kLanes;
  }
  int stride(int panel) const { return (wide(panel) + pad) * kLanes; }
  int used(int panel) const { return std::min(kPanel, columns - panel * kPanel); }
  size_t at(int panel) const { return static_cast<size_t>(panel) * rows * (kPanel + pad * kLanes); }
  size_t at(int panel, int row) const { return at(panel) + static_cast<size_t>(row) * stride(panel); }
  size_t place(int row, int column) const { return at(column / kPanel, row) + column % kPanel; }
  size_t size() const { return at(count - 1) + static_cast<size_t>(rows) * stride(count - 1); }

  // Copy a row from its panels, or to them.
  void Read(const float* panels, int row, float* out) const {
    for (int p = 0; p < count; p++) std::memcpy(out + p * kPanel, panels + at(p, row), used(p) * 4);
  }
  void Write(const float* in, int row, float* panels) const {
    for (int p = 0; p < count; p++) std::memcpy(panels + at(p, row), in + p * kPanel, used(p) * 4);
  }
};

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
typedef std::unique_ptr<float[], Free> Memory;

Memory Zeros(size_t count) {
  const size_t bytes = (count * 4 + 127) / 64 * 64;
  void* memory = std::aligned_alloc(64, bytes);
  if (!memory) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Memory(static_cast<float*>(memory));
}

// Call `f` with the vectors of a panel as a constant, so that the compiler keeps as many sums in registers.
template <int kW = kWide, typename F>
inline void WithWide(int wide, F&& f) {
  if (wide == kW) return f(std::integral_constant<int, kW>());
  if constexpr (kW > 1) WithWide<kW - 1>(wide, f);
}

}  // namespace
