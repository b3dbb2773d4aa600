// The device that a thread's CUDA calls mean.
#pragma once

namespace vrs {

// Makes `device` this thread's current one during this object's life. Afterwards the previous one
// is current again, unless nothing uses that one: since CUDA 12 choosing a device makes a context
// there, which costs hundreds of megabytes of its memory and of the host's.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int previous_ = 0;
  bool is_changed_;
};

}  // namespace vrs
