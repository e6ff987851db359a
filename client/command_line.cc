#include "client/command_line.h"

#include <cmath>
#include <functional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/input.h"
#include "client/request_fields.h"

namespace transept::client {
namespace {

// A flag of the program itself; those of the request come from its message descriptors.
struct Flag {
  absl::string_view name;
  absl::string_view argument;  // empty: a switch
  absl::string_view commands;  // that take it, separated by spaces; empty: all
  absl::string_view help;
  std::function<bool(const std::string& value, CommandLine*)> set;  // false: a bad value
};

bool SetSeconds(const std::string& value, std::chrono::milliseconds* out) {
  double seconds = 0;
  if (!absl::SimpleAtod(value, &seconds) || !(seconds >= 0 && seconds <= 1e6)) return false;
  // Upwards: a limit too small for a millisecond is no request for none.
  *out = std::chrono::milliseconds(static_cast<int64_t>(std::ceil(seconds * 1000)));
  return true;
}

bool SetCount(const std::string& value, int min, int max, int* out) {
  return absl::SimpleAtoi(value, out) && *out >= min && *out <= max;
}

const std::vector<Flag>& Flags() {
  static const std::vector<Flag> flags = {
      {"address", "HOST:PORT", "", "the server, 127.0.0.1:50051 by default",
       [](const std::string& value, CommandLine* line) {
         line->address = value;
         return !value.empty();
       }},
      {"timeout", "SECONDS", "", "limit of one call with its retries, 300 by default; 0 is none",
       [](const std::string& value, CommandLine* line) {
         return SetSeconds(value, &line->timeout);
       }},
      {"retries", "N", "generate score encode models tokenize detokenize",
       "more attempts when the server is busy or away, 5 by default",
       [](const std::string& value, CommandLine* line) {
         return SetCount(value, 0, 1000, &line->retries);
       }},
      {"json", "", "generate score encode models tokenize detokenize",
       "answers as JSON, one object a line",
       [](const std::string&, CommandLine* line) { return line->json = true; }},
      {"text", "T", "generate score encode tokenize detokenize",
       "the source; of detokenize token ids, such as \"5 10 1\"",
       [](const std::string& value, CommandLine* line) {
         line->text = value;
         return true;
       }},
      {"file", "F", "generate score encode tokenize detokenize",
       "sources, one a line, of score with targets behind tabs; - is standard input",
       [](const std::string& value, CommandLine* line) {
         line->file = value;
         return !value.empty();
       }},
      {"ids", "", "generate score encode",
       "sources, targets and the target prefix are token ids, such as 5,10,1, and no text",
       [](const std::string&, CommandLine* line) { return line->ids = true; }},
      {"target", "T", "score", "a target; may be given several times",
       [](const std::string& value, CommandLine* line) {
         line->targets.push_back(value);
         return true;
       }},
      {"pooling", "mean|first|last|all", "encode", "which states to show, mean by default",
       [](const std::string& value, CommandLine* line) {
         return v1::Pooling_Parse(absl::StrCat("POOLING_", absl::AsciiStrToUpper(value)),
                                  &line->pooling);
       }},
      {"normalize", "", "encode", "scales vectors to length 1",
       [](const std::string&, CommandLine* line) { return line->normalize = true; }},
      {"stream", "", "generate", "shows the output as it grows, one source after the other",
       [](const std::string&, CommandLine* line) { return line->stream = true; }},
      {"concurrency", "N", "generate score encode tokenize detokenize",
       "lines in flight with --file and -, 8 by default",
       [](const std::string& value, CommandLine* line) {
         return SetCount(value, 1, 1024, &line->concurrency);
       }},
      {"service", "NAME", "health",
       "what to ask about: live, ready or a service; the server by default",
       [](const std::string& value, CommandLine* line) {
         line->service = value;
         return true;
       }},
  };
  return flags;
}

constexpr absl::string_view kCommands[][2] = {
    {"generate", "generates text from sources"},
    {"score", "tells how likely targets are for sources"},
    {"encode", "shows the encoder's states of sources"},
    {"models", "lists the server's models"},
    {"tokenize", "shows the token ids of sources"},
    {"detokenize", "shows the text of token ids"},
    {"health", "asks whether the server is serving"},
};

// The end of --help.
constexpr char kNotes[] = R"(
--tokens, --token-logprobs and --top-logprobs need --json. JSON as the value of a flag is that of its
message:
  --bad-words-ids '{"values": [{"ids": [5]}, {"ids": [10, 45]}]}'
  --sequence-bias '{"values": [{"tokens": {"ids": [10, 45]}, "bias": -2}]}'
  --exponential-decay-length-penalty '{"start_index": 30, "decay_factor": 1.05}'

With --file and - outputs come in the order of the lines, one line each: a line break in an output
is written as \n, several hypotheses are separated by tabs. Score writes the sums of the targets'
log-probabilities. An empty line is not sent: its output is an empty line, with --json
{"skipped": ..., "line": N}. A line that fails has an empty line as well, with --json
{"error": ..., "line": N}, and a message that names it on standard error; the run goes on. Only when
the server is away, retries included, the run ends, with "stopped at line N": the lines from there
on have no output.

exit codes:
  0  all went well; health: serving
  1  a request failed; health: not serving
  2  the command line is wrong
  3  the server is not there, not ready or too busy, retries included
  4  a file can't be read, or the output can't be written
)";

bool Takes(absl::string_view commands, const std::string& command) {
  return commands.empty() ||
         absl::StrContains(absl::StrCat(" ", commands, " "), absl::StrCat(" ", command, " "));
}

bool TakesSource(const std::string& command) {
  return command != "models" && command != "health";
}

// Whether `command` has the request's field `name` as a flag.
bool TakesField(const std::string& command, absl::string_view name) {
  if (command == "generate") return true;
  if (name == "model") return TakesSource(command);
  if (name == "target_language") return command == "score";
  if (name == "source_language" && command == "tokenize") return true;
  const bool numbers = command == "score" || command == "encode";
  return numbers && (name == "request_id" || name == "source_language" || name == "priority");
}

// Which commands a flag is for, in the shorter way; empty: all.
std::string CommandsOf(const Flag& flag) {
  std::vector<absl::string_view> with;
  std::vector<absl::string_view> without;
  for (const auto& command : kCommands) {
    (Takes(flag.commands, std::string(command[0])) ? with : without).push_back(command[0]);
  }
  if (without.empty()) return "";
  if (with.size() <= without.size()) return absl::StrCat(" (", absl::StrJoin(with, ", "), ")");
  return absl::StrCat(" (not ", absl::StrJoin(without, ", "), ")");
}

std::string HelpOf(const Flag& flag) {
  constexpr size_t kColumn = 24;
  std::string text =
      absl::StrCat("  --", flag.name, flag.argument.empty() ? "" : " ", flag.argument);
  if (text.size() >= kColumn) text += '\n';
  text.append(kColumn - (text.back() == '\n' ? 0 : text.size()), ' ');
  return absl::StrCat(text, flag.help, CommandsOf(flag), "\n");
}

absl::Status UsageError(const std::string& message) {
  return absl::InvalidArgumentError(message);
}

// One "--name[=value]" and, if it needs one, the argument after it.
class FlagReader {
 public:
  FlagReader(const std::vector<std::string>& arguments, size_t first)
      : arguments_(arguments), next_(first) {}

  bool Done() const { return next_ == arguments_.size(); }
  const std::string& Peek() const { return arguments_[next_]; }
  void Skip() { ++next_; }

  absl::Status Read(CommandLine* line) {
    const std::string& argument = arguments_[next_++];
    if (!absl::StartsWith(argument, "--")) {
      return UsageError(absl::StrCat("unexpected argument \"", argument, "\"",
                                     TakesSource(line->command) ? "; a text follows --text" : ""));
    }
    const size_t equals = argument.find('=');
    const std::string given = argument.substr(0, equals);
    const std::string name = absl::StrReplaceAll(absl::StripPrefix(given, "--"), {{"-", "_"}});
    std::optional<std::string> value;
    if (equals != std::string::npos) value = argument.substr(equals + 1);
    for (const Flag& flag : Flags()) {
      if (flag.name == name && Takes(flag.commands, line->command)) {
        return Set(given, flag, std::move(value), line);
      }
    }
    if (TakesField(line->command, name)) {
      if (std::optional<RequestField> field = RequestField::Find(name)) {
        return Set(given, *field, std::move(value), &line->request);
      }
    }
    return UsageError(absl::StrCat(line->command, " has no flag ", given));
  }

 private:
  // Takes the next argument as the value of `flag` if it has none of its own.
  absl::Status Complete(const std::string& flag, std::optional<std::string>* value) {
    if (value->has_value()) return absl::OkStatus();
    if (Done()) return UsageError(absl::StrCat(flag, " needs a value"));
    *value = arguments_[next_++];
    return absl::OkStatus();
  }

  absl::Status Set(const std::string& given, const Flag& flag, std::optional<std::string> value,
                   CommandLine* line) {
    if (flag.argument.empty()) {
      if (value.has_value()) return UsageError(absl::StrCat(given, " takes no value"));
      value = "";
    }
    if (absl::Status status = Complete(given, &value); !status.ok()) return status;
    if (flag.set(*value, line)) return absl::OkStatus();
    const bool choice = absl::StrContains(flag.argument, '|');
    return UsageError(absl::StrCat(given, ": \"", *value, "\" is not ",
                                   choice ? "one of " : "a valid ",
                                   absl::StrReplaceAll(flag.argument, {{"|", ", "}})));
  }

  absl::Status Set(const std::string& given, const RequestField& field,
                   std::optional<std::string> value, v1::GenerateRequest* request) {
    if (field.is_switch() && !value.has_value()) value = "true";
    if (absl::Status status = Complete(given, &value); !status.ok()) return status;
    absl::Status status = field.Set(*value, request);
    if (status.ok()) return status;
    return UsageError(absl::StrCat(given, ": ", status.message()));
  }

  const std::vector<std::string>& arguments_;
  size_t next_;
};

// What only all flags together can show.
absl::Status Check(const CommandLine& line) {
  if (TakesSource(line.command) && line.text.has_value() == line.file.has_value()) {
    return UsageError(absl::StrCat(line.command, " needs one of --text, --file and -"));
  }
  if (line.command == "score" && line.text && line.targets.empty()) {
    return UsageError("score needs a --target with --text");
  }
  if (line.request.output().ByteSizeLong() > 0 && !line.json) {
    return UsageError(
        "--tokens, --token-logprobs and --top-logprobs need --json: without it only texts are "
        "shown");
  }
  return absl::OkStatus();
}

// The target prefix as --ids says.
absl::StatusOr<CommandLine> Finished(CommandLine line) {
  if (!line.ids || !line.request.has_target_prefix()) return line;
  auto prefix = ToInput(line.request.target_prefix().text(), line.ids);
  if (!prefix.ok()) {
    return UsageError(absl::StrCat("--target-prefix: ", prefix.status().message()));
  }
  *line.request.mutable_target_prefix() = *std::move(prefix);
  return line;
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  if (arguments.empty()) return UsageError("no command given");
  if (arguments[0] == "--version") {
    line.version = true;
    return line;
  }
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h" || argument == "help") {
      line.help = true;
      return line;
    }
    if (argument == "--text") break;  // what follows may be anybody's text
  }
  line.command = arguments[0];
  bool known = false;
  for (const auto& command : kCommands) known |= command[0] == line.command;
  if (!known) return UsageError(absl::StrCat("no command \"", line.command, "\""));

  const bool takes_source = TakesSource(line.command);
  for (FlagReader reader(arguments, 1); !reader.Done();) {
    if (takes_source && reader.Peek() == "-") {
      line.file = reader.Peek();
      reader.Skip();
    } else if (absl::Status status = reader.Read(&line); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = Check(line); !status.ok()) return status;
  return Finished(std::move(line));
}

std::string Usage() {
  std::string text =
      "usage: transept COMMAND [FLAGS]\n"
      "       transept --version\n\n"
      "  transept generate --text \"it costs five dollars\"\n"
      "  transept generate --file lines.txt --concurrency 16 > outputs.txt\n"
      "  echo \"it costs five dollars\" | transept generate --json -\n"
      "  transept score --text \"it costs five dollars\" --target 'it costs $5'\n"
      "  transept encode --text \"it costs five dollars\" --pooling mean --normalize\n\n"
      "commands:\n";
  for (const auto& [name, help] : kCommands) {
    absl::StrAppend(&text, "  ", name, std::string(12 - name.size(), ' '), help, "\n");
  }
  absl::StrAppend(&text, "\nflags (--a-b and --a_b are the same):\n");
  for (const Flag& flag : Flags()) absl::StrAppend(&text, HelpOf(flag));
  absl::StrAppend(&text,
                  "\nflags of generate that go into the request, see "
                  "proto/transept/v1/transept.proto\n"
                  "(score and encode have --model, --request-id, --priority and the languages too, "
                  "tokenize\n"
                  "and detokenize --model, tokenize --source-language):\n",
                  RequestFieldsHelp(), kNotes);
  return text;
}

}  // namespace transept::client
