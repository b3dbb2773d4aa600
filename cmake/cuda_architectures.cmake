# Which GPUs the CUDA backend gets code for: `choose_cuda_architectures(version result)`.
#
# Machine code (real) runs on GPUs of the same major version that are not older. Others compile PTX (virtual) when the
# extension is first used; it serves all that are not older. So the newest that an nvcc knows gets both.
function(choose_cuda_architectures version result)
  set(chosen 75-real 80-real) # Turing is the oldest that CUDA 13 compiles for; 87 and 88 run 86's code
  if(version VERSION_GREATER_EQUAL 11.1)
    list(APPEND chosen 86-real)
  endif()
  if(version VERSION_GREATER_EQUAL 11.8)
    list(APPEND chosen 89-real 90-real)
  endif()
  if(version VERSION_GREATER_EQUAL 12.8)
    list(APPEND chosen 100-real 120-real) # 103 and 121 run their code
  endif()
  if(version VERSION_GREATER_EQUAL 13.0)
    list(APPEND chosen 110-real 120-virtual)
  elseif(version VERSION_GREATER_EQUAL 12.8)
    list(APPEND chosen 100-virtual 120-virtual) # 100's for Thor, which CUDA 12 calls 101 and CUDA 13 calls 110
  elseif(version VERSION_GREATER_EQUAL 11.8)
    list(APPEND chosen 90-virtual)
  elseif(version VERSION_GREATER_EQUAL 11.1)
    list(APPEND chosen 86-virtual)
  else()
    list(APPEND chosen 80-virtual)
  endif()
  set(${result} ${chosen} PARENT_SCOPE)
endfunction()
