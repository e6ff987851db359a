// A whole file mapped read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace transept {

// Immutable and thread-safe. Reading bytes() of a file that was truncated after Open ends the
// process with SIGBUS.
class MappedFile {
 public:
  // NOT_FOUND when there is no such file; INVALID_ARGUMENT when it is a symbolic link to nowhere,
  // no regular file or unreadable.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::string_view bytes() const { return {data_, size_}; }

  // Gives the memory behind [offset, offset + size) back to the system. The bytes stay readable:
  // the next access fetches them again.
  void DropPages(size_t offset, size_t size) const;

 private:
  MappedFile(std::string path, char* data, size_t size);

  const std::string path_;
  char* const data_;  // null for an empty file
  const size_t size_;
};

// Whether `path` names anything, be it a symbolic link to nowhere.
bool PathExists(const std::string& path);

}  // namespace transept
