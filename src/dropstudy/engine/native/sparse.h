// Rows without their zeros, their transposition, and dropout of what they hold.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "functions.h"
#include "random.h"
#include "vectors.h"

namespace {

// What is not 0 in the rows of a matrix.
struct Sparse {
  int stride;  // places of a row
  std::vector<int32_t> count, index;
  std::vector<float> value;

  Sparse(int rows, int columns)
      : stride(columns + kLanes), count(rows), index(static_cast<size_t>(rows) * stride), value(index.size()) {}

  void Add(int row, Mask marked, Bits columns, Vec values) {
    const size_t at = static_cast<size_t>(row) * stride + count[row];
    count[row] += Keep(marked, columns, values, &index[at], &value[at]);
  }
  const int32_t* indices(int row) const { return &index[static_cast<size_t>(row) * stride]; }
  const float* values(int row) const { return &value[static_cast<size_t>(row) * stride]; }
  float* values(int row) { return &value[static_cast<size_t>(row) * stride]; }
};

// What is not 0 in the columns of a matrix.
struct Columns {
  struct Entry {
    int32_t row;
    float value;
  };
  size_t stride;  // places of a column, and room for a vector behind them
  std::vector<int32_t> count;
  std::vector<Entry> entry;

  Columns(int columns, int rows) : stride(rows + kLanes), count(columns), entry(columns * stride) {}

  void Add(int column, Entry added) { entry[column * stride + count[column]++] = added; }
  const Entry* entries(int column) const { return &entry[column * stride]; }
};

// Replace a row of a sparse matrix by a dense one, whose places behind the last column are 0.
void Compress(const float* dense, int columns, int row, Sparse& out) {
  out.count[row] = 0;
  Bits numbers = Numbers(kEachLane);
  for (int from = 0; from < columns; from += kLanes, numbers += kLanes) {
    Vec values;
    std::memcpy(&values, dense + from, sizeof values);
    out.Add(row, values != 0, numbers, values);
  }
}

// Take the columns of a sparse matrix of some rows.
void Transpose(const Sparse& x, int rows, Columns& out) {
  std::fill(out.count.begin(), out.count.end(), 0);
  for (int r = 0; r < rows; r++) {
    const int32_t* columns = x.indices(r);
    const float* values = x.values(r);
    for (int k = 0; k < x.count[r]; k++) out.Add(columns[k], {r, values[k]});
  }
}

// Dropout on a row whose first column is number `place` of the draws: an entry stays where its draw is not below `rate`,
// times 1 / (1 - rate). Entries that are 0 already need no draw.
void Drop(Key key, float rate, uint32_t place, int row, Sparse& rows) {
  const float gain = 1 / (1 - rate);
  // A uniform number is a multiple of 2^-24, so whole numbers compare alike.
  const uint32_t least = static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * 0x1p24));
  const int count = std::exchange(rows.count[row], 0);
  for (int k = 0; k < count; k += kLanes) {
    Bits columns, draws, unused = {};
    Vec values;
    std::memcpy(&columns, rows.indices(row) + k, sizeof columns);
    std::memcpy(&values, rows.values(row) + k, sizeof values);
    draws = columns + place;
    Threefry(key, draws, unused);
    const Mask stays = (draws >> 8) >= least;
    rows.Add(row, stays & (Numbers(kEachLane) < static_cast<uint32_t>(count - k)), columns, values * gain);
  }
}

// Gaussian dropout on a row, as `Drop`: each entry times a factor of mean 1 and variance rate / (1 - rate), which `also`
// is told with the entry's column.
template <typename F>
void Blur(Key key, float rate, uint32_t place, int row, Sparse& rows, F&& also) {
  const float deviation = std::sqrt(rate * (1 / (1 - rate)));
  for (int k = 0; k < rows.count[row]; k += kLanes) {
    Bits draws, unused = {};
    Vec values;
    std::memcpy(&draws, rows.indices(row) + k, sizeof draws);
    std::memcpy(&values, rows.values(row) + k, sizeof values);
    draws += place;
    Threefry(key, draws, unused);
    const Vec u = __builtin_convertvector((Mask)(draws >> 8), Vec) * 0x1p-24f;
    const Vec factor = 1 + deviation * (std::sqrt(2.0f) * InverseErf(2 * u - 1 + 0x1p-24f));
    values *= factor;
    const int lanes = std::min(kLanes, rows.count[row] - k);
    std::memcpy(rows.values(row) + k, &values, lanes * 4);
    for (int lane = 0; lane < lanes; lane++) also(rows.indices(row)[k + lane], factor[lane]);
  }
}

}  // namespace
