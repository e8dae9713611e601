import Glibc

/// Reading a file of a model folder as a whole.
enum ModelFile {
  static func exists(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0
  }

  /// The bytes of the regular file at `path`.
  static func read(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(path, found: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
      throw failure(path, found: "something that is not a regular file")
    }
    var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
    var count = 0
    while count < bytes.count {
      let length = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      }
      if length < 0, errno == EINTR { continue }
      if length < 0 { throw failure(path, found: String(cString: strerror(errno))) }
      if length == 0 { break }
      count += length
    }
    bytes.removeSubrange(count...)
    return bytes
  }

  private static func failure(_ path: String, found: String) -> TokenizerError {
    TokenizerError(
      place: path, expected: "a readable file", found: found,
      remedy: "give a model folder in Hugging Face layout")
  }
}
