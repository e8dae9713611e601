import COpenMPI

/// The MPI library that this program is linked to, and what it sends messages with.
package struct MessagingLibrary: Sendable, Equatable, Codable {
  /// Name and version, e.g. `Open MPI v4.1.4`.
  package let version: String
  /// How messages are matched, one of Open MPI's `pml`: `ob1`, or `cm` or `ucx` over a fast network;
  /// nil where MPI does not run.
  package let matching: String?
  /// Open MPI's `btl` that are open, in alphabetical order: `self`, `tcp`, `vader` (shared memory) ..
  package let transports: [String]
  /// How shared memory moves a long message: `cma`, `xpmem`, `knem`, `emulated` or `none`; nil
  /// where there is no such transport.
  package let singleCopy: String?
  /// What each rank takes of /dev/shm, or of the folder that stands in for it.
  package let sharedSegmentBytes: Int?

  package init(
    version: String, matching: String?, transports: [String], singleCopy: String?,
    sharedSegmentBytes: Int?
  ) {
    self.version = version
    self.matching = matching
    self.transports = transports
    self.singleCopy = singleCopy
    self.sharedSegmentBytes = sharedSegmentBytes
  }

  enum CodingKeys: String, CodingKey {
    case version, matching, transports
    case singleCopy = "single_copy"
    case sharedSegmentBytes = "shared_segment_bytes"
  }

  /// - Parameter settings: of the components that are open, by name; empty where MPI does not run.
  init(version: String, settings: [String: Setting]) {
    self.version = version
    func components(_ kind: String, having suffix: String) -> [String] {
      settings.keys.compactMap { name in
        guard name.hasPrefix(kind + "_"), name.hasSuffix(suffix) else { return nil }
        return String(name.dropFirst(kind.count + 1).dropLast(suffix.count))
      }.sorted()
    }
    // `rndv_eager_limit` ends in the same letters.
    transports = components("btl", having: "_eager_limit").filter { !$0.hasSuffix("_rndv") }
    matching = components("pml", having: "_priority").first ?? settings["pml"]?.text
    let mechanism = settings["btl_vader_single_copy_mechanism"]?.number
    singleCopy = mechanism.map { ["xpmem", "cma", "knem", "none", "emulated"][min(max($0, 0), 4)] }
    sharedSegmentBytes = settings["btl_vader_segment_size"]?.number
  }

  /// One of the library's settings: which of the two it is, its name decides.
  struct Setting {
    let number: Int
    let text: String
  }
}

extension Communicator {
  /// The library, and what it uses in this job: nothing where there is no job, or one of one rank for
  /// which MPI was not started.
  package static func messagingLibrary(of communicator: Communicator?) -> MessagingLibrary {
    let isRunning = communicator?.usesMPI ?? false
    return MessagingLibrary(version: libraryVersion(), settings: isRunning ? openSettings() : [:])
  }

  /// May be asked without MPI running.
  private static func libraryVersion() -> String {
    let text = withUnsafeTemporaryAllocation(
      of: CChar.self, capacity: Int(MPI_MAX_LIBRARY_VERSION_STRING)
    ) { buffer in
      var length: Int32 = 0
      MPI_Get_library_version(buffer.baseAddress, &length)
      return String(decoding: UnsafeRawBufferPointer(buffer).prefix(Int(length)), as: UTF8.self)
    }
    // "Open MPI v4.1.4, package: Debian OpenMPI, .."
    return String(text.prefix { $0 != "," && !$0.isNewline && $0 != "\0" })
  }

  /// Closed components take their settings with them.
  private static func openSettings() -> [String: MessagingLibrary.Setting] {
    var provided: Int32 = 0
    guard MPI_T_init_thread(Int32(MPI_THREAD_FUNNELED), &provided) == MPI_SUCCESS else {
      return [:]
    }
    defer { MPI_T_finalize() }
    var count: Int32 = 0
    guard MPI_T_cvar_get_num(&count) == MPI_SUCCESS else { return [:] }
    var found: [String: MessagingLibrary.Setting] = [:]
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256 + 4096) { buffer in
      guard let name = buffer.baseAddress else { return }
      let value = name + 256
      for index in 0..<max(0, count) where lockstep_read_setting(index, name, value) != 0 {
        let number = UnsafeRawPointer(value).loadUnaligned(as: Int.self)
        found[String(cString: name)] = .init(number: number, text: String(cString: value))
      }
    }
    return found
  }
}
