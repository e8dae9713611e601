/// Something about the machines of a job that a person should know.
package struct Finding: Sendable, Equatable, Encodable {
  package enum Severity: String, Sendable, Encodable, Comparable, CaseIterable {
    /// The job fails, or is several times slower than it could be.
    case error
    /// It runs, but slower or less safely than it could.
    case warning
    /// Good to know.
    case note

    package static func < (a: Self, b: Self) -> Bool {
      allCases.firstIndex(of: a) ?? 0 < allCases.firstIndex(of: b) ?? 0
    }
  }

  package var severity: Severity
  /// A stable name of this kind of finding, e.g. `cores-overcommitted`.
  package var kind: String
  package var expected: String
  package var found: String
  package var remedy: String
  /// Those it is about, ascending.
  package var ranks: [Int]
  /// Of these ranks, each once.
  package var hosts: [String]

  package init(
    _ severity: Severity, _ kind: String, _ ranks: [RankFacts], expected: String, found: String,
    remedy: String
  ) {
    self.severity = severity
    self.kind = kind
    self.expected = expected
    self.found = found
    self.remedy = remedy
    self.ranks = ranks.map(\.rank).sorted()
    hosts = ranks.map(\.host).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

extension [Finding] {
  /// Each finding once, with all ranks that have it; the gravest first, else in the order they came in.
  package var merged: [Finding] {
    var merged: [Finding] = []
    for finding in self {
      let same = merged.firstIndex { other in
        other.kind == finding.kind && other.found == finding.found
          && other.expected == finding.expected && other.remedy == finding.remedy
      }
      if let same {
        merged[same].ranks = Set(merged[same].ranks + finding.ranks).sorted()
        merged[same].hosts += finding.hosts.filter { !merged[same].hosts.contains($0) }
      } else {
        merged.append(finding)
      }
    }
    return Finding.Severity.allCases.flatMap { severity in
      merged.filter { $0.severity == severity }
    }
  }
}
