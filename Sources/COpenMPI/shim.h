#pragma once
#include <mpi.h>
#include <sys/syscall.h>
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
