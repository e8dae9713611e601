#pragma once
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>

// Swift does not import HDF5's macros; each constant gets a getter. The type and property
// classes are variables that H5open fills in, so the getters call it first, as the macros do.
static inline hid_t lockstep_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t lockstep_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t lockstep_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t lockstep_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t lockstep_file_int32(void) { return H5T_STD_I32LE; }
static inline hid_t lockstep_file_int64(void) { return H5T_STD_I64LE; }
static inline hid_t lockstep_file_uint8(void) { return H5T_STD_U8LE; }
static inline hid_t lockstep_file_float(void) { return H5T_IEEE_F32LE; }
static inline hid_t lockstep_c_string(void) { return H5T_C_S1; }

static inline hid_t lockstep_file_create_class(void) { return H5P_FILE_CREATE; }
static inline hid_t lockstep_file_access_class(void) { return H5P_FILE_ACCESS; }
static inline hid_t lockstep_dataset_create_class(void) { return H5P_DATASET_CREATE; }
static inline hid_t lockstep_dataset_access_class(void) { return H5P_DATASET_ACCESS; }
static inline hid_t lockstep_default(void) { return H5P_DEFAULT; }

static inline unsigned lockstep_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned lockstep_exclusive(void) { return H5F_ACC_EXCL; }
static inline hsize_t lockstep_unlimited(void) { return H5S_UNLIMITED; }
static inline hid_t lockstep_whole_space(void) { return H5S_ALL; }

// The library closes its files at exit by itself, also after a failed write, where that can
// hang; every handle here closes itself, so it is told not to. Filters are the built-in ones:
// a file must not be able to name a plugin that the library then loads.
static inline int lockstep_open_library(void) {
  H5dont_atexit();
  if (H5open() < 0) return -1;
  return H5PLset_loading_state(0) < 0 ? -1 : 0;
}

// The error stack and its automatic printing belong to a thread where the library is built
// thread-safe, so each thread switches the printing off before its first call.
static inline void lockstep_silence_errors(void) {
  static _Thread_local int silent = 0;
  if (!silent) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    silent = 1;
  }
}

struct lockstep_message {
  char *text;
  size_t size;
};

static inline herr_t lockstep_copy_message(unsigned n, const H5E_error2_t *error, void *context) {
  struct lockstep_message *message = (struct lockstep_message *)context;
  if (n == 0) snprintf(message->text, message->size, "%s", error->desc ? error->desc : "");
  return 0;
}

// Writes the innermost message of the error stack, the one nearest to the cause, and clears
// the stack.
static inline void lockstep_innermost_error(char *text, size_t size) {
  struct lockstep_message message = {text, size};
  text[0] = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, lockstep_copy_message, &message);
  H5Eclear2(H5E_DEFAULT);
}

// Reading takes no lock: shards lie on shared file systems, where locks may be missing or slow.
static inline herr_t lockstep_set_no_locking(hid_t access) {
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  return H5Pset_file_locking(access, 0, 1);
#else
  (void)access;
  return setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
#endif
}

// Pins the format of what is written to 1.10's, whose metadata is checksummed.
static inline herr_t lockstep_set_format(hid_t access) {
  return H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
}

// HDF5 1.12 made these macros over versioned functions; through C both spellings work.
// 1 for a hard link, 0 for any other kind, negative for failure.
static inline int lockstep_is_hard_link(hid_t location, const char *name) {
  H5L_info_t info;
  if (H5Lget_info(location, name, &info, H5P_DEFAULT) < 0) return -1;
  return info.type == H5L_TYPE_HARD;
}

static inline long long lockstep_num_links(hid_t group) {
  H5G_info_t info;
  return H5Gget_info(group, &info) < 0 ? -1 : (long long)info.nlinks;
}

// Enumerations, as plain integers with -1 for failure.
static inline int lockstep_type_class(hid_t type) { return (int)H5Tget_class(type); }
static inline int lockstep_type_is_signed(hid_t type) { return H5Tget_sign(type) == H5T_SGN_2; }
static inline int lockstep_class_integer(void) { return (int)H5T_INTEGER; }
static inline int lockstep_class_float(void) { return (int)H5T_FLOAT; }
static inline int lockstep_class_string(void) { return (int)H5T_STRING; }
static inline int lockstep_class_enum(void) { return (int)H5T_ENUM; }
static inline int lockstep_has_variable_length(hid_t type) {
  int isString = H5Tget_class(type) == H5T_STRING;
  htri_t found = isString ? H5Tis_variable_str(type) : H5Tdetect_class(type, H5T_VLEN);
  return found < 0 ? -1 : found > 0;
}
static inline int lockstep_layout(hid_t creation) { return (int)H5Pget_layout(creation); }
static inline int lockstep_layout_chunked(void) { return (int)H5D_CHUNKED; }
static inline int lockstep_layout_virtual(void) { return (int)H5D_VIRTUAL; }
static inline int lockstep_is_dataset(hid_t object) { return H5Iget_type(object) == H5I_DATASET; }

static inline int lockstep_filter_id(hid_t creation, unsigned index) {
  unsigned flags = 0, config = 0;
  size_t numValues = 0;
  return (int)H5Pget_filter2(creation, index, &flags, &numValues, NULL, 0, NULL, &config);
}
static inline int lockstep_is_allowed_filter(int filter) {
  return filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE
      || filter == H5Z_FILTER_FLETCHER32;
}

// A fixed-length UTF-8 string type of `size` bytes, padded with NUL.
static inline hid_t lockstep_string_type(size_t size) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0) return type;
  if (H5Tset_size(type, size) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0
      || H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}
