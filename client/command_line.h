// What the user asked for, read from the arguments.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "transept/v1/transept.pb.h"

namespace transept::client {

struct CommandLine {
  std::string command;  // empty only with `help` and `version`
  bool help = false;
  bool version = false;

  std::string address = "127.0.0.1:50051";
  std::chrono::milliseconds timeout{300'000};  // of one call, its retries included; 0 = none
  int retries = 5;                             // after UNAVAILABLE and RESOURCE_EXHAUSTED
  bool json = false;

  // generate, score, encode, tokenize, detokenize: exactly one of these.
  std::optional<std::string> text;
  std::optional<std::string> file;  // "-" = standard input
  bool ids = false;                 // sources and targets are lists of token ids

  // generate
  bool stream = false;
  int concurrency = 8;          // calls in flight when reading lines
  v1::GenerateRequest request;  // everything but the source

  // score, encode; the fields that they share with Generate are in `request`
  std::vector<std::string> targets;
  v1::Pooling pooling = v1::POOLING_UNSPECIFIED;
  bool normalize = false;

  std::string service;  // health: whose health, empty = the whole server's
};

// Reads the arguments after the program's name. INVALID_ARGUMENT names the flag at fault.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// The text of --help.
std::string Usage();

}  // namespace transept::client
