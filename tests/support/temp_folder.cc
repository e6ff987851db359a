#include "tests/support/temp_folder.h"

#include <cstdlib>

#include "engine/types/require.h"

namespace transept::test {

TempFolder::TempFolder() : path_(std::filesystem::temp_directory_path() / "transept_test_XXXXXX") {
  Require(mkdtemp(path_.data()) != nullptr, "cannot make a temporary folder");
}

}  // namespace transept::test
