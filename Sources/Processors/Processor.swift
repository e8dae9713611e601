import CProcessor

/// What a processor can do of what lockstep was compiled for.
///
/// This module and those that import it before anything else runs are compiled without AVX: a processor
/// that lacks it has to get as far as the message that says so.
package struct Processor: Sendable, Equatable, Codable {
  /// The vectors that matrix products use, the widest that there are.
  package enum Vectors: String, Sendable, Codable {
    case avx512, avx2
    /// Those of the compiler's default for an architecture other than x86-64.
    case generic
    /// A processor that this build cannot compute on.
    case none
  }

  /// By its own account, such as `AMD EPYC 9R14`; empty where it gives none.
  package let name: String
  package let hasAVX: Bool
  package let hasAVX2: Bool
  package let hasFMA: Bool
  /// AVX-512's foundation.
  package let hasAVX512: Bool

  enum CodingKeys: String, CodingKey {
    case name
    case hasAVX = "avx"
    case hasAVX2 = "avx2"
    case hasFMA = "fma"
    case hasAVX512 = "avx512f"
  }

  package init(name: String, hasAVX: Bool, hasAVX2: Bool, hasFMA: Bool, hasAVX512: Bool) {
    self.name = name
    self.hasAVX = hasAVX
    self.hasAVX2 = hasAVX2
    self.hasFMA = hasFMA
    self.hasAVX512 = hasAVX512
  }

  /// The one that this process runs on.
  package static let current = Processor(
    name: nameOfProcessor(), hasAVX: lockstep_has_avx() != 0, hasAVX2: lockstep_has_avx2() != 0,
    hasFMA: lockstep_has_fma() != 0, hasAVX512: lockstep_has_avx512() != 0)

  /// What the build was compiled for and this processor lacks: its first such instruction would end
  /// the process without a word.
  package var missingFeatures: [String] {
    #if arch(x86_64)
      // As Package.swift has them.
      return (hasAVX2 ? [] : ["AVX2"]) + (hasFMA ? [] : ["FMA"])
    #else
      return []
    #endif
  }

  package var vectors: Vectors {
    guard missingFeatures.isEmpty else { return .none }
    #if arch(x86_64)
      return hasAVX512 ? .avx512 : .avx2
    #else
      return .generic
    #endif
  }
}

private func nameOfProcessor() -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 49) { buffer in
    guard let base = buffer.baseAddress else { return "" }
    lockstep_processor_name(base)
    // Padded with spaces, at its start too.
    return String(cString: base).split(separator: " ").joined(separator: " ")
  }
}
