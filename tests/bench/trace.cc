#include "tests/bench/trace.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <utility>

namespace transept::bench {
namespace {

using nlohmann::json;

constexpr const char* kTrackNames[] = {"engine thread", "device: steps", "device: encoder",
                                       "device: operations of an encoder batch",
                                       "device: operations of a decoder step"};

double Microseconds(Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

class TracedRunner final : public Runner {
 public:
  TracedRunner(std::unique_ptr<Runner> runner, Timeline* timeline)
      : runner_(std::move(runner)), timeline_(*timeline) {}

  absl::StatusOr<Ticket> Launch(const StepPlan& plan) override {
    size_t encoded = 0;
    for (const EncodeItem& item : plan.encode) encoded += item.source.size();
    json shape = {{"step", plan.id},
                  {"rows", plan.rows.size()},
                  {"sources encoded", plan.encode.size()},
                  {"source tokens encoded", encoded}};
    const TimePoint begin = Clock::now();
    absl::StatusOr<Ticket> ticket = runner_->Launch(plan);
    AddHost("Launch", begin, shape);
    if (!plan.encode.empty()) encoding_.push_back(shape);
    shapes_.push_back(std::move(shape));
    if (!ticket.ok()) Forget();
    return ticket;
  }

  absl::StatusOr<StepResult> Collect(Ticket ticket) override {
    const TimePoint begin = Clock::now();
    absl::StatusOr<StepResult> result = runner_->Collect(ticket);
    AddHost("Collect", begin, {{"step", ticket.step}});
    if (result.ok()) {
      AddStep(*result);
    } else {
      Forget();
    }
    return result;
  }

  int pipeline_depth() const override { return runner_->pipeline_depth(); }
  bool encodes_beside_rows() const override { return runner_->encodes_beside_rows(); }

 private:
  void AddHost(const char* name, TimePoint begin, json details) {
    timeline_.Add(Track::kHost, name, timeline_.At(begin), Microseconds(Clock::now() - begin),
                  std::move(details));
  }

  void AddStep(const StepResult& result) {
    const double end = timeline_.At(Clock::now());
    const double begin = std::max(step_end_, end - Microseconds(result.step_time));
    const bool beside = encodes_beside_rows();
    double decodes_from = begin;
    if (result.encoded > 0) {
      const double encode_time = Microseconds(result.encode_time);
      const double from = beside ? std::max(encoder_end_, end - encode_time) : begin;
      const double to = beside ? end : std::min(end, begin + encode_time);
      timeline_.Add(beside ? Track::kEncoder : Track::kDevice, "encode", from, to - from,
                    encoding_.front());
      encoding_.pop_front();
      encoder_end_ = to;
      if (!beside) decodes_from = to;
    }
    if (!result.rows.empty()) {
      timeline_.Add(Track::kDevice, "decode", decodes_from, end - decodes_from, shapes_.front());
    }
    shapes_.pop_front();
    step_end_ = end;
  }

  void Forget() {
    shapes_.clear();
    encoding_.clear();
  }

  const std::unique_ptr<Runner> runner_;
  Timeline& timeline_;
  std::deque<json> shapes_;    // of the steps in flight
  std::deque<json> encoding_;  // of those whose sources no result has named
  double step_end_ = 0;
  double encoder_end_ = 0;
};

}  // namespace

Timeline::Timeline() : start_(Clock::now()) {}

double Timeline::At(TimePoint time) const {
  return Microseconds(time - start_);
}

void Timeline::Add(Track track, std::string name, double begin, double duration, json details) {
  json event = {{"ph", "X"},   {"pid", 1},        {"tid", static_cast<int>(track)},
                {"ts", begin}, {"dur", duration}, {"name", std::move(name)}};
  if (!details.is_null()) event["args"] = std::move(details);
  events_.push_back(std::move(event));
}

absl::Status Timeline::Write(const std::string& path) const {
  json events = events_;
  for (size_t i = 0; i < std::size(kTrackNames); ++i) {
    events.push_back({{"ph", "M"},
                      {"pid", 1},
                      {"tid", i},
                      {"name", "thread_name"},
                      {"args", {{"name", kTrackNames[i]}}}});
  }
  std::ofstream file(path);
  file << json{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}} << '\n';
  file.close();
  if (!file) return absl::UnavailableError("--trace: cannot write " + path);
  return absl::OkStatus();
}

std::unique_ptr<Runner> TraceRunner(std::unique_ptr<Runner> runner, Timeline* timeline) {
  return std::make_unique<TracedRunner>(std::move(runner), timeline);
}

}  // namespace transept::bench
