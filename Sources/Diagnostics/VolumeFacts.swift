import Foundation
import Glibc

/// A folder's file system.
package struct VolumeFacts: Sendable, Equatable, Codable {
  package var path: String
  /// As the kernel names it: `ext4`, `nfs4`, `tmpfs` ..
  package var type: String
  /// In bytes, as are those for anybody without privileges.
  package var total: Int
  package var free: Int

  package init(path: String, type: String, total: Int, free: Int) {
    self.path = path
    self.type = type
    self.total = total
    self.free = free
  }

  /// - Returns: nil where there is no such folder.
  init?(path: String, _ files: SystemFiles) {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let block = UInt64(status.f_frsize)
    self.init(
      path: path, type: Self.type(of: path, files),
      total: Self.bytes(UInt64(status.f_blocks), of: block),
      free: Self.bytes(UInt64(status.f_bavail), of: block))
  }

  /// File systems of object stores have about 2^64 bytes by their own account.
  static func bytes(_ blocks: UInt64, of size: UInt64) -> Int {
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: size)
    return overflow ? .max : Int(clamping: bytes)
  }

  /// Of the mount that is nearest above the path.
  private static func type(of path: String, _ files: SystemFiles) -> String {
    let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    var (best, type) = ("", "unknown")
    for line in files.text("/proc/self/mounts")?.split(separator: "\n") ?? [] {
      let fields = line.split(separator: " ")
      guard fields.count > 2 else { continue }
      let mount = fields[1].replacingOccurrences(of: "\\040", with: " ")
      let isAbove = mount == "/" || real == mount || real.hasPrefix(mount + "/")
      if isAbove, mount.count >= best.count { (best, type) = (mount, String(fields[2])) }
    }
    return type
  }
}

/// What a run folder needs of the folder that it lies in.
package struct OutputFacts: Sendable, Equatable, Codable {
  package var volume: VolumeFacts
  /// The system's reason where no file can be made in it.
  package var refusal: String?
  /// The system's reason where a file in it cannot be locked, as RUN/lock is.
  package var lockRefusal: String?

  package init(volume: VolumeFacts, refusal: String? = nil, lockRefusal: String? = nil) {
    self.volume = volume
    self.refusal = refusal
    self.lockRefusal = lockRefusal
  }

  enum CodingKeys: String, CodingKey {
    case volume, refusal
    case lockRefusal = "lock_refusal"
  }

  /// Tries both with a file of its own, which is gone afterwards.
  ///
  /// - Parameter path: Of a folder that there need not be yet: the nearest above it counts.
  init?(path: String, _ files: SystemFiles) {
    var folder = URL(fileURLWithPath: path).standardizedFileURL
    while !FileManager.default.fileExists(atPath: folder.path), folder.path != "/" {
      folder.deleteLastPathComponent()
    }
    guard let volume = VolumeFacts(path: folder.path, files) else { return nil }
    self.init(volume: volume)
    let name = folder.path + "/.lockstep-doctor-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      refusal = String(cString: strerror(errno))
      return
    }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 { lockRefusal = String(cString: strerror(errno)) }
    close(descriptor)
    unlink(name)
  }
}
