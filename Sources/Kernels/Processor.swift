import COpenBLAS
import Glibc

/// OpenBLAS's name for the processor that its kernels were chosen for, e.g. `Zen`.
package func coreType() -> String { String(cString: openblas_get_corename()) }

/// Lets the calling thread run on any core, for work beside that of a rank bound to its own: on a core
/// that is idle if there is one. Where the system refuses, the thread stays where it is.
package func unbindThread() { _ = lockstep_unbind_thread() }

/// What the build was compiled for and this processor lacks: its first such instruction would end
/// the process without a word. Empty where that cannot be told.
package func missingProcessorFeatures() -> [String] {
  guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 8192)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    if text.hasPrefix("flags") { return requiredFeatures(missingFrom: text) }
  }
  return []
}

/// - Parameter flags: The flags line of /proc/cpuinfo.
func requiredFeatures(missingFrom flags: String) -> [String] {
  #if arch(x86_64)
    // As Package.swift has them.
    let required = ["avx2", "fma"]
  #else
    let required: [String] = []
  #endif
  let present = Set(flags.split(whereSeparator: \.isWhitespace).map(String.init))
  return required.filter { !present.contains($0) }
}
