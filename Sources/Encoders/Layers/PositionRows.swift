import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension DisentangledSettings {
  /// The row of the table for a key that is `distance` tokens before the query.
  func row(_ distance: Int) -> Int {
    let place =
      switch positions {
      case .exact: distance
      case .buckets(let buckets, let maxDistance):
        Self.bucket(distance, of: buckets, maxDistance: maxDistance)
      }
    return min(max(place + span, 0), 2 * span - 1)
  }

  /// In float, as Hugging Face's `make_log_bucket_position` computes it: a distance at a range's edge
  /// must fall on the same side.
  static func bucket(_ distance: Int, of buckets: Int, maxDistance: Int) -> Int {
    let (middle, far) = (buckets / 2, abs(distance))
    guard far > middle else { return distance }
    let share =
      log(Float(far) / Float(middle)) / log(Float(Double(maxDistance - 1) / Double(middle)))
    let place = Int((share * Float(middle - 1)).rounded(.up)) + middle
    return distance < 0 ? -place : place
  }
}

/// The rows of a table of relative positions that a batch and its parts meet.
///
/// R longest sequence, T tokens, V parts.
struct PositionRows {
  /// [2R - 1] The row of each distance, from -(R - 1) on.
  private(set) var byDistance: [Int32] = []
  private(set) var reach = 0
  /// Those of the whole batch.
  private(set) var all = 0..<0
  /// [V] Those of each part, and where its gradients lie.
  private(set) var parts: [PositionPart] = []
  /// [V] The rows of each part.
  private(set) var partRows: [Range<Int>] = []
  /// The parts by those rows, one part's after the other's.
  private(set) var vectors = Parts.one(0)
  /// The parts by tokens and rows: a part's rows follow its tokens.
  private(set) var extended = Parts.one(0)

  /// Counts anew for a batch.
  ///
  /// - Parameter followsTokens: Whether a part's gradients lie behind its tokens' instead of by
  ///   themselves.
  mutating func update(
    _ settings: DisentangledSettings, _ rows: TokenRows, _ sequenceParts: Parts, followsTokens: Bool
  ) {
    let bounds = rows.cumulativeLengths
    func longest(_ sequences: Range<Int>) -> Int {
      sequences.reduce(0) { max($0, Int(bounds[$1 + 1] - bounds[$1])) }
    }
    func range(_ length: Int) -> Range<Int> {
      length == 0 ? 0..<0 : settings.row(1 - length)..<settings.row(length - 1) + 1
    }
    let longestRow = longest(0..<max(bounds.count - 1, 0))
    if longestRow != reach {
      reach = longestRow
      byDistance = (1 - reach..<max(reach, 1)).map { Int32(settings.row($0)) }
    }
    all = range(reach)
    parts.removeAll(keepingCapacity: true)
    partRows = sequenceParts.map { range(longest($0)) }
    var sums = [0]
    for (part, own) in partRows.enumerated() {
      let before = sums[part]
      parts.append(
        PositionPart(
          sequences: sequenceParts[part], tokenShift: followsTokens ? before : 0, rows: own,
          gradientRow: before + (followsTokens ? rows.parts[part].upperBound : 0)))
      sums.append(before + own.count)
    }
    vectors = Parts(bounds: sums)
    extended = Parts(
      bounds: sums.enumerated().map { part, sum in
        sum + (part == 0 ? 0 : rows.parts[part - 1].upperBound)
      })
  }

  /// Most rows that T tokens meet, in all parts together.
  static func mostRows(tokens: Int) -> Int { 2 * tokens }
}
