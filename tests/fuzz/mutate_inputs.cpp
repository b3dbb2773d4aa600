// A driver for the fuzz target where the compiler has no libFuzzer (g++): runs all inputs of the
// folders that it is given, then changed copies of them, drawn from a seed. It takes libFuzzer's
// options of these names, does not look at coverage, and writes the input at which the program
// ended to ./crash-input.
//
//   fuzz_preprocess [-runs=N] [-max_total_time=SECONDS] [-seed=S] FOLDER ...
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kLongest = 512;  // no request reads more

Input current;

void write_current() {
  std::ofstream file("crash-input", std::ios::binary);
  file.write(reinterpret_cast<const char*>(current.data()),
             static_cast<std::streamsize>(current.size()));
  std::fprintf(stderr,
               "the input is in ./crash-input; give it in a folder of its own to run it again\n");
}

void end_after_abort(int) {
  write_current();
  std::_Exit(1);
}

void run(const Input& input) {
  current = input;
  LLVMFuzzerTestOneInput(current.data(), current.size());
}

std::vector<Input> read_inputs(const std::vector<std::string>& folders) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Input> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutations {
 public:
  explicit Mutations(std::uint64_t seed) : engine_(seed) {}

  // A changed copy of one of `inputs`, now and then with the end of another.
  Input draw(const std::vector<Input>& inputs) {
    Input input = inputs[below(inputs.size())];
    for (std::size_t left = 1 + below(6); left > 0; --left) change(input, inputs);
    input.resize(std::min(input.size(), kLongest));
    return input;
  }

 private:
  std::size_t below(std::size_t end) { return engine_() % end; }
  std::uint8_t level() { return static_cast<std::uint8_t>(engine_() >> 40); }

  void change(Input& input, const std::vector<Input>& inputs) {
    const std::size_t place = below(input.size() + 1);
    const auto there = input.begin() + static_cast<std::ptrdiff_t>(place);
    switch (below(5)) {
      case 0:
        input.insert(there, 1 + below(8), level());
        break;
      case 1:
        input.erase(there, there + static_cast<std::ptrdiff_t>(below(input.end() - there + 1)));
        break;
      case 2: {
        const Input& other = inputs[below(inputs.size())];
        input.erase(there, input.end());
        if (place < other.size()) input.insert(input.end(), other.begin() + place, other.end());
        break;
      }
      case 3:
        if (place < input.size()) input[place] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      default:
        if (place < input.size()) input[place] = level();
    }
  }

  std::mt19937_64 engine_;
};

bool takes(const std::string& argument, const std::string& option, std::int64_t& value) {
  if (argument.rfind(option, 0) != 0) return false;
  value = std::atoll(argument.c_str() + option.size());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  std::int64_t runs = -1;
  std::int64_t seconds = 0;
  std::int64_t seed = 1;
  std::vector<std::string> folders;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const bool is_option = takes(argument, "-runs=", runs) || takes(argument, "-seed=", seed) ||
                           takes(argument, "-max_total_time=", seconds);
    if (is_option) continue;
    if (argument.rfind("-", 0) == 0) continue;  // libFuzzer's other options
    folders.push_back(argument);
  }
  __sanitizer_set_death_callback(write_current);
  std::signal(SIGABRT, end_after_abort);
  std::vector<Input> inputs = read_inputs(folders);
  for (const Input& input : inputs) run(input);
  if (inputs.empty()) inputs.emplace_back(kLongest, std::uint8_t{0});
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  Mutations mutations(static_cast<std::uint64_t>(seed));
  std::int64_t done = 0;
  for (; runs < 0 ? seconds == 0 || Clock::now() < end : done < runs; ++done) {
    if (runs >= 0 && seconds > 0 && Clock::now() >= end) break;
    run(mutations.draw(inputs));
  }
  std::fprintf(stderr, "Done %lld runs, seed %lld, %zu inputs\n", static_cast<long long>(done),
               static_cast<long long>(seed), inputs.size());
  return 0;
}
