// Attention of a query over many keys, without tensor cores: what a decoder step needs. A
// warp loads several keys at once, a group of lanes each, and every group keeps a running softmax;
// groups, warps and blocks are merged at the end.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/head_layout.cuh"
#include "kernels/cuda/running_softmax.cuh"

namespace transept::kernels::cuda {

// Where the elements of one key and its value begin.
template <typename T>
struct KeyValue {
  const T* key;
  const T* value;
};

// Keys and their values as a lane holds them, kCount of every group.
template <typename Layout, int kCount = Layout::kSteps == 1 ? 4 : 2>
struct KeyTile {
  using Packs = typename RunningSoftmax<Layout>::Packs;
  static constexpr int kKeysAtOnce = kCount;                   // of one group
  static constexpr int kKeys = kKeysAtOnce * Layout::kGroups;  // of a warp

  Packs keys[kKeysAtOnce];
  Packs values[kKeysAtOnce];

  // The k-th key of this lane's group in the tile that begins with key `begin`.
  __device__ static int KeyOf(int begin, int k) {
    return begin + k * Layout::kGroups + Layout::Group();
  }

  // Loads the keys [begin, end), at most kKeys and at least one. locate(j) says where key j lies.
  template <typename Locate>
  __device__ void Load(int begin, int end, int head_size, Locate locate) {
#pragma unroll
    for (int k = 0; k < kKeysAtOnce; ++k) {
      const auto at = locate(min(KeyOf(begin, k), end - 1));
      Layout::ForEachPack(head_size, [&](int step, int column) {
        using P = const Pack<typename Layout::T, Layout::kPack>;
        keys[k][step] = *reinterpret_cast<P*>(at.key + column);
        values[k][step] = *reinterpret_cast<P*>(at.value + column);
      });
    }
  }
};

// A warp's share of the keys of one query.
template <typename Layout>
struct WarpAttention {
  using T = typename Layout::T;

  float query[Layout::kElements] = {};
  RunningSoftmax<Layout> result;

  __device__ void LoadQuery(const T* from, int head_size, float scale) {
    Layout::ForEachPack(head_size, [&](int step, int column) {
      const auto pack = *reinterpret_cast<const Pack<T, Layout::kPack>*>(from + column);
      float elements[Layout::kPack];
      ToFloats(pack, elements);
#pragma unroll
      for (int i = 0; i < Layout::kPack; ++i) query[step * Layout::kPack + i] = elements[i] * scale;
    });
  }

  // Takes the keys [begin, end) in, which `tile` holds. bias(j): what to add to the score of key j.
  template <int kCount, typename Bias>
  __device__ void Attend(const KeyTile<Layout, kCount>& tile, int begin, int end, int head_size,
                         Bias bias) {
    float scores[kCount];
#pragma unroll
    for (int k = 0; k < kCount; ++k) {  // on their way while the products are computed
      const int key = tile.KeyOf(begin, k);
      scores[k] = key < end ? bias(key) : -INFINITY;
    }
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      const float product = Dot(query, tile.keys[k], head_size);
      if (tile.KeyOf(begin, k) < end) scores[k] += product;
    }
    result.Add(scores, tile.values, head_size);
  }

 private:
  __device__ static float Dot(const float (&query)[Layout::kElements],
                              const typename RunningSoftmax<Layout>::Packs& key, int head_size) {
    float sum = 0.0f;
    Layout::ForEachPack(head_size, [&](int step, int) {
      float elements[Layout::kPack];
      ToFloats(key[step], elements);
#pragma unroll
      for (int i = 0; i < Layout::kPack; ++i) sum += query[step * Layout::kPack + i] * elements[i];
    });
#pragma unroll
    for (int distance = Layout::kLanes / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(~0u, sum, distance);
    }
    return sum;
  }
};

}  // namespace transept::kernels::cuda
