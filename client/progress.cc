#include "client/progress.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace transept::client {
namespace {

constexpr int kBarWidth = 30;
constexpr char kEraseLine[] = "\r\x1b[K";

}  // namespace

Progress::Progress(std::ostream* out, std::optional<int64_t> total)
    : out_(out), total_(total), start_(Clock::now()), drawn_(start_) {}

Progress::~Progress() {
  if (out_ != nullptr && drawn_ != start_) *out_ << kEraseLine << std::flush;
}

void Progress::Step() {
  ++done_;
  if (out_ == nullptr) return;
  const Clock::time_point now = Clock::now();
  if (now - drawn_ >= std::chrono::milliseconds(100)) Draw(now);
}

void Progress::Draw(Clock::time_point now) {
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::string line = absl::StrCat(kEraseLine, done_);
  if (total_.has_value() && *total_ > 0) {
    const int filled = static_cast<int>(std::min(done_, *total_) * kBarWidth / *total_);
    line = absl::StrCat(kEraseLine, "[", std::string(filled, '#'),
                        std::string(kBarWidth - filled, '.'), "] ", done_, "/", *total_);
  }
  *out_ << line << absl::StrFormat(" lines, %.1f/s", static_cast<double>(done_) / seconds)
        << std::flush;
}

}  // namespace transept::client
