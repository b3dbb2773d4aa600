// Launches kernels as machine code, and counts what they execute.
//
// CUDA_MACHINE_CODE: a file that `cuobjdump -sass -elf` printed for sm_90. CUDA_EXECUTED: where to
// write what was executed, as JSON, at the end of the program.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cuda_on_cpu.h"
#include "warp.h"

namespace machine_code {
namespace {

constexpr std::size_t kSharedBytes = 48 * 1024;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from)) {
    text.replace(at, from.size(), to);
  }
}

// From GCC's words to those of the demangler.
std::string name_of(const std::string& words) {
  const std::size_t begin = words.find("kernel = ") + 9;
  std::string name = words.substr(begin, words.rfind(']') - begin);
  replace_all(name, "short unsigned int", "unsigned short");
  return name;
}

class Kernels {
 public:
  Kernels() : kernels_(read_kernels(variable("CUDA_MACHINE_CODE"))) {}
  ~Kernels() {
    write_counts(variable("CUDA_EXECUTED"));
    write_listing(variable("CUDA_EXECUTED_LISTING"));
  }
  // Null if the file does not hold it.
  Kernel* find(const std::string& name) {
    const auto found = kernels_.find(name);
    return found == kernels_.end() ? nullptr : &found->second;
  }

 private:
  void write_counts(const std::string& path) const {
    if (path.empty()) return;
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return;
    std::fputs("{", file);
    const char* comma = "";
    for (const auto& [name, kernel] : kernels_) {
      if (kernel.launches == 0) continue;
      std::fprintf(file, "%s\n \"%s\": {\"launches\": %llu, \"blocks\": %llu, \"executed\": {",
                   comma, name.c_str(), static_cast<unsigned long long>(kernel.launches),
                   static_cast<unsigned long long>(kernel.blocks));
      std::map<std::string, std::uint64_t> executed;
      for (const Instruction& each : kernel.code) {
        if (each.executed > 0) executed[each.family] += each.executed;
      }
      const char* inner = "";
      for (const auto& [family, count] : executed) {
        std::fprintf(file, "%s\"%s\": %llu", inner, family.c_str(),
                     static_cast<unsigned long long>(count));
        inner = ", ";
      }
      std::fputs("}}", file);
      comma = ",";
    }
    std::fputs("\n}\n", file);
    std::fclose(file);
  }

  void write_listing(const std::string& path) const {
    std::FILE* file = path.empty() ? nullptr : std::fopen(path.c_str(), "w");
    if (file == nullptr) return;
    for (const auto& [name, kernel] : kernels_) {
      if (kernel.launches == 0) continue;
      std::fprintf(file, "%s\n", name.c_str());
      for (const Instruction& each : kernel.code) {
        std::fprintf(file, "%10llu  %05x  %s\n", static_cast<unsigned long long>(each.executed),
                     each.offset, each.text.c_str());
      }
    }
    std::fclose(file);
  }

  std::map<std::string, Kernel> kernels_;
};

}  // namespace

bool run_kernel(const char* words, dim3 grid, dim3 block, const void* parameter) {
  static Kernels kernels;
  Kernel* kernel = kernels.find(name_of(words));
  if (kernel == nullptr) return false;
  ++kernel->launches;
  for (unsigned y = 0; y < grid.y; ++y) {
    for (unsigned x = 0; x < grid.x; ++x) {
      Block state{kernel,
                  {x, y, 0},
                  block.x,
                  {grid.x, grid.y, 1},
                  reinterpret_cast<std::uint64_t>(parameter),
                  {},
                  {}};
      state.shared.assign(kSharedBegin + kSharedBytes, 0xFF);
      state.warps.resize(block.x / kLanes);
      for (std::size_t i = 0; i < state.warps.size(); ++i) {
        state.warps[i].number = static_cast<int>(i);
        state.warps[i].groups.push_back({kAllLanes, 0});
      }
      run_block(state);
    }
  }
  return true;
}

}  // namespace machine_code
