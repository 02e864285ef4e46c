// Functions of vectors: polynomials, logarithm, square root, hyperbolic tangent, the inverse of the error function.

#pragma once

#include <cmath>

#include "vectors.h"

namespace {

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

}  // namespace
