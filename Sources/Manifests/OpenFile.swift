import Glibc

/// An open regular file, closed when it goes out of scope. Every failure names the path and errno.
///
/// Files are read with `pread`, never mapped: a file that shrinks or a disk that fails is then an
/// error with a path instead of a SIGBUS.
package struct OpenFile: ~Copyable {
  package let path: String
  /// Bytes, as of opening (reading) or written so far (creating).
  package private(set) var size: Int64
  private var descriptor: Int32

  /// Opens an existing regular file for reading.
  ///
  /// Devices, pipes and folders are refused, without waiting for a pipe's writer. With
  /// `followingLinks` false a symbolic link is refused as well.
  package init(reading path: String, followingLinks: Bool = true) throws {
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followingLinks ? 0 : O_NOFOLLOW)
    let opened = path.contains("\0") ? -1 : open(path, flags)
    guard opened >= 0 else {
      throw ManifestError.system(
        path, "to open it for reading", code: path.contains("\0") ? ENOENT : errno)
    }
    var status = stat()
    let failure = fstat(opened, &status) == 0 ? 0 : errno
    guard failure == 0, status.st_mode & S_IFMT == S_IFREG else {
      Glibc.close(opened)
      if failure != 0 { throw ManifestError.system(path, "to read its size", code: failure) }
      throw ManifestError(
        place: path, expected: "a regular file", found: fileKind(status.st_mode),
        remedy: "check the path")
    }
    self.path = path
    size = Int64(status.st_size)
    descriptor = opened
  }

  /// Creates a file that must not exist yet.
  package init(creating path: String) throws {
    let opened = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard opened >= 0 else { throw ManifestError.system(path, "to create it") }
    self.init(path: path, descriptor: opened)
  }

  /// Takes over a descriptor that is open for writing.
  init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
    size = 0
  }

  deinit {
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  /// Fills `buffer` from byte `offset`; less than the whole only at the end of the file.
  /// - Returns: the number of bytes read.
  package func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
      if count == 0 { break }
      if count > 0 {
        done += count
      } else if errno != EINTR {
        throw ManifestError.system(path, "to read \(rest.count) bytes at byte \(offset)")
      }
    }
    return done
  }

  /// Bytes after which an appended file is flushed, so that the last flush is short, and a slow disk
  /// is seen to make progress.
  private static let flushInterval: Int64 = 64 << 20

  /// Appends all of `bytes`.
  package mutating func append(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = write(descriptor, rest.baseAddress, rest.count)
      if count >= 0 {
        done += count
        let flushes = size / Self.flushInterval
        size += Int64(count)
        if size / Self.flushInterval > flushes { try synchronize() }
      } else if errno != EINTR {
        throw ManifestError.system(path, "to write \(rest.count) bytes")
      }
    }
  }

  /// Waits until the content has reached the disk.
  package func synchronize() throws {
    guard fsync(descriptor) == 0 else {
      throw ManifestError.system(path, "to flush it to the disk")
    }
  }

  /// Closes the file; network file systems report lost writes here.
  package mutating func close() throws {
    let closing = descriptor
    descriptor = -1
    guard closing < 0 || Glibc.close(closing) == 0 else {
      throw ManifestError.system(path, "to close it")
    }
  }
}

/// The whole of a small file, refused when it is longer than `limit` bytes.
package func contents(
  ofFile path: String, limit: Int, followingLinks: Bool = true
) throws -> [UInt8] {
  let file = try OpenFile(reading: path, followingLinks: followingLinks)
  guard file.size <= limit else {
    throw ManifestError(
      place: path, expected: "at most \(limit) bytes", found: "\(file.size) bytes",
      remedy: "check that this is the right file")
  }
  var failure: (any Error)?
  let bytes = [UInt8](unsafeUninitializedCapacity: Int(file.size)) { buffer, count in
    do { count = try file.read(at: 0, into: UnsafeMutableRawBufferPointer(buffer)) } catch {
      failure = error
    }
  }
  if let failure { throw failure }
  return bytes
}

/// What a file mode stands for, in words.
func fileKind(_ mode: mode_t) -> String {
  switch mode & S_IFMT {
  case S_IFREG: "a regular file"
  case S_IFDIR: "a folder"
  case S_IFLNK: "a symbolic link"
  case S_IFIFO: "a named pipe"
  case S_IFSOCK: "a socket"
  default: "a device"
  }
}
