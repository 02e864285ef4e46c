// Random numbers, each a function of its key and its place, as in engine/mlp/rng.py.

#pragma once

#include <cstdint>

namespace {

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

}  // namespace
