// Training and evaluation of a multilayer perceptron on one core that skip every factor of 0.
//
// A dropped unit, a unit that relu switched off and a black pixel are 0, and a product with 0 adds nothing. So the
// inputs of each layer are kept without their zeros, as index and value of the others: by example for the forward pass,
// by unit for the backward pass and the gradient of the weights. A step costs what is left to multiply.
//
// Weights and moments lie in panels of kPanel columns, so that the sums of a panel stay in registers and no stride is a
// power of two. Vectors of fixed size serve AVX2, AVX-512 and NEON. Sums are float32. Their order depends on the data
// alone, so equal runs are equal to the bit.
//
// C++17 with GCC's vector extensions (GCC 12, Clang 14 or newer). No header but the standard library's.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kWide = kLanes == 4 ? 16 : 8;  // vectors of a panel: enough sums to hide the latency of an addition
constexpr int kPanel = kWide * kLanes;       // columns of a panel

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t Mask __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Bits __attribute__((vector_size(kLanes * 4)));

constexpr std::make_integer_sequence<int, kLanes> kEachLane;

template <int... kLane>
constexpr Bits Numbers(std::integer_sequence<int, kLane...>) {
  return Bits{static_cast<uint32_t>(kLane)...};
}

// Counts numbers below 2^-126 as 0 while it lives, as XLA does. Moments of rare inputs fade to such numbers and stay
// there, and most processors take a hundred times as long for them.
class FlushDenormals {
 public:
  FlushDenormals() : before_(Get()) { Set(before_ | kFlush); }
  ~FlushDenormals() { Set(before_); }

 private:
#if defined(__x86_64__)
  typedef uint32_t Control;
  static constexpr Control kFlush = 0x8040;
  static Control Get() { return __builtin_ia32_stmxcsr(); }
  static void Set(Control control) { __builtin_ia32_ldmxcsr(control); }
#else
  typedef uint64_t Control;
  static constexpr Control kFlush = 1 << 24;
  static Control Get() {
    Control control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void Set(Control control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#endif
  const Control before_;
};

// ---- Random numbers -----------------------------------------------------------------------------------------------

// Threefry-2x32 with 20 rounds (Salmon et al. 2011) and the keys of engine/mlp/rng.py.
struct Key {
  uint32_t high, low;
};

template <typename T>
inline void Threefry(Key key, T& y0, T& y1) {
  constexpr int kRotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t schedule[3] = {key.high, key.low, key.high ^ key.low ^ 0x1BD11BDAu};
  y0 += schedule[0];
  y1 += schedule[1];
#pragma GCC unroll 20
  for (int round = 1; round <= 20; round++) {
    const int rotation = kRotations[(round - 1) % 8];
    y0 += y1;
    y1 = y0 ^ ((y1 << rotation) | (y1 >> (32 - rotation)));
    if (round % 4 == 0) {
      const int block = round / 4;
      y0 += schedule[block % 3];
      y1 += schedule[(block + 1) % 3] + static_cast<uint32_t>(block);
    }
  }
}

Key DeriveKey(uint32_t seed, uint32_t purpose, uint32_t when, uint32_t layer) {
  uint32_t a = purpose, b = layer;
  Threefry({0, seed}, a, b);
  uint32_t c = when, d = 0;
  Threefry({a, b}, c, d);
  return {c, d};
}

uint32_t Draw(Key key, uint32_t place) {
  uint32_t y0 = place, y1 = 0;
  Threefry(key, y0, y1);
  return y0;
}

enum Purpose : uint32_t { kMask = 3, kInputMask = 4 };

// ---- Panels -------------------------------------------------------------------------------------------------------

// Layout of a matrix: panel after panel, in each row after row. The last panel may be narrower, by whole vectors.
struct Panels {
  int rows, columns, count;
  Panels(int rows, int columns) : rows(rows), columns(columns), count((columns + kPanel - 1) / kPanel) {}
  int wide(int panel) const {  // vectors
    return panel + 1 < count ? kWide : (columns - panel * kPanel + kLanes - 1) / kLanes;
  }
  int stride(int panel) const { return wide(panel) * kLanes; }
  int used(int panel) const { return std::min(kPanel, columns - panel * kPanel); }
  size_t at(int panel) const { return static_cast<size_t>(panel) * rows * kPanel; }
  size_t at(int panel, int row) const { return at(panel) + static_cast<size_t>(row) * stride(panel); }
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

// ---- Rows without zeros -------------------------------------------------------------------------------------------

// Write the lanes of `index` and `value` that are marked, in their order; returns how many. Writes up to kLanes places.
#if defined(__AVX512F__)
inline int Keep(Mask marked, Bits index, Vec value, int32_t* index_out, float* value_out) {
  const __mmask16 mask = _mm512_test_epi32_mask((__m512i)marked, (__m512i)marked);
  _mm512_storeu_si512(index_out, _mm512_maskz_compress_epi32(mask, (__m512i)index));
  _mm512_storeu_ps(value_out, _mm512_maskz_compress_ps(mask, (__m512)value));
  return __builtin_popcount(mask);
}
#elif defined(__AVX2__)
struct Orders {  // of the lanes that each of 256 masks marks
  uint32_t of[256][8];
  constexpr Orders() : of() {
    for (int mask = 0; mask < 256; mask++)
      for (int lane = 0, left = 0; lane < 8; lane++)
        if (mask >> lane & 1) of[mask][left++] = lane;
  }
};
alignas(32) constexpr Orders kOrders;

inline int Keep(Mask marked, Bits index, Vec value, int32_t* index_out, float* value_out) {
  const int mask = _mm256_movemask_ps((__m256)marked);
  const __m256i order = _mm256_load_si256(reinterpret_cast<const __m256i*>(kOrders.of[mask]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(index_out), _mm256_permutevar8x32_epi32((__m256i)index, order));
  _mm256_storeu_ps(value_out, _mm256_permutevar8x32_ps((__m256)value, order));
  return __builtin_popcount(mask);
}
#else
inline int Keep(Mask marked, Bits index, Vec value, int32_t* index_out, float* value_out) {
  int left = 0;
  for (int lane = 0; lane < kLanes; lane++) {
    index_out[left] = static_cast<int32_t>(index[lane]);
    value_out[left] = value[lane];
    left -= marked[lane];
  }
  return left;
}
#endif

// What is not 0 in the rows of a matrix, or in its columns.
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

// Replace the rows of a sparse matrix by those of a dense one.
void CompressRows(const Panels& at, const float* dense, int rows, Sparse& out) {
  for (int r = 0; r < rows; r++) {
    out.count[r] = 0;
    Bits columns = Numbers(kEachLane);
    for (int p = 0; p < at.count; p++) {
      const Vec* row = reinterpret_cast<const Vec*>(dense + at.at(p, r));
      for (int j = 0; j < at.wide(p); j++, columns += kLanes) out.Add(r, row[j] != 0, columns, row[j]);
    }
  }
}

// Lanes of two vectors, by their numbers from 0 to 2 * kLanes - 1.
template <uint32_t... kLane>
inline Vec Shuffle(Vec a, Vec b, std::integer_sequence<uint32_t, kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, kLane...);
#else
  return __builtin_shuffle(a, b, Bits{kLane...});
#endif
}

// Lane of two neighbours' lanes that a step of a transposition takes to `lane` of the first, or of the second.
constexpr uint32_t SwapLane(int lane, int step, bool second) {
  return second ? (lane & step ? kLanes + lane : lane + step) : (lane & step ? kLanes + lane - step : lane);
}

template <int kStep, int... kLane>
inline void TransposeBy(Vec* v, std::integer_sequence<int, kLane...> lanes) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++)
    if (!(i & kStep)) {
      const Vec a = v[i], b = v[i | kStep];
      v[i] = Shuffle(a, b, std::integer_sequence<uint32_t, SwapLane(kLane, kStep, false)...>());
      v[i | kStep] = Shuffle(a, b, std::integer_sequence<uint32_t, SwapLane(kLane, kStep, true)...>());
    }
  if constexpr (kStep * 2 < kLanes) TransposeBy<kStep * 2>(v, lanes);
}

// Transpose a tile of kLanes vectors.
inline void Transpose(Vec* v) { TransposeBy<1>(v, kEachLane); }

// Replace the rows of a sparse matrix by the columns of a dense one.
void CompressColumns(const Panels& at, const float* dense, int rows, Sparse& out) {
  std::fill(out.count.begin(), out.count.end(), 0);
  for (int p = 0; p < at.count; p++)
    for (int j = 0; j < at.wide(p); j++) {
      const int first = p * kPanel + j * kLanes, columns = std::min(kLanes, at.columns - first);
      for (int from = 0; from < rows; from += kLanes) {
        Vec tile[kLanes];
        for (int i = 0; i < kLanes; i++)
          tile[i] = from + i < rows ? reinterpret_cast<const Vec*>(dense + at.at(p, from + i))[j] : Vec{};
        Transpose(tile);
        const Bits numbers = Numbers(kEachLane) + static_cast<uint32_t>(from);
        for (int c = 0; c < columns; c++) out.Add(first + c, tile[c] != 0, numbers, tile[c]);
      }
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

template <int kCount>
inline Vec Polynomial(const float (&coefficients)[kCount], Vec x) {
  Vec sum = Vec{} + coefficients[0];
  for (int i = 1; i < kCount; i++) sum = sum * x + coefficients[i];
  return sum;
}

// Natural logarithm of normal numbers above 0 (Cephes' logf, Moshier 1989).
inline Vec Log(Vec x) {
  constexpr float kTerms[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                              -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
  const Mask bits = (Mask)x;
  const Vec half = (Vec)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const Mask small = half < 0.707106781186547524f;
  const Vec exponent = __builtin_convertvector((bits >> 23) - 126 + small, Vec);
  const Vec m = (small ? half + half : half) - 1;
  const Vec square = m * m;
  return m + (m * square * Polynomial(kTerms, m) - 0.5f * square + exponent * -2.12194440e-4f) + exponent * 0.693359375f;
}

inline Vec Sqrt(Vec v) {
  Vec root;
#pragma GCC unroll 16
  for (int lane = 0; lane < kLanes; lane++) root[lane] = std::sqrt(v[lane]);
  return root;
}

// The inverse of the error function in (-1, 1) (Giles 2010, "Approximating the erfinv function"), as XLA has it.
inline Vec InverseErf(Vec x) {
  constexpr float kCentre[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
                               -0.00125372503f, -0.00417768164f, 0.246640727f, 1.50140941f};
  constexpr float kTail[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                             -0.0076224613f, 0.00943887047f, 1.00167406f, 2.83297682f};
  const Vec w = -Log((1 - x) * (1 + x));
  const Mask central = w < 5;
  return x * (central ? Polynomial(kCentre, w - 2.5f) : Polynomial(kTail, Sqrt(w) - 3));
}

// The hyperbolic tangent, to 6 units in the last place: a quotient of polynomials, as Eigen and XLA have it. What would
// be 0 is 2^-100, since an entry of 0 has no gradient here and tanh has one at 0.
inline Vec Tanh(Vec x) {
  constexpr float kAbove[] = {-2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f,
                              1.48572235717979e-05f,  6.37261928875436e-04f, 4.89352455891786e-03f};
  constexpr float kBelow[] = {1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f};
  x = x > 9 ? Vec{} + 9 : x;  // NaN stays
  x = x < -9 ? Vec{} - 9 : x;
  const Vec square = x * x, h = x * Polynomial(kAbove, square) / Polynomial(kBelow, square);
  return h == 0 ? Vec{} + 0x1p-100f : h;
}

// Gaussian dropout on a row, as `Drop`: each entry times a factor of mean 1 and variance rate / (1 - rate). So are the
// entries' slopes, a dense row, unless they are null.
void Blur(Key key, float rate, uint32_t place, int row, Sparse& rows, const Panels& at, float* slopes) {
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
    for (int lane = 0; slopes && lane < lanes; lane++) {
      const int column = rows.indices(row)[k + lane];
      slopes[at.at(column / kPanel, row) + column % kPanel] *= factor[lane];
    }
  }
}

// ---- Products -----------------------------------------------------------------------------------------------------

// z = x w + bias. Examples take turns at a block of rows of w that stays in the first-level cache, unless the block would
// hold few entries of an example.
void Forward(const Sparse& x, int examples, const Panels& w_at, const float* w, const float* bias, const Panels& z_at,
             float* z) {
  constexpr int kBlockBytes = 1 << 15, kFewEntries = 12;
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
        for (int b = 0; b < examples; b++, out += kW) {
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

// Lane that pair sums take from two vectors, of 2 * kLanes lanes: even or odd ones of 4 neighbours, or of groups of 4.
// Most processors move lanes within groups of 4 in one instruction.
constexpr uint32_t PairLane(int lane, bool groups, int odd) {
  const int own = groups ? lane / 4 : lane % 4, half = groups && kLanes > 8 ? kLanes / 8 : groups ? 1 : 2;
  const int from = own / half * kLanes;
  return from + (groups ? (2 * (own % half) + odd) * 4 + lane % 4 : lane / 4 * 4 + 2 * (own % 2) + odd);
}

template <bool kGroups, int... kLane>
inline Vec AddPairs(Vec a, Vec b, std::integer_sequence<int, kLane...>) {
  return Shuffle(a, b, std::integer_sequence<uint32_t, PairLane(kLane, kGroups, 0)...>()) +
         Shuffle(a, b, std::integer_sequence<uint32_t, PairLane(kLane, kGroups, 1)...>());
}

// The sum of the lanes of each of kLanes vectors, in their order; overwrites them.
inline Vec SumLanes(Vec* v) {
#pragma GCC unroll 4
  for (int left = kLanes / 2; left; left /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < left; i++)
      v[i] = left >= kLanes / 4 ? AddPairs<false>(v[2 * i], v[2 * i + 1], kEachLane)
                                : AddPairs<true>(v[2 * i], v[2 * i + 1], kEachLane);
  return v[0];
}

// ---- Optimisers ---------------------------------------------------------------------------------------------------

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

// The gradient of a kernel, h' delta, and the optimiser's step with it: one row of a panel at a time, in registers.
// A row whose inputs were 0 since its moments were 0 does not move. With kBackward also dL/dh where h is not 0, the
// product of an example's delta with the row before its step: by unit, (units, stride), added to what is there.
template <bool kBackward>
void Update(const Sparse& by_unit, const Panels& w_at, const Panels& z_at, const float* delta, const Optimizer& o,
            float rate, std::vector<char>& still, float* w, float* m, float* v, float* gradient, size_t stride) {
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
        const int32_t* index = by_unit.indices(i);
        const float* value = by_unit.values(i);
        const int count = by_unit.count[i];
        if constexpr (kBackward) {
          Vec before[kW];
          for (int j = 0; j < kW; j++) before[j] = wi[j];
          for (int k = 0; k < count; k += kLanes) {
            const int lanes = std::min(kLanes, count - k);
            Vec products[kLanes];
            for (int lane = 0; lane < lanes; lane++) {
              const Vec* row = from + static_cast<size_t>(index[k + lane]) * kW;
              Vec even = before[0] * row[0], odd = {};
#pragma GCC unroll 16
              for (int j = 1; j < kW; j++) (j % 2 ? odd : even) += before[j] * row[j];
              products[lane] = even + odd;
            }
            const Vec sums = SumLanes(products);
            for (int lane = 0; lane < lanes; lane++) gradient[i * stride + index[k + lane]] += sums[lane];
          }
        }
        Vec g[kW] = {};
        for (int k = 0; k < count; k++) {
          const float factor = value[k];
          const Vec* row = from + static_cast<size_t>(index[k]) * kW;
#pragma GCC unroll 16
          for (int j = 0; j < kW; j++) g[j] += factor * row[j];
        }
#pragma GCC unroll 16
        for (int j = 0; j < kW; j++) Step(o, rate, g[j] + penalty * wi[j], wi[j], mi[j], vi ? vi + j : nullptr);
      }
    });
}

// Cut the columns of w to length `longest` (Srivastava et al. 2014, section 5.1), as Keras' MaxNorm.
void ApplyMaxNorm(const Panels& w_at, float* w, float longest) {
  constexpr float kEpsilon = 1e-7f;  // Keras'
  for (int p = 0; p < w_at.count; p++) {
    const int wide = w_at.wide(p);
    for (int j = 0; j < wide; j++) {
      Vec* column = reinterpret_cast<Vec*>(w + w_at.at(p)) + j;
      Vec squares = {};
      for (int r = 0; r < w_at.rows; r++) squares += column[r * wide] * column[r * wide];
      const Vec norm = Sqrt(squares);
      Vec limit;
      for (int lane = 0; lane < kLanes; lane++) limit[lane] = std::min(norm[lane], longest);
      const Vec factor = limit / (norm + kEpsilon);
      for (int r = 0; r < w_at.rows; r++) column[r * wide] *= factor;
    }
  }
}

}  // namespace

// ---- Interface ----------------------------------------------------------------------------------------------------

extern "C" {

struct Arrays {  // of a layer, in Keras' layout: kernels (in, out), biases (out,); moments are null where there are none
  float *kernel, *bias, *m_kernel, *m_bias, *v_kernel, *v_bias;
};

enum Activation : int32_t { kRelu, kTanh, kSigmoid };

struct Network {
  int32_t layers;
  Activation activation;
  const int32_t* widths;  // layers + 1
  Arrays* arrays;
};

struct Examples {
  const void* x;  // (n, features)
  int32_t is_uint8;  // else float32
  float scale;  // the network sees x / scale
  const int32_t* labels;
  const float* weights;  // of each example's loss, or null where all are 1
};

struct Noise {  // of one step
  int32_t gaussian;  // else dropout
  uint32_t seed, step;
  const float* hidden;  // rate of each hidden layer, or null for none
  float inputs;
};

struct Epoch {
  const int32_t* rows;  // examples in the epoch's order
  int32_t examples, batch_size;
  int32_t first, steps;  // of this epoch
  uint32_t first_step;   // counted over the run
  uint32_t seed;
  int32_t gaussian;
  const float *learning_rates, *hidden_rates, *input_rates;  // of each step; hidden ones of each layer too
};

struct Running {  // sums over an epoch, as engine/mlp/state.py
  float loss, lost;
  int32_t correct;
};

struct Scores {  // of each example
  float* loss;
  int32_t* label;
  float *confidence, *likelihood, *brier;
  float* probabilities;  // of each class, or null
};
}

namespace {

// ---- The network --------------------------------------------------------------------------------------------------

struct Layer {
  Panels w_at, z_at;
  Memory w, bias, m, v, m_bias, v_bias, z;
  Memory slopes;            // in training dh/dz, without the factor of dropout, unless it is 1 wherever h is not 0
  Sparse x, by_unit;        // the layer's input, by example and, for training, by unit
  std::vector<char> still;  // units whose weights have not moved: their input was 0, and their moments are
  Layer(int in, int out, int examples, bool training)
      : w_at(in, out), z_at(examples, out), x(examples, in), by_unit(in, training ? examples : 0), still(in) {}

  void Load(const Arrays& a) {
    Copy(a.kernel, a.bias, w, bias);
    if (a.m_kernel) Copy(a.m_kernel, a.m_bias, m, m_bias);
    if (a.v_kernel) Copy(a.v_kernel, a.v_bias, v, v_bias);
    z = Zeros(z_at.size());
    const int columns = w_at.columns;
    for (int i = 0; i < w_at.rows; i++) {
      const auto none = [&](const float* moment) {
        const float* row = moment + static_cast<size_t>(i) * columns;
        return !moment || std::all_of(row, row + columns, [](float value) { return value == 0; });
      };
      still[i] = none(a.m_kernel) && none(a.v_kernel);
    }
  }

  void Store(const Arrays& a) const {
    CopyBack(w, bias, a.kernel, a.bias);
    CopyBack(m, m_bias, a.m_kernel, a.m_bias);
    if (v) CopyBack(v, v_bias, a.v_kernel, a.v_bias);
  }

 private:
  void Copy(const float* kernel, const float* from, Memory& panels, Memory& to) const {
    panels = Zeros(w_at.size());
    to = Zeros(static_cast<size_t>(w_at.count) * kPanel);
    for (int r = 0; r < w_at.rows; r++) w_at.Write(kernel + static_cast<size_t>(r) * w_at.columns, r, panels.get());
    std::memcpy(to.get(), from, w_at.columns * 4);
  }
  void CopyBack(const Memory& panels, const Memory& from, float* kernel, float* to) const {
    for (int r = 0; r < w_at.rows; r++) w_at.Read(panels.get(), r, kernel + static_cast<size_t>(r) * w_at.columns);
    std::memcpy(to, from.get(), w_at.columns * 4);
  }
};

class Mlp {
 public:
  Mlp(const Network& network, const Examples& data, int batch_size, bool training)
      : data_(data),
        activation_(network.activation),
        inputs_at_(batch_size, network.widths[0]),
        inputs_(Zeros(inputs_at_.size())),
        training_(training),
        stride_((batch_size / kLanes + 2) * kLanes) {
    for (int l = 0; l < network.layers; l++) {
      layers_.emplace_back(network.widths[l], network.widths[l + 1], batch_size, training);
      layers_.back().Load(network.arrays[l]);
    }
    logits_.resize(layers_.back().w_at.columns);
  }

  void Store(const Network& network) const {
    for (int l = 0; l < network.layers; l++) layers_[l].Store(network.arrays[l]);
  }

  // The forward pass of a batch; the last layer's z then holds the logits.
  void Forward(const int32_t* rows, int examples, const Noise& noise) {
    ReadInputs(rows, examples);
    for (size_t l = 0; l < layers_.size(); l++) {
      Layer& layer = layers_[l];
      CompressRows(InputAt(l), Input(l), examples, layer.x);
      if (const float rate = Rate(l, noise); rate > 0) {
        const Key key = l ? DeriveKey(noise.seed, kMask, noise.step, static_cast<uint32_t>(l - 1))
                          : DeriveKey(noise.seed, kInputMask, noise.step, 0);
        for (int b = 0; b < examples; b++) {
          const uint32_t place = static_cast<uint32_t>(b) * static_cast<uint32_t>(layer.w_at.rows);
          if (noise.gaussian)
            Blur(key, rate, place, b, layer.x, InputAt(l), l ? layers_[l - 1].slopes.get() : nullptr);
          else
            Drop(key, rate, place, b, layer.x);
        }
      }
      ::Forward(layer.x, examples, layer.w_at, layer.w.get(), layer.bias.get(), layer.z_at, layer.z.get());
      if (l + 1 == layers_.size()) break;
      if (training_ && !layer.slopes && (activation_ != kRelu || noise.gaussian)) layer.slopes = Zeros(layer.z_at.size());
      Activate(layer, examples);
    }
  }

  // Cross-entropy and prediction of one example; probabilities take the place of the returned logits.
  float* Score(int example, int label, float* loss, int32_t* predicted) {
    const Layer& last = layers_.back();
    last.z_at.Read(last.z.get(), example, logits_.data());
    float* p = logits_.data();
    const int classes = last.w_at.columns;
    int best = 0;  // the first of the largest; what is no number is larger than any, as for XLA
    for (int c = 1; c < classes; c++)
      if (!std::isnan(p[best]) && !(p[c] <= p[best])) best = c;
    const float top = p[best], own = p[label] - top;
    float sum = 0;
    for (int c = 0; c < classes; c++) sum += p[c] = std::exp(p[c] - top);
    for (int c = 0; c < classes; c++) p[c] /= sum;
    *loss = std::log(sum) - own;
    *predicted = best;
    return p;
  }

  // One training step; returns summed loss and correct predictions.
  std::pair<float, int> Train(const int32_t* rows, int examples, const Noise& noise, const Optimizer& o, float rate) {
    Forward(rows, examples, noise);
    Layer& last = layers_.back();
    float loss = 0;
    int correct = 0;
    for (int b = 0; b < examples; b++) {
      const int label = data_.labels[rows[b]];
      const float weight = data_.weights ? data_.weights[rows[b]] : 1;
      float own;
      int32_t predicted;
      float* p = Score(b, label, &own, &predicted);
      loss += own * weight;
      correct += predicted == label;
      p[label] -= 1;
      for (int c = 0; c < last.w_at.columns; c++) p[c] = p[c] * weight / static_cast<float>(examples);
      last.z_at.Write(p, b, last.z.get());
    }
    for (int l = static_cast<int>(layers_.size()) - 1; l >= 0; l--) {
      Layer& layer = layers_[l];
      if (Rate(l, noise) > 0) Expand(layer.x, examples, InputAt(l), Input(l));
      CompressColumns(InputAt(l), Input(l), examples, layer.by_unit);
      if (l > 0) gradient_.assign(static_cast<size_t>(layer.w_at.rows + kLanes) * stride_, 0);
      const auto update = l ? Update<true> : Update<false>;
      update(layer.by_unit, layer.w_at, layer.z_at, layer.z.get(), o, rate, layer.still, layer.w.get(), layer.m.get(),
             layer.v.get(), gradient_.data(), stride_);
      UpdateBias(layer, examples, o, rate);
      if (o.max_norm > 0 && layers_.size() - l > 1) ApplyMaxNorm(layer.w_at, layer.w.get(), o.max_norm);
      if (l > 0) PassBack(noise.gaussian ? 1 : 1 / (1 - Rate(l, noise)), examples, layers_[l - 1]);
    }
    return {loss, correct};
  }

 private:
  // Dropout rate on the input of a layer.
  float Rate(size_t l, const Noise& noise) const {
    if (!l) return noise.inputs;
    return noise.hidden ? noise.hidden[l - 1] : 0;
  }
  const Panels& InputAt(size_t l) const { return l ? layers_[l - 1].z_at : inputs_at_; }
  float* Input(size_t l) { return l ? layers_[l - 1].z.get() : inputs_.get(); }

  void ReadInputs(const int32_t* rows, int examples) {
    const size_t features = inputs_at_.columns;
    for (int b = 0; b < examples; b++)
      for (int p = 0; p < inputs_at_.count; p++) {
        const size_t from = rows[b] * features + p * kPanel;
        float* to = inputs_.get() + inputs_at_.at(p, b);
        const auto read = [&](const auto* x) {
          for (int c = 0; c < inputs_at_.used(p); c++) to[c] = static_cast<float>(x[c]) / data_.scale;
        };
        if (data_.is_uint8)
          read(static_cast<const uint8_t*>(data_.x) + from);
        else
          read(static_cast<const float*>(data_.x) + from);
      }
  }

  // h in place of z, and its slope where there is room for it.
  void Activate(Layer& layer, int examples) const {
    for (int p = 0; p < layer.z_at.count; p++) {
      Vec* z = reinterpret_cast<Vec*>(layer.z.get() + layer.z_at.at(p));
      Vec* slopes = layer.slopes ? reinterpret_cast<Vec*>(layer.slopes.get() + layer.z_at.at(p)) : nullptr;
      const auto each = [&](const auto& activated) {
        for (int i = 0; i < examples * layer.z_at.wide(p); i++) {
          const auto [h, slope] = activated(z[i]);
          z[i] = h;
          if (slopes) slopes[i] = slope;
        }
      };
      const Vec one = Vec{} + 1;
      if (activation_ == kTanh)
        each([&](Vec x) {
          const Vec h = Tanh(x);
          return std::pair(h, one - h * h);
        });
      else if (activation_ == kSigmoid)
        each([&](Vec x) {
          const Vec h = 0.5f + 0.5f * Tanh(0.5f * x);
          return std::pair(h, h * (one - h));
        });
      else
        each([&](Vec x) { return std::pair(x <= 0 ? Vec{} : x, one); });  // NaN stays, so that a run that diverges is seen
      const int used = layer.z_at.used(p), unused = layer.z_at.stride(p) - used;  // places behind the last unit stay 0
      for (int b = 0; unused && b < examples; b++) std::memset(layer.z.get() + layer.z_at.at(p, b) + used, 0, unused * 4);
    }
  }

  // The dense matrix with the rows of a sparse one.
  static void Expand(const Sparse& x, int examples, const Panels& at, float* dense) {
    for (int p = 0; p < at.count; p++)
      std::memset(dense + at.at(p), 0, static_cast<size_t>(examples) * at.stride(p) * 4);
    for (int b = 0; b < examples; b++)
      for (int k = 0; k < x.count[b]; k++) {
        const int column = x.indices(b)[k];
        dense[at.at(column / kPanel, b) + column % kPanel] = x.values(b)[k];
      }
  }

  // dL/dz of the layer below, from dL/dh: the slope of the activation times that of the noise, where h is not 0.
  void PassBack(float gain, int examples, Layer& below) {
    const Vec* slopes = reinterpret_cast<const Vec*>(below.slopes.get());
    for (int p = 0; p < below.z_at.count; p++)
      for (int j = 0; j < below.z_at.wide(p); j++)
        for (int from = 0; from < examples; from += kLanes) {
          Vec tile[kLanes];
          for (int i = 0; i < kLanes; i++)
            std::memcpy(&tile[i], &gradient_[(p * kPanel + j * kLanes + i) * stride_ + from], sizeof tile[i]);
          Transpose(tile);
          for (int i = 0; i < std::min(kLanes, examples - from); i++) {
            const size_t at = below.z_at.at(p, from + i) / kLanes + j;
            reinterpret_cast<Vec*>(below.z.get())[at] = tile[i] * gain * (slopes ? slopes[at] : Vec{} + 1);
          }
        }
  }

  void UpdateBias(Layer& layer, int examples, const Optimizer& o, float rate) {
    for (int p = 0; p < layer.z_at.count; p++)
      for (int j = 0; j < layer.z_at.wide(p); j++) {
        const Vec* delta = reinterpret_cast<const Vec*>(layer.z.get() + layer.z_at.at(p)) + j;
        Vec g = {};
        for (int b = 0; b < examples; b++) g += delta[b * layer.z_at.wide(p)];
        const auto at = [&](Memory& memory) {
          return memory ? reinterpret_cast<Vec*>(memory.get()) + p * kWide + j : nullptr;
        };
        Step(o, rate, g, *at(layer.bias), *at(layer.m_bias), at(layer.v_bias));
      }
  }

  const Examples& data_;
  const Activation activation_;
  const Panels inputs_at_;
  const Memory inputs_;
  std::vector<Layer> layers_;
  std::vector<float> logits_;
  const bool training_;
  std::vector<float> gradient_;  // dL/dh of a layer's input: units, examples
  const size_t stride_;          // of gradient_
};

}  // namespace

extern "C" {

// Number that changes with this interface; the caller compares it.
int32_t dropstudy_version() { return 5; }

// Take some steps of an epoch; weights and moments are changed in place. Returns 0, or 1 where memory ran out.
int32_t dropstudy_train(const Network* network, const Examples* data, const Epoch* epoch, const Optimizer* optimizer,
                        Running* running) try {
  const FlushDenormals flush;
  Mlp mlp(*network, *data, epoch->batch_size, true);
  for (int32_t s = 0; s < epoch->steps; s++) {
    const int32_t from = (epoch->first + s) * epoch->batch_size;
    const Noise noise = {epoch->gaussian, epoch->seed, epoch->first_step + static_cast<uint32_t>(s),
                         epoch->hidden_rates + static_cast<size_t>(s) * (network->layers - 1), epoch->input_rates[s]};
    const auto [loss, correct] = mlp.Train(epoch->rows + from, std::min(epoch->batch_size, epoch->examples - from),
                                           noise, *optimizer, epoch->learning_rates[s]);
    const float compensated = loss - running->lost, total = running->loss + compensated;  // Kahan 1965
    running->lost = (total - running->loss) - compensated;
    running->loss = total;
    running->correct += correct;
  }
  mlp.Store(*network);
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

// Score `count` rows, a batch at a time: batch i has the noise of step `noise.step + i`. Returns as above.
int32_t dropstudy_evaluate(const Network* network, const Examples* data, const int32_t* rows, int32_t count,
                           int32_t batch_size, const Noise* noise, const Scores* scores) try {
  const FlushDenormals flush;
  Mlp mlp(*network, *data, batch_size, false);
  const int classes = network->widths[network->layers];
  for (int32_t from = 0; from < count; from += batch_size) {
    const int32_t examples = std::min(batch_size, count - from);
    Noise now = *noise;
    now.step += static_cast<uint32_t>(from / batch_size);
    mlp.Forward(rows + from, examples, now);
    for (int32_t b = 0; b < examples; b++) {
      const int32_t i = from + b, label = data->labels[rows[i]];
      const float* p = mlp.Score(b, label, scores->loss + i, scores->label + i);
      scores->confidence[i] = *std::max_element(p, p + classes);
      scores->likelihood[i] = p[label];
      float sum = 0;
      for (int c = 0; c < classes; c++) sum += (p[c] - (c == label)) * (p[c] - (c == label));
      scores->brier[i] = sum;
      if (scores->probabilities)
        std::copy(p, p + classes, scores->probabilities + static_cast<size_t>(i) * classes);
    }
  }
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

// Uniform numbers in [0, 1), as rng.uniform under the key of these four.
void dropstudy_uniform(uint32_t seed, uint32_t purpose, uint32_t when, uint32_t layer, int32_t count, float* out) {
  const Key key = DeriveKey(seed, purpose, when, layer);
  for (int32_t i = 0; i < count; i++) out[i] = static_cast<float>(Draw(key, static_cast<uint32_t>(i)) >> 8) * 0x1p-24f;
}

// A random order of 0 to count - 1, as rng.permutation under the key of these three. Returns as above.
int32_t dropstudy_permutation(uint32_t seed, uint32_t purpose, uint32_t when, int32_t count, int32_t* order) try {
  const Key key = DeriveKey(seed, purpose, when, 0);
  std::vector<uint64_t> keyed(count);
  for (int32_t i = 0; i < count; i++)
    keyed[i] = static_cast<uint64_t>(Draw(key, static_cast<uint32_t>(i))) << 32 | static_cast<uint32_t>(i);
  std::sort(keyed.begin(), keyed.end());
  for (int32_t i = 0; i < count; i++) order[i] = static_cast<int32_t>(keyed[i] & 0xffffffffu);
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}
}
