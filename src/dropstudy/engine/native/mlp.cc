// Training and evaluation of a multilayer perceptron on one core that skip every factor of 0.
//
// A dropped unit, a unit that relu switched off and a black pixel are 0, and a product with 0 adds nothing. So the
// inputs of each layer are kept without their zeros, as index and value of the others: by example for the forward pass,
// by unit for the backward pass and the gradient of the weights. A step costs what is left to multiply.
//
// Weights, moments and activations lie in panels of kPanel columns, so that the sums of a panel stay in registers. Vectors
// of fixed size serve AVX2, AVX-512 and NEON. Sums are float32. Their order depends on the data alone, so equal runs are
// equal to the bit.
//
// C++17 with GCC's vector extensions (GCC 12, Clang 14 or newer). The headers beside it are its own: the first one to read
// is panels.h, then sparse.h, products.h and optimizers.h.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "optimizers.h"
#include "panels.h"
#include "products.h"
#include "random.h"
#include "sparse.h"
#include "vectors.h"

// ---- Interface, as library.py has it ------------------------------------------------------------------------------

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
  Sparse x;                 // the layer's input, by example
  std::vector<char> still;  // units whose weights have not moved: their input was 0, and their moments are
  Layer(int in, int out, int examples) : w_at(in, out), z_at(examples, out, kPad), x(examples, in), still(in) {}

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
        row_(network.widths[0] + kLanes),
        training_(training),
        by_unit_(training ? *std::max_element(network.widths, network.widths + network.layers) : 0, batch_size),
        gradient_(by_unit_.entry.size()) {
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
    ReadInputs(rows, examples);
    for (size_t l = 0; l < layers_.size(); l++) {
      Layer& layer = layers_[l];
      if (Rate(l, noise) > 0) AddNoise(l, examples, noise);
      ::Forward(layer.x, examples, layer.w_at, layer.w.get(), layer.bias.get(), layer.z_at, layer.z.get());
      if (l + 1 == layers_.size()) break;
      if (training_ && !layer.slopes && (activation_ != kRelu || noise.gaussian)) layer.slopes = Zeros(layer.z_at.size());
      Activate(layer, examples, layers_[l + 1].x);
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
      Transpose(layer.x, examples, by_unit_);
      const auto update = l ? Update<true> : Update<false>;
      const float longest = &layer == &last ? 0 : o.max_norm;
      update(by_unit_, layer.w_at, layer.z_at, layer.z.get(), o, rate, longest, layer.still, layer.w.get(),
             layer.m.get(), layer.v.get(), gradient_.data());
      UpdateBias(layer, examples, o, rate);
      if (l > 0) PassBack(noise.gaussian ? 1 : 1 / (1 - Rate(l, noise)), layers_[l - 1]);
    }
    return {loss, correct};
  }

 private:
  // Dropout rate on the input of a layer.
  float Rate(size_t l, const Noise& noise) const {
    if (!l) return noise.inputs;
    return noise.hidden ? noise.hidden[l - 1] : 0;
  }

  void ReadInputs(const int32_t* rows, int examples) {
    Sparse& out = layers_.front().x;
    const size_t features = layers_.front().w_at.rows;
    const auto read = [&](const auto* x) {
      // Examples come in random order, so that each waits for memory; some are asked for at once.
      constexpr size_t kBytesAtOnce = 1 << 15, kLine = 64 / sizeof *x;
      const int at_once = static_cast<int>(std::max<size_t>(kBytesAtOnce / (features * sizeof *x), 1));
      for (int from = 0; from < examples; from += at_once) {
        const int to = std::min(from + at_once, examples);
        for (int b = from; b < to; b++)
          for (size_t c = 0; c < features; c += kLine) __builtin_prefetch(x + rows[b] * features + c);
        for (int b = from; b < to; b++) {
          const auto* example = x + rows[b] * features;
          for (size_t c = 0; c < features; c++) row_[c] = static_cast<float>(example[c]);
          Compress(row_.data(), features, b, out);
          float* values = out.values(b);
          for (int k = 0; k < out.count[b]; k++) values[k] /= data_.scale;
        }
      }
    };
    if (data_.is_uint8)
      read(static_cast<const uint8_t*>(data_.x));
    else
      read(static_cast<const float*>(data_.x));
  }

  // Noise on the input of a layer, with a draw for each place of the batch.
  void AddNoise(size_t l, int examples, const Noise& noise) {
    Layer& layer = layers_[l];
    const float rate = Rate(l, noise);
    const Key key = l ? DeriveKey(noise.seed, kMask, noise.step, static_cast<uint32_t>(l - 1))
                      : DeriveKey(noise.seed, kInputMask, noise.step, 0);
    for (int b = 0; b < examples; b++) {
      const uint32_t place = static_cast<uint32_t>(b) * static_cast<uint32_t>(layer.w_at.rows);
      if (noise.gaussian)
        Blur(key, rate, place, b, layer.x, [&](int column, float factor) {
          if (l && layers_[l - 1].slopes) layers_[l - 1].slopes[layers_[l - 1].z_at.place(b, column)] *= factor;
        });
      else
        Drop(key, rate, place, b, layer.x);
    }
  }

  // The activation of z without its zeros, and its slope where there is room for it.
  void Activate(Layer& layer, int examples, Sparse& out) const {
    const Panels& at = layer.z_at;
    const auto each = [&](const auto& activated) {
      for (int b = 0; b < examples; b++) {
        out.count[b] = 0;
        Bits units = Numbers(kEachLane);
        for (int p = 0; p < at.count; p++) {
          const Vec* z = reinterpret_cast<const Vec*>(layer.z.get() + at.at(p, b));
          Vec* slopes = layer.slopes ? reinterpret_cast<Vec*>(layer.slopes.get() + at.at(p, b)) : nullptr;
          for (int j = 0; j < at.wide(p); j++, units += kLanes) {
            const auto [h, slope] = activated(z[j]);
            if (slopes) slopes[j] = slope;
            out.Add(b, (h != 0) & (units < static_cast<uint32_t>(at.columns)), units, h);
          }
        }
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
  }

  // dL/dz of the layer below, from dL/dh: the slope of the activation times that of the noise, where h is not 0.
  void PassBack(float gain, Layer& below) const {
    std::memset(below.z.get(), 0, below.z_at.size() * 4);
    for (int unit = 0; unit < below.z_at.columns; unit++)
      for (int k = 0; k < by_unit_.count[unit]; k++) {
        const size_t at = below.z_at.place(by_unit_.entries(unit)[k].row, unit);
        const float slope = below.slopes ? below.slopes[at] : 1;
        below.z[at] = gradient_[unit * by_unit_.stride + k] * gain * slope;
      }
  }

  void UpdateBias(Layer& layer, int examples, const Optimizer& o, float rate) {
    for (int p = 0; p < layer.z_at.count; p++)
      for (int j = 0; j < layer.z_at.wide(p); j++) {
        const float* delta = layer.z.get() + layer.z_at.at(p) + j * kLanes;
        Vec g = {};
        for (int b = 0; b < examples; b++) g += *reinterpret_cast<const Vec*>(delta + b * layer.z_at.stride(p));
        const auto at = [&](Memory& memory) {
          return memory ? reinterpret_cast<Vec*>(memory.get()) + p * kWide + j : nullptr;
        };
        Step(o, rate, g, *at(layer.bias), *at(layer.m_bias), at(layer.v_bias));
      }
  }

  const Examples& data_;
  const Activation activation_;
  std::vector<Layer> layers_;
  std::vector<float> row_;  // of the inputs
  std::vector<float> logits_;
  const bool training_;
  Columns by_unit_;              // a layer's input
  std::vector<float> gradient_;  // dL/dh of each of its entries
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
