import Glibc

/// Reading a file of a model folder as a whole.
enum ModelFile {
  /// Above any published tokenizer (the largest have about 40 MB); what is parsed takes a multiple.
  static let byteLimit = 64 << 20

  static func exists(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0
  }

  /// Refuses a symbolic link that leaves the folder: it could point at any file of the user's, and the
  /// tokenizer's files are copied beside every checkpoint. The links of Hugging Face's cache, from
  /// `snapshots/REVISION` into `blobs`, are followed.
  static func requireContained(_ path: String, in folder: String) throws {
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFLNK else { return }
    if let holder = realPath(path).map({ $0.dropLast(1) }), let home = realPath(folder) {
      let repository = home.dropLast(2)
      let isSnapshot = home.dropLast(1).last == "snapshots"
      if holder == home[...] || (isSnapshot && holder == repository + ["blobs"]) { return }
    }
    throw TokenizerError(
      place: path, expected: "a file of the folder itself", found: "a symbolic link out of it",
      remedy: "copy the file into the folder")
  }

  /// The components of a path without links; nil where it leads nowhere.
  private static func realPath(_ path: String) -> [Substring]? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved).split(separator: "/")
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
    guard information.st_size <= byteLimit else {
      throw TokenizerError(
        place: path, expected: "at most \(byteLimit) bytes", found: "\(information.st_size)",
        remedy: "take the tokenizer files of the pretrained model as they were published")
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
