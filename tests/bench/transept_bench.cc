// Times generation in process on the shared workloads, and prints one JSON line.
//
//   transept-bench --workload t5b-128-64 --batch 8 [--dtype bfloat16] [--threads 2] [--runs 3]
//
// All requests of a batch are submitted at once; each run waits for the last. The figures are the
// median run's, with the fields of the scripts that time the peers; "outside_steps" is the fraction
// of the time that is not the runner's: scheduling and delivery.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "engine/checkpoint/random_tensors.h"
#include "engine/engine.h"
#include "tests/bench/workloads.h"

ABSL_FLAG(std::string, workload, "t5b-128-64", "name of a workload");
ABSL_FLAG(std::string, model_dir, "", "run the workload's lengths on this checkpoint instead");
ABSL_FLAG(int, batch, 1, "requests that run together");
ABSL_FLAG(std::string, device, "cpu", "cpu or cuda");
ABSL_FLAG(std::string, dtype, "float32", "weights: float32, bfloat16 or float16");
ABSL_FLAG(std::string, attention_backend, "auto", "attention backend");
ABSL_FLAG(int, threads, 0, "CPU threads, 0 = one a core");
ABSL_FLAG(int, runs, 3, "timed runs after one warm-up");

namespace transept::bench {
namespace {

// Counts the ends of a batch's requests.
class Countdown {
 public:
  explicit Countdown(int count) : left_(count) {}

  void Done(const absl::Status& status) {
    const std::lock_guard lock(mu_);
    if (!status.ok()) status_ = status;
    if (--left_ == 0) done_.notify_one();
  }
  absl::Status Wait() {
    std::unique_lock lock(mu_);
    done_.wait(lock, [this] { return left_ == 0; });
    return status_;
  }

 private:
  std::mutex mu_;
  std::condition_variable done_;
  int left_;
  absl::Status status_;
};

class CountdownSink final : public ResultSink {
 public:
  explicit CountdownSink(Countdown* countdown) : countdown_(*countdown) {}
  void OnTokens(int, absl::Span<const GeneratedToken>) override {}
  void OnFinish(absl::StatusOr<Result> result) override { countdown_.Done(result.status()); }

 private:
  Countdown& countdown_;
};

struct RunTimes {
  double total_ms = 0;
  double encoder_ms = 0;
  double outside_steps_ms = 0;  // total less the runner's steps: scheduling and delivery
};

// Sources differ from run to run, so that none is found in the source cache.
std::vector<TokenId> RandomSource(const Workload& workload, std::mt19937* random) {
  std::uniform_int_distribution<TokenId> token(5, std::min(workload.model.vocab_size, 30000) - 1);
  std::vector<TokenId> source(workload.source_tokens);
  for (TokenId& id : source) id = token(*random);
  return source;
}

absl::StatusOr<RunTimes> RunBatch(const Workload& workload, int batch, Engine* engine,
                                  std::mt19937* random) {
  Countdown countdown(batch);
  const EngineStats before = engine->Stats();
  const TimePoint start = Clock::now();
  for (int i = 0; i < batch; ++i) {
    Request request;
    request.source = RandomSource(workload, random);
    request.params.max_new_tokens = workload.new_tokens;
    request.params.min_new_tokens = workload.new_tokens;
    request.params.eos_tokens = workload.model.eos_tokens;
    const absl::StatusOr<RequestId> id =
        engine->Submit(std::move(request), std::make_shared<CountdownSink>(&countdown));
    if (!id.ok()) countdown.Done(id.status());
  }
  if (absl::Status status = countdown.Wait(); !status.ok()) return status;
  const double total_ms = Milliseconds(Clock::now() - start);
  const EngineStats after = engine->Stats();
  return RunTimes{.total_ms = total_ms,
                  .encoder_ms = after.encode_ms - before.encode_ms,
                  .outside_steps_ms = total_ms - (after.step_ms - before.step_ms)};
}

config::EngineConfig ConfigFor(const Workload& workload, int batch) {
  config::EngineConfig config;
  config.device = absl::GetFlag(FLAGS_device);
  config.dtype = absl::GetFlag(FLAGS_dtype);
  config.attention_backend = absl::GetFlag(FLAGS_attention_backend);
  config.threads = absl::GetFlag(FLAGS_threads);
  config.max_rows = batch;
  config.max_queue = batch;
  config.max_source_tokens = workload.source_tokens;
  config.max_new_tokens = workload.new_tokens;
  config.max_encoder_tokens = std::min(batch * workload.source_tokens, 8192);
  config.source_cache = false;
  const int64_t positions = (workload.source_tokens + workload.new_tokens + 32) * int64_t{batch};
  const StackSpec& decoder = workload.model.decoder;
  config.kv_cache_mib = 1 + ((positions * decoder.num_layers * 2 * decoder.kv_size() * 4) >> 20);
  return config;
}

// Random weights are made in the type they will be kept in.
kernels::DataType StoredDtype() {
  using kernels::DataType;
  for (const DataType type : {DataType::kBFloat16, DataType::kFloat16}) {
    if (absl::GetFlag(FLAGS_dtype) == kernels::Name(type)) return type;
  }
  return DataType::kFloat32;
}

// The workload of --workload, on the checkpoint of --model-dir if there is one.
struct Subject {
  Workload workload;
  std::unique_ptr<Checkpoint> checkpoint;
};

absl::StatusOr<Subject> MakeSubject() {
  const std::string name = absl::GetFlag(FLAGS_workload);
  const auto& all = Workloads();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Workload& w) { return w.name == name; });
  if (found == all.end()) return absl::NotFoundError("--workload: unknown name " + name);
  Subject subject{*found, nullptr};
  if (const std::string folder = absl::GetFlag(FLAGS_model_dir); !folder.empty()) {
    absl::StatusOr<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(folder);
    if (!opened.ok()) return opened.status();
    subject.checkpoint = *std::move(opened);
    subject.workload.model = subject.checkpoint->spec();
  } else {
    subject.checkpoint = RandomCheckpoint(found->model, StoredDtype(), /*seed=*/1);
  }
  return subject;
}

void Print(const Workload& workload, int batch, const RunTimes& median) {
  const nlohmann::ordered_json line = {
      {"peer", "transept-" + absl::GetFlag(FLAGS_dtype) + "-" + absl::GetFlag(FLAGS_device)},
      {"workload", workload.name},
      {"batch", batch},
      {"encoder_ms", median.encoder_ms},
      {"total_ms", median.total_ms},
      {"step_ms", (median.total_ms - median.encoder_ms) / workload.new_tokens},
      {"tokens_per_s", batch * workload.new_tokens / median.total_ms * 1e3},
      {"outside_steps", median.outside_steps_ms / median.total_ms},
  };
  std::puts(line.dump().c_str());
}

absl::Status Main() {
  const int batch = absl::GetFlag(FLAGS_batch);
  if (batch < 1) return absl::InvalidArgumentError("--batch must be at least 1");
  const absl::StatusOr<Subject> subject = MakeSubject();
  if (!subject.ok()) return subject.status();
  const Workload& workload = subject->workload;
  auto engine = Engine::Create(ConfigFor(workload, batch), *subject->checkpoint, nullptr);
  if (!engine.ok()) return engine.status();
  std::mt19937 random(1);
  std::vector<RunTimes> runs;
  for (int i = 0; i <= absl::GetFlag(FLAGS_runs); ++i) {
    const auto times = RunBatch(workload, batch, engine->get(), &random);
    if (!times.ok()) return times.status();
    if (i > 0) runs.push_back(*times);
  }
  std::sort(runs.begin(), runs.end(),
            [](const RunTimes& a, const RunTimes& b) { return a.total_ms < b.total_ms; });
  Print(workload, batch, runs[runs.size() / 2]);
  return absl::OkStatus();
}

}  // namespace
}  // namespace transept::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("times generation on the shared workloads");
  absl::ParseCommandLine(argc, argv);
  spdlog::set_level(spdlog::level::warn);
  const absl::Status status = transept::bench::Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "transept-bench: %s\n", std::string(status.message()).c_str());
  return 1;
}
