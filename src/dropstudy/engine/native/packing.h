// Packing of the right side of a product, in the order in which kernels.cc reads it.
//
// A word is 32 bits along the inner axis, over which a product sums: one float32, or two neighbouring bfloat16, the
// operands of VDPBF16PS.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,popcnt")))
#define INLINE AVX512 __attribute__((always_inline)) inline

namespace {

constexpr int64_t kVector = 16;  // words
constexpr int64_t kPanel = 32;   // columns of a tile of results: two vectors

// Aligned memory that a thread reuses in later calls.
template <typename T>
T* Scratch(std::vector<T>& memory, size_t count) {
  if (memory.size() < count + 64) memory.resize(count + 64);
  return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
}

// Mask of the first `count` of 16.
INLINE __mmask16 First(int64_t count) {
  return count >= kVector ? 0xffff : count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}

// A matrix in memory, row after row, float32 or bfloat16.
template <bool kBf16>
struct Matrix {
  const char* data;
  int64_t rows, columns;

  static constexpr int64_t kBytes = kBf16 ? 2 : 4;
  const char* row(int64_t r) const { return data + r * columns * kBytes; }
};

int64_t Words(bool bf16, int64_t elements) { return bf16 ? (elements + 1) / 2 : elements; }

// 16 words of a row from word k, if the inner axis runs along the row; 0 beyond its end.
template <bool kBf16>
INLINE __m512i WordsAlong(const Matrix<kBf16>& m, int64_t r, int64_t k) {
  if (r >= m.rows) return _mm512_setzero_si512();
  if (!kBf16) return _mm512_maskz_loadu_epi32(First(m.columns - k), m.row(r) + 4 * k);
  int64_t left = m.columns - 2 * k;
  __mmask32 mask = left >= 32 ? ~0u : left <= 0 ? 0 : (1u << left) - 1;
  return _mm512_maskz_loadu_epi16(mask, m.row(r) + 4 * k);
}

// Word k of 16 columns from c, if the inner axis runs across the rows; 0 beyond its end.
template <bool kBf16>
INLINE __m512i WordsAcross(const Matrix<kBf16>& m, int64_t k, int64_t c) {
  __mmask16 mask = First(m.columns - c);
  if (!kBf16) return _mm512_maskz_loadu_epi32(mask, m.row(k) + 4 * c);
  __m512i even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, m.row(2 * k) + 2 * c));
  if (2 * k + 1 >= m.rows) return even;
  __m512i odd = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, m.row(2 * k + 1) + 2 * c));
  return _mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
}

// Mask of everything but the sign bits: -0 is 0 too.
template <bool kBf16>
INLINE __m512i Digits() {
  return _mm512_set1_epi32(kBf16 ? 0x7fff7fff : 0x7fffffff);
}

// Transpose the 4 x 4 words in each quarter of four vectors.
INLINE void TransposeQuarters(__m512i* r) {
  __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
  __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
  r[0] = _mm512_unpacklo_epi64(a, c);
  r[1] = _mm512_unpackhi_epi64(a, c);
  r[2] = _mm512_unpacklo_epi64(b, d);
  r[3] = _mm512_unpackhi_epi64(b, d);
}

// Transpose 16 x 16 words.
INLINE void Transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 4) TransposeQuarters(r + i);
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// The packed right side of a product: panels of 32 columns, each with one word of the inner axis after the other. Words
// that are 0 in all columns of a panel are skipped. A product with 0 adds nothing to a sum, so the result has the same
// bits, unless the left side holds an infinity.
struct Packed {
  std::vector<uint32_t> memory;
  std::vector<int32_t> index;   // indices of the words that each panel holds
  std::vector<int64_t> counts;  // number of words in each panel
  uint32_t* words;
  int64_t all, panels;

  void Reset(int64_t inner_words, int64_t columns) {
    all = inner_words;
    panels = (columns + kPanel - 1) / kPanel;
    words = Scratch(memory, panels * all * kPanel);
    Scratch(index, panels * all);
    counts.assign(panels, 0);
  }
  uint32_t* panel(int64_t p) { return words + p * all * kPanel; }
  const char* panel(int64_t p) const { return reinterpret_cast<const char*>(words + p * all * kPanel); }

  template <bool kBf16>
  AVX512 void SkipZeros() {
    for (int64_t p = 0; p < panels; p++) {
      const uint32_t* from = panel(p);
      uint32_t* to = panel(p);
      int32_t* which = index.data() + p * all;
      for (int64_t k = 0; k < all; k++, from += kPanel) {
        __m512i first = _mm512_load_si512(from), second = _mm512_load_si512(from + kVector);
        if (!_mm512_test_epi32_mask(_mm512_or_si512(first, second), Digits<kBf16>())) continue;
        _mm512_store_si512(to, first);
        _mm512_store_si512(to + kVector, second);
        to += kPanel;
        which[counts[p]++] = static_cast<int32_t>(k);
      }
    }
  }
};

// Pack a matrix whose rows are the columns of the right side.
template <bool kBf16>
AVX512 const Packed& PackAlong(const Matrix<kBf16>& m) {
  thread_local Packed packed;
  packed.Reset(Words(kBf16, m.columns), m.rows);
  for (int64_t n = 0; n < packed.panels * kPanel; n += kVector) {
    uint32_t* to = packed.panel(n / kPanel) + n % kPanel;
    for (int64_t k = 0; k < packed.all; k += kVector) {
      __m512i block[kVector];
      for (int64_t r = 0; r < kVector; r++) block[r] = WordsAlong(m, n + r, k);
      Transpose(block);
      for (int64_t j = 0; j < std::min(kVector, packed.all - k); j++, to += kPanel) _mm512_store_si512(to, block[j]);
    }
  }
  packed.SkipZeros<kBf16>();
  return packed;
}

// Selected columns of a matrix, by blocks of 16: a mask, and the number of selected columns before the block.
struct Columns {
  std::vector<uint16_t> kept;
  std::vector<int32_t> before;
  int64_t count;
};

// All columns of a matrix.
AVX512 const Columns& All(int64_t columns) {
  thread_local Columns all;
  if (!all.kept.empty() && all.count == columns) return all;
  all = {{}, {}, columns};
  for (int64_t c = 0; c < columns; c += kVector) {
    all.kept.push_back(First(columns - c));
    all.before.push_back(static_cast<int32_t>(c));
  }
  return all;
}

// Columns that are not 0 in every row.
template <bool kBf16>
AVX512 const Columns& NonZero(const Matrix<kBf16>& m) {
  thread_local Columns some;
  some.kept.clear();
  some.before.clear();
  some.count = 0;
  for (int64_t c = 0; c < m.columns; c += kVector) {
    __m512i any = _mm512_setzero_si512();
    for (int64_t k = 0; k < Words(kBf16, m.rows); k++) any = _mm512_or_si512(any, WordsAcross(m, k, c));
    some.kept.push_back(_mm512_test_epi32_mask(any, Digits<kBf16>()));
    some.before.push_back(static_cast<int32_t>(some.count));
    some.count += __builtin_popcount(some.kept.back());
  }
  return some;
}

// Pack the selected columns of a matrix that is the right side itself.
template <bool kBf16>
AVX512 const Packed& PackAcross(const Matrix<kBf16>& m, const Columns& columns) {
  thread_local Packed packed;
  thread_local std::vector<uint32_t> row_memory;
  packed.Reset(Words(kBf16, m.rows), columns.count);
  uint32_t* row = Scratch(row_memory, packed.panels * kPanel + kVector);
  std::fill(row + columns.count, row + packed.panels * kPanel + kVector, 0);
  for (int64_t k = 0; k < packed.all; k++) {
    for (int64_t c = 0; c < m.columns; c += kVector) {
      int64_t before = columns.before[c / kVector];
      __m512i block = _mm512_maskz_compress_epi32(columns.kept[c / kVector], WordsAcross(m, k, c));
      _mm512_mask_storeu_epi32(row + before, First(columns.count - before), block);
    }
    for (int64_t n = 0; n < packed.panels * kPanel; n += kVector)
      _mm512_store_si512(packed.panel(n / kPanel) + k * kPanel + n % kPanel, _mm512_load_si512(row + n));
  }
  packed.SkipZeros<kBf16>();
  return packed;
}

}  // namespace
