#include "server/command_line.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"

namespace transept::server {
namespace {

using testing::HasSubstr;

absl::StatusOr<CommandLine> Parse(const std::vector<const char*>& arguments) {
  return ParseCommandLine(arguments);
}

absl::StatusOr<config::Config> Read(const std::vector<const char*>& arguments) {
  const auto command_line = Parse(arguments);
  if (!command_line.ok()) return command_line.status();
  return ReadConfig(*command_line);
}

TEST(CommandLineTest, FlagsBecomeSettings) {
  const auto config = Read({"--model-dir", "models/demo", "--model-name=itn", "--listen",
                            "127.0.0.1:0", "--dtype=bfloat16", "--set", "server.drain_seconds=5"});
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->models.size(), 1u);
  EXPECT_EQ(config->models[0].path, "models/demo");
  EXPECT_EQ(config->models[0].name, "itn");
  EXPECT_EQ(config->models[0].engine.dtype, "bfloat16");
  EXPECT_EQ(config->server.listen, "127.0.0.1:0");
  EXPECT_EQ(config->server.drain_seconds, 5);
}

TEST(CommandLineTest, Switches) {
  const auto line = Parse({"--check-config", "--version", "--help"});
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE(line->check_config);
  EXPECT_TRUE(line->version);
  EXPECT_TRUE(line->help);
}

TEST(CommandLineTest, NamesTheArgumentAtFault) {
  const std::vector<std::vector<const char*>> cases = {
      {"--model-dri", "x"},
      {"positional"},
      {"--listen"},
      {"--config"},
      {"--check-config=yes"},
      {"--set", "keyonly"},
      {"-x"},
      {""},
      {"--device", "cpu", "--device", "cuda"},
      {"--config", "a", "--config", "b"},
  };
  for (const auto& arguments : cases) {
    const auto line = Parse(arguments);
    ASSERT_FALSE(line.ok()) << arguments[0];
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string name =
        std::string(arguments[0]).substr(0, std::string(arguments[0]).find('='));
    EXPECT_THAT(std::string(line.status().message()), HasSubstr(name));
  }
}

TEST(CommandLineTest, SettingsAreChecked) {
  EXPECT_FALSE(Read({}).ok());  // no model
  EXPECT_FALSE(Read({"--model-dir", "x", "--device", "tpu"}).ok());
  EXPECT_FALSE(Read({"--model-dir", "x", "--set", "server.no_such=1"}).ok());
  EXPECT_FALSE(Read({"--config", "no/such/file.yaml"}).ok());
}

TEST(CommandLineTest, UsageTellsEveryFlag) {
  for (const char* flag : {"--config", "--model-dir", "--model-name", "--listen", "--device",
                           "--dtype", "--set", "--check-config", "--version", "--help"}) {
    EXPECT_THAT(std::string(Usage()), HasSubstr(flag));
  }
}

}  // namespace
}  // namespace transept::server
