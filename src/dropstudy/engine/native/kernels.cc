// Matrix products and Adam for one core with AVX-512, called by XLA (see build.py and ffi.py beside this file).
//
// Two things are faster than in XLA's kernels. A product skips inner indices at which the whole right side is 0: 128
// MNIST images use about two thirds of the pixels. And the gradient of a layer's weights is never written to memory: a
// few rows are computed, Adam reads them from the cache, and writes the operands of the next products.
//
// Sums are float32. Their order depends only on the shapes and the skipped indices, so equal operands give equal bits.

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "packing.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t kTile = 8;    // rows of a tile of results: 16 sums in registers hide a multiplication's latency
constexpr int64_t kStrip = 16;  // rows of a gradient that are computed before they are used

// ---- Tiles ------------------------------------------------------------------------------------------------------

// Memory to prefetch: the same range of three arrays.
struct Prefetch {
  const char* arrays[3];
  int64_t lines;
};

// kRows rows of the left side times one panel. Words of `left` beyond a row's end must be 0.
template <int kRows, bool kBf16, bool kPrefetch>
AVX512 void Tile(const char* left, int64_t stride, const Packed& right, int64_t panel, float* out, int64_t out_stride,
                 int64_t columns, Prefetch prefetch) {
  __m512 sums[kRows][2];
  for (int r = 0; r < kRows; r++) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  const char* words = right.panel(panel);
  const int32_t* index = right.index.data() + panel * right.all;
  const int64_t count = right.counts[panel];
  int64_t due = 0, line = 0;
  for (int64_t k = 0; k < count; k++, words += kPanel * 4) {
    if (kPrefetch && (due += prefetch.lines) >= count) {
      // Spread evenly, because a core has few prefetches in flight at once.
      due -= count;
      for (const char* array : prefetch.arrays) _mm_prefetch(array + 64 * line, _MM_HINT_T0);
      line++;
    }
    __m512i first = _mm512_load_si512(words), second = _mm512_load_si512(words + 64);
    const char* word = left + 4 * index[k];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; r++) {
      int32_t bits;
      std::memcpy(&bits, word + r * stride, 4);
      __m512i one = _mm512_set1_epi32(bits);
      if (kBf16) {
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], (__m512bh)one, (__m512bh)first);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], (__m512bh)one, (__m512bh)second);
      } else {
        __m512 factor = _mm512_castsi512_ps(one);
        sums[r][0] = _mm512_fmadd_ps(factor, _mm512_castsi512_ps(first), sums[r][0]);
        sums[r][1] = _mm512_fmadd_ps(factor, _mm512_castsi512_ps(second), sums[r][1]);
      }
    }
  }
  for (int r = 0; r < kRows; r++) {
    _mm512_mask_storeu_ps(out + r * out_stride, First(columns), sums[r][0]);
    _mm512_mask_storeu_ps(out + r * out_stride + kVector, First(columns - kVector), sums[r][1]);
  }
}

// At most 8 rows of the left side times one panel.
template <bool kBf16, bool kPrefetch = false>
void Strip(int64_t rows, const char* left, int64_t stride, const Packed& right, int64_t panel, float* out,
           int64_t out_stride, int64_t columns, Prefetch prefetch = {}) {
  auto tile = [&](auto count) {
    Tile<count.value, kBf16, kPrefetch>(left, stride, right, panel, out, out_stride, columns, prefetch);
    left += count.value * stride;
    out += count.value * out_stride;
    rows -= count.value;
  };
  if (rows >= 8) tile(std::integral_constant<int, 8>());
  if (rows >= 4) tile(std::integral_constant<int, 4>());
  if (rows >= 2) tile(std::integral_constant<int, 2>());
  if (rows >= 1) tile(std::integral_constant<int, 1>());
}

// The left side with rows of whole words. If a row of bfloat16 ends in half a word, a copy padded with 0.
template <bool kBf16>
Matrix<kBf16> WholeWords(const Matrix<kBf16>& m) {
  if (!kBf16 || m.columns % 2 == 0) return m;
  thread_local std::vector<uint16_t> memory;
  uint16_t* copy = Scratch(memory, m.rows * (m.columns + 1));
  for (int64_t r = 0; r < m.rows; r++) {
    std::memcpy(copy + r * (m.columns + 1), m.row(r), m.columns * 2);
    copy[(r + 1) * (m.columns + 1) - 1] = 0;
  }
  return {reinterpret_cast<const char*>(copy), m.rows, m.columns + 1};
}

// ---- left . right ---------------------------------------------------------------------------------------------------

template <bool kBf16>
void Multiply(const Matrix<kBf16>& given, const Matrix<kBf16>& right, bool transposed, float* out) {
  Matrix<kBf16> left = WholeWords(given);
  const Packed& packed = transposed ? PackAlong(right) : PackAcross(right, All(right.columns));
  int64_t columns = transposed ? right.rows : right.columns, stride = left.columns * left.kBytes;
  for (int64_t panel = 0; panel < packed.panels; panel++)
    for (int64_t r = 0; r < left.rows; r += kTile)
      Strip<kBf16>(std::min(kTile, left.rows - r), left.row(r), stride, packed, panel,
                   out + r * columns + panel * kPanel, columns, columns - panel * kPanel);
}

// ---- Adam on the gradient delta . right -----------------------------------------------------------------------------

struct Rates {
  float alpha, gain_1, gain_2, epsilon, decay;
};

// Old and new weights and moments, (rows, columns); operands made of the new weights, null if not needed.
struct Layer {
  int64_t rows, columns;
  const float *w, *m, *v;
  float *new_w, *new_m, *new_v;
  char *copy, *transpose;
};

// Store the quarters of a vector in the first `rows` of four rows, `stride` bytes apart; `bytes` masks each quarter.
INLINE void StoreQuarters(__m512i quarters, char* to, int64_t stride, int64_t rows, __mmask16 bytes) {
  const __m128i parts[4] = {_mm512_castsi512_si128(quarters), _mm512_extracti32x4_epi32(quarters, 1),
                            _mm512_extracti32x4_epi32(quarters, 2), _mm512_extracti32x4_epi32(quarters, 3)};
  for (int64_t q = 0; q < std::min<int64_t>(rows, 4); q++) {
    if (bytes == 0xffff)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + q * stride), parts[q]);
    else
      _mm_mask_storeu_epi8(to + q * stride, bytes, parts[q]);
  }
}

// One row: `gradient` holds the columns that are not skipped. `fresh` receives the new weights too, unless it is null.
template <bool kBf16>
AVX512 void Adam(const Layer& layer, const Rates& rates, int64_t row, const float* gradient, const Columns& columns,
                 float* fresh) {
  for (int64_t c = 0; c < layer.columns; c += kVector) {
    const __mmask16 mask = First(layer.columns - c), kept = columns.kept[c / kVector];
    const int64_t at = row * layer.columns + c;
    __m512 g = _mm512_loadu_ps(gradient + columns.before[c / kVector]);
    if (kept != 0xffff) g = _mm512_maskz_expand_ps(kept, g);
    __m512 w = _mm512_maskz_loadu_ps(mask, layer.w + at);
    __m512 m = _mm512_maskz_loadu_ps(mask, layer.m + at);
    __m512 v = _mm512_maskz_loadu_ps(mask, layer.v + at);
    g = _mm512_fmadd_ps(w, _mm512_set1_ps(rates.decay), g);
    m = _mm512_fmadd_ps(_mm512_sub_ps(g, m), _mm512_set1_ps(rates.gain_1), m);
    v = _mm512_fmadd_ps(_mm512_fmsub_ps(g, g, v), _mm512_set1_ps(rates.gain_2), v);
    __m512 step = _mm512_div_ps(_mm512_mul_ps(m, _mm512_set1_ps(rates.alpha)),
                                _mm512_add_ps(_mm512_sqrt_ps(v), _mm512_set1_ps(rates.epsilon)));
    w = _mm512_sub_ps(w, step);
    _mm512_mask_storeu_ps(layer.new_m + at, mask, m);
    _mm512_mask_storeu_ps(layer.new_v + at, mask, v);
    _mm512_mask_storeu_ps(layer.new_w + at, mask, w);
    if (kBf16) _mm256_mask_storeu_epi16(layer.copy + 2 * at, mask, (__m256i)_mm512_cvtneps_pbh(w));
    if (fresh) _mm512_storeu_ps(fresh + c, w);
  }
}

// Write the transpose of `rows` rows of new weights, (rows, stride).
template <bool kBf16>
AVX512 void WriteTranspose(const Layer& layer, int64_t row, int64_t rows, const float* fresh, int64_t stride) {
  // A quarter of a vector holds 8 rows of bfloat16 or 4 of float32, which are contiguous in the transpose.
  constexpr int64_t kSize = kBf16 ? 2 : 4, kRows = 16 / kSize;
  const int64_t line = layer.rows * kSize;
  const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i pairs = _mm512_or_si512(count, _mm512_slli_epi32(_mm512_add_epi32(count, _mm512_set1_epi32(16)), 16));
  for (int64_t c = 0; c < layer.columns; c += kVector) {
    for (int64_t r = 0; r < rows; r += kRows) {
      __m512i block[4];
      for (int64_t i = 0; i < 4; i++) {
        const float* from = fresh + (r + (kBf16 ? 2 * i : i)) * stride + c;
        block[i] = kBf16 ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + stride), _mm512_loadu_ps(from))
                         : _mm512_castps_si512(_mm512_loadu_ps(from));
        // Interleave two rows: each number of a row is followed by that of the next row.
        if (kBf16) block[i] = _mm512_permutexvar_epi16(pairs, block[i]);
      }
      TransposeQuarters(block);
      __mmask16 bytes = First((rows - r) * kSize);
      for (int64_t i = 0; i < 4; i++)
        StoreQuarters(block[i], layer.transpose + (c + i) * line + (row + r) * kSize, 4 * line,
                      (layer.columns - c - i + 3) / 4, bytes);
    }
  }
}

template <bool kBf16>
void Update(const Matrix<kBf16>& given, const Matrix<kBf16>& right, bool transposed, const Layer& layer,
            const Rates& rates) {
  Matrix<kBf16> delta = WholeWords(given);
  const Columns& columns = transposed ? All(layer.columns) : NonZero(right);
  const Packed& packed = transposed ? PackAlong(right) : PackAcross(right, columns);
  thread_local std::vector<float> memory, fresh_memory;
  int64_t stride = packed.panels * kPanel, delta_stride = delta.columns * delta.kBytes;
  float* gradient = Scratch(memory, kStrip * stride + kVector);
  // The stride is no power of two; else the rows of a column would share a few cache lines.
  const int64_t fresh_stride = (layer.columns + kVector - 1) / kVector * kVector + kVector;
  float* fresh = layer.transpose ? Scratch(fresh_memory, kStrip * fresh_stride) : nullptr;
  for (int64_t row = 0; row < layer.rows; row += kStrip) {
    int64_t rows = std::min(kStrip, layer.rows - row);
    // Prefetch what Adam will read.
    int64_t parts = packed.panels * ((rows + kTile - 1) / kTile), part = 0;
    int64_t lines = rows * layer.columns / kVector;
    for (int64_t r = 0; r < rows; r += kTile) {
      for (int64_t panel = 0; panel < packed.panels; panel++, part++) {
        int64_t begin = lines * part / parts, end = lines * (part + 1) / parts;
        int64_t at = row * layer.columns + begin * kVector;
        auto at_begin = [&](const float* array) { return reinterpret_cast<const char*>(array + at); };
        Strip<kBf16, true>(std::min(kTile, rows - r), delta.row(row + r), delta_stride, packed, panel,
                           gradient + r * stride + panel * kPanel, stride, kPanel,
                           {{at_begin(layer.w), at_begin(layer.m), at_begin(layer.v)}, end - begin});
      }
    }
    for (int64_t r = 0; r < rows; r++)
      Adam<kBf16>(layer, rates, row + r, gradient + r * stride, columns, fresh ? fresh + r * fresh_stride : nullptr);
    if (fresh) WriteTranspose<kBf16>(layer, row, rows, fresh, fresh_stride);
  }
}

// ---- Examples: rows of pixels, divided by their scale ---------------------------------------------------------------

constexpr int64_t kAhead = 4;

template <bool kBf16>
AVX512 void Gather(const uint8_t* pixels, int64_t examples, int64_t features, const int32_t* rows, int64_t count,
                   float scale, char* out) {
  const __m512 divisor = _mm512_set1_ps(scale);
  for (int64_t r = 0; r < count; r++, out += features * (kBf16 ? 2 : 4)) {
    auto row = [&](int64_t number) { return pixels + std::clamp<int64_t>(rows[number], 0, examples - 1) * features; };
    // Rows are scattered in memory: prefetch a few ahead.
    if (r + kAhead < count)
      for (int64_t c = 0; c < features; c += 64) _mm_prefetch(row(r + kAhead) + c, _MM_HINT_T0);
    const uint8_t* from = row(r);
    for (int64_t c = 0; c < features; c += kVector) {
      __mmask16 mask = First(features - c);
      __m512i whole = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + c));
      __m512 x = _mm512_div_ps(_mm512_cvtepi32_ps(whole), divisor);
      if (kBf16)
        _mm256_mask_storeu_epi16(out + 2 * c, mask, (__m256i)_mm512_cvtneps_pbh(x));
      else
        _mm512_mask_storeu_ps(out + 4 * c, mask, x);
    }
  }
}

// ---- Functions that XLA calls ---------------------------------------------------------------------------------------------------

template <bool kBf16>
Matrix<kBf16> MatrixOf(const ffi::AnyBuffer& buffer) {
  return {static_cast<const char*>(buffer.untyped_data()), buffer.dimensions()[0], buffer.dimensions()[1]};
}

ffi::Error GatherHandler(ffi::BufferR2<ffi::U8> pixels, ffi::BufferR1<ffi::S32> rows, ffi::BufferR0<ffi::F32> scale,
                         ffi::Result<ffi::AnyBuffer> out) {
  auto gather = out->element_type() == ffi::BF16 ? Gather<true> : Gather<false>;
  gather(pixels.typed_data(), pixels.dimensions()[0], pixels.dimensions()[1], rows.typed_data(), rows.dimensions()[0],
         *scale.typed_data(), static_cast<char*>(out->untyped_data()));
  return ffi::Error::Success();
}

ffi::Error MultiplyHandler(ffi::AnyBuffer left, ffi::AnyBuffer right, bool transposed,
                           ffi::ResultBufferR2<ffi::F32> out) {
  if (left.element_type() == ffi::BF16)
    Multiply<true>(MatrixOf<true>(left), MatrixOf<true>(right), transposed, out->typed_data());
  else
    Multiply<false>(MatrixOf<false>(left), MatrixOf<false>(right), transposed, out->typed_data());
  return ffi::Error::Success();
}

ffi::Error UpdateHandler(ffi::AnyBuffer delta, ffi::AnyBuffer right, ffi::BufferR2<ffi::F32> w, ffi::BufferR2<ffi::F32> m,
                         ffi::BufferR2<ffi::F32> v, ffi::BufferR1<ffi::F32> rates, ffi::RemainingArgs, bool transposed,
                         bool with_transpose, ffi::ResultBufferR2<ffi::F32> new_w, ffi::ResultBufferR2<ffi::F32> new_m,
                         ffi::ResultBufferR2<ffi::F32> new_v, ffi::RemainingRets copies) {
  bool bf16 = delta.element_type() == ffi::BF16;
  auto copy = [&](size_t number) { return static_cast<char*>((*copies.get<ffi::AnyBuffer>(number))->untyped_data()); };
  Layer layer = {w.dimensions()[0],     w.dimensions()[1],     w.typed_data(),      m.typed_data(),
                 v.typed_data(),        new_w->typed_data(),   new_m->typed_data(), new_v->typed_data(),
                 bf16 ? copy(0) : nullptr, with_transpose ? copy(bf16 ? 1 : 0) : nullptr};
  const float* r = rates.typed_data();
  Rates numbers = {r[0], r[1], r[2], r[3], r[4]};
  if (bf16)
    Update<true>(MatrixOf<true>(delta), MatrixOf<true>(right), transposed, layer, numbers);
  else
    Update<false>(MatrixOf<false>(delta), MatrixOf<false>(right), transposed, layer, numbers);
  return ffi::Error::Success();
}

}  // namespace

// True if this machine can run the kernels and they are faster. With AMX for bfloat16, XLA's own are faster.
extern "C" int dropstudy_is_faster(int bf16) {
  for (bool has : {__builtin_cpu_supports("avx512f") > 0, __builtin_cpu_supports("avx512bw") > 0,
                   __builtin_cpu_supports("avx512dq") > 0, __builtin_cpu_supports("avx512vl") > 0,
                   __builtin_cpu_supports("avx512bf16") > 0, __builtin_cpu_supports("popcnt") > 0})
    if (!has) return 0;
  unsigned a = 0, b = 0, c = 0, d = 0;
  bool amx_bf16 = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
  return !bf16 || !amx_bf16;
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(dropstudy_gather, GatherHandler,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::BufferR2<ffi::U8>>()
                                  .Arg<ffi::BufferR1<ffi::S32>>()
                                  .Arg<ffi::BufferR0<ffi::F32>>()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(dropstudy_multiply, MultiplyHandler,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Attr<bool>("transposed")
                                  .Ret<ffi::BufferR2<ffi::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(dropstudy_update, UpdateHandler,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::BufferR2<ffi::F32>>()
                                  .Arg<ffi::BufferR2<ffi::F32>>()
                                  .Arg<ffi::BufferR2<ffi::F32>>()
                                  .Arg<ffi::BufferR1<ffi::F32>>()
                                  .RemainingArgs()  // operands of this step, whose memory is reused; arrays computed before
                                  .Attr<bool>("transposed")
                                  .Attr<bool>("with_transpose")
                                  .Ret<ffi::BufferR2<ffi::F32>>()
                                  .Ret<ffi::BufferR2<ffi::F32>>()
                                  .Ret<ffi::BufferR2<ffi::F32>>()
                                  .RemainingRets());
