// Training and evaluation of a multilayer perceptron on one core that skip every factor of 0.
//
// A dropped unit, a unit that relu switched off and a black pixel are 0, and a product with 0 adds nothing. So the
// inputs of each layer are kept as compressed rows (index and value of what is not 0): by example for the forward and
// backward pass, by unit for the gradient of the weights. A step costs what is left to multiply.
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
typedef uint32_t Bits __attribute__((vector_size(kLanes * 4)));

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

// ---- Compressed rows ----------------------------------------------------------------------------------------------

// Rows of a matrix without their zeros: row r has the entries begin[r] to begin[r + 1].
struct Csr {
  std::vector<int32_t> begin, index;
  std::vector<float> value;

  void Reserve(int rows, size_t entries) {
    begin.resize(rows + 1);
    begin[0] = 0;
    if (index.size() < entries + kLanes) index.resize(entries + kLanes), value.resize(entries + kLanes);
  }
};

void Transpose(const Csr& in, int rows, int columns, Csr& out) {
  const int entries = in.begin[rows];
  out.Reserve(columns, entries);
  std::fill(out.begin.begin(), out.begin.end(), 0);
  for (int k = 0; k < entries; k++) out.begin[in.index[k] + 1]++;
  std::partial_sum(out.begin.begin(), out.begin.end(), out.begin.begin());
  thread_local std::vector<int32_t> next;
  next = out.begin;
  for (int row = 0; row < rows; row++)
    for (int k = in.begin[row]; k < in.begin[row + 1]; k++) {
      const int at = next[in.index[k]]++;
      out.index[at] = row;
      out.value[at] = in.value[k];
    }
}

// Dropout on `count` entries of a row whose first column is number `place` of the draws: an entry stays where its draw
// is not below `rate`, times 1 / (1 - rate). Returns how many stay. Entries that are 0 already need no draw.
int Drop(Key key, float rate, uint32_t place, int count, int32_t* index, float* value) {
  const float gain = 1 / (1 - rate);
  // A uniform number is a multiple of 2^-24, so whole numbers compare alike.
  const uint32_t least = static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * 0x1p24));
  int left = 0;
  for (int k = 0; k < count; k += kLanes) {
    Bits y0, y1 = {};
    std::memcpy(&y0, index + k, sizeof y0);
    y0 += place;
    Threefry(key, y0, y1);
    y0 >>= 8;
    uint32_t draws[kLanes];
    std::memcpy(draws, &y0, sizeof y0);
    const int lanes = std::min(kLanes, count - k);
    for (int lane = 0; lane < lanes; lane++) {
      index[left] = index[k + lane];
      value[left] = value[k + lane] * gain;
      left += draws[lane] >= least;
    }
  }
  return left;
}

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

// ---- Products -----------------------------------------------------------------------------------------------------

// z = x w + bias.
void Forward(const Csr& x, int examples, const Panels& w_at, const float* w, const float* bias, const Panels& z_at,
             float* z) {
  for (int p = 0; p < w_at.count; p++)
    WithWide(w_at.wide(p), [&](auto wide) {
      constexpr int kW = wide;
      const Vec* panel = reinterpret_cast<const Vec*>(w + w_at.at(p));
      const Vec* start = reinterpret_cast<const Vec*>(bias + p * kPanel);
      Vec* out = reinterpret_cast<Vec*>(z + z_at.at(p));
      for (int b = 0; b < examples; b++, out += kW) {
        Vec sums[kW];
        for (int j = 0; j < kW; j++) sums[j] = start[j];
        for (int k = x.begin[b]; k < x.begin[b + 1]; k++) {
          const float factor = x.value[k];
          const Vec* row = panel + static_cast<size_t>(x.index[k]) * kW;
#pragma GCC unroll 16
          for (int j = 0; j < kW; j++) sums[j] += factor * row[j];
        }
        for (int j = 0; j < kW; j++) out[j] = sums[j];
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
#if defined(__clang__)
  return __builtin_shufflevector(a, b, PairLane(kLane, kGroups, 0)...) +
         __builtin_shufflevector(a, b, PairLane(kLane, kGroups, 1)...);
#else
  return __builtin_shuffle(a, b, Bits{PairLane(kLane, kGroups, 0)...}) +
         __builtin_shuffle(a, b, Bits{PairLane(kLane, kGroups, 1)...});
#endif
}

// The sum of the lanes of each of kLanes vectors, in their order; overwrites them.
inline Vec SumLanes(Vec* v) {
#pragma GCC unroll 4
  for (int left = kLanes / 2; left; left /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < left; i++) {
      constexpr std::make_integer_sequence<int, kLanes> lanes;
      v[i] = left >= kLanes / 4 ? AddPairs<false>(v[2 * i], v[2 * i + 1], lanes)
                                : AddPairs<true>(v[2 * i], v[2 * i + 1], lanes);
    }
  return v[0];
}

// dL/dh for the entries of h alone: the product of an example's dL/dz with the unit's row of w.
void Backward(const Csr& h, int examples, const Panels& w_at, const float* w, const Panels& z_at, const float* delta,
              float* gradient) {
  std::fill(gradient, gradient + h.begin[examples], 0.0f);
  for (int p = 0; p < w_at.count; p++)
    WithWide(w_at.wide(p), [&](auto wide) {
      constexpr int kW = wide;
      const Vec* panel = reinterpret_cast<const Vec*>(w + w_at.at(p));
      const Vec* from = reinterpret_cast<const Vec*>(delta + z_at.at(p));
      for (int b = 0; b < examples; b++, from += kW) {
        Vec d[kW];
        for (int j = 0; j < kW; j++) d[j] = from[j];
        for (int k = h.begin[b]; k < h.begin[b + 1]; k += kLanes) {
          const int lanes = std::min(kLanes, h.begin[b + 1] - k);
          Vec products[kLanes];
#pragma GCC unroll 16
          for (int lane = 0; lane < kLanes; lane++) {
            const Vec* row = panel + static_cast<size_t>(h.index[k + (lane < lanes ? lane : 0)]) * kW;
            Vec even = d[0] * row[0], odd = {};
#pragma GCC unroll 16
            for (int j = 1; j < kW; j++) (j % 2 ? odd : even) += d[j] * row[j];
            products[lane] = even + odd;
          }
          const Vec sums = SumLanes(products);
          for (int lane = 0; lane < lanes; lane++) gradient[k + lane] += sums[lane];
        }
      }
    });
}

// ---- Optimisers ---------------------------------------------------------------------------------------------------

extern "C" struct Optimizer {
  int32_t adam;  // else SGD with momentum
  float gain_1, gain_2, epsilon, momentum, l2, max_norm;
};

inline Vec Sqrt(Vec v) {
  Vec root;
#pragma GCC unroll 16
  for (int lane = 0; lane < kLanes; lane++) root[lane] = std::sqrt(v[lane]);
  return root;
}

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
// A row whose inputs were 0 since its moments were 0 does not move.
void Update(const Csr& by_unit, const Panels& w_at, const Panels& z_at, const float* delta, const Optimizer& o,
            float rate, std::vector<char>& still, float* w, float* m, float* v) {
  const float penalty = 2 * o.l2;
  for (int i = 0; i < w_at.rows; i++) still[i] &= by_unit.begin[i] == by_unit.begin[i + 1] && penalty == 0;
  for (int p = 0; p < w_at.count; p++)
    WithWide(w_at.wide(p), [&](auto wide) {
      constexpr int kW = wide;
      const Vec* from = reinterpret_cast<const Vec*>(delta + z_at.at(p));
      Vec* ws = reinterpret_cast<Vec*>(w + w_at.at(p));
      Vec* ms = reinterpret_cast<Vec*>(m + w_at.at(p));
      Vec* vs = v ? reinterpret_cast<Vec*>(v + w_at.at(p)) : nullptr;
      for (int i = 0; i < w_at.rows; i++) {
        if (still[i]) continue;
        Vec g[kW] = {};
        for (int k = by_unit.begin[i]; k < by_unit.begin[i + 1]; k++) {
          const float factor = by_unit.value[k];
          const Vec* row = from + static_cast<size_t>(by_unit.index[k]) * kW;
#pragma GCC unroll 16
          for (int j = 0; j < kW; j++) g[j] += factor * row[j];
        }
        const size_t at = static_cast<size_t>(i) * kW;
#pragma GCC unroll 16
        for (int j = 0; j < kW; j++)
          Step(o, rate, g[j] + penalty * ws[at + j], ws[at + j], ms[at + j], vs ? vs + at + j : nullptr);
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

struct Network {
  int32_t layers;
  const int32_t* widths;  // layers + 1
  Arrays* arrays;
};

struct Examples {
  const void* x;  // (n, features)
  int32_t is_uint8;  // else float32
  float scale;  // the network sees x / scale
  const int32_t* labels;
};

struct Noise {  // of one step
  uint32_t seed, step;
  float hidden, inputs;  // rates
};

struct Epoch {
  const int32_t* rows;  // examples in the epoch's order
  int32_t examples, batch_size;
  int32_t first, steps;  // of this epoch
  uint32_t first_step;   // counted over the run
  uint32_t seed;
  const float *learning_rates, *hidden_rates, *input_rates;  // of each step
};

struct Running {  // sums over an epoch, as engine/mlp/state.py
  float loss, lost;
  int32_t correct;
};

struct Scores {  // of each example
  float* loss;
  int32_t* label;
  float *confidence, *likelihood, *brier;
};
}

namespace {

// ---- The network --------------------------------------------------------------------------------------------------

struct Layer {
  Panels w_at, z_at;
  Memory w, bias, m, v, m_bias, v_bias, z;
  Csr x, by_unit;           // the layer's input, by example and by unit
  std::vector<char> still;  // units whose weights have not moved: their input was 0, and their moments are
  Layer(int in, int out, int examples) : w_at(in, out), z_at(examples, out), still(in) {}

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
  Mlp(const Network& network, const Examples& data, int batch_size) : data_(data), features_(network.widths[0]) {
    for (int l = 0; l < network.layers; l++) {
      layers_.emplace_back(network.widths[l], network.widths[l + 1], batch_size);
      layers_.back().Load(network.arrays[l]);
    }
    logits_.resize(layers_.back().w_at.columns);
  }

  void Store(const Network& network) const {
    for (int l = 0; l < network.layers; l++) layers_[l].Store(network.arrays[l]);
  }

  // The forward pass of a batch; the last layer's z then holds the logits.
  void Forward(const int32_t* rows, int examples, const Noise& noise) {
    ReadInputs(rows, examples, noise);
    for (size_t l = 0; l < layers_.size(); l++) {
      Layer& layer = layers_[l];
      ::Forward(layer.x, examples, layer.w_at, layer.w.get(), layer.bias.get(), layer.z_at, layer.z.get());
      if (l + 1 < layers_.size())
        Activate(layer, examples, noise.hidden, DeriveKey(noise.seed, kMask, noise.step, static_cast<uint32_t>(l)),
                 layers_[l + 1].x);
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
      float own;
      int32_t predicted;
      float* p = Score(b, label, &own, &predicted);
      loss += own;
      correct += predicted == label;
      p[label] -= 1;
      for (int c = 0; c < last.w_at.columns; c++) p[c] /= static_cast<float>(examples);
      last.z_at.Write(p, b, last.z.get());
    }
    for (int l = static_cast<int>(layers_.size()) - 1; l >= 0; l--) {
      Layer& layer = layers_[l];
      const float* delta = layer.z.get();
      if (l > 0) {
        gradient_.resize(std::max<size_t>(gradient_.size(), layer.x.begin[examples]));
        Backward(layer.x, examples, layer.w_at, layer.w.get(), layer.z_at, delta, gradient_.data());
        Expand(layer.x, examples, 1 / (1 - noise.hidden), layers_[l - 1]);
      }
      Transpose(layer.x, examples, layer.w_at.rows, layer.by_unit);
      Update(layer.by_unit, layer.w_at, layer.z_at, delta, o, rate, layer.still, layer.w.get(), layer.m.get(),
             layer.v.get());
      UpdateBias(layer, examples, o, rate);
      if (o.max_norm > 0 && layers_.size() - l > 1) ApplyMaxNorm(layer.w_at, layer.w.get(), o.max_norm);
    }
    return {loss, correct};
  }

 private:
  void ReadInputs(const int32_t* rows, int examples, const Noise& noise) {
    Csr& x = layers_[0].x;
    x.Reserve(examples, static_cast<size_t>(examples) * features_);
    const Key key = DeriveKey(noise.seed, kInputMask, noise.step, 0);
    int at = 0;
    for (int b = 0; b < examples; b++) {
      const int begin = at;
      const size_t from = static_cast<size_t>(rows[b]) * features_;
      if (data_.is_uint8) {
        const uint8_t* row = static_cast<const uint8_t*>(data_.x) + from;
        for (int i = 0; i < features_; i += 8) {
          const int n = std::min(8, features_ - i);
          uint64_t eight = 0;
          std::memcpy(&eight, row + i, n);
          if (!eight) continue;
          for (int j = i; j < i + n; j++) at = Append(x, at, j, static_cast<float>(row[j]));
        }
      } else {
        const float* row = static_cast<const float*>(data_.x) + from;
        for (int i = 0; i < features_; i++) at = Append(x, at, i, row[i]);
      }
      if (noise.inputs > 0)
        at = begin + Drop(key, noise.inputs, static_cast<uint32_t>(b) * features_, at - begin, &x.index[begin],
                          &x.value[begin]);
      x.begin[b + 1] = at;
    }
  }

  int Append(Csr& x, int at, int column, float value) const {
    x.index[at] = column;
    x.value[at] = value / data_.scale;
    return at + (value != 0);
  }

  // relu and dropout: what stays of z is the next layer's input.
  void Activate(const Layer& layer, int examples, float rate, Key key, Csr& h) {
    const int units = layer.w_at.columns;
    h.Reserve(examples, static_cast<size_t>(examples) * units);
    int at = 0;
    for (int b = 0; b < examples; b++) {
      const int begin = at;
      for (int p = 0; p < layer.z_at.count; p++) {
        const float* z = layer.z.get() + layer.z_at.at(p, b);
        for (int c = 0; c < layer.z_at.used(p); c++) {
          h.index[at] = p * kPanel + c;
          h.value[at] = z[c];
          at += !(z[c] <= 0);  // NaN stays, so that a run that diverges is seen
        }
      }
      if (rate > 0)
        at = begin + Drop(key, rate, static_cast<uint32_t>(b) * units, at - begin, &h.index[begin], &h.value[begin]);
      h.begin[b + 1] = at;
    }
  }

  // dL/dz of the layer below: the gradient of its entries times their slope, 0 elsewhere.
  void Expand(const Csr& h, int examples, float slope, Layer& below) {
    float* delta = below.z.get();
    std::memset(delta, 0, below.z_at.size() * 4);
    for (int b = 0; b < examples; b++)
      for (int k = h.begin[b]; k < h.begin[b + 1]; k++)
        delta[below.z_at.at(h.index[k] / kPanel, b) + h.index[k] % kPanel] = gradient_[k] * slope;
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
  const int features_;
  std::vector<Layer> layers_;
  std::vector<float> logits_, gradient_;
};

}  // namespace

extern "C" {

// Number that changes with this interface; the caller compares it.
int32_t dropstudy_version() { return 1; }

// Take some steps of an epoch; weights and moments are changed in place. Returns 0, or 1 where memory ran out.
int32_t dropstudy_train(const Network* network, const Examples* data, const Epoch* epoch, const Optimizer* optimizer,
                        Running* running) try {
  Mlp mlp(*network, *data, epoch->batch_size);
  for (int32_t s = 0; s < epoch->steps; s++) {
    const int32_t from = (epoch->first + s) * epoch->batch_size;
    const Noise noise = {epoch->seed, epoch->first_step + static_cast<uint32_t>(s), epoch->hidden_rates[s],
                         epoch->input_rates[s]};
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
  Mlp mlp(*network, *data, batch_size);
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
