// From a request to what the CUDA kernels read: says which bytes lie where in device memory.
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
#include "upload_pieces.h"
#include "weight_fragments.h"

namespace vrs {

// A part of device memory that is handed out from its start. `host` holds the bytes that belong
// there; it is null if only kernels write this memory, or if the pass only measures.
class DeviceArea {
 public:
  DeviceArea(std::uint8_t* host, std::uintptr_t device) : host_(host), device_(device) {}

  std::size_t bytes() const { return bytes_; }

  // The two addresses of room for `count` values; the host's is null if the area has no `host`.
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

// A resize, and its weights as the kernel reads them.
struct PlannedResize {
  std::shared_ptr<const CpuPlan> plan;
  std::shared_ptr<const AxisFragments> rows, columns;
};

class WorkLayout {
 public:
  // Makes the plans and tables of a request. check_request has accepted the request, and it must
  // outlive this object.
  explicit WorkLayout(const Request& request);

  // From the start of device memory: tables, weights and jobs, which write() gives; then pixels of
  // the host's images. Memory that only kernels write follows.
  const std::vector<UploadPiece>& upload() const { return upload_; }
  std::size_t device_bytes() const { return uploaded_bytes_ + scratch_bytes_; }

  // Writes what comes before all pixels to `host`, the start of the first piece. `device`: the
  // address of device_bytes() bytes of device memory; `out`: that of the batch there.
  CudaWork write(std::uint8_t* host, std::uintptr_t device, void* out);

 private:
  friend class WorkWriter;

  struct PlannedJob {
    PlannedResize resize;
    PlannedResize reduction, enlargement;  // of low_pass, if it has an effect
  };

  PlannedJob plan_job(const Job& job) const;

  const Request& request_;
  DeviceWriter::Kept kept_;  // filled by the pass that measures
  std::vector<PlannedJob> jobs_;
  std::vector<UploadPiece> upload_;
  std::size_t table_bytes_ = 0;
  std::size_t uploaded_bytes_ = 0;  // tables and pixels
  std::size_t scratch_bytes_ = 0;
};

}  // namespace vrs
