// Vectors of fixed size, for AVX2, AVX-512 and NEON: lanes in other orders, sums over lanes, numbers below 2^-126.

#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

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
constexpr int kPad = kLanes == 16;  // vectors between two examples: with rows of 512 bytes a unit would fill a few cache sets

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

// Lanes of two vectors, by their numbers from 0 to 2 * kLanes - 1.
template <uint32_t... kLane>
inline Vec Shuffle(Vec a, Vec b, std::integer_sequence<uint32_t, kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, kLane...);
#else
  return __builtin_shuffle(a, b, Bits{kLane...});
#endif
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

}  // namespace
