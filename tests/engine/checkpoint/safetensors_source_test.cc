#include "engine/checkpoint/safetensors_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/temp_folder.h"

namespace transept {
namespace {

using kernels::DataType;
using test::FileTensors;
using test::SafetensorsBytes;
using test::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

const FileTensors kFirst = {{"a", {"F32", {2, 1}, "aaaaAAAA"}}, {"b", {"F16", {3}, "bbBBbb"}}};
const FileTensors kSecond = {{"c", {"BF16", {1}, "cc"}}};

std::string OpenError(const TempFolder& folder) {
  const auto source = SafetensorsSource::Open(folder.path());
  EXPECT_FALSE(source.ok());
  return std::string(source.status().message());
}

class ShardsTest : public ::testing::Test {
 protected:
  ShardsTest() {
    folder_.Write("1.safetensors", SafetensorsBytes(kFirst));
    folder_.Write("2.safetensors", SafetensorsBytes(kSecond));
  }

  void WriteIndex(std::string_view weight_map) {
    folder_.Write(
        "model.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 16}, \"weight_map\": " + std::string(weight_map) + "}");
  }

  TempFolder folder_;
};

TEST(SafetensorsSourceTest, FindsTensorsOfOneFile) {
  TempFolder folder;
  folder.Write("model.safetensors", SafetensorsBytes(kFirst));
  const auto source = SafetensorsSource::Open(folder.path());
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE((*source)->Contains("a"));
  EXPECT_FALSE((*source)->Contains("c"));
  const auto view = (*source)->Find("a", {2, 1});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->dtype, DataType::kFloat32);
  EXPECT_EQ(std::string_view(static_cast<const char*>(view->data), 8), "aaaaAAAA");
  // Most elements, not most bytes.
  EXPECT_EQ((*source)->stored_dtype(), DataType::kFloat16);
}

TEST(SafetensorsSourceTest, ViewsOutliveTheirSource) {
  TempFolder folder;
  folder.Write("model.safetensors", SafetensorsBytes(kFirst));
  auto source = SafetensorsSource::Open(folder.path());
  ASSERT_TRUE(source.ok()) << source.status();
  const auto view = (*source)->Find("b", {3});
  source->reset();
  EXPECT_EQ(std::string_view(static_cast<const char*>(view->data), 6), "bbBBbb");
}

// Resident bytes of the mapping that `address` is in, from the kernel's own book-keeping.
int64_t ResidentKib(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const uint64_t wanted = reinterpret_cast<uint64_t>(address);
      inside = begin <= wanted && wanted < end;
    } else if (inside && line.rfind("Rss:", 0) == 0) {
      return std::stoll(line.substr(4));
    }
  }
  return -1;
}

TEST(SafetensorsSourceTest, DroppedViewsGiveTheirPagesBack) {
  constexpr int64_t kElements = 1 << 20;
  TempFolder folder;
  folder.Write("model.safetensors",
               SafetensorsBytes({{"w", {"F32", {kElements}, std::string(4 * kElements, 'w')}}}));
  const auto source = SafetensorsSource::Open(folder.path());
  ASSERT_TRUE(source.ok()) << source.status();
  absl::StatusOr<TensorView> found = (*source)->Find("w", {kElements});
  ASSERT_TRUE(found.ok()) << found.status();
  TensorView view = *std::move(found);
  const char* const data = static_cast<const char*>(view.data);
  EXPECT_EQ(std::count(data, data + 4 * kElements, 'w'), 4 * kElements);
  EXPECT_GT(ResidentKib(data), 3000);
  TensorView copy = view;
  view = {};
  EXPECT_GT(ResidentKib(data), 3000) << "a copy still lives";
  copy = {};
  EXPECT_LT(ResidentKib(data), 200);
  found = (*source)->Find("w", {kElements});
  EXPECT_EQ(static_cast<const char*>(found->data)[123456], 'w') << "it can be had again";
}

TEST(SafetensorsSourceTest, ErrorsNameFileTensorAndShapes) {
  TempFolder folder;
  FileTensors tensors = kFirst;
  tensors["q"] = {"I8", {2}, "qq"};
  folder.Write("model.safetensors", SafetensorsBytes(tensors));
  const auto source = SafetensorsSource::Open(folder.path());
  ASSERT_TRUE(source.ok()) << source.status();

  const absl::Status missing = (*source)->Find("no.weight", {4, 5}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), AllOf(HasSubstr(folder / "model.safetensors"),
                                       HasSubstr("no.weight"), HasSubstr("[4, 5]")));
  const absl::Status shape = (*source)->Find("a", {1, 2}).status();
  EXPECT_EQ(shape.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(shape.message(), AllOf(HasSubstr(folder / "model.safetensors"), HasSubstr("\"a\""),
                                     HasSubstr("[2, 1]"), HasSubstr("expected [1, 2]")));
  EXPECT_FALSE((*source)->Find("a", {2}).ok());
  const absl::Status dtype = (*source)->Find("q", {2}).status();
  EXPECT_EQ(dtype.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(dtype.message(), AllOf(HasSubstr("\"q\""), HasSubstr("I8")));
}

TEST(SafetensorsSourceTest, NeedsATensorOfASupportedType) {
  TempFolder folder;
  folder.Write("model.safetensors", SafetensorsBytes({{"q", {"I8", {2}, "qq"}}}));
  EXPECT_THAT(OpenError(folder), HasSubstr("no tensor is F32, BF16 or F16"));
}

TEST(SafetensorsSourceTest, RefusesWhatIsNoReadableFile) {
  TempFolder folder;
  EXPECT_THAT(OpenError(folder), HasSubstr("neither model.safetensors nor"));

  const std::string path = folder / "model.safetensors";
  std::filesystem::create_directory(path);
  EXPECT_THAT(OpenError(folder), HasSubstr("model.safetensors: not a regular file"));
  std::filesystem::remove(path);

  std::filesystem::create_symlink("nowhere", path);
  EXPECT_THAT(OpenError(folder), HasSubstr("model.safetensors: symbolic link to nowhere"));
  std::filesystem::remove(path);

  std::filesystem::create_symlink("model.safetensors", path);  // to itself
  EXPECT_THAT(OpenError(folder), HasSubstr("model.safetensors"));
  std::filesystem::remove(path);

  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(OpenError(folder), HasSubstr("model.safetensors: not a regular file"));
  std::filesystem::remove(path);

  folder.Write("model.safetensors", "");
  EXPECT_THAT(OpenError(folder), HasSubstr("0 bytes are too few"));
}

TEST(SafetensorsSourceTest, FollowsSymbolicLinks) {
  TempFolder folder;
  folder.Write("blob", SafetensorsBytes(kFirst));
  std::filesystem::create_symlink("blob", folder / "model.safetensors");
  EXPECT_TRUE(SafetensorsSource::Open(folder.path()).ok());
}

TEST(SafetensorsSourceTest, SaysHowToConvertPickledWeights) {
  TempFolder folder;
  folder.Write("pytorch_model.bin", "");
  const absl::Status status = SafetensorsSource::Open(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(folder / "pytorch_model.bin"), HasSubstr("save_pretrained")));
}

TEST_F(ShardsTest, FindsTensorsOfAllShards) {
  WriteIndex(R"({"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"})");
  const auto source = SafetensorsSource::Open(folder_.path());
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE((*source)->Find("a", {2, 1}).ok());
  const auto view = (*source)->Find("c", {1});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(std::string_view(static_cast<const char*>(view->data), 2), "cc");
}

TEST_F(ShardsTest, ASingleFileGoesFirst) {
  WriteIndex(R"({"a": "missing.safetensors"})");
  folder_.Write("model.safetensors", SafetensorsBytes(kSecond));
  const auto source = SafetensorsSource::Open(folder_.path());
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE((*source)->Contains("c"));
}

TEST_F(ShardsTest, NamesMissingAndUnreadableShards) {
  WriteIndex(R"({"a": "3.safetensors"})");
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("index.json"), HasSubstr("3.safetensors")));
  std::filesystem::create_directory(folder_ / "3.safetensors");
  EXPECT_THAT(OpenError(folder_), HasSubstr("3.safetensors: not a regular file"));
}

TEST_F(ShardsTest, IndexAndShardsMustAgree) {
  WriteIndex(R"({"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"})");
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("\"b\""), HasSubstr("not in \"2.safetensors\""),
                                        HasSubstr("but in " + (folder_ / "1.safetensors"))));
  WriteIndex(R"({"a": "1.safetensors", "b": "1.safetensors", "d": "1.safetensors"})");
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("\"d\""), HasSubstr("nor in another shard")));
  WriteIndex(R"({"a": "1.safetensors", "c": "2.safetensors"})");
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("\"b\""), HasSubstr("is not in")));
}

TEST_F(ShardsTest, RefusesATensorInTwoShards) {
  folder_.Write("2.safetensors", SafetensorsBytes(kFirst));
  WriteIndex(R"({"a": "1.safetensors", "b": "2.safetensors"})");
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("2.safetensors: tensor \"a\""),
                                        HasSubstr(folder_ / "1.safetensors too")));
}

TEST_F(ShardsTest, ShardsStayInTheFolder) {
  TempFolder other;
  other.Write("o.safetensors", SafetensorsBytes(kFirst));
  for (const std::string& shard :
       {other / "o.safetensors", std::string("../o"), std::string("sub/o"), std::string(".."),
        std::string("."), std::string(), std::string("a\\u0000b")}) {
    WriteIndex("{\"a\": \"" + shard + "\"}");
    EXPECT_THAT(OpenError(folder_), HasSubstr("must be the name of a file in the same folder"));
  }
}

TEST_F(ShardsTest, RefusesAMalformedIndex) {
  folder_.Write("model.safetensors.index.json", "{}");
  EXPECT_THAT(OpenError(folder_), HasSubstr("weight_map is absent"));
  folder_.Write("model.safetensors.index.json", "[");
  EXPECT_THAT(OpenError(folder_), HasSubstr("not valid JSON"));
  WriteIndex("[]");
  EXPECT_THAT(OpenError(folder_), HasSubstr("weight_map is []"));
  WriteIndex("{\"a\": 1}");
  EXPECT_THAT(OpenError(folder_), HasSubstr("weight_map.a is 1"));
  WriteIndex("{}");
  EXPECT_THAT(OpenError(folder_), HasSubstr("no tensor is"));
}

}  // namespace
}  // namespace transept
