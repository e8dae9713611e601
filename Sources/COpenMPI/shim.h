#pragma once
#include <mpi.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Swift does not import Open MPI's handle macros, which are casts of the addresses of the
// library's globals; each one that lockstep uses gets a getter.
static inline MPI_Comm lockstep_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Datatype lockstep_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype lockstep_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype lockstep_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype lockstep_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype lockstep_double(void) { return MPI_DOUBLE; }
static inline MPI_Op lockstep_sum(void) { return MPI_SUM; }
static inline MPI_Info lockstep_info_null(void) { return MPI_INFO_NULL; }
static inline void *lockstep_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Status *lockstep_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *lockstep_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Request lockstep_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler lockstep_errors_return(void) { return MPI_ERRORS_RETURN; }

// An anonymous file in memory that is closed on exec (memfd_create, which glibc declares for
// _GNU_SOURCE only): its descriptor, or -1.
static inline int lockstep_memory_file(const char *name) {
  const unsigned int close_on_exec = 1;
  return (int)syscall(SYS_memfd_create, name, close_on_exec);
}

// Reads `count` bytes at an address of another process, as Open MPI does between ranks of a node
// (process_vm_readv, which glibc declares for _GNU_SOURCE only): the bytes read, or -1.
static inline long lockstep_read_process(
    int process, unsigned long long address, void *target, size_t count) {
  const struct iovec here = {target, count}, there = {(void *)(uintptr_t)address, count};
  return syscall(SYS_process_vm_readv, (pid_t)process, &here, 1ul, &there, 1ul, 0ul);
}

// Reads the first element of one of the library's own settings, zeros behind it, into 4096 bytes; 0 when
// it has none of that number.
static inline int lockstep_read_setting(int index, char name[256], char value[4096]) {
  int nameLength = 256, descriptionLength = 0, verbosity, binding, scope, count;
  MPI_Datatype type;
  MPI_T_enum values;
  MPI_T_cvar_handle handle;
  memset(name, 0, 256);
  memset(value, 0, 4096);
  if (MPI_T_cvar_get_info(index, name, &nameLength, &verbosity, &type, &values, NULL,
                          &descriptionLength, &binding, &scope) != MPI_SUCCESS
      || binding != MPI_T_BIND_NO_OBJECT)
    return 0;
  if (MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) != MPI_SUCCESS) return 0;
  int size = 0;
  MPI_Type_size(type, &size);
  if ((size_t)size * (size_t)count <= 4095) MPI_T_cvar_read(handle, value);
  MPI_T_cvar_handle_free(&handle);
  return 1;
}
