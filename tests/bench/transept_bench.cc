// Times generation in process on the shared workloads, and prints one JSON line a measurement.
//
//   transept-bench --workload t5b-128-64 --batch 8 [--dtype bfloat16] [--threads 2] [--runs 3]
//
// All requests of a batch are submitted at once; each run waits for the last. The figures are the
// median run's, with the fields of the scripts that time the peers; "outside_steps" is the fraction
// of the time that is not the runner's: scheduling and delivery. "inter_token" is what it is below,
// of some of the requests.
//
//   transept-bench --arrivals poisson --rate 20,inf [--requests 1000] [--seed 1] --batch 32
//
// An open loop: requests arrive as a Poisson process, with sources of 16 to 512 tokens and 8 to 256
// tokens to generate, on an engine of --batch rows that takes them as it can. One line for each
// rate, in requests a second; "inf" has all arrive at once, which saturates the engine; "auto" is
// that, then 0.5, 0.8 and 0.95 of what it completed. As many requests as there are rows arrive
// before and after those that count. Latencies are percentiles: of the requests that count, from
// the arrival that was drawn ("first_token"), and of the gaps between a request's deliveries,
// divided by the tokens that came ("inter_token").
//
//   transept-bench --trace out.json ...
//
// Writes a timeline of the run for ui.perfetto.dev as well, and of the operations of one encoder
// batch and one decoder step, measured apart afterwards (trace.h, operation_timer.h). A decoder
// step is the one in the middle of a generation, of all rows.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/checkpoint/random_tensors.h"
#include "engine/engine.h"
#include "engine/engine_options.h"
#include "engine/loaded_model.h"
#include "engine/start_engine.h"
#include "tests/bench/fixed_batch.h"
#include "tests/bench/open_loop.h"
#include "tests/bench/trace.h"
#include "tests/bench/trace_operations.h"
#include "tests/bench/workloads.h"

ABSL_FLAG(std::string, workload, "t5b-128-64", "name of a workload");
ABSL_FLAG(std::string, model_dir, "", "run the workload's lengths on this checkpoint instead");
ABSL_FLAG(int, batch, 1, "requests that run together");
ABSL_FLAG(std::string, device, "cpu", "cpu or cuda");
ABSL_FLAG(std::string, dtype, "float32", "weights: float32, bfloat16, float16 or int8");
ABSL_FLAG(std::string, attention_backend, "auto", "attention backend");
ABSL_FLAG(int, threads, 0, "CPU threads, 0 = one a core");
ABSL_FLAG(int, runs, 3, "timed runs after one warm-up");
ABSL_FLAG(int, max_encoder_tokens, 0, "source tokens encoded in one step, 0 = automatic");
ABSL_FLAG(std::string, arrivals, "together", "how requests arrive: together or poisson");
ABSL_FLAG(std::vector<std::string>, rate, {"auto"}, "poisson: requests a second, inf, or auto");
ABSL_FLAG(int, requests, 0, "poisson: requests that count, 0 = 256 or eight times the batch");
ABSL_FLAG(int, seed, 1, "poisson: of all that is random");
ABSL_FLAG(int, max_queue, 0, "poisson: requests that may wait, 0 = all");
ABSL_FLAG(std::string, trace, "", "file to write a timeline to");
ABSL_FLAG(std::string, log_level, "warn", "as the server's: info says what start-up chose");

namespace transept::bench {
namespace {

bool IsPoisson() {
  return absl::GetFlag(FLAGS_arrivals) == "poisson";
}

int CountedRequests(int batch) {
  const int requests = absl::GetFlag(FLAGS_requests);
  return requests > 0 ? requests : std::max(256, 8 * batch);
}

int QueueFor(int batch) {
  if (!IsPoisson()) return batch;
  const int queue = absl::GetFlag(FLAGS_max_queue);
  return queue > 0 ? queue : CountedRequests(batch) + 2 * batch;
}

int EncoderTokensFor(const Workload& workload, int batch) {
  if (const int tokens = absl::GetFlag(FLAGS_max_encoder_tokens); tokens > 0) return tokens;
  if (IsPoisson()) return config::EngineConfig().max_encoder_tokens;
  // The whole batch at once on a GPU, as the peers do; as much as a CPU keeps busy on a CPU.
  const int most = absl::GetFlag(FLAGS_device) == "cuda" ? 65536 : 8192;
  return std::min(batch * workload.source_tokens, most);
}

// `workload` has the longest lengths of all requests.
config::EngineConfig ConfigFor(const Workload& workload, int batch) {
  config::EngineConfig config;
  config.device = absl::GetFlag(FLAGS_device);
  config.dtype = absl::GetFlag(FLAGS_dtype);
  config.attention_backend = absl::GetFlag(FLAGS_attention_backend);
  config.threads = absl::GetFlag(FLAGS_threads);
  config.max_rows = batch * workload.num_beams;
  config.max_queue = QueueFor(batch);
  config.max_source_tokens = workload.source_tokens;
  config.max_new_tokens = workload.new_tokens;
  // A search's rows at their longest have to fit into one step.
  config.max_encoder_tokens =
      std::max(EncoderTokensFor(workload, batch), workload.num_beams * (workload.new_tokens + 1));
  config.source_cache = false;
  const int64_t positions =
      (workload.source_tokens + workload.num_beams * (workload.new_tokens + 32)) * int64_t{batch};
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

// The workload of --workload, on the checkpoint of --model_dir if there is one.
struct Subject {
  Workload workload;
  std::unique_ptr<Checkpoint> checkpoint;
};

absl::StatusOr<Subject> MakeSubject() {
  absl::StatusOr<Workload> found = FindWorkload(absl::GetFlag(FLAGS_workload));
  if (!found.ok()) return found.status();
  Subject subject{*std::move(found), nullptr};
  if (const std::string folder = absl::GetFlag(FLAGS_model_dir); !folder.empty()) {
    absl::StatusOr<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(folder);
    if (!opened.ok()) return opened.status();
    subject.checkpoint = *std::move(opened);
    subject.workload.model = subject.checkpoint->spec();
  } else {
    subject.checkpoint = RandomCheckpoint(subject.workload.model, StoredDtype(), /*seed=*/1);
  }
  return subject;
}

// What every line says of the run.
nlohmann::ordered_json LineFor(const Workload& workload, int batch) {
  nlohmann::ordered_json line = {
      {"peer", "transept-" + absl::GetFlag(FLAGS_dtype) + "-" + absl::GetFlag(FLAGS_device)},
      {"workload", workload.name},
      {"batch", batch}};
  // Then only the lengths are the workload's.
  if (const std::string folder = absl::GetFlag(FLAGS_model_dir); !folder.empty()) {
    line["model_dir"] = folder;
  }
  return line;
}

void Print(const nlohmann::ordered_json& line) {
  std::puts(line.dump().c_str());
  std::fflush(stdout);
}

absl::Status BenchTogether(const Workload& workload, int batch, Engine* engine) {
  const auto median = RunBatches(workload, batch, absl::GetFlag(FLAGS_runs), engine);
  if (!median.ok()) return median.status();
  nlohmann::ordered_json line = LineFor(workload, batch);
  line["encoder_ms"] = median->encoder_ms;
  line["total_ms"] = median->total_ms;
  line["step_ms"] = (median->total_ms - median->encoder_ms) / workload.new_tokens;
  line["tokens_per_s"] = batch * workload.new_tokens / median->total_ms * 1e3;
  if (median->inter_token_p50_ms) line["inter_token_p50_ms"] = *median->inter_token_p50_ms;
  if (median->inter_token_p99_ms) line["inter_token_p99_ms"] = *median->inter_token_p99_ms;
  line["outside_steps"] = median->outside_steps_ms / median->total_ms;
  Print(line);
  return absl::OkStatus();
}

// Runs and prints one rate. Returns the requests that were completed in a second.
absl::StatusOr<double> BenchRate(const Workload& workload, int batch, double rate, Engine* engine) {
  const LoadOptions options{.rate = rate,
                            .requests = CountedRequests(batch),
                            .settle = batch,
                            .seed = static_cast<uint32_t>(absl::GetFlag(FLAGS_seed))};
  const absl::StatusOr<LoadFigures> figures = RunLoad(options, engine);
  if (!figures.ok()) return figures.status();
  nlohmann::ordered_json line = LineFor(workload, batch);
  line["arrivals"] = "poisson";
  line["requests"] = options.requests;
  line["seed"] = options.seed;
  if (std::isinf(rate)) {
    line["rate"] = "inf";
  } else {
    line["rate"] = rate;
    line["offered_per_s"] = figures->offered_per_s;
  }
  line["completed_per_s"] = figures->completed_per_s;
  line["tokens_per_s"] = figures->tokens_per_s;
  line["first_token_p50_ms"] = figures->first_token_p50_ms;
  line["first_token_p99_ms"] = figures->first_token_p99_ms;
  line["inter_token_p50_ms"] = figures->inter_token_p50_ms;
  line["inter_token_p99_ms"] = figures->inter_token_p99_ms;
  line["rejected"] = figures->rejected;
  Print(line);
  return figures->completed_per_s;
}

absl::Status BenchAutomaticRates(const Workload& workload, int batch, Engine* engine) {
  constexpr double kSaturating = std::numeric_limits<double>::infinity();
  const absl::StatusOr<double> most = BenchRate(workload, batch, kSaturating, engine);
  if (!most.ok()) return most.status();
  for (const double fraction : {0.5, 0.8, 0.95}) {
    const auto completed = BenchRate(workload, batch, fraction * *most, engine);
    if (!completed.ok()) return completed.status();
  }
  return absl::OkStatus();
}

absl::Status BenchPoisson(const Workload& workload, int batch, Engine* engine) {
  for (const std::string& word : absl::GetFlag(FLAGS_rate)) {
    double rate = 0;
    absl::Status status;
    if (word == "auto") {
      status = BenchAutomaticRates(workload, batch, engine);
    } else if (absl::SimpleAtod(word, &rate) && rate > 0) {
      status = BenchRate(workload, batch, rate, engine).status();
    } else {
      status = absl::InvalidArgumentError(
          absl::StrCat("--rate: '", word, "' is neither a positive number nor inf nor auto"));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckFlags() {
  if (absl::GetFlag(FLAGS_batch) < 1) {
    return absl::InvalidArgumentError("--batch must be at least 1");
  }
  if (absl::GetFlag(FLAGS_runs) < 1) return absl::InvalidArgumentError("--runs must be at least 1");
  const std::string arrivals = absl::GetFlag(FLAGS_arrivals);
  if (arrivals != "together" && arrivals != "poisson") {
    return absl::InvalidArgumentError(
        absl::StrCat("--arrivals: '", arrivals, "' is neither together nor poisson"));
  }
  const std::string level = absl::GetFlag(FLAGS_log_level);
  if (level != "off" && spdlog::level::from_str(level) == spdlog::level::off) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--log_level: '", level, "' is none of trace, debug, info, warn, error and off"));
  }
  return absl::OkStatus();
}

// Runs the benchmark on an engine which is gone afterwards. `timeline` may be null.
absl::Status Bench(const config::EngineConfig& config, const EngineOptions& options,
                   const Subject& subject, Timeline* timeline) {
  absl::StatusOr<LoadedModel> loaded = LoadModel(options, *subject.checkpoint);
  if (!loaded.ok()) return loaded.status();
  if (timeline) loaded->runner = TraceRunner(std::move(loaded->runner), timeline);
  const std::unique_ptr<Engine> engine =
      StartEngine(config, options, *std::move(loaded), /*tokenizer=*/nullptr);
  const int batch = absl::GetFlag(FLAGS_batch);
  return IsPoisson() ? BenchPoisson(subject.workload, batch, engine.get())
                     : BenchTogether(subject.workload, batch, engine.get());
}

absl::Status Main() {
  if (absl::Status status = CheckFlags(); !status.ok()) return status;
  absl::StatusOr<Subject> subject = MakeSubject();
  if (!subject.ok()) return subject.status();
  Workload& workload = subject->workload;
  StepShape shape{.rows = absl::GetFlag(FLAGS_batch),
                  .source_tokens = workload.source_tokens,
                  .position = workload.new_tokens / 2};
  if (IsPoisson()) {
    workload.source_tokens = kMaxSourceTokens;
    workload.new_tokens = kMaxNewTokens;
    shape.source_tokens = (kMinSourceTokens + kMaxSourceTokens) / 2;
    shape.position = (kMinNewTokens + kMaxNewTokens) / 4;
  }
  const config::EngineConfig config = ConfigFor(workload, absl::GetFlag(FLAGS_batch));
  const absl::StatusOr<EngineOptions> options = ResolveEngineOptions(config, workload.model);
  if (!options.ok()) return options.status();
  const std::string trace = absl::GetFlag(FLAGS_trace);
  if (trace.empty()) return Bench(config, *options, *subject, nullptr);
  Timeline timeline;
  absl::Status status = Bench(config, *options, *subject, &timeline);
  if (status.ok()) status = TraceOperations(*options, *subject->checkpoint, shape, &timeline);
  return status.ok() ? timeline.Write(trace) : status;
}

}  // namespace
}  // namespace transept::bench

int main(int argc, char** argv) {
  // Without this --help looks for flags in a file with the program's name, which has a dash.
  absl::FlagsUsageConfig usage;
  usage.contains_help_flags = [](absl::string_view file) {
    return absl::EndsWith(file, "transept_bench.cc");
  };
  usage.contains_helpshort_flags = usage.contains_help_flags;
  absl::SetFlagsUsageConfig(usage);
  absl::SetProgramUsageMessage("times generation on the shared workloads");
  absl::ParseCommandLine(argc, argv);
  spdlog::set_level(spdlog::level::from_str(absl::GetFlag(FLAGS_log_level)));
  const absl::Status status = transept::bench::Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "transept-bench: %s\n", std::string(status.message()).c_str());
  return 1;
}
