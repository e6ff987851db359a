#include "kernels/cuda/self_tensor_attention.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row_past.cuh"
#include "kernels/cuda/tile_bias.cuh"

// A block holds up to 64 query tokens of one row and head, whose keys are read once for all of
// them. Positions count from the row's first token of the step, so that its past has negative ones.
namespace transept::kernels::cuda {
namespace {

// Query tokens that a row must have on average. With fewer, most of a tile is padding, and a warp
// for each of them (self_attention.cu) is sooner done, as measured on an H200 with 1 to 128 rows.
constexpr int64_t kTokensOfRow = 12;

// Some of the query tokens of a row.
struct QueryTile {
  int row;
  int token;  // the row's first
  int begin;  // positions
  int end;
};

// Tiles have numbers. Those of row r begin with number query_offsets[r] / kTileRows + r, as far
// behind those of the row in front as it may have tiles: some numbers stand for none.
__host__ __device__ inline int TilesInFront(int row, int first_token) {
  return first_token / kTileRows + row;
}
__device__ QueryTile QueryTileOf(const DecoderInputs& inputs, int number) {
  int row = 0;
  int last = inputs.num_rows - 1;
  while (row < last) {
    const int middle = (row + last + 1) / 2;
    if (TilesInFront(middle, inputs.query_offsets[middle]) <= number) {
      row = middle;
    } else {
      last = middle - 1;
    }
  }
  const int token = inputs.query_offsets[row];
  const int begin = (number - TilesInFront(row, token)) * kTileRows;
  return {row, token, begin, min(inputs.query_offsets[row + 1] - token, begin + kTileRows)};
}

// The keys and values of a row and head in tiles: those of its past, from the pages, and then those
// of the step's own tokens, which other blocks may not have stored yet.
template <typename T, int kHead>
class RowKeys {
 public:
  // Those that the queries may read.
  __device__ RowKeys(const DecoderAttention<T>& p, const QueryTile& queries, int kv_head)
      : p_(p),
        in_pages_(p, queries.row, kv_head),
        past_(LoadInput(p.inputs.positions + queries.token)),
        past_tiles_((past_ + kTileRows - 1) / kTileRows),
        end_(queries.end),
        keys_(p.query + queries.token * p.query_stride +
              static_cast<int64_t>(p.shape.num_heads + kv_head) * p.shape.head_size),
        values_(keys_ + static_cast<int64_t>(p.shape.num_kv_heads) * p.shape.head_size) {}

  __device__ int tiles() const { return past_tiles_ + (end_ + kTileRows - 1) / kTileRows; }
  __device__ bool is_past(int tile) const { return tile < past_tiles_; }
  // The position of a tile's first key.
  __device__ int Begin(int tile) const {
    return is_past(tile) ? tile * kTileRows - past_ : (tile - past_tiles_) * kTileRows;
  }

  // Starts copying a tile. Those of the past may be copied before the kernel waits for its
  // predecessor.
  __device__ void Load(int tile, Tile<T, kHead>& keys, Tile<T, kHead>& values) const {
    const int begin = Begin(tile);
    if (is_past(tile)) {
      LoadPast(begin + past_, keys, values);
    } else {
      const int64_t stride = p_.query_stride;
      keys.Load(keys_ + begin * stride, stride, end_ - begin, p_.shape.head_size);
      values.Load(values_ + begin * stride, stride, end_ - begin, p_.shape.head_size);
    }
    CommitCopies();
  }

 private:
  // `first`: counted from the beginning of the past. All threads of a block call it together.
  __device__ void LoadPast(int first, Tile<T, kHead>& keys, Tile<T, kHead>& values) const {
    constexpr int kPacks = kHead / 8;
    constexpr int kRowsAtOnce = kTileThreads / kPacks;
    constexpr int kRows = kTileRows / kRowsAtOnce;  // of a thread
    const int row = threadIdx.x / kPacks;
    const int column = threadIdx.x % kPacks * 8;
    int key[kRows];
    int64_t at[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) key[i] = min(first + row + i * kRowsAtOnce, past_ - 1);
    in_pages_(key, at);
    const bool within = column < p_.pages.head_size;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int to = row + i * kRowsAtOnce;
      const int64_t from = at[i] + (within ? column : 0);
      const bool valid = within && first + to < past_;
      CopyAsync(keys.At(to, column), p_.pages.keys + from, valid);
      CopyAsync(values.At(to, column), p_.pages.values + from, valid);
    }
  }

  const DecoderAttention<T>& p_;
  Past<T> in_pages_;
  int past_;
  int past_tiles_;
  int end_;        // of the step's own keys
  const T* keys_;  // of the row's first token
  const T* values_;
};

// Stores the K/V of a tile's tokens in the pages.
template <typename T, int kHead>
__device__ void StoreKeys(const DecoderAttention<T>& p, const QueryTile& queries, int kv_head) {
  constexpr int kPacks = kHead / 8;
  using P = Pack<T, 8>;
  const int size = p.shape.head_size;
  const int64_t keys = static_cast<int64_t>(p.shape.num_heads + kv_head) * size;
  const int64_t values = keys + static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const int column = threadIdx.x % kPacks * 8;
  if (column >= size) return;
  for (int i = queries.begin + static_cast<int>(threadIdx.x) / kPacks; i < queries.end;
       i += kTileThreads / kPacks) {
    const int token = queries.token + i;
    const int64_t slot = p.inputs.self_slots[token];
    const int64_t at =
        p.pages.Offset(slot / p.pages.block_size, slot % p.pages.block_size, kv_head) + column;
    const T* const from = p.query + token * p.query_stride + column;
    *reinterpret_cast<P*>(p.pages.keys + at) = *reinterpret_cast<const P*>(from + keys);
    *reinterpret_cast<P*>(p.pages.values + at) = *reinterpret_cast<const P*>(from + values);
  }
}

// Grid: (numbers of query tiles, heads).
template <typename T, int kHead>
__global__ void __launch_bounds__(kTileThreads) SelfTensor(const DecoderAttention<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto& tiles = *reinterpret_cast<SharedTiles<T, kHead>*>(shared);
  float* const bias = reinterpret_cast<float*>(shared + sizeof(SharedTiles<T, kHead>));
  LetSuccessorStart();
  const QueryTile queries = QueryTileOf(p.inputs, blockIdx.x);
  if (queries.begin >= queries.end) return;
  const int head = blockIdx.y;
  const int kv_head = p.sharing.Divide(head);
  const int size = p.shape.head_size;
  const int64_t column = static_cast<int64_t>(head) * size;
  const RowKeys<T, kHead> keys(p, queries, kv_head);
  const int reach = p.bias.values ? p.bias.reach : -1;
  if (reach >= 0) TileBias::Load(p.bias.values + head * (2 * reach + 1), reach, bias);
  const auto load = [&](int tile, int stage) {
    keys.Load(tile, tiles.keys[stage], tiles.values[stage]);
  };
  if (keys.is_past(0)) load(0, 0);

  WaitForPredecessor();
  tiles.query.Load(p.query + (queries.token + queries.begin) * p.query_stride + column,
                   p.query_stride, queries.end - queries.begin, size);
  CommitCopies();
  if (!keys.is_past(0)) load(0, 0);
  if (head == kv_head * p.sharing.value()) StoreKeys<T, kHead>(p, queries, kv_head);

  WarpTile<T, kHead> warp;
  const int query = queries.begin + static_cast<int>(threadIdx.x) / 32 * 16;
  for (int tile = 0, stage = 0; tile < keys.tiles(); ++tile, stage ^= 1) {
    if (tile + 1 < keys.tiles()) {
      load(tile + 1, stage ^ 1);
      WaitForCopies<1>();
    } else {
      WaitForCopies<0>();
    }
    __syncthreads();
    if (tile == 0) warp.LoadQuery(tiles.query);
    if (query < queries.end) {
      float scores[kKeyTiles][4] = {};
      warp.Score(scores, tiles.keys[stage]);
      const int key = keys.Begin(tile);
      TileBias{bias, reach}.Add(scores, p.shape.scale * kLog2E, query, key);
      if (keys.is_past(tile)) {
        if (key + kTileRows > 0) TileBias::Mask(scores, -key);
      } else if (key + kTileRows > query) {
        TileBias::MaskFuture(scores, query - key);
      }
      warp.Normalize(scores);
      warp.AddValues(scores, tiles.values[stage]);
    }
    __syncthreads();
  }
  if (query >= queries.end) return;
  warp.Store({p.out, p.out_stride, head, size}, queries.token, query, queries.end);
}

template <typename T, int kHead>
void LaunchTensor(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  DecoderAttention<T> parameters = ParametersOf<T>(op, op.qkv, step, {});
  parameters.bias = resources.biases.Get(op.bias);
  const DecoderInputs& inputs = *step.decoder;
  const dim3 grid(TilesInFront(inputs.num_rows, inputs.num_tokens), op.shape.num_heads);
  Launch(resources.device, "self-attention",
         {grid, kTileThreads, TileBytes<kHead>(parameters.bias)}, SelfTensor<T, kHead>, parameters);
}

template <typename T>
void DispatchTensor(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  DispatchTileWidth(op.shape.head_size,
                    [&](auto width) { LaunchTensor<T, width()>(op, step, resources); });
}

}  // namespace

bool TensorServes(const SelfAttentionOp& op, const Step& step, const Resources& resources) {
  return step.num_tokens >= kTokensOfRow * step.num_rows &&
         TilesFit(op.shape.head_size, resources.biases.Get(op.bias), resources.device);
}

void RunTensor(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  if (op.cache.dtype == DataType::kBFloat16) return DispatchTensor<BFloat16>(op, step, resources);
  return DispatchTensor<Float16>(op, step, resources);
}

}  // namespace transept::kernels::cuda
