// From a request to what the CUDA kernels read: which bytes lie where in device memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "contract/preprocess.h"
#include "cuda_work.h"
#include "perturb/perturbation_parts.h"
#include "resample/cpu_plan.h"

namespace vrs {

// A part of device memory that is dealt out from its start; `host` has the bytes that belong there,
// or is null for memory that kernels alone write, or to find out how much is needed.
class DeviceArea {
 public:
  DeviceArea(std::uint8_t* host, std::uintptr_t device) : host_(host), device_(device) {}

  std::size_t bytes() const { return bytes_; }

  // Both addresses of room for `count` values; the host's is null where the area has none.
  template <typename T>
  std::pair<T*, T*> reserve(std::size_t count) {
    const std::size_t begin = bytes_;
    bytes_ += (count * sizeof(T) + kDeviceAlignment - 1) / kDeviceAlignment * kDeviceAlignment;
    return {host_ == nullptr ? nullptr : reinterpret_cast<T*>(host_ + begin),
            reinterpret_cast<T*>(device_ + begin)};
  }

 private:
  std::uint8_t* host_;
  std::uintptr_t device_;
  std::size_t bytes_ = 0;
};

class WorkLayout {
 public:
  // Plans and tables of a request that check_request has accepted, and that must outlive this.
  explicit WorkLayout(const Request& request);

  // Device memory that write() fills from the host, and that which kernels alone write, behind it.
  std::size_t upload_bytes() const { return upload_bytes_; }
  std::size_t device_bytes() const { return upload_bytes_ + scratch_bytes_; }

  // Writes upload_bytes() to `host`, to be copied to `device`, the address of device_bytes() in
  // device memory. `out`: of the batch, in device memory. At most `threads` copy pixels.
  CudaWork write(std::uint8_t* host, std::uintptr_t device, void* out, int threads);

 private:
  friend class WorkWriter;

  struct PlannedJob {
    std::shared_ptr<const CpuPlan> plan;
    std::shared_ptr<const CpuPlan> reduction, enlargement;  // low_pass, where it has an effect
  };

  PlannedJob plan_job(const Job& job) const;

  const Request& request_;
  DeviceWriter::Kept kept_;  // filled by the pass that measures
  std::vector<PlannedJob> jobs_;
  std::size_t upload_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace vrs
