import Foundation
import Glibc

/// A file that a run appends to for as long as it lasts.
///
/// Bytes that cannot be written, because the disk is full for a while, are kept and written with the
/// next ones. ``writeWaiting()`` gives the length so far, and ``sync`` makes it durable.
final class GrowingFile {
  private let path: String
  private let descriptor: Int32
  private var unwritten: [UInt8] = []
  private var length: Int
  /// Whether bytes are waiting since a write has failed.
  private(set) var isBehind = false

  /// The most that is kept: days of steps.
  private static let mostUnwritten = 256 << 20

  /// Opens the file, or creates it, and cuts what lies beyond `bytes`.
  ///
  /// - Throws: `TrainingError` naming the file.
  init(path: String, keeping bytes: Int) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw unwritable(path) }
    length = Int(lseek(descriptor, 0, SEEK_END))
    if length > bytes {
      guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw unwritable(path) }
      length = bytes
    }
  }

  deinit { close(descriptor) }

  /// Appends bytes, now or as soon as the file system takes them.
  ///
  /// - Throws: `TrainingError` when more is waiting than can be kept.
  func append(_ bytes: some Sequence<UInt8>) throws {
    unwritten += bytes
    do { try write() } catch {
      guard unwritten.count < Self.mostUnwritten else { throw error }
    }
  }

  /// Writes what is waiting, not yet durably: see ``Sync``.
  ///
  /// - Returns: the file's length in bytes.
  /// - Throws: `TrainingError` naming the file; nothing is lost by that.
  func writeWaiting() throws -> Int {
    try write()
    return length
  }

  /// Makes durable what was written, from any thread: on a busy disk that takes its time.
  struct Sync: Sendable {
    fileprivate let path: String
    fileprivate let descriptor: Int32

    /// To be called while the file is open.
    ///
    /// - Throws: `TrainingError` naming the file.
    func callAsFunction() throws {
      guard fsync(descriptor) == 0 else { throw unwritable(path) }
    }
  }

  var sync: Sync { Sync(path: path, descriptor: descriptor) }

  private func write() throws {
    while !unwritten.isEmpty {
      let count = unwritten.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress, $0.count, off_t(length))
      }
      if count < 0, errno == EINTR { continue }
      isBehind = count < 0
      guard count >= 0 else { throw unwritable(path) }
      length += count
      unwritten.removeFirst(count)
    }
  }
}

/// The error of a file of the run folder, from errno.
func unwritable(_ file: String) -> TrainingError {
  TrainingError(
    .data, file, expected: "a file that can be written", found: String(cString: strerror(errno)),
    remedy: "free space or choose another --output")
}
