// Compiled once per instruction set: DECANT_CPU_LEVEL names the namespace (see CMakeLists.txt).
// Everything has internal linkage and nothing comes from the standard library, so that no function
// compiled for one instruction set can stand in for another's.

#include "agents/nets/cpu_kernels.h"

namespace agents::kernels::DECANT_CPU_LEVEL {
namespace {

constexpr int64_t kLanes = 16;
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef uint16_t Halves
    __attribute__((vector_size(kLanes * sizeof(uint16_t)), aligned(2), may_alias));

constexpr float kNoScore = -1e30F;

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

float as_float(float x) { return x; }
float as_float(Bfloat16 x) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16);
}

// Round to nearest, ties to even; NaN stays NaN.
void store(float x, float* to) { *to = x; }
void store(float x, Bfloat16* to) {
  const auto bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to->bits = static_cast<uint16_t>(x != x ? 0x7fc0 : rounded);
}

// e^x, within 2 units in the last place; 0 below -87. Source: Cephes expf (range reduction by ln 2
// in two parts, a polynomial of degree 5).
inline float exponential(float x) {
  const float bounded = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  const float shifted = bounded * 1.44269504088896341F + 12582912.0F;  // 1.5 * 2^23: rounds
  const float n = shifted - 12582912.0F;
  const float r = bounded - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float mantissa = p * r * r + r + 1.0F;
  const auto power = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  const float result = mantissa * __builtin_bit_cast(float, power);
  return x < -87.0F ? 0.0F : result;
}

// ln x for positive normal x, within 2 units. Source: Cephes logf.
float logarithm(float x) {
  auto bits = __builtin_bit_cast(uint32_t, x);
  auto exponent = static_cast<int32_t>(bits >> 23) - 126;
  float m = __builtin_bit_cast(float, (bits & 0x7fffffU) | 0x3f000000U);  // [0.5, 1)
  if (m < 0.707106781186547524F) {
    --exponent;
    m = m + m - 1;
  } else {
    m = m - 1;
  }
  const float z = m * m;
  float p = 7.0376836292e-2F;
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  const auto n = static_cast<float>(exponent);
  return m + (m * z * p - 2.12194440e-4F * n - 0.5F * z) + 0.693359375F * n;
}

// --- Matrix products of attention -------------------------------------------------------------

// C[M, N] = (add ? C : 0) + A B. A's element (i, k) stands at a[i * a_row + k * a_column]; B and C are
// row-major with N a multiple of the lanes. M rows and V vectors of C stay in registers.
template <int M, int V>
inline void tile(int64_t depth, const float* a, int64_t a_row, int64_t a_column, const float* b,
                 int64_t b_row, float* c, int64_t c_row, bool add) {
  Vector sum[M][V];
  for (int i = 0; i < M; ++i) {
    for (int v = 0; v < V; ++v) {
      sum[i][v] = add ? *reinterpret_cast<const Vector*>(c + i * c_row + v * kLanes) : Vector{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector right[V];
    for (int v = 0; v < V; ++v) {
      right[v] = *reinterpret_cast<const Vector*>(b + k * b_row + v * kLanes);
    }
    for (int i = 0; i < M; ++i) {
      const float left = a[i * a_row + k * a_column];
      for (int v = 0; v < V; ++v) sum[i][v] += left * right[v];
    }
  }
  for (int i = 0; i < M; ++i) {
    for (int v = 0; v < V; ++v) {
      *reinterpret_cast<Vector*>(c + i * c_row + v * kLanes) = sum[i][v];
    }
  }
}

template <int V>
void columns(int64_t m, int64_t depth, const float* a, int64_t a_row, int64_t a_column,
             const float* b, int64_t b_row, float* c, int64_t c_row, bool add) {
  constexpr int kRows = 6;
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) {
    tile<kRows, V>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
  }
  for (; i + 2 <= m; i += 2) {
    tile<2, V>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
  }
  if (i < m) {
    tile<1, V>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, add);
  }
}

void multiply(int64_t m, int64_t n, int64_t depth, const float* a, int64_t a_row, int64_t a_column,
              const float* b, int64_t b_row, float* c, int64_t c_row, bool add) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
    columns<4>(m, depth, a, a_row, a_column, b + j, b_row, c + j, c_row, add);
  }
  for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
    columns<2>(m, depth, a, a_row, a_column, b + j, b_row, c + j, c_row, add);
  }
  for (; j < n; j += kLanes) {
    columns<1>(m, depth, a, a_row, a_column, b + j, b_row, c + j, c_row, add);
  }
}

// --- Packing: one head, as float32, rotated -----------------------------------------------------

// `width` floats of one head at one position, turned by its angles (transformers' rotate_half).
template <class T>
inline void read_head(const T* from, int64_t width, const float* cosine, const float* sine,
                      float* to) {
  if (!cosine) {
    for (int64_t i = 0; i < width; ++i) to[i] = as_float(from[i]);
    return;
  }
  const int64_t half = width / 2;
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float x = as_float(from[i]);
    const float y = as_float(from[i + half]);
    to[i] = x * cosine[i] - y * sine[i];
    to[i + half] = y * cosine[i] + x * sine[i];
  }
}

// The gradient's way back: turned the other way.
template <class T>
inline void write_head(const float* from, int64_t width, const float* cosine, const float* sine,
                       T* to) {
  if (!cosine) {
    for (int64_t i = 0; i < width; ++i) store(from[i], to + i);
    return;
  }
  const int64_t half = width / 2;
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float x = from[i];
    const float y = from[i + half];
    store(x * cosine[i] + y * sine[i], to + i);
    store(y * cosine[i] - x * sine[i], to + i + half);
  }
}

// Rows [first, last) of one head to [last - first, padded width].
template <class T>
void pack(const AttentionProblem<T>& p, const T* from, bool turn, int64_t first, int64_t last,
          float* to) {
  const int64_t width = padded(p.head_width);
  const int64_t half = p.head_width / 2;
  for (int64_t t = first; t < last; ++t, to += width) {
    const bool turns = turn && p.cosine;
    read_head(from + t * p.row, p.head_width, turns ? p.cosine + t * half : nullptr,
              turns ? p.sine + t * half : nullptr, to);
    for (int64_t i = p.head_width; i < width; ++i) to[i] = 0;
  }
}

// [rows, padded width] to [width, columns], columns >= rows and zero beyond.
void transpose(const float* from, int64_t rows, int64_t width, int64_t columns, float* to) {
  const int64_t from_row = padded(width);
  for (int64_t i = 0; i < width; ++i) {
    float* out = to + i * columns;
    for (int64_t t = 0; t < rows; ++t) out[t] = from[t * from_row + i];
    for (int64_t t = rows; t < columns; ++t) out[t] = 0;
  }
}

// --- Attention ----------------------------------------------------------------------------------

constexpr int64_t kBlock = 48;  // queries at a time: divides by the rows of a tile

struct Span {
  int64_t first;  // a multiple of the lanes
  int64_t end;    // beyond the last, up to a multiple of the lanes
  int64_t width() const { return end - first; }
};

// Keys that queries [q, q_end) may see together.
Span visible(int64_t q, int64_t q_end, int64_t window) {
  const int64_t first = window > 0 ? most(0, q - window + 1) : 0;
  return {first / kLanes * kLanes, padded(q_end)};
}

// Of one query at position q: keys [low, q].
int64_t lowest(int64_t q, int64_t window) { return window > 0 ? most(0, q - window + 1) : 0; }

// exp(score * scale - max) in place over a row of keys [span.first, span.end), zero for those that
// the query does not see. Returns the sum; *log_sum_exp of the scaled scores.
inline float softmax_row(float* row, Span span, int64_t low, int64_t q, float scale,
                         float* log_sum_exp) {
  const int64_t begin = low - span.first;
  const int64_t end = q + 1 - span.first;
  float top = kNoScore;
#pragma omp simd reduction(max : top)
  for (int64_t j = begin; j < end; ++j) top = top > row[j] ? top : row[j];
  const float shift = top * scale;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = begin; j < end; ++j) {
    const float e = exponential(row[j] * scale - shift);
    row[j] = e;
    sum += e;
  }
  for (int64_t j = 0; j < begin; ++j) row[j] = 0;
  for (int64_t j = end; j < span.width(); ++j) row[j] = 0;
  *log_sum_exp = shift + logarithm(sum);
  return sum;
}

int64_t scratch(int64_t length, int64_t head_width) {
  const int64_t width = padded(head_width);
  const int64_t columns = padded(length);
  return 2 * columns * width + 2 * kBlock * width + kBlock * columns;
}

int64_t scratch_backward(int64_t length, int64_t head_width) {
  const int64_t width = padded(head_width);
  const int64_t columns = padded(length);
  return 5 * columns * width + 3 * kBlock * width + 2 * kBlock * columns;
}

template <class T>
void attend(const AttentionProblem<T>& p, T* output, int64_t output_row, float* log_sum_exp,
            float* memory) {
  const int64_t width = padded(p.head_width);
  const int64_t columns = padded(p.length);
  float* keys = memory;                     // [width, columns], transposed
  float* values = keys + columns * width;   // [T, width]
  float* query = values + columns * width;  // [block, width]
  float* out = query + kBlock * width;      // [block, width]
  float* scores = out + kBlock * width;     // [block, columns]; first holds the keys' rows
  pack(p, p.key, true, 0, p.length, values);
  transpose(values, p.length, p.head_width, columns, keys);
  pack(p, p.value, false, 0, p.length, values);
  // Rows beyond the end are multiplied by zero, so they must be finite.
  for (int64_t i = p.length * width; i < columns * width; ++i) values[i] = 0;
  for (int64_t g = 0; g < p.group; ++g) {
    for (int64_t q = p.from; q < p.length; q += kBlock) {
      const int64_t q_end = least(q + kBlock, p.length);
      const Span span = visible(q, q_end, p.window);
      pack(p, p.query + g * p.head_width, true, q, q_end, query);
      multiply(q_end - q, span.width(), p.head_width, query, width, 1, keys + span.first, columns,
               scores, columns, false);
      float scale_of[kBlock];
      for (int64_t t = q; t < q_end; ++t) {
        float log_sum = 0;
        scale_of[t - q] = 1 / softmax_row(scores + (t - q) * columns, span, lowest(t, p.window), t,
                                          p.scale, &log_sum);
        if (log_sum_exp) log_sum_exp[g * (p.length - p.from) + t - p.from] = log_sum;
      }
      multiply(q_end - q, width, span.width(), scores, columns, 1, values + span.first * width,
               width, out, width, false);
      for (int64_t t = q; t < q_end; ++t) {
        const float* from = out + (t - q) * width;
        T* to = output + (t - p.from) * output_row + g * p.head_width;
        for (int64_t i = 0; i < p.head_width; ++i) store(from[i] * scale_of[t - q], to + i);
      }
    }
  }
}

// Recomputes the probabilities P from the log-sum-exp. With S = scale Q Kᵀ and O = P V:
// dV = Pᵀ dO, dS = P (dO Vᵀ - rowsum(dO O)), dQ = scale dS K, dK = scale dSᵀ Q.
// Source: Dao et al. 2022, "FlashAttention", arXiv:2205.14135, algorithm 4.
template <class T>
void attend_backward(const AttentionProblem<T>& p, const AttentionGradient<T>& gradient,
                     float* memory) {
  const int64_t width = padded(p.head_width);
  const int64_t columns = padded(p.length);
  const int64_t half = p.head_width / 2;
  float* keys = memory;  // [T, width]
  float* keys_transposed = keys + columns * width;
  float* values_transposed = keys_transposed + columns * width;
  float* to_keys = values_transposed + columns * width;  // [T, width]
  float* to_values = to_keys + columns * width;          // [T, width]
  float* query = to_values + columns * width;            // [block, width]
  float* upstream = query + kBlock * width;              // [block, width]
  float* to_query = upstream + kBlock * width;           // [block, width]
  float* probability = to_query + kBlock * width;        // [block, columns]
  float* to_score = probability + kBlock * columns;      // [block, columns]
  pack(p, p.value, false, 0, p.length, keys);
  transpose(keys, p.length, p.head_width, columns, values_transposed);
  pack(p, p.key, true, 0, p.length, keys);
  for (int64_t i = p.length * width; i < columns * width; ++i) keys[i] = 0;
  transpose(keys, p.length, p.head_width, columns, keys_transposed);
  for (int64_t i = 0; i < columns * width; ++i) to_keys[i] = to_values[i] = 0;
  const int64_t wanted = p.length - p.from;
  for (int64_t g = 0; g < p.group; ++g) {
    for (int64_t q = p.from; q < p.length; q += kBlock) {
      const int64_t q_end = least(q + kBlock, p.length);
      const int64_t rows = q_end - q;
      const Span span = visible(q, q_end, p.window);
      pack(p, p.query + g * p.head_width, true, q, q_end, query);
      multiply(rows, span.width(), p.head_width, query, width, 1, keys_transposed + span.first,
               columns, probability, columns, false);
      for (int64_t t = 0; t < rows; ++t) {
        const int64_t out_offset = (q + t - p.from) * gradient.output_row + g * p.head_width;
        float* up = upstream + t * width;
        for (int64_t i = 0; i < p.head_width; ++i)
          up[i] = as_float(gradient.gradient[out_offset + i]);
        for (int64_t i = p.head_width; i < width; ++i) up[i] = 0;
      }
      multiply(rows, span.width(), p.head_width, upstream, width, 1, values_transposed + span.first,
               columns, to_score, columns, false);
      for (int64_t t = 0; t < rows; ++t) {
        const int64_t out_offset = (q + t - p.from) * gradient.output_row + g * p.head_width;
        const float* up = upstream + t * width;
        const T* out = gradient.output + out_offset;
        float dot = 0;
#pragma omp simd reduction(+ : dot)
        for (int64_t i = 0; i < p.head_width; ++i) dot += up[i] * as_float(out[i]);
        const float log_sum = gradient.log_sum_exp[g * wanted + q + t - p.from];
        float* prob = probability + t * columns;
        float* to = to_score + t * columns;
        const int64_t begin = lowest(q + t, p.window) - span.first;
        const int64_t end = q + t + 1 - span.first;
        for (int64_t j = 0; j < begin; ++j) prob[j] = to[j] = 0;
#pragma omp simd
        for (int64_t j = begin; j < end; ++j) {
          prob[j] = exponential(prob[j] * p.scale - log_sum);
          to[j] = prob[j] * (to[j] - dot) * p.scale;
        }
        for (int64_t j = end; j < span.width(); ++j) prob[j] = to[j] = 0;
      }
      // Only keys that exist: the padding of the span is zero in both.
      const int64_t seen = least(span.end, p.length) - span.first;
      multiply(seen, width, rows, probability, 1, columns, upstream, width,
               to_values + span.first * width, width, true);
      multiply(seen, width, rows, to_score, 1, columns, query, width, to_keys + span.first * width,
               width, true);
      multiply(rows, width, seen, to_score, columns, 1, keys + span.first * width, width, to_query,
               width, false);
      for (int64_t t = q; t < q_end; ++t) {
        write_head(to_query + (t - q) * width, p.head_width,
                   p.cosine ? p.cosine + t * half : nullptr, p.cosine ? p.sine + t * half : nullptr,
                   gradient.query + t * p.row + g * p.head_width);
      }
    }
    for (int64_t t = 0; t < p.from; ++t) {
      T* to = gradient.query + t * p.row + g * p.head_width;
      for (int64_t i = 0; i < p.head_width; ++i) store(0, to + i);
    }
  }
  for (int64_t t = 0; t < p.length; ++t) {
    write_head(to_keys + t * width, p.head_width, p.cosine ? p.cosine + t * half : nullptr,
               p.cosine ? p.sine + t * half : nullptr, gradient.key + t * p.row);
    write_head<T>(to_values + t * width, p.head_width, nullptr, nullptr,
                  gradient.value + t * p.row);
  }
}

// --- Attention over a cache ---------------------------------------------------------------------

// From so many new positions on, an empty cache is filled by `attend`.
constexpr int64_t kPrefill = 8;

int64_t scratch_cached(int64_t before, int64_t length, int64_t head_width) {
  if (before == 0 && length >= kPrefill) return scratch(length, head_width);
  return 2 * padded(head_width) + padded(before + length);
}

Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
Vector load(const Bfloat16* from) {
  const auto wide = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Words) << 16;
  return __builtin_bit_cast(Vector, wide);
}

// scores[j] = sum_i query[i] keys[i, j] for V vectors of j.
template <int V, class T>
inline void scores_of(const float* query, const T* keys, int64_t capacity, int64_t head_width,
                      float* scores) {
  Vector even[V] = {};
  Vector odd[V] = {};
  int64_t i = 0;
  for (; i + 2 <= head_width; i += 2) {
    const T* row = keys + i * capacity;
    for (int v = 0; v < V; ++v) {
      even[v] += query[i] * load(row + v * kLanes);
      odd[v] += query[i + 1] * load(row + capacity + v * kLanes);
    }
  }
  for (; i < head_width; ++i) {
    for (int v = 0; v < V; ++v) even[v] += query[i] * load(keys + i * capacity + v * kLanes);
  }
  for (int v = 0; v < V; ++v) *reinterpret_cast<Vector*>(scores + v * kLanes) = even[v] + odd[v];
}

// out[i] = sum_j weights[j] values[j, i] for V vectors of i, j in [low, end).
template <int V, class T>
inline void mixture_of(const float* weights, const T* values, int64_t head_width, int64_t low,
                       int64_t end, float* out) {
  Vector sum[4][V] = {};
  int64_t j = low;
  for (; j + 4 <= end; j += 4) {
    for (int k = 0; k < 4; ++k) {
      for (int v = 0; v < V; ++v) {
        sum[k][v] += weights[j + k] * load(values + (j + k) * head_width + v * kLanes);
      }
    }
  }
  for (; j < end; ++j) {
    for (int v = 0; v < V; ++v) {
      sum[0][v] += weights[j] * load(values + j * head_width + v * kLanes);
    }
  }
  for (int v = 0; v < V; ++v) {
    *reinterpret_cast<Vector*>(out + v * kLanes) =
        (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]);
  }
}

// Of keys [span.first, span.end), which lie within the capacity.
template <class T>
void all_scores(const float* query, const T* keys, int64_t capacity, int64_t head_width, Span span,
                float* scores) {
  int64_t j = span.first;
  for (; j + 4 * kLanes <= span.end; j += 4 * kLanes, scores += 4 * kLanes) {
    scores_of<4>(query, keys + j, capacity, head_width, scores);
  }
  for (; j < span.end; j += kLanes, scores += kLanes) {
    scores_of<1>(query, keys + j, capacity, head_width, scores);
  }
}

// weights[0] is that of key span.first.
template <class T>
void whole_mixture(const float* weights, const T* values, int64_t head_width, Span span,
                   int64_t low, int64_t end, float* out) {
  const float* weight = weights - span.first;
  int64_t i = 0;
  for (; i + 2 * kLanes <= head_width; i += 2 * kLanes) {
    mixture_of<2>(weight, values + i, head_width, low, end, out + i);
  }
  for (; i + kLanes <= head_width; i += kLanes) {
    mixture_of<1>(weight, values + i, head_width, low, end, out + i);
  }
  for (; i < head_width; ++i) {
    float sum = 0;
    for (int64_t j = low; j < end; ++j) sum += weight[j] * as_float(values[j * head_width + i]);
    out[i] = sum;
  }
}

// Element (i, t) of the cached keys is element i of the head at position t.
template <class T>
void append(const CachedProblem<T>& c, float* head) {
  const AttentionProblem<T>& p = c.fresh;
  const int64_t half = p.head_width / 2;
  for (int64_t t = 0; t < p.length; ++t) {
    read_head(p.key + t * p.row, p.head_width, p.cosine ? p.cosine + t * half : nullptr,
              p.cosine ? p.sine + t * half : nullptr, head);
    for (int64_t i = 0; i < p.head_width; ++i) {
      store(head[i], c.keys + i * c.capacity + c.before + t);
    }
    T* value = c.values + (c.before + t) * p.head_width;
    for (int64_t i = 0; i < p.head_width; ++i) value[i] = p.value[t * p.row + i];
  }
}

template <class T>
void attend_cached(const CachedProblem<T>& c, T* output, int64_t output_row, float* memory) {
  const AttentionProblem<T>& p = c.fresh;
  const int64_t half = p.head_width / 2;
  float* query = memory;
  float* out = query + padded(p.head_width);
  float* scores = out + padded(p.head_width);
  append(c, query);
  if (c.before == 0 && p.length >= kPrefill) {
    attend(p, output, output_row, nullptr, memory);
    return;
  }
  for (int64_t g = 0; g < p.group; ++g) {
    for (int64_t t = 0; t < p.length; ++t) {
      const int64_t q = c.before + t;
      const int64_t low = lowest(q, p.window);
      read_head(p.query + t * p.row + g * p.head_width, p.head_width,
                p.cosine ? p.cosine + t * half : nullptr, p.cosine ? p.sine + t * half : nullptr,
                query);
      const Span span = visible(q, q + 1, p.window);
      all_scores(query, c.keys, c.capacity, p.head_width, span, scores);
      float log_sum = 0;
      const float scale = 1 / softmax_row(scores, span, low, q, p.scale, &log_sum);
      whole_mixture(scores, c.values, p.head_width, span, low, q + 1, out);
      T* to = output + t * output_row + g * p.head_width;
      for (int64_t i = 0; i < p.head_width; ++i) store(out[i] * scale, to + i);
    }
  }
}

// --- Row by row ---------------------------------------------------------------------------------

template <class T>
void rms_norm(int64_t rows, int64_t width, const float* residual, const T* delta,
              const float* weight, float epsilon, float* sum, T* normed, float* reciprocal) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = residual + row * width;
    float squares = 0;
    if (delta) {
      const T* add = delta + row * width;
      float* out = sum + row * width;
#pragma omp simd reduction(+ : squares)
      for (int64_t i = 0; i < width; ++i) {
        const float x = in[i] + as_float(add[i]);
        out[i] = x;
        squares += x * x;
      }
      in = out;
    } else {
#pragma omp simd reduction(+ : squares)
      for (int64_t i = 0; i < width; ++i) squares += in[i] * in[i];
    }
    const float scale = 1 / __builtin_sqrtf(squares / static_cast<float>(width) + epsilon);
    reciprocal[row] = scale;
    T* to = normed + row * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) store(in[i] * scale * weight[i], to + i);
  }
}

template <class T>
void rms_norm_backward(int64_t rows, int64_t width, const float* sum, const float* weight,
                       const float* reciprocal, const float* gradient_of_sum,
                       const T* gradient_of_normed, float* to_sum, T* to_delta, float* to_weight) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* x = sum + row * width;
    const T* up = gradient_of_normed + row * width;
    const float scale = reciprocal[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < width; ++i) dot += as_float(up[i]) * weight[i] * x[i];
    const float pull = dot * scale * scale * scale / static_cast<float>(width);
    float* to = to_sum + row * width;
    if (gradient_of_sum) {
      const float* direct = gradient_of_sum + row * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        to[i] = direct[i] + as_float(up[i]) * weight[i] * scale - x[i] * pull;
      }
    } else {
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        to[i] = as_float(up[i]) * weight[i] * scale - x[i] * pull;
      }
    }
    if (to_weight) {
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) to_weight[i] += as_float(up[i]) * x[i] * scale;
    }
    if (to_delta) {
      T* rounded = to_delta + row * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) store(to[i], rounded + i);
    }
  }
}

template <class T>
void gated_silu(int64_t rows, int64_t width, const T* gate_up, T* out) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* gate = gate_up + row * 2 * width;
    const T* up = gate + width;
    T* to = out + row * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      const float x = as_float(gate[i]);
      store(x / (1 + exponential(-x)) * as_float(up[i]), to + i);
    }
  }
}

template <class T>
void gated_silu_backward(int64_t rows, int64_t width, const T* gate_up, const T* gradient,
                         T* to_gate_up) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* gate = gate_up + row * 2 * width;
    const T* up = gate + width;
    const T* upstream = gradient + row * width;
    T* to_gate = to_gate_up + row * 2 * width;
    T* to_up = to_gate + width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      const float x = as_float(gate[i]);
      const float share = 1 / (1 + exponential(-x));
      const float d = as_float(upstream[i]);
      store(d * as_float(up[i]) * share * (1 + x * (1 - share)), to_gate + i);
      store(d * x * share, to_up + i);
    }
  }
}

template <class T>
constexpr CpuKernelsOf<T> table() {
  return {.scratch = scratch,
          .scratch_backward = scratch_backward,
          .attend = attend<T>,
          .attend_backward = attend_backward<T>,
          .scratch_cached = scratch_cached,
          .attend_cached = attend_cached<T>,
          .rms_norm = rms_norm<T>,
          .rms_norm_backward = rms_norm_backward<T>,
          .gated_silu = gated_silu<T>,
          .gated_silu_backward = gated_silu_backward<T>};
}

}  // namespace

extern const CpuKernels kernels;
const CpuKernels kernels = {table<float>(), table<Bfloat16>()};

}  // namespace agents::kernels::DECANT_CPU_LEVEL
